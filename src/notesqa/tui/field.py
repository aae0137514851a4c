"""A line to type in."""

from __future__ import annotations

from typing import Any

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class Field(Input):
    """Textual's input with a steady cursor: calm, and nothing to send over ssh."""

    # How long its text is moves nothing else: without this, every key lays the whole
    # screen out anew, and draws the scroll bars with all that lies between them.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def __init__(self, value: str | None = None, **more: Any) -> None:
        super().__init__(value, select_on_focus=False, compact=True, **more)
        self.cursor_blink = False
