"""From a negative result of the library to an exception, in one function."""

from __future__ import annotations

import errno

from . import native
from .load import library


def check(rc: int) -> int:
    """The result itself when it is none of an error.

    -EINTR and -ECANCELED raise what stands behind them (a Timeout, what kill() was given, KeyboardInterrupt on the
    root); when nothing does, InterruptedError tells the caller to try again.
    """
    if rc >= 0:
        return rc
    if rc in (-errno.EINTR, -errno.ECANCELED):
        native.raise_wake(rc)
        raise InterruptedError(errno.EINTR, "nothing to raise: call again with the time left")
    text: bytes = library.gt_strerror(rc)
    raise OSError(-rc, text.decode())
