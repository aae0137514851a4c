"""A line to type in."""

from __future__ import annotations

from typing import Any

from textual.widgets import Input


class Field(Input):
    """Textual's input with a steady cursor: calm, and nothing to send over ssh."""

    def __init__(self, value: str | None = None, **more: Any) -> None:
        super().__init__(value, select_on_focus=False, compact=True, **more)
        self.cursor_blink = False
