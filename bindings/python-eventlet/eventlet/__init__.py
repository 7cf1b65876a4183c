"""The package `eventlet` for who finds it on the path: greenrt.compat.eventlet takes its place."""

import greenrt

__greenrt_dropin__ = True
greenrt.install_as_eventlet()
