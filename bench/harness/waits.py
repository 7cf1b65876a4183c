"""The rows about waiting: channels, locks, select, timers, workers and offload.

Every program of these rows does work that can be checked: it moves the numbers 0 to n - 1 and prints their sum, or
counts what it did. A turn whose sum is wrong is a failed turn.
"""

from __future__ import annotations

from .process import Failed
from .row import BASE, OURS, STATIC, Row, Target, ahead

RING = "ring by hand"
INLINED = "ring by hand, inlined"
THREADS = "OS threads"
CROSSBEAM = "crossbeam-channel"
BY_POOL = "greenrt, by its pool"
NS = ("ns_per_op",)
ROUND_PEERS = ("state-threads", "boost.fiber", "may", "tokio", "Go")
ITEM_PEERS = ("boost.fiber", "tokio", "Go")
ARMED = 1_000_000
# One figure that tells of a whole second of the machine needs fewer turns than one of a quarter of it.
FEW = 5

ROWS = (
    Row(
        "chan-round",
        "unbuffered channel, there and back (ns)",
        NS,
        (BASE, OURS, STATIC, *ROUND_PEERS),
        (Target("ns_per_op", 7.0, BASE), *ahead("ns_per_op", ROUND_PEERS)),
        BASE,
        note="Two hand-overs and two switches. state-threads has no channels: a slot with condition variables, written "
        "by hand. tokio's least channel has room for one item, may's channels have no bound.",
    ),
    Row(
        "chan-item",
        "buffered channel with room for 128, an item of 8 bytes (ns)",
        NS,
        (RING, INLINED, OURS, STATIC, "state-threads", *ITEM_PEERS),
        (Target("ns_per_op", 1.8, RING), Target("ns_per_op", 10.0), *ahead("ns_per_op", ITEM_PEERS)),
        RING,
        note="Put, take, and what switching a full or empty ring takes. The ring by hand has put and take behind a call and "
        "the item size an argument, and switches bare contexts; inlined, it knows both. state-threads has no channels: "
        "a ring with condition variables, written by hand into the program, all of it inlined.",
    ),
    Row(
        "chan-shared",
        "shared channel with room for 128, used by two tasks of one thread, an item of 8 bytes (ns)",
        NS,
        (OURS, CROSSBEAM, "tokio", "Go"),
        (Target("ns_per_op", 40.0), *ahead("ns_per_op", ("tokio", "Go"))),
        OURS,
        note="crossbeam-channel knows no tasks: one thread sends 128 items and takes 128, and never waits.",
    ),
    Row(
        "chan-cross",
        "shared channel with room for 128, from one OS thread to another, an item of 8 bytes (ns)",
        NS,
        (OURS, CROSSBEAM, "tokio", "Go"),
        ahead("ns_per_op", ("tokio", "Go")),
        OURS,
        rounds=FEW,
        both_cores=True,
    ),
    Row(
        "select8",
        "select over 8 channels with room for 16 each, an item (ns)",
        NS,
        (OURS, CROSSBEAM, "tokio", "Go"),
        ahead("ns_per_op", ("tokio", "Go")),
        OURS,
        rounds=FEW,
        note="Most selects find an item. crossbeam-channel knows no tasks: one thread sends 128 items, then selects them.",
    ),
    Row(
        "select8-wait",
        "select over 8 channels without room, an item (ns)",
        NS,
        (OURS, "tokio", "Go"),
        ahead("ns_per_op", ("tokio", "Go")),
        OURS,
        rounds=FEW,
        note="tokio's channels have room for one item here, the least it has.",
    ),
    Row(
        "mutex",
        "mutex that nobody else wants, lock and unlock (ns)",
        NS,
        (OURS, THREADS, "boost.fiber", "tokio", "Go"),
        ahead("ns_per_op", ("boost.fiber", "tokio")),
        THREADS,
        rounds=FEW,
        note="`OS threads` is pthread_mutex_t in a program with two threads.",
    ),
    Row(
        "sem",
        "semaphore that nobody else wants, wait and post (ns)",
        NS,
        (OURS, THREADS, "tokio", "Go"),
        ahead("ns_per_op", ("tokio", "Go")),
        THREADS,
        rounds=FEW,
        note="`OS threads` is sem_t. Go's is a channel with room for one.",
    ),
    Row(
        "sleepers",
        "1,000,000 tasks that sleep ten times each, up to a second",
        ("cpu_s", "overrun_s"),
        (OURS, "tokio", "Go"),
        (Target("cpu_s", 0.6, "tokio"), Target("overrun_s", 1.0, "tokio")),
        "tokio",
        rounds=2,
        size=1_000_000,
        note="CPU seconds of the process, making the tasks included. The overrun is the time the last task was later than the "
        "longest row of sleeps.",
    ),
    Row(
        "timer-cancel",
        f"a timer set and cancelled beside {ARMED:,} armed ones (ns)",
        NS,
        (OURS, "tokio", "Go"),
        ahead("ns_per_op", ("tokio", "Go")),
        "tokio",
        rounds=3,
        size=ARMED,
        note="greenrt's is a whole wait with a deadline that another task ends, two switches included; tokio polls and drops a "
        "sleep; Go makes and stops a timer.",
    ),
    Row(
        "offload",
        "an empty job on another OS thread, and its result (ns)",
        NS,
        (OURS, THREADS, "tokio"),
        ahead("ns_per_op", ("tokio",)),
        THREADS,
        rounds=FEW,
        both_cores=True,
        note="`OS threads`: two threads that hand over by futex words alone.",
    ),
    Row(
        "pread",
        "4 KiB of a file, from the page cache (ns)",
        NS,
        (THREADS, OURS, BY_POOL, "tokio", "Go"),
        (Target("ns_per_op", 1.25, THREADS), *ahead("ns_per_op", ("tokio", "Go"))),
        THREADS,
        rounds=FEW,
        both_cores=True,
        note="`OS threads` is a plain pread(2), which blocks its thread where the page is not in the cache. gt_pread() asks the cache "
        "first; what is not there costs a job, `by its pool`. tokio's files are a job each time.",
    ),
)

