"""Keeps Python's search for rubbish away from the typing.

A full collection looks at every object of the process, which takes a tenth of a second
with Textual loaded, in the midst of drawing a frame. Here what is there from the start is
looked at no more, and the rest only while nobody types.
"""

from __future__ import annotations

import gc

_THRESHOLDS = (700, 10, 2000)
"""The last: a full collection comes by itself after minutes of typing without a pause."""


class Rubbish:
    """What the app does with it from its start to its end."""

    def __init__(self) -> None:
        """Nothing is collected until `settle`: almost everything that is loaded stays."""
        self._before = gc.get_threshold()
        gc.disable()

    def settle(self) -> None:
        """What is there now stays; look at it no more."""
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.enable()

    def sweep(self) -> None:
        """Nobody types: collect, where there can be something worth while."""
        if gc.isenabled() and gc.get_count()[2]:
            gc.collect()

    def end(self) -> None:
        """As it was before."""
        gc.set_threshold(*self._before)
        gc.unfreeze()
        gc.enable()
