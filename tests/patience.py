"""How tests wait, and how they tell that something takes too long.

No test may fail because the machine is slow or busy: what is to happen is waited for as
long as nothing but a hang would take, and effort is counted in work, not in time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 90.0
"""Seconds that only something that hangs takes."""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for `condition`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@contextmanager
def little_work(seconds: float = 30.0) -> Iterator[None]:
    """What is within must not compute for long.

    That is the time of this thread on a processor, which other programs do not add to. It
    tells work that grows with the length (a second or two) from work that grows with its
    square (minutes to hours): the texts are to be as long as that takes.
    """
    began = time.thread_time()
    yield
    worked = time.thread_time() - began
    assert worked < seconds, f"{worked:.0f} s of computing"


def steps(work: Callable[[], object]) -> int:
    """Lines, calls and returns of Python that `work` takes, the loops within a line counted."""
    count = 0

    def hear(*_: object) -> Any:
        nonlocal count
        count += 1
        return hear

    before = sys.gettrace(), sys.getprofile()
    sys.settrace(hear)
    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count
