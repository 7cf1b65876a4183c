"""The `profile` module, green: what a green thread does is counted for it alone, as each has a profiling function of its own."""

from __future__ import annotations

import profile as _standard
import sys
from typing import Any

from greenrt.compat.eventlet.green._twin import fill

__patched__: list[str] = ["Profile"]


class Profile(_standard.Profile):
    """A profiler that can also be started and stopped, in the running green thread."""

    running = False

    def _return(self, frame: Any, t: Any) -> Any:
        base: Any = _standard.Profile
        current = self.cur[-2]  # type: ignore[attr-defined]
        if isinstance(current, base.fake_frame) and frame is not current:
            return 0  # out of what was entered before start()
        return base.trace_dispatch_return(self, frame, t)

    dispatch = {**_standard.Profile.dispatch, "return": _return}  # type: ignore[attr-defined]

    def start(self, name: str = "start") -> None:
        """From now on calls are counted. Nothing happens when they are."""
        if not self.running:
            self.running = True
            self.set_cmd(name)
            sys.setprofile(self.dispatcher)  # type: ignore[attr-defined]

    def stop(self) -> None:
        """No more."""
        sys.setprofile(None)
        self.running = False


fill(globals(), "profile", "thread")
