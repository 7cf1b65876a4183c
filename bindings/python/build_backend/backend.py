"""Builds the wheel: runs cargo for the library, puts it into greenrt/_lib/, zips the package.

A build backend of its own (PEP 517, PEP 660) because that is all there is to do: nothing has to be fetched to build, and the wheel is
tagged py3-none-<platform>, since one library file serves every CPython version.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Optional

HERE = Path(__file__).resolve().parent.parent
LIBRARY = "libgreenrt.dylib" if sys.platform == "darwin" else "libgreenrt.so"
CRATE_FILES = ("Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "src", "include", "README.md")


def version() -> str:
    """The version that the package itself declares."""
    text = (HERE / "greenrt" / "__init__.py").read_text()
    match = re.search(r'^__version__ = "([^"]+)"', text, flags=re.M)
    if match is None:
        raise RuntimeError("greenrt/__init__.py has no __version__")
    return match.group(1)


def crate() -> Path:
    """Where the Rust sources are: in an sdist beside us, in a checkout two floors up."""
    for place in (HERE / "crate", HERE.parent.parent):
        if (place / "Cargo.toml").is_file() and (place / "src" / "lib.rs").is_file():
            return place
    raise RuntimeError("the Rust sources of greenrt are not here: build from a checkout or from an sdist")


def build_library() -> Path:
    """Runs cargo, unless GREENRT_LIBRARY names a library that is ready."""
    ready = os.environ.get("GREENRT_LIBRARY")
    if ready:
        return Path(ready)
    if shutil.which("cargo") is None:
        raise RuntimeError(
            "greenrt's library is written in Rust: install cargo (https://rustup.rs), or set GREENRT_LIBRARY"
        )
    root = crate()
    subprocess.run(["cargo", "build", "--release", "--lib"], cwd=root, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or root / "target")
    if not target.is_absolute():
        target = root / target
    return target / "release" / LIBRARY


def metadata() -> str:
    """METADATA of the distribution."""
    text = (HERE / "pyproject.toml").read_text()
    summary = re.search(r'^description = "([^"]+)"', text, flags=re.M)
    python = re.search(r'^requires-python = "([^"]+)"', text, flags=re.M)
    classifiers = re.findall(r'^    "([A-Z][^"]* :: [^"]*)",', text, flags=re.M)
    assert summary is not None and python is not None
    lines = ["Metadata-Version: 2.1", "Name: greenrt", f"Version: {version()}", f"Summary: {summary.group(1)}"]
    lines += ["License: MIT OR Apache-2.0", f"Requires-Python: {python.group(1)}"]
    lines += [f"Classifier: {classifier}" for classifier in classifiers]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text()]
    return "\n".join(lines)


def tag() -> str:
    """py3-none-linux_x86_64"""
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return f"py3-none-{platform}"


def package_files() -> dict[str, Path]:
    """What goes into the wheel, by its name there; the library is added by the caller."""
    root = HERE / "greenrt"
    return {
        path.relative_to(HERE).as_posix(): path
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".pyi", ".typed") and "__pycache__" not in path.parts
    }


def write_wheel(directory: str, contents: dict[str, bytes]) -> str:
    """Zips the contents and the wheel's own papers; the file's name."""
    info = f"greenrt-{version()}.dist-info"
    contents = dict(contents)
    contents[f"{info}/METADATA"] = metadata().encode()
    contents[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: greenrt\nRoot-Is-Purelib: false\nTag: {tag()}\n".encode()
    )
    record = []
    name = f"greenrt-{version()}-{tag()}.whl"
    with zipfile.ZipFile(Path(directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, data in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(data)}")
            entry = zipfile.ZipInfo(path, (2025, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.endswith(LIBRARY) else 0o644) << 16
            wheel.writestr(entry, data)
        record.append(f"{info}/RECORD,,")
        wheel.writestr(f"{info}/RECORD", "\n".join(record) + "\n")
    return name


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    """Nothing to fetch."""
    return []


get_requires_for_build_editable = get_requires_for_build_wheel
get_requires_for_build_sdist = get_requires_for_build_wheel


def build_wheel(
    wheel_directory: str,
    config_settings: Optional[dict[str, Any]] = None,
    metadata_directory: Optional[str] = None,
) -> str:
    """The package with its library."""
    contents = {name: path.read_bytes() for name, path in package_files().items()}
    contents[f"greenrt/_lib/{LIBRARY}"] = build_library().read_bytes()
    return write_wheel(wheel_directory, contents)


def build_editable(
    wheel_directory: str,
    config_settings: Optional[dict[str, Any]] = None,
    metadata_directory: Optional[str] = None,
) -> str:
    """A path file that points here; the library is found in the build tree."""
    build_library()
    return write_wheel(wheel_directory, {"greenrt.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    """The package, and the crate under crate/."""
    base = f"greenrt-{version()}"
    root = crate()
    with tarfile.open(Path(sdist_directory) / f"{base}.tar.gz", "w:gz") as archive:
        for name in ("pyproject.toml", "README.md", "gen_bindings.py", "greenrt", "build_backend"):
            archive.add(HERE / name, f"{base}/{name}", filter=keep)
        for name in CRATE_FILES:
            if (root / name).exists():
                archive.add(root / name, f"{base}/crate/{name}", filter=keep)
        paper = metadata().encode()
        entry = tarfile.TarInfo(f"{base}/PKG-INFO")
        entry.size = len(paper)
        archive.addfile(entry, io.BytesIO(paper))
    return f"{base}.tar.gz"


def keep(entry: tarfile.TarInfo) -> Optional[tarfile.TarInfo]:
    """Leaves out what is made, not written."""
    if "__pycache__" in entry.name or entry.name.endswith((".so", ".dylib", ".pyc")):
        return None
    return entry
