"""A note beside the answer: its title, its text, the cited words marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from notesqa.text.terminal import safe
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.note_text import NoteText

Mark = tuple[int, int, str]


class SourcePane(Vertical):
    """Shows a note at a place."""

    def __init__(
        self,
        words: Wording,
        *,
        id: str,  # noqa: A002 - Textual's name for it
        surface: Surface | None = None,
        empty: str = "source_empty",
    ) -> None:
        """`empty` is the key of what it says while it shows no note."""
        super().__init__(id=id)
        self._empty = words(empty)
        self._title = Content(self._empty)
        self.title_line = Static(Text(self._empty), classes="pane-title", markup=False)
        self.surface = surface or Surface(max_width=110)
        self.surface.add_class("pane-text")
        self.words = words
        self.note: NoteText | None = None
        self.span: tuple[int, int] | None = None

    def compose(self) -> ComposeResult:
        """A title over the text."""
        yield self.title_line
        yield self.surface

    def show(
        self, note: NoteText, *, marks: Sequence[Mark] = (), span: tuple[int, int] | None = None
    ) -> None:
        """Show `note` with `marks`, at `span`."""
        document = note.document
        self.note = note
        self.span = span
        note.section.marks = marks
        place = span[0] if span else 0
        self._entitle(str(document.source_at(place)), document.title)
        self.surface.show([note.section])
        if span:
            # The size may be known only after the pane has become visible.
            self.call_after_refresh(self.surface.scroll_to_place, note.section, *span)

    def _entitle(self, source: str, title: str) -> None:
        # Colours by name: they are another theme's tomorrow.
        self._title = Content.assemble(
            (safe(title, newlines=False), "bold"), (f"  {safe(source, newlines=False)}", "$quiet")
        )
        self.title_line.update(self._title, layout=False)

    def renew(self, note: NoteText) -> None:
        """Show `note` as it is now, as far down as it was; nothing of it is marked."""
        document = note.document
        self.note, self.span = note, None
        note.section.marks = ()
        self._entitle(str(document.source_at(0)), document.title)
        self.surface.show([note.section], keep_scroll=True)

    def mark(self, key: str) -> None:
        """Say that the note is not what it was: `changed_note` or `gone_note`."""
        told = (f"⚠ {self.words(key)}  ", "$warning")
        self.title_line.update(Content.assemble(told, self._title), layout=False)

    def clear(self) -> None:
        """Show no note."""
        self.note = self.span = None
        self.title_line.update(Text(self._empty), layout=False)
        self.surface.show([])

    def toggle_source(self) -> None:
        """LaTeX or drawn formulas."""
        if self.note is not None:
            self.note.toggle_source()
            self.surface.changed(self.note.section)

    @property
    def quote(self) -> str:
        """The marked text, as it stands in the note."""
        if self.note is None or self.span is None:
            return ""
        return self.note.document.text[self.span[0] : self.span[1]]
