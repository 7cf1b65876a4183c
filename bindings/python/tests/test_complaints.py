"""What people suffer from elsewhere, one script each: the file's name is the promise."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_isolated import check_script

SCRIPTS = sorted((Path(__file__).parent / "complaints").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_promise_is_kept(script: Path) -> None:
    check_script(script)


def test_all_are_there() -> None:
    assert len(SCRIPTS) >= 17
