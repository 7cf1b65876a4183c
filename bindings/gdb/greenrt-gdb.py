"""Tasks of greenrt in gdb: a list of all of them, and the calls of any one. A live process or a core file, on x86-64.

    (gdb) greenrt tasks            every task of every OS thread: id, OS thread, state, what it waits on, name
    (gdb) greenrt bt ID            its calls; `greenrt bt all` those of every task
    (gdb) greenrt select ID        up, down, frame, info locals work on its calls until the program goes on
    (gdb) greenrt select off       back to the thread's own

`make install` puts this file into PREFIX/share/gdb/auto-load. With PREFIX=/usr gdb loads it together with the library. Another
prefix has to be told to gdb once, in ~/.gdbinit:

    add-auto-load-scripts-directory PREFIX/share/gdb/auto-load
    add-auto-load-safe-path PREFIX

With the static library: `source greenrt-gdb.py`. No debug information of the library is needed: offsets and words come from the
table gt_debug_layout, which the library carries for it. gdb's own gcore stops reading a mapping at the first page that faults, so a
core with tasks has to come from the kernel (or from a process whose guards were made by mprotect).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Optional

import gdb
import gdb.unwinder

MAGIC = b"greenrt\0"
VERSION = 1
FREE_TIMER = 0xFFFF
NEVER = 2**63 - 1
# The saved context, from its lowest word up: x87 and mxcsr, then these (src/context/mod.rs has the drawing).
SAVED = ("r12", "r13", "r14", "r15", "rbx", "rbp", "rip")


class Memory:
    """Words of the program."""

    def bytes(self, address: int, size: int) -> bytes:
        return bytes(gdb.selected_inferior().read_memory(address, size))

    def word(self, address: int) -> int:
        return int(struct.unpack("<Q", self.bytes(address, 8))[0])

    def int32(self, address: int) -> int:
        return int(struct.unpack("<i", self.bytes(address, 4))[0])

    def byte(self, address: int) -> int:
        return self.bytes(address, 1)[0]

    def text(self, address: int, size: int) -> str:
        return self.bytes(address, size).split(b"\0")[0].decode("utf-8", "replace")


class Layout(Memory):
    """What the library says of itself: names to offsets, sizes, numbers and addresses."""

    def __init__(self) -> None:
        try:
            told = gdb.execute("info address gt_debug_layout", to_string=True)
        except gdb.error:
            raise gdb.GdbError("greenrt is not in this program, or not loaded yet") from None
        found = re.search(r"0x[0-9a-f]+", told)
        if not found:
            raise gdb.GdbError(f"gt_debug_layout is not found: {told.strip()}")
        at = int(found[0], 16)
        if self.bytes(at, 8) != MAGIC:
            raise gdb.GdbError("gt_debug_layout is not filled in: the program has not started")
        version, count = struct.unpack("<II", self.bytes(at + 8, 8))
        if version != VERSION:
            raise gdb.GdbError(f"this script knows version {VERSION} of the layout; the library has version {version}")
        self.values = {self.text(at + 16 + 32 * i, 24): self.word(at + 16 + 32 * i + 24) for i in range(count)}
        self.kinds = self.text(self["words.kinds"], 512).split(",")
        self.states = self.text(self["words.states"], 128).split(",")

    def __getitem__(self, name: str) -> int:
        return self.values[name]


class Home:
    """A scheduler with its OS thread."""

    def __init__(self, layout: Layout, address: int) -> None:
        self.address = address
        self.thread = layout.int32(address + layout["home.thread"])
        scheduler = layout.word(address + layout["home.scheduler"])
        self.current = layout.word(scheduler + layout["scheduler.current"]) if scheduler else 0


class Task:
    """One task record."""

    def __init__(self, layout: Layout, address: int, home: Home) -> None:
        self.layout = layout
        self.address = address
        self.home = home
        self.id = self.word("id")
        self.name = layout.text(self.at("name"), layout["task.name.size"])
        self.context = self.word("context")
        self.runs = address == home.current
        state = layout.states[layout.byte(self.at("state"))]
        self.state = "running" if self.runs and state == "ready" else state

    def at(self, field: str) -> int:
        return self.address + self.layout["task." + field]

    def word(self, field: str) -> int:
        return self.layout.word(self.at(field))

    def waits_on(self) -> str:
        if self.state != "parked":
            return ""
        kind = self.layout.kinds[self.layout.byte(self.at("waits_kind"))]
        thing = self.word("waits_object")
        if kind in ("read", "write"):
            return f"{kind} of descriptor {thing & 0xFFFFFFFF}"
        if kind == "join":
            return f"join of task {thing}"
        if kind in ("poll", "select", "process"):
            return f"{kind} {thing}"
        if kind in ("something", "park", "sleep", "shutdown", "offload") or not thing:
            return kind
        return f"{kind} {thing:#x}"

    def registers(self) -> dict[str, int]:
        """Those that it will have when it goes on."""
        saved = {name: self.layout.word(self.context + 8 * (1 + i)) for i, name in enumerate(SAVED)}
        saved["rsp"] = self.context + 64
        return saved

    def title(self) -> str:
        return f"task {self.id} '{self.name}': {self.state}" + (f", waits on {on}" if (on := self.waits_on()) else "")


def homes(layout: Layout) -> Iterator[Home]:
    """The homes that a scheduler lives in."""
    for index in range(layout["home.guests"]):
        address = layout.word(layout["register"] + 8 * index)
        if address > 1 and layout.byte(address + layout["home.in_use"]):
            yield Home(layout, address)


def slots(layout: Layout, home: int) -> Iterator[tuple[int, int, int]]:
    """Number, state and link of every slot of a home that has a task."""
    chunks = layout.word(home + layout["home.slots.chunks"])
    size, per_chunk = layout["slot.size"], layout["chunk"]
    for number in range(layout.int32(home + layout["home.slots.used"])):
        slot = layout.word(chunks + 8 * (number // per_chunk)) + size * (number % per_chunk)
        link = layout.word(slot + layout["slot.link"])
        if link and not link & 1:
            yield number, layout.word(slot + layout["slot.state"]), link


def tasks() -> Iterator[Task]:
    """Every task that has not been joined."""
    layout = Layout()
    known = {home.address: home for home in homes(layout)}
    for home in known.values():
        for _, _, link in slots(layout, home.address):
            yield Task(layout, layout.word(link + layout["link.task"]), home)
    # Those that were ordered from other threads have slots of their own; one without an owner does not exist yet.
    guests = layout.word(layout["register"] + 8 * layout["home.guests"])
    if not guests:
        return
    for number, state, link in slots(layout, guests):
        places = layout.word(layout["places"] + 8 * (number // layout["chunk"]))
        owner = layout.word(places + layout["place.size"] * (number % layout["chunk"]) + layout["place.owner"])
        if state & layout["alive"] and owner in known:
            yield Task(layout, layout.word(link + layout["link.task"]), known[owner])


def task_of(argument: str) -> Task:
    try:
        wanted = int(argument, 0)
    except ValueError:
        raise gdb.GdbError("which task? `greenrt tasks` lists them") from None
    for task in tasks():
        if task.id == wanted:
            return task
    raise gdb.GdbError(f"no task {wanted}")


def thread_of(task: Task) -> gdb.InferiorThread:
    """The thread that runs a task."""
    for thread in gdb.selected_inferior().threads():
        if task.home.thread in thread.ptid[1:]:
            return thread
    raise gdb.GdbError(f"OS thread {task.home.thread} is not here")


class FrameId:
    """How gdb knows a frame."""

    def __init__(self, sp: gdb.Value, pc: gdb.Value) -> None:
        self.sp = sp
        self.pc = pc


class Parked(gdb.unwinder.Unwinder):
    """Puts the calls of a parked task behind the innermost frame of the selected thread. Nothing is written to the program, so
    this works on core files, and leaves nothing to undo."""

    def __init__(self) -> None:
        super().__init__("greenrt")
        self.registers: Optional[dict[str, int]] = None
        self.place = (0, 0)

    def show(self, task: Optional[Task]) -> None:
        self.registers = None
        gdb.invalidate_cached_frames()
        if task:
            frame = gdb.newest_frame()
            self.place = (int(frame.pc()), int(frame.read_register("rsp")))
            self.registers = task.registers()
            gdb.invalidate_cached_frames()
            gdb.newest_frame().select()

    def __call__(self, pending: gdb.PendingFrame) -> Optional[gdb.UnwindInfo]:
        if self.registers is None:
            return None
        pc, sp = pending.read_register("rip"), pending.read_register("rsp")
        if (int(pc), int(sp)) != self.place:
            return None
        word = gdb.lookup_type("unsigned long")
        # Frames of a task lie above this one, wherever its stack is: gdb takes anything else for a corrupt stack.
        below = gdb.Value(self.registers["rsp"] - 64).cast(word).cast(sp.type)
        info = pending.create_unwind_info(FrameId(below, pc))
        for name, value in self.registers.items():
            info.add_saved_register(name, gdb.Value(value).cast(word).cast(pending.read_register(name).type))
        return info


PARKED = Parked()
gdb.unwinder.register_unwinder(None, PARKED, replace=True)
gdb.events.cont.connect(lambda event: PARKED.show(None))


def calls(task: Task) -> str:
    """The lines of a backtrace."""
    if task.runs:
        before = gdb.selected_thread()
        thread_of(task).switch()
        try:
            return str(gdb.execute("backtrace", to_string=True))
        finally:
            before.switch()
    if task.state == "ended" or not task.context:
        return ""
    PARKED.show(task)
    try:
        text = str(gdb.execute("backtrace", to_string=True))
    finally:
        PARKED.show(None)
    # The first frame is the thread's own.
    behind = re.split(r"^(?=#\d)", text, flags=re.M)[2:]
    return "".join(re.sub(r"^#(\d+) ?", lambda m: f"#{int(m[1]) - 1:<2} "[: len(m[0])], part) for part in behind)


class Greenrt(gdb.Command):
    """Tasks of greenrt: greenrt tasks, greenrt bt ID, greenrt select ID."""

    def __init__(self) -> None:
        super().__init__("greenrt", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Tasks(gdb.Command):
    """Lists the tasks of every OS thread: id, OS thread (with a star if the task runs or polls there), state, what it waits on,
    name."""

    def __init__(self) -> None:
        super().__init__("greenrt tasks", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        rows = [("task", "OS thread", "state", "waits on", "name")]
        for task in tasks():
            mark = "*" if task.runs else " "
            rows.append((str(task.id), f"{task.home.thread}{mark}", task.state, task.waits_on(), task.name))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


class Backtrace(gdb.Command):
    """Shows the calls of a task: greenrt bt ID, or greenrt bt all."""

    def __init__(self) -> None:
        super().__init__("greenrt bt", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        for task in list(tasks()) if argument.strip() == "all" else [task_of(argument)]:
            print(task.title())
            print(calls(task), end="")


class Select(gdb.Command):
    """Selects the calls of a task that does not run, for up, down, frame, info locals: greenrt select ID, greenrt select off."""

    def __init__(self) -> None:
        super().__init__("greenrt select", gdb.COMMAND_STACK)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if argument.strip() == "off":
            PARKED.show(None)
            return
        task = task_of(argument)
        if task.runs:
            PARKED.show(None)
            thread_of(task).switch()
        elif task.state == "ended" or not task.context:
            raise gdb.GdbError("it has no calls")
        else:
            PARKED.show(task)
            gdb.execute("frame 1", to_string=True)
            print(f"{task.title()}; frame 0 is the thread's own, its calls begin at frame 1")


Greenrt()
Tasks()
Backtrace()
Select()
