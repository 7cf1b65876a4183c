#!/usr/bin/env python3
"""Writes docs/API.md from include/greenrt.h: every function with its comment, by section of src/ffi.

tools/api_doc.py            writes the page
tools/api_doc.py --check    fails when the page is stale
"""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HEADER = ROOT / "include" / "greenrt.h"
PAGE = ROOT / "docs" / "API.md"


def sections() -> list[tuple[str, set[str]]]:
    """The sections in the header's order: title, and the names that their file defines."""
    listed = re.search(r"const SECTIONS: &\[&str\] = &\[(.*?)\];", (ROOT / "build.rs").read_text(), re.S)
    if listed is None:
        raise SystemExit("build.rs has no SECTIONS")
    found = []
    for name in re.findall(r'"(\w+)"', listed[1]):
        source = (ROOT / "src" / "ffi" / f"{name}.rs").read_text()
        title = re.search(r"^//! Section: (.*?)\.?$", source, re.M)
        names = set(re.findall(r"(?:fn|struct|type|const|enum) ((?:gt|GT)_\w+)", source))
        found.append((title[1] if title else name, names))
    return found


def declaration(lines: list[str], at: int) -> tuple[str, int]:
    """The declaration that starts at a line, and the line behind it."""
    start = at
    if lines[at].startswith("#define"):
        return lines[at], at + 1
    closing = re.compile(r"^}.*;$" if lines[at].rstrip().endswith("{") else r";$")
    while not closing.search(lines[at]):
        at += 1
    return "\n".join(lines[start : at + 1]), at + 1


def name_of(code: str) -> str:
    """What a declaration declares."""
    if code.startswith("#define"):
        return code.split()[1]
    if code.startswith("typedef"):
        called = re.search(r"\(\*(gt_\w+)\)", code) or re.search(r"(gt_\w+);$", code)
    else:
        called = re.search(r"\b(gt_\w+)\s*\(", code)
    return called[1] if called else ""


def items(header: str) -> dict[str, tuple[str, str]]:
    """Name to comment and declaration, in the header's order."""
    found = {}
    lines = header.splitlines()
    at = 0
    while at < len(lines):
        if lines[at].strip() != "/**":
            at += 1
            continue
        end = next(i for i in range(at, len(lines)) if lines[i].strip() == "*/")
        doc = "\n".join(line.strip()[2:] for line in lines[at + 1 : end])
        code, at = declaration(lines, end + 1)
        found[name_of(code)] = (doc.strip(), code)
    return found


def page() -> str:
    """The whole page."""
    known = items(HEADER.read_text())
    out = [
        "# The C interface\n\nGenerated from `include/greenrt.h` by `tools/api_doc.py`: do not edit, run `make header`. "
        "The conventions are the header's first comment.\n"
    ]
    for title, names in sections():
        mine = [(name, *known[name]) for name in known if name in names]
        if not mine:
            continue
        out.append(f"## {title[0].upper()}{title[1:]}\n")
        for name, doc, code in mine:
            out.append(f"### {name}\n\n```c\n{code}\n```\n\n```text\n{doc}\n```\n")
    return "\n".join(out)


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            print("docs/API.md is stale: run 'make header' and commit it", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
