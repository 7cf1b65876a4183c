"""eventlet's names on greenrt: see docs/EVENTLET.md for what is the same and what differs.

import greenrt; greenrt.install_as_eventlet()     then, anywhere: import eventlet
"""

from greenrt import __version__ as _greenrt

# A version that checks for eventlet's accept, and that says whose it is.
__version__ = f"0.41.3.0+greenrt.{_greenrt}"
