"""A line to type in."""

from __future__ import annotations

from typing import Any

from textual import events
from textual.geometry import Offset, Size
from textual.reactive import Reactive
from textual.widget import Widget
from textual.widgets import Input


class Field(Input):
    """Textual's input with a steady cursor: calm, and nothing to send over ssh."""

    # How long its text is moves nothing else: without this, every key lays the whole
    # screen out anew, and draws the scroll bars with all that lies between them.
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=False)

    def __init__(self, value: str | None = None, **more: Any) -> None:
        super().__init__(value, select_on_focus=False, compact=True, **more)
        self.cursor_blink = False

    def _on_paste(self, event: events.Paste) -> None:
        """Take in all lines, as one: Textual's own drops those after the first."""
        event.stop()
        event.prevent_default()
        lines = (line.strip() for line in event.text.splitlines())
        if text := " ".join(line for line in lines if line):
            self.replace(text, *self.selection)


def cursor_cell(focused: Widget | None) -> Offset | None:
    """The cell of the screen where the next character goes; None where nothing is typed.

    Textual's own answer is one too far at the end of the text, and may be from before the
    last layout or scroll.
    """
    if not isinstance(focused, Input):
        return None
    region = focused.content_region
    before = focused._position_to_cell(focused.cursor_position)
    return Offset(region.x + before - round(focused.scroll_x), region.y)
