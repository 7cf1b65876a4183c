"""What eventlet's documentation says, as tests of the drop-in: a file for each of its modules."""
