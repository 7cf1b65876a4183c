"""`input` and `sys.stdin`, at a terminal and at a pipe: the other tasks go on while nobody types."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from conftest import environment

PATIENCE = 60

HEAD = """
import sys, time
import greenrt
from greenrt import monkey
monkey.patch_all()
ticks, told = [0], [True]

def ticker():
    while True:
        ticks[0] += 1
        if not told[0] and ticks[0] > before[0] + 5:
            told[0] = True
            print('the others run', flush=True)
        time.sleep(0.001)

greenrt.spawn(ticker)
before = [0]

def asked(prompt, ask=input, least=5):
    print('asking', flush=True)
    before[0], told[0] = ticks[0], False
    mine = ticks[0]
    try:
        answer = repr(ask(prompt))
    except BaseException as error:
        answer = type(error).__name__
    told[0] = True
    print(f"got {answer} {'green' if ticks[0] > mine + least else 'blocked'}", flush=True)
"""
# Who answers waits for this, and for no time: the question is unanswered until the others have run.
RUN = "the others run"


class Person:
    """Somebody at the terminal of a program."""

    def __init__(self, program: str) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-c", HEAD + program]
        self.child = subprocess.Popen(
            command, env=environment(), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = ""
        self.screen = ""

    def sees(self, text: str) -> None:
        """Waits until that is on the screen, and forgets what came before it."""
        until = time.monotonic() + PATIENCE
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
            assert ready, f"no {text!r} in {self.seen!r}"
            try:
                more = os.read(self.master, 65536).decode()
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.seen!r}") from None
            self.seen += more
            self.screen += more
        self.seen = self.seen[self.seen.index(text) + len(text) :]

    def types(self, text: str) -> None:
        """Once the others have run, while the program waits."""
        self.sees(RUN)
        self.types_at_once(text)

    def types_at_once(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self) -> int:
        """The exit code."""
        try:
            return self.child.wait(PATIENCE)
        finally:
            self.child.kill()
            os.close(self.master)


@pytest.fixture
def person() -> Iterator[Callable[[str], Person]]:
    """Makes somebody at the terminal of a program that ends with 0."""
    made: list[Person] = []

    def make(program: str) -> Person:
        made.append(Person(program))
        return made[-1]

    yield make
    for one in made:
        assert one.end() == 0, one.seen


@pytest.mark.parametrize("imports", ["", "import readline\n"])
def test_a_line_is_typed_while_others_run(person: Callable[[str], Person], imports: str) -> None:
    one = person(imports + "asked('name? ')\nasked('again? ')\n")
    one.sees("name? ")
    one.types("Ada\n")
    one.sees("got 'Ada' green")
    one.sees("again? ")
    one.types("x" * 3000 + "\n")
    one.sees("got '" + "x" * 3000 + "' green")


def test_the_end_of_input_is_the_end(person: Callable[[str], Person]) -> None:
    one = person("asked('name? ')\nasked('more? ')\n")
    one.sees("name? ")
    one.types("\x04")
    one.sees("got EOFError green")
    one.sees("more? ")
    one.types("yes\n")
    one.sees("got 'yes' green")


def test_an_interrupt_ends_it_and_the_next_one_works(person: Callable[[str], Person]) -> None:
    one = person("asked('name? ')\nasked('more? ')\n")
    one.sees("name? ")
    one.sees(RUN)
    one.child.send_signal(signal.SIGINT)
    one.sees("got KeyboardInterrupt green")
    one.sees("more? ")
    one.types("yes\n")
    one.sees("got 'yes' green")


def test_a_timeout_and_a_kill_end_it(person: Callable[[str], Person]) -> None:
    one = person(
        "def impatient(prompt):\n"
        "    with greenrt.Timeout(0.1):\n"
        "        return input(prompt)\n"
        # However late this program is woken: a tick of theirs is due before the timeout.
        "asked('name? ', impatient, 0)\n"
        "task = greenrt.spawn(asked, 'killed? ')\n"
        # It prints by an OS thread first, which may take its time; then it asks, and the others run.
        "while told[0]: time.sleep(0.001)\n"
        "while not told[0]: time.sleep(0.001)\n"
        "task.kill()\n"
        "import os\n"
        "print('mode', os.get_blocking(0))\n"
        "asked('more? ')\n"
    )
    one.sees("got Timeout green")
    one.sees("killed? ")
    one.sees("got TaskExit green")
    one.sees("mode True")
    one.sees("more? ")
    one.types("yes\n")
    one.sees("got 'yes' green")


def test_two_tasks_ask_one_after_the_other(person: Callable[[str], Person]) -> None:
    one = person(
        "here = []\n"
        "def also(prompt):\n"
        "    here.append(prompt)\n"
        "    return input(prompt)\n"
        "tasks = [greenrt.spawn(asked, f'task{n}? ', also) for n in range(2)]\n"
        # Either may be the first: they print at a terminal, each by an OS thread of its own.
        "while len(here) < 2: time.sleep(0.001)\n"
        "until = ticks[0] + 10\n"
        "while ticks[0] < until: time.sleep(0.001)\n"
        "print('both ask', flush=True)\n"
        "[task.wait() for task in tasks]\n"
    )
    one.sees("both ask")
    one.types_at_once("first\n")
    # The second asks as soon as the first has its answer, perhaps before that is printed.
    one.sees("got 'first' green")
    one.types_at_once("second\n")
    one.sees("got 'second' green")
    assert "task0? " in one.screen and "task1? " in one.screen, one.screen


def test_lines_of_stdin_at_a_terminal(person: Callable[[str], Person]) -> None:
    one = person(
        "asked('', lambda _: sys.stdin.readline())\nasked('', lambda _: next(sys.stdin))\n"
        "asked('', lambda _: sys.stdin.buffer.read1(10))\n"
    )
    for text in ("'one\\n'", "'two\\n'", "b'three\\n'"):
        one.sees("asking")
        one.types(eval(text) if text[0] != "b" else "three\n")
        one.sees(f"got {text} green")


def test_input_and_stdin_at_a_pipe() -> None:
    program = (
        HEAD
        + "asked('name? ')\nasked('', lambda _: sys.stdin.readline())\nasked('', lambda _: list(sys.stdin))\nasked('')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin and child.stdout
        for line, got in (("Ada\n", "name? got 'Ada'"), ("line\n", "got 'line\\n'"), ("rest\n", "got ['rest\\n']")):
            assert child.stdout.readline() == "asking\n"
            said = child.stdout.readline()
            assert said in (f"{RUN}\n", f"name? {RUN}\n")
            child.stdin.write(line)
            child.stdin.flush()
            if line == "rest\n":
                child.stdin.close()
            assert said[: -len(RUN) - 1] + child.stdout.readline() == f"{got} green\n"
        assert child.stdout.read() == "asking\ngot EOFError blocked\n"
    assert child.returncode == 0
