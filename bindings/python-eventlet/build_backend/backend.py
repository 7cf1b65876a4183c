"""Builds the wheel of one file, and the sdist (PEP 517): as with greenrt itself, nothing has to be fetched for that."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent.parent
PARTS = ("pyproject.toml", "README.md", "eventlet/__init__.py", "build_backend/backend.py")


def field(name: str) -> str:
    """What pyproject.toml says."""
    match = re.search(rf'^{name} = \[?"([^"]+)"', (HERE / "pyproject.toml").read_text(), flags=re.M)
    if match is None:
        raise RuntimeError(f"pyproject.toml has no {name}")
    return match.group(1)


def metadata() -> str:
    """METADATA of the distribution."""
    lines = ["Metadata-Version: 2.1", f"Name: {field('name')}", f"Version: {field('version')}"]
    lines += [f"Summary: {field('description')}", f"License: {field('license')}"]
    lines += [f"Requires-Python: {field('requires-python')}", f"Requires-Dist: {field('dependencies')}"]
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text()])


def base() -> str:
    """The name and version, as file names have them."""
    return f"{field('name').replace('-', '_')}-{field('version')}"


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    """Nothing to fetch."""
    return []


get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(
    wheel_directory: str, config_settings: Optional[dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    """The folder eventlet/, and the wheel's papers."""
    info = f"{base()}.dist-info"
    contents = {
        "eventlet/__init__.py": (HERE / "eventlet" / "__init__.py").read_bytes(),
        f"{info}/METADATA": metadata().encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: greenrt\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = []
    name = f"{base()}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(data)}")
            entry = zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data)
        wheel.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return name


def build_sdist(sdist_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    """The sources."""
    with tarfile.open(Path(sdist_directory) / f"{base()}.tar.gz", "w:gz") as archive:
        for name in PARTS:
            archive.add(HERE / name, f"{base()}/{name}")
        paper = metadata().encode()
        entry = tarfile.TarInfo(f"{base()}/PKG-INFO")
        entry.size = len(paper)
        archive.addfile(entry, io.BytesIO(paper))
    return f"{base()}.tar.gz"
