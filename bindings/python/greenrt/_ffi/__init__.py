"""The door to the library: the only package that imports ctypes."""
