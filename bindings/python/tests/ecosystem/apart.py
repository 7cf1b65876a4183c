"""Packages that lie apart, in a folder that only the programs that need them see: mk/python.mk says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import PACKAGE

from greenrt.compat import dropin_path


def path_with(package: str, *folders: str) -> str:
    """A PYTHONPATH with the drop-in first and that package last. Skips where it was not installed."""
    apart = Path(os.environ.get("GREENRT_APART", "/nonexistent")) / package
    if not apart.is_dir():
        pytest.skip(f"{package} is not installed in the folder that GREENRT_APART names")
    return os.pathsep.join([dropin_path(), str(PACKAGE), *folders, str(apart)])
