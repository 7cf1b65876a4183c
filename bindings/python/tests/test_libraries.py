"""Libraries of other people, unmodified, against real servers: each script of libraries/ in an interpreter of its own.

Directives as in test_isolated.py, and `# programs: redis-server`: what the script starts; skipped where that is not installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_isolated import check_script, directives

PLACE = Path(__file__).parent / "libraries"
sys.path.insert(0, str(PLACE))
from servers import installed  # noqa: E402

SCRIPTS = sorted(path for path in PLACE.glob("*.py") if path.stem not in ("servers", "overlap"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_library_works_unmodified(script: Path) -> None:
    for program in directives(script).get("programs", "").split():
        if installed(program) is None:
            pytest.skip(f"{program} is not installed")
    check_script(script)
