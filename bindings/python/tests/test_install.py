"""`pip install ./bindings/python` in a clean virtual environment builds the library with cargo, and what it puts there works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import PACKAGE

sys.path.insert(0, str(PACKAGE / "build_backend"))
backend = pytest.importorskip("backend")

CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("GREENRT_", "PYTHON")) and name != "VIRTUAL_ENV"
}


def run(*command: str, cwd: Path) -> str:
    result = subprocess.run(command, cwd=cwd, env=CLEAN, capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.mark.skipif(shutil.which("cargo") is None, reason="no cargo")
def test_pip_install_in_a_clean_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "clean", cwd=tmp_path)
    python = str(tmp_path / "clean" / "bin" / "python")
    run(python, "-m", "pip", "install", "-q", "--no-index", "--disable-pip-version-check", str(PACKAGE), cwd=tmp_path)
    site = Path(run(python, "-c", "import greenrt; print(greenrt.__file__)", cwd=tmp_path).strip()).parent
    assert tmp_path in site.parents
    assert {"libgreenrt.so"} == {path.name for path in (site / "_lib").iterdir()}
    assert (site / "py.typed").exists() and (site / "_ffi" / "native.pyi").exists()
    (tmp_path / "prog.py").write_text(
        "import sys, threading, time\nfrom greenrt._ffi.load import library\n"
        "inside = []\n"
        "def together():\n"
        "    inside.append(threading.get_native_id())\n"
        "    while len(inside) < 20: time.sleep(0.01)\n"
        "threads = [threading.Thread(target=together) for _ in range(20)]\n"
        "for t in threads: t.start()\nfor t in threads: t.join()\n"
        "assert set(inside) == {threading.get_native_id()}\nprint(library._name, sys.argv[1:])\n"
    )
    printed = run(python, "-W", "error", "-m", "greenrt", "prog.py", "a", cwd=tmp_path)
    assert printed == f"{site / '_lib' / 'libgreenrt.so'} ['a']\n"
    shown = run(python, "-m", "pip", "show", "-f", "--disable-pip-version-check", "greenrt", cwd=tmp_path)
    assert "Version: 0.1.0\n" in shown and "greenrt/_lib/libgreenrt.so" in shown
    run(python, "-m", "pip", "uninstall", "-q", "-y", "--disable-pip-version-check", "greenrt", cwd=tmp_path)
    assert not site.exists()


def test_wheel_without_cargo_from_a_ready_library(tmp_path: Path, monkeypatch: Any) -> None:
    library = tmp_path / "ready.so"
    library.write_bytes(b"library")
    monkeypatch.setenv("GREENRT_LIBRARY", str(library))
    name = backend.build_wheel(str(tmp_path))
    assert name.startswith("greenrt-0.1.0-py3-none-") and name.endswith(".whl")
    with zipfile.ZipFile(tmp_path / name) as wheel:
        assert wheel.testzip() is None
        assert wheel.read("greenrt/_lib/libgreenrt.so") == b"library"
        record = wheel.read("greenrt-0.1.0.dist-info/RECORD").decode().splitlines()
        assert {line.split(",")[0] for line in record} == set(wheel.namelist())
        assert not [line for line in wheel.namelist() if "test" in line or "__pycache__" in line]


def test_an_sdist_has_the_rust_sources(tmp_path: Path) -> None:
    import tarfile

    name = backend.build_sdist(str(tmp_path))
    with tarfile.open(tmp_path / name) as archive:
        names = set(archive.getnames())
    base = name[: -len(".tar.gz")]
    for wanted in ("PKG-INFO", "pyproject.toml", "greenrt/__init__.py", "crate/Cargo.toml", "crate/src/lib.rs"):
        assert f"{base}/{wanted}" in names
    assert not [entry for entry in names if entry.endswith((".so", ".pyc"))]


def test_without_cargo_the_reason_is_told(monkeypatch: Any) -> None:
    monkeypatch.delenv("GREENRT_LIBRARY", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="install cargo"):
        backend.build_library()
