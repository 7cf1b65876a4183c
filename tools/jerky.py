#!/usr/bin/env python3
"""Runs a command as on a machine with noisy neighbours: with a share of the processors, and standing still again and again.

    tools/jerky.py [--share PERCENT] [--freeze MS] [--lag MS] COMMAND...

    --share    of one processor, 120 without it; 30 is a machine that has much else to do
    --freeze   the longest halt, 380 without it; each lasts 20 ms or more, and all processes of the command halt together; 0: none
    --lag      the longest time that one thread falls behind the others, 0 without it: every second new thread does, and of the old ones
               now and then one. Meanwhile all of them together run for a millisecond of each second.

It needs root and control groups of version 1 or 2 (cgroups(7): the freezer and cpu controllers). No signal is sent, but a halt ends an
epoll_wait(2) with EINTR, as a stop does (signal(7)). A test that breaks under it waits for a time where it should wait for an event, or
takes for granted which of two threads comes first.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

GROUPS = pathlib.Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds
NEXT_TO_NOTHING = (1_000, 1_000_000)  # the least that can be had: microseconds in a period


class Group:
    """A control group of our own, in either version."""

    def __init__(self) -> None:
        name = f"jerky-{os.getpid()}"
        if (GROUPS / "cgroup.controllers").exists():
            (GROUPS / "cgroup.subtree_control").write_text("+cpu")
            self.folders = [GROUPS / name]
            self.switch, self.words = "cgroup.freeze", ("0", "1")
        else:
            self.folders = [GROUPS / "freezer" / name, GROUPS / "cpu" / name]
            self.switch, self.words = "freezer.state", ("THAWED", "FROZEN")
        for folder in self.folders:
            folder.mkdir()

    def limit(self, folder: pathlib.Path, quota: int, period: int) -> None:
        if self.switch == "cgroup.freeze":
            (folder / "cpu.max").write_text(f"{quota} {period}")
        else:
            (folder / "cpu.cfs_period_us").write_text(str(period))
            (folder / "cpu.cfs_quota_us").write_text(str(quota))

    def share(self, percent: int) -> None:
        self.limit(self.folders[-1], percent * PERIOD // 100, PERIOD)

    def enter(self) -> None:
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def freeze(self, on: bool) -> None:
        (self.folders[0] / self.switch).write_text(self.words[on])

    def inner(self, name: str) -> pathlib.Path:
        """A group in it for single threads."""
        folder = self.folders[-1] / name
        folder.mkdir()
        if self.switch == "cgroup.freeze":
            (folder / "cgroup.type").write_text("threaded")
            (self.folders[0] / "cgroup.subtree_control").write_text("+cpu")
        return folder

    def threads(self, folder: pathlib.Path) -> pathlib.Path:
        """The file with the threads of a group."""
        return folder / ("cgroup.threads" if self.switch == "cgroup.freeze" else "tasks")

    def end(self) -> None:
        """Kills what the command left behind, and removes the group."""
        self.freeze(False)
        for _ in range(100):
            left = [int(line) for line in (self.folders[0] / "cgroup.procs").read_text().split()]
            if not left:
                break
            for process in left:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.05)
        for folder in self.folders:
            folder.rmdir()


class Lag:
    """Lets single threads of a group fall behind the others."""

    def __init__(self, group: Group, longest: float) -> None:
        self.longest = longest
        self.slow = group.inner("behind")
        group.limit(self.slow, *NEXT_TO_NOTHING)
        self.all, self.behind = group.threads(group.folders[-1]), group.threads(self.slow)
        self.known: set[int] = set()
        self.until: dict[int, float] = {}
        # Takes for itself what those behind would have.
        self.hog = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=group.enter)
        self.move(self.hog.pid, self.behind)

    @staticmethod
    def move(thread: int, place: pathlib.Path) -> bool:
        try:
            place.write_text(str(thread))
        except OSError:  # it has ended
            return False
        return True

    def look(self) -> None:
        now = time.monotonic()
        # Those behind that have made others, too: a new thread is where its maker is.
        for thread in {int(line) for line in self.behind.read_text().split()} - {self.hog.pid}:
            if self.until.setdefault(thread, self.some_time(now)) <= now:
                self.move(thread, self.all)
        ahead = {int(line) for line in self.all.read_text().split()}
        for thread in ahead:
            self.until.pop(thread, None)
            if random.random() < (0.002 if thread in self.known else 0.5) and self.move(thread, self.behind):
                self.until[thread] = self.some_time(now)
        self.known = ahead | set(self.until)

    def some_time(self, now: float) -> float:
        return now + random.uniform(0.005, self.longest)

    def end(self) -> None:
        self.hog.kill()
        self.hog.wait()
        while left := self.behind.read_text().split():
            for thread in left:
                self.move(int(thread), self.all)
        self.slow.rmdir()


def halt(job: subprocess.Popen[bytes], group: Group, lag: Lag | None, longest: float) -> None:
    """Halts the group now and then, until the job has ended."""
    while job.poll() is None:
        until = time.monotonic() + random.uniform(0.1, 1.0)
        while (left := until - time.monotonic()) > 0 and job.poll() is None:
            if lag:
                lag.look()
            time.sleep(min(left, 0.002) if lag else left)
        if longest:
            group.freeze(True)
            time.sleep(random.uniform(0.02, longest))
            group.freeze(False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=int, default=120, metavar="PERCENT")
    parser.add_argument("--freeze", type=int, default=380, metavar="MS")
    parser.add_argument("--lag", type=int, default=0, metavar="MS")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    wanted = parser.parse_args()
    if not wanted.command or wanted.share < 1 or 0 < wanted.freeze < 20 or wanted.freeze < 0 or wanted.lag < 0:
        parser.error("a COMMAND, a share of 1 or more, halts of 20 ms or more, please")
    try:
        group = Group()
    except OSError as error:
        print(f"jerky: no control groups here for us: {error}", file=sys.stderr)
        return 2
    try:
        group.share(wanted.share)
        try:
            job = subprocess.Popen(wanted.command, preexec_fn=group.enter)
        except OSError as error:
            print(f"jerky: {wanted.command[0]}: {error.strerror}", file=sys.stderr)
            return 127
        lag = Lag(group, wanted.lag / 1000) if wanted.lag else None
        try:
            halt(job, group, lag, wanted.freeze / 1000)
        finally:
            if lag:
                lag.end()
        return job.returncode if job.returncode >= 0 else 128 - job.returncode
    finally:
        group.end()


if __name__ == "__main__":
    sys.exit(main())