OPERATIONS = {
    "chan-round": {BASE: 80_000_000, OURS: 8_000_000, STATIC: 8_000_000, "state-threads": 6_000_000, "may": 800_000},
    "chan-item": {
        RING: 40_000_000,
        INLINED: 60_000_000,
        OURS: 30_000_000,
        STATIC: 30_000_000,
        "state-threads": 60_000_000,
    },
    "chan-shared": {OURS: 10_000_000, CROSSBEAM: 15_000_000},
    "select8": {CROSSBEAM: 5_000_000},
    "mutex": {OURS: 20_000_000, THREADS: 20_000_000, "Go": 20_000_000},
    "sem": {OURS: 20_000_000, THREADS: 20_000_000},
    "pread": {OURS: 600_000, THREADS: 600_000, "Go": 400_000},
}
USUAL = {
    "chan-round": 1_500_000,
    "chan-item": 6_000_000,
    "chan-shared": 6_000_000,
    "chan-cross": 5_000_000,
    "select8": 1_500_000,
    "select8-wait": 1_000_000,
    "mutex": 8_000_000,
    "sem": 8_000_000,
    "sleepers": 1_000_000,
    "timer-cancel": 2_000_000,
    "offload": 10_000,
    "pread": 10_000,
}
# What a short run does less of.
SHORTER = {"sleepers": 20, "timer-cancel": 8}


def operations(row: Row, subject: str, quick: bool) -> int:
    count = OPERATIONS.get(row.name, {}).get(subject) or USUAL[row.name]
    return count // SHORTER.get(row.name, 8) if quick else count


def arguments(row: Row, subject: str, quick: bool) -> list[str]:
    """What follows the row's name on the command line."""
    count = [str(operations(row, subject, quick))]
    if row.name == "timer-cancel":
        count.append(str(row.size // 20 if quick else row.size))
    return count


def check(row: Row, count: int, found: dict[str, float]) -> None:
    """The programs say what their work came to: here is what it has to be."""
    if row.name == "sleepers":
        # The mean of all sleeps is half a second; the numbers are the same in every program.
        if abs(found.get("slept_s", 0) / count / 10 - 0.5) > 0.01:
            raise Failed("the tasks did not sleep as long as they should")
        return
    counted = row.name in ("mutex", "sem", "timer-cancel")
    wanted = count if counted else count * (count - 1) // 2
    if found.get("sum") != float(wanted):
        raise Failed(f"the work came to {found.get('sum', 'nothing')}, not to {wanted}")
