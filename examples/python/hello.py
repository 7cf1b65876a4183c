"""Three tasks take turns, a fourth is given too little time, and a fifth fails.

    python examples/python/hello.py

prints

    hello from ann (1)
    hello from bob (1)
    hello from cid (1)
    hello from ann (2)
    hello from bob (2)
    hello from cid (2)
    letters: 9
    too slow: 0.05 seconds
    caught: nobody is home
"""

import greenrt


def greet(name):
    for turn in (1, 2):
        print(f"hello from {name} ({turn})")
        greenrt.sleep(0)  # let the others
    return len(name)


def fail():
    raise LookupError("nobody is home")


tasks = [greenrt.spawn(greet, name) for name in ("ann", "bob", "cid")]
print("letters:", sum(task.wait() for task in tasks))

try:
    with greenrt.Timeout(0.05):
        greenrt.sleep(60)
except greenrt.Timeout as timeout:
    print("too slow:", timeout)

task = greenrt.spawn(fail)  # its traceback goes to stderr
try:
    task.wait()
except LookupError as error:
    print("caught:", error)
