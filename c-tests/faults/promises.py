#!/usr/bin/env python3
"""Writes a C table of the errors that the header promises: function, errors, and whether what the kernel says is passed on.

A comment that says "as gt_x()", "an error of gt_x()" and the like takes over what gt_x promises; a twin with a deadline has the
errors of the function without.

    promises.py < include/greenrt.h > promises.inc
"""

from __future__ import annotations

import re
import sys

COMMENT = re.compile(r"/\*\*(?P<text>.*?)\*/\s*(?P<code>[^/#{}]*?\b(?P<name>gt_\w+)\([^{}]*?\);)", re.S)
LIKE = re.compile(r"(?:\b[Aa]s(?: of| for)?|\berrors? (?:of|as)|those of|wishes of) (gt_\w+)")
PASSED_ON = re.compile(r"(?:says?|said|error of|resolver)\b.*?\w+\([23]\)|\w+\([23]\) (?:else )?(?:says|said)", re.S)


def main() -> None:
    own: dict[str, set[str]] = {}
    like: dict[str, set[str]] = {}
    passed_on: set[str] = set()
    for match in COMMENT.finditer(sys.stdin.read()):
        if match["code"].startswith("typedef"):
            continue
        name, text = match["name"], re.sub(r"\s*\n \*\s*", " ", match["text"])
        own[name] = set(re.findall(r"\b(E[A-Z0-9]{2,})\b", text))
        like[name] = set(LIKE.findall(text)) | ({name.removesuffix("_until")} - {name})
        if PASSED_ON.search(text):
            passed_on.add(name)
    changed = True
    while changed:
        changed = False
        for name, others in like.items():
            for other in others & own.keys():
                if not own[other] <= own[name] or (other in passed_on and name not in passed_on):
                    own[name] |= own[other]
                    passed_on |= {name} if other in passed_on else set()
                    changed = True
    for name in sorted(own):
        # errno constants of the C library; a word of the text that is none is left out by the preprocessor.
        listed = " ".join(sorted(own[name]))
        print(f'{{"{name}", " {listed} ", {int(name in passed_on)}}},')


if __name__ == "__main__":
    main()
