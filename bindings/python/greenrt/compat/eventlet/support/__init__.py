"""What eventlet keeps beside its modules."""
