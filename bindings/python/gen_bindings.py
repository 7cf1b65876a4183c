"""Makes greenrt/_ffi/_bindings.py from include/greenrt.h: a ctypes signature for every gt_ function.

    python gen_bindings.py            rewrite the file
    python gen_bindings.py --check    fail when it is stale (the tests call check())

The header is generated too and written in one plain style, so a small reader is enough. It raises on anything that it does
not understand rather than guess. A pointer to a function is an address (c_void_p): a ctypes callback as the entry of a
task would take the wrong thread state, so none is offered.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = HERE.parent.parent / "include" / "greenrt.h"
TARGET = HERE / "greenrt" / "_ffi" / "_bindings.py"

SCALARS = {
    "bool": "ctypes.c_bool",
    "char": "ctypes.c_char",
    "int": "ctypes.c_int",
    "short": "ctypes.c_short",
    "unsigned int": "ctypes.c_uint",
    "int32_t": "ctypes.c_int32",
    "uint8_t": "ctypes.c_uint8",
    "uint16_t": "ctypes.c_uint16",
    "uint32_t": "ctypes.c_uint32",
    "int64_t": "ctypes.c_int64",
    "uint64_t": "ctypes.c_uint64",
    "size_t": "ctypes.c_size_t",
    "uintptr_t": "ctypes.c_size_t",
    "ssize_t": "ctypes.c_ssize_t",
    "socklen_t": "ctypes.c_uint32",
    "nfds_t": "ctypes.c_ulong",
    "pid_t": "ctypes.c_int",
    "uid_t": "ctypes.c_uint",
    "mode_t": "ctypes.c_uint",
    "off_t": "ctypes.c_int64",
}


class Stale(Exception):
    """The generated file does not belong to the header."""


def strip(text: str) -> str:
    """The header without comments and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    text = re.sub(r"//[^\n]*", " ", text)
    text = re.sub(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", " ", text, flags=re.M)
    return re.sub(r'extern\s+"C"\s*\{', " ", text)


def constants(text: str) -> list[tuple[str, str]]:
    """`#define GT_X number` or text, in order."""
    found = []
    for name, value in re.findall(r"^[ \t]*#define[ \t]+(GT_\w+)[ \t]+(.+?)[ \t]*$", text, flags=re.M):
        value = re.sub(r"/\*.*?\*/", "", value).strip().strip("()")
        if value == "INT64_MAX":
            value = str(2**63 - 1)
        number = re.fullmatch(r"(-?(?:0x[0-9a-fA-F]+|\d+))[uUlL]*", value)
        if number:
            found.append((name, str(int(number.group(1), 0))))
        elif re.fullmatch(r'"[^"\\]*"', value):
            found.append((name, value))
    return found


def statements(text: str) -> list[str]:
    """Declarations at the outermost level, without their semicolons."""
    found, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        if letter in "{(":
            depth += 1
        elif letter in "})":
            depth -= 1
            if depth < 0:  # the brace that ends extern "C"
                depth, start = 0, index + 1
        elif letter == ";" and depth == 0:
            found.append(" ".join(text[start:index].split()))
            start = index + 1
    return [statement for statement in found if statement]


def split(parameters: str) -> list[str]:
    """Parameters at the outermost level."""
    found, depth, start = [], 0, 0
    for index, letter in enumerate(parameters):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(parameters[start:index].strip())
            start = index + 1
    last = parameters[start:].strip()
    if last and last != "void":
        found.append(last)
    return found


class Reader:
    """What the header declares, as source text for ctypes."""

    def __init__(self, header: str) -> None:
        self.constants = constants(header)
        self.functions: list[tuple[str, str, list[str]]] = []
        self.structs: dict[str, list[tuple[str, str]]] = {}
        self.pointers: set[str] = set()  # typedefs of function pointers
        self.opaque: set[str] = set()
        for statement in statements(strip(header)):
            self.read(statement)

    def read(self, statement: str) -> None:
        opaque = re.fullmatch(r"(?:typedef )?struct (\w+)(?: (\w+))?", statement)
        struct = re.fullmatch(r"typedef struct (\w+) \{(.*)\} (\w+)", statement)
        pointer = re.fullmatch(r"typedef .*\(\*(\w+)\) ?\(.*\)", statement)
        function = re.fullmatch(r"((?:const )?[\w ]+?[ *]+)(gt_\w+) ?\((.*)\)", statement)
        if opaque:
            self.opaque.add(opaque.group(1))
        elif struct:
            fields = [self.field(field.strip()) for field in struct.group(2).split(";") if field.strip()]
            self.structs[struct.group(3)] = fields
        elif pointer:
            self.pointers.add(pointer.group(1))
        elif function:
            result, name, parameters = function.groups()
            types = [self.declarator(parameter)[1] for parameter in split(parameters)]
            self.functions.append((name, self.type_of(result.strip(), result=True), types))
        else:
            raise ValueError(f"gen_bindings.py does not understand: {statement}")

    def field(self, text: str) -> tuple[str, str]:
        """(name, ctypes type) of a field; an array lies in the struct."""
        array = re.fullmatch(r"(.*[ *]\w+)\[(\w+)\]", text)
        if not array:
            return self.declarator(text)
        name, kind = self.declarator(array.group(1))
        length = dict(self.constants).get(array.group(2), array.group(2))
        return name, f"{kind} * {int(length)}"

    def declarator(self, text: str) -> tuple[str, str]:
        """(name, ctypes type) of a parameter or field."""
        function = re.fullmatch(r".*\(\*(\w+)\) ?\(.*\)", text)
        if function:
            return function.group(1), "ctypes.c_void_p"
        match = re.fullmatch(r"(.*?[ *])(\w+)(\[\w*\])?", text)
        if not match:
            raise ValueError(f"gen_bindings.py does not understand: {text}")
        kind, name, array = match.groups()
        return name, self.type_of(kind.strip() + ("*" if array else ""))

    def type_of(self, text: str, result: bool = False) -> str:
        """ctypes type of a C type without its declarator."""
        stars = text.count("*")
        const = text.startswith("const ")
        base = text.replace("*", " ").replace("const ", " ").strip()
        base = " ".join(base.split())
        bare = base[len("struct ") :] if base.startswith("struct ") else base
        if stars == 0:
            if base == "void" and result:
                return "None"
            if base in self.pointers:
                return "ctypes.c_void_p"
            if base in SCALARS:
                return SCALARS[base]
        if base == "char" and stars == 1:
            return "ctypes.c_char_p" if const else "ctypes.c_void_p"
        if stars == 1 and base in SCALARS:
            return f"ctypes.POINTER({SCALARS[base]})"
        if stars == 1 and bare in self.structs:
            return f"ctypes.POINTER({bare})"
        if base == "char" and stars == 2:  # a list of texts, as argv
            return "ctypes.POINTER(ctypes.c_char_p)"
        if stars == 2 and (base == "void" or base.startswith("struct ")):
            return "ctypes.POINTER(ctypes.c_void_p)"
        if stars == 1 and (base in ("void", "sigset_t") or base.startswith("struct ") or bare in self.opaque):
            return "ctypes.c_void_p"
        raise ValueError(f"gen_bindings.py does not know the type: {text}")

    def source(self) -> str:
        """The whole generated file."""
        lines = [
            '"""Signatures of libgreenrt. GENERATED from include/greenrt.h by gen_bindings.py: do not edit."""',
            "",
            "# ruff: noqa",
            "# fmt: off",
            "from __future__ import annotations",
            "",
            "import ctypes",
            "from typing import Any",
            "",
        ]
        lines += [f"{name} = {value}" for name, value in self.constants]
        for name, fields in self.structs.items():
            lines += ["", "", f"class {name}(ctypes.Structure):", "    _fields_ = ["]
            lines += [f'        ("{field}", {kind}),' for field, kind in fields]
            lines += ["    ]"]
        lines += ["", "", "# name: (result, parameters)", "SIGNATURES: dict[str, tuple[Any, list[Any]]] = {"]
        for name, result, parameters in self.functions:
            lines.append(f'    "{name}": ({result}, [{", ".join(parameters)}]),')
        lines += ["}", ""]
        return "\n".join(lines)


def generate() -> str:
    """The file that belongs to the header."""
    return Reader(HEADER.read_text()).source()


def check() -> None:
    """Raises Stale when the committed file is not what the header asks for."""
    if not TARGET.exists() or TARGET.read_text() != generate():
        raise Stale(f"{TARGET.name} does not belong to {HEADER.name}: run bindings/python/gen_bindings.py")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        check()
    else:
        TARGET.write_text(generate())
