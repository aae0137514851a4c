"""How tests wait, and how they tell that something takes too long.

No test may fail because the machine is slow or busy: what is to happen is waited for as
long as nothing but a hang would take, and effort is counted in work, not in time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

PATIENCE = 90.0
"""Seconds that only something that hangs takes."""


def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for `condition`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def grows_with_the_length(work: Callable[[int], object], size: int) -> None:
    """`work(size)` must take about eight times what `work(size // 8)` does, not its square.

    What is measured is the time of this thread on a processor, which other programs do not
    add to; and the times of a few seconds are not told apart.
    """
    took = []
    for part in (size // 8, size):
        began = time.thread_time()
        work(part)
        took.append(time.thread_time() - began)
    assert took[1] < 4 or took[1] < 20 * took[0], took


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
