"""The primitives by name and group, as the library lists them.

A primitive is one C function: `time.sleep`, `_thread.lock.acquire`. A group is what a program asks for by the name of
the module it uses: `thread` is locks, queues and the starting of threads. Primitives of one family go together, because
half of a lock patched is a lock broken; the library writes a family as a whole.
"""

from __future__ import annotations

from greenrt._ffi import native

# group -> families of the library's table
GROUPS: dict[str, tuple[str, ...]] = {
    "time": ("time",),
    "thread": ("lock", "thread", "queue"),
    "select": ("select",),
    "socket": ("socket", "resolver"),
    "ssl": ("ssl",),
    "os": ("os",),
    "io": ("file",),
    "signal": ("signal",),
    "fcntl": ("fcntl",),
    "multiprocessing": ("semaphore",),
}

# Switched when the first task of an OS thread can exist, and never switched back: without them tasks would share one identity.
WITH_HOOKS = ("identity",)

# primitive -> family
FAMILY: dict[str, str] = dict(native.patch_rows())


def known() -> list[str]:
    """Every name that `patch` takes: groups first."""
    return [*GROUPS, *(name for name, family in FAMILY.items() if family not in WITH_HOOKS)]


def near(name: object) -> str:
    """A question for whoever has misspelled a name that `patch` takes; nothing when none is near."""
    import difflib  # only here

    found = difflib.get_close_matches(str(name), known(), 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def family(name: str) -> tuple[str, ...]:
    """All primitives of a family."""
    return tuple(primitive for primitive, its in FAMILY.items() if its == name)


def expand(names: tuple[str, ...]) -> tuple[str, ...]:
    """The primitives that these groups and primitives stand for, whole families. ValueError for an unknown name."""
    families: list[str] = []
    for name in names:
        if name in GROUPS:
            families += GROUPS[name]
        elif name in FAMILY and FAMILY[name] not in WITH_HOOKS:
            families.append(FAMILY[name])
        else:
            raise ValueError(f"greenrt cannot patch {name!r}{near(name)}; it knows {', '.join(GROUPS)}")
    return tuple(primitive for its in dict.fromkeys(families) for primitive in family(its))


def primitives(name: str) -> tuple[str, ...]:
    """The primitives that one name stands for, without the rest of their family. ValueError for an unknown name."""
    if name in FAMILY:
        return (name,)
    if name in WITH_HOOKS:
        return family(name)
    return expand((name,))
