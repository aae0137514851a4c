"""Reading: the list of notes, a note, and its outline."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from notesqa.text.terminal import safe
from notesqa.tui.bars import SMALL, KeyBar, ProgressBar, StatusBar
from notesqa.tui.field import Field
from notesqa.tui.source_pane import SourcePane
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from textual.timer import Timer

    from notesqa.reports import DocumentInfo
    from notesqa.tui.app import NotesApp
    from notesqa.tui.note_text import NoteText


# So long a note is gone over before it is fetched.
_PAUSE = 0.12


@dataclass(frozen=True, slots=True)
class Place:
    """A note, and where in it: a span, or how far down."""

    document_id: str
    span: tuple[int, int] | None = None


class ReadScreen(Screen[None]):
    """The third screen."""

    AUTO_FOCUS = "#notes"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket,alt+left", "back", "do_back", id="read_back"),
        Binding("right_square_bracket,alt+right", "forward", "do_forward", id="read_forward"),
        Binding("o", "outline", "do_outline", id="outline"),
        Binding("slash", "filter", "do_filter", id="filter"),
        Binding("tab", "next_link", "do_next_link", id="next_link"),
        Binding("enter", "follow", "do_follow", id="follow_link", show=False),
        Binding("m", "toggle_source", "do_source", id="read_source", show=False),
        Binding("e", "edit", "do_editor", id="read_editor"),
        Binding("y", "copy", "do_copy_quote", id="read_copy", show=False),
        Binding("L", "copy_latex", "do_copy_latex", id="read_latex", show=False),
        Binding("escape", "leave", "do_stop", id="leave"),
        Binding("ctrl+o", "pane", "do_pane", id="read_pane", show=False),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)
        self.filter = Field(id="filter", placeholder=words("filter_notes"))
        self.notes = OptionList(id="notes", markup=False, compact=True)
        self.source = SourcePane(words, id="source", empty="read_empty")
        self.outline = OptionList(id="outline", markup=False, compact=True)
        self._all: list[DocumentInfo] = []
        # What the list was made of, and the commit that the note was fetched at.
        self._commit = 0
        self._shown_of: list[DocumentInfo] | None = None
        self._listed: list[DocumentInfo] = []
        # The same as it was shown before.
        self._chosen: list[DocumentInfo] = []
        # Where the note was opened, if not here: there one goes on when it is left.
        self.opened_from = ""
        self._past: list[Place] = []
        self._at = -1
        self._headings: list[int] = []
        self._pause: Timer | None = None
        # Where the note was put for a place to be read, which is not the top of the view.
        self._put: tuple[float, int] = (-1.0, 0)

    def compose(self) -> ComposeResult:
        """List, note, outline."""
        yield StatusBar("read", self.words)
        yield ProgressBar(self.words)
        with Horizontal(id="body"):
            with Vertical(id="list"):
                yield self.filter
                yield self.notes
            yield self.source
            yield self.outline
        yield KeyBar()

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    def on_mount(self) -> None:
        """The list has the focus until a note is read."""
        if self._at < 0:
            self.notes.focus()
        self.watch(self.source.surface, "scroll_y", self._follow, init=False)

    def on_resize(self, event: events.Resize) -> None:
        """On few columns one thing is shown at a time."""
        self.set_class(event.size.width < SMALL, "-small")

    def on_screen_resume(self) -> None:
        """Show the list as it is now."""
        if self._shown_of is not self.notes_app.documents:
            self.show_list(self.notes_app.documents)

    # -- the list -------------------------------------------------------------------

    def show_list(self, documents: list[DocumentInfo]) -> None:
        """The notes by title."""
        self._shown_of = documents
        self._all = sorted(documents, key=lambda info: (info.title.casefold(), info.id))
        self._filter(self.filter.value)
        self._catch_up({info.id for info in documents})

    def _catch_up(self, known: Collection[str]) -> None:
        """The index has changed: show the note as it is now."""
        app, note = self.notes_app, self.source.note
        if note is None or self._commit == app.signal.commit:
            return
        self._commit = app.signal.commit
        if note.document.id in known:
            width = self.source.surface.text_width
            app.desk.document(note.document.id, "read:again", width)
        else:
            self.source.mark("gone_note")

    def _filter(self, text: str) -> None:
        wanted = text.lower().split()
        self._listed = [
            info
            for info in self._all
            if all(w in f"{info.title} {' '.join(info.tags)}".lower() for w in wanted)
        ]
        notes = self.notes
        at = notes.highlighted
        chosen = self._chosen[at].id if at is not None and at < len(self._chosen) else ""
        self._chosen = self._listed
        notes.clear_options()
        # Colours by name: they are another theme's tomorrow.
        options = [
            Option(
                Content.assemble(
                    safe(info.title, newlines=False),
                    (f" ┄{self.words('excerpt')}" if info.truncated else "", "$quiet"),
                )
            )
            for info in self._listed
        ]
        notes.add_options(options)
        if options:
            again = (i for i, info in enumerate(self._listed) if info.id == chosen)
            notes.highlighted = next(again, 0)
        else:
            said = self.words("no_results" if text.strip() else "no_notes")
            notes.add_option(Option(Content.styled(said, "$quiet"), disabled=True))

    @on(Input.Changed, "#filter")
    def _on_filter(self, message: Input.Changed) -> None:
        self._filter(message.value)

    @on(Input.Submitted, "#filter")
    def _on_filtered(self) -> None:
        if self._listed:
            self._choose(self._listed[0].id)

    @on(OptionList.OptionHighlighted, "#notes")
    def _on_highlighted(self) -> None:
        """What is gone over is shown beside the list, where there is room for it."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._look)

    @property
    def _gone_over(self) -> str:
        """The note that is highlighted while the keys are in the list or over it; or none."""
        at = self.notes.highlighted
        here = self.notes.has_focus or self.filter.has_focus
        return self._listed[at].id if here and at is not None and at < len(self._listed) else ""

    def _look(self) -> None:
        width = self.source.surface.text_width if self.source.surface.size.width else 0
        if width and (document_id := self._gone_over):
            self.notes_app.desk.document(document_id, "look", width)

    def show_preview(self, note: NoteText) -> None:
        """A note that is gone over has come; it is not read yet, nor to be gone back to."""
        shown = self.source.note
        if note.document.id != self._gone_over:
            return
        if shown is None or shown.document.id != note.document.id:
            self._commit = self.notes_app.signal.commit
            self.source.show(note)
            self._outline_of(note)

    @on(OptionList.OptionSelected, "#notes")
    def _on_note(self, message: OptionList.OptionSelected) -> None:
        self._choose(self._listed[message.option_index].id)

    def _choose(self, document_id: str) -> None:
        self.opened_from = ""
        self.open(document_id)

    # -- the note --------------------------------------------------------------------

    def open(self, document_id: str, span: tuple[int, int] | None = None) -> None:
        """Read a note, and remember it for going back."""
        place = Place(document_id, span)
        if self._past[self._at : self._at + 1] != [place]:
            del self._past[self._at + 1 :]
            self._past.append(place)
            self._at = len(self._past) - 1
        self._fetch()

    def _fetch(self) -> None:
        place = self._past[self._at]
        width = self.source.surface.text_width
        self._commit = self.notes_app.signal.commit
        self.notes_app.desk.document(place.document_id, "read", width, self._at)

    def renew(self, note: NoteText) -> None:
        """The note that is shown has come as it is now."""
        shown = self.source.note
        if shown is not None and shown is not note and shown.document.id == note.document.id:
            self._outline_of(note)
            self.source.renew(note)

    def show_document(self, note: NoteText, at: int) -> None:
        """The note has come."""
        if at != self._at or self._past[at].document_id != note.document.id:
            return
        listed = [info.id for info in self._listed]
        if note.document.id in listed:
            self.notes.highlighted = listed.index(note.document.id)
        span = self._past[at].span
        marks = [(*span, "mark-quote")] if span else []
        self.source.show(note, marks=marks, span=span)
        self.add_class("-reading")
        self._outline_of(note)
        self.source.surface.focus()
        # What its links are offered by.
        self.refresh_bindings()
        # When the pane has its size and shows the place.
        self.call_after_refresh(self._point, span[0] if span else 0)

    def _outline_of(self, note: NoteText) -> None:
        outline = self.outline
        outline.clear_options()
        headings = note.outline
        self._headings = [h.start for h in headings]
        highest = min((h.level for h in headings), default=1)
        outline.add_options(
            Option(Text("  " * (h.level - highest) + safe(h.text, newlines=False), no_wrap=True))
            for h in headings
        )
        outline.set_class(not headings, "-empty")

    # -- the outline -------------------------------------------------------------------

    def _point(self, place: int) -> None:
        """Highlight the heading over `place`, which is what is read now."""
        if not self._headings:
            return
        self.outline.highlighted = max(0, bisect.bisect_right(self._headings, place) - 1)
        self._put = (self.source.surface.scroll_y, self.outline.highlighted)

    def _follow(self) -> None:
        """Highlight the heading that the reader has scrolled to."""
        surface = self.source.surface
        if not self._headings or surface.scroll_y == self._put[0]:
            return
        if surface.max_scroll_y and surface.is_vertical_scroll_end:
            self.outline.highlighted = len(self._headings) - 1
        elif (shown := surface.place_at(round(surface.scroll_y))) is not None:
            self.outline.highlighted = max(0, bisect.bisect_right(self._headings, shown[1]) - 1)

    @on(OptionList.OptionSelected, "#outline")
    def _on_heading(self, message: OptionList.OptionSelected) -> None:
        note = self.source.note
        if note is not None and message.option_index < len(note.outline):
            heading = note.outline[message.option_index]
            surface = self.source.surface
            if self.has_class("-small"):
                # The outline was in its place; it can be scrolled once it is there again.
                self.remove_class("-outline")
                self.call_after_refresh(surface.scroll_to_anchor, f"heading:{heading.start}")
            surface.scroll_to_anchor(f"heading:{heading.start}")
            self._point(heading.start)
            surface.focus()

    @on(Surface.Opened)
    def _on_link(self, message: Surface.Opened) -> None:
        self.notes_app.follow(message.link, self.source.note)

    @staticmethod
    def resolve(target: str, documents: Sequence[DocumentInfo]) -> str | None:
        """The document that a link names: by the name of its file, or by title."""
        name = target.partition("#")[0].strip()
        stem = PurePosixPath(name).stem.lower()
        for info in documents:
            paths = [source.rpartition(":")[0] or source for source in info.sources]
            if any(PurePosixPath(path).stem.lower() == stem for path in paths):
                return info.id
            if info.title.lower() == name.lower():
                return info.id
        return None

    # -- keys ------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Links are offered where there are some, the filter where it is not typed in."""
        if action in ("next_link", "follow"):
            # Of the note itself: it may not be laid out yet.
            note = self.source.note
            return self.source.surface.has_focus and note is not None and note.has_links
        if action == "filter":
            return not self.filter.has_focus
        return super().check_action(action, parameters)

    def on_key(self, event: events.Key) -> None:
        """Chinese that is typed over the list goes into the filter."""
        character = event.character if event.is_printable else None
        if character and not character.isascii() and self.focused is not self.filter:
            event.stop()
            self.action_filter()
            self.filter.insert_text_at_cursor(character)

    def action_back(self) -> None:
        """The note before."""
        if self._at <= 0:
            self.notify(self.words("back_end"), timeout=2)
            return
        self._at -= 1
        self._fetch()

    def action_forward(self) -> None:
        """The note after."""
        if self._at >= len(self._past) - 1:
            self.notify(self.words("forward_end"), timeout=2)
            return
        self._at += 1
        self._fetch()

    def action_outline(self) -> None:
        """Show the outline, or hide it."""
        self.toggle_class("-outline")
        if self.has_class("-outline"):
            self.outline.focus()

    def action_next_link(self) -> None:
        """The next link of the note."""
        links = self.source.surface.links()
        if not links:
            return
        current = self.source.surface.current
        at = links.index(current) + 1 if current in links else 0
        self.source.surface.point_at(links[at % len(links)])

    def action_follow(self) -> None:
        """Open the current link."""
        if link := self.source.surface.current:
            self.notes_app.follow(link, self.source.note)

    def action_toggle_source(self) -> None:
        """LaTeX or drawn formulas."""
        self.source.toggle_source()

    def action_edit(self) -> None:
        """The note in the editor, at the line in view."""
        note = self.source.note
        if note is not None:
            shown = self.source.surface.place_at(round(self.source.surface.scroll_y))
            self.notes_app.edit(note.document, max(0, shown[1]) if shown else 0)

    def action_copy(self) -> None:
        """The marked passage, or the whole note, to the clipboard."""
        note = self.source.note
        self.notes_app.copy(self.source.quote or (note.document.text if note else ""), "the_quote")

    def action_copy_latex(self) -> None:
        """The note's formulas to the clipboard."""
        note = self.source.note
        self.notes_app.copy_latex(self.source.quote or (note.document.text if note else ""))

    def action_filter(self) -> None:
        """To the filter."""
        self.remove_class("-reading")
        self.filter.focus()

    def action_pane(self) -> None:
        """The focus to and fro."""
        notes = self.notes
        if self.source.surface.has_focus:
            self.remove_class("-reading")
            notes.focus()
        elif self._gone_over:
            self._choose(self._gone_over)
        elif self.source.note is not None:
            self.add_class("-reading")
            self.source.surface.focus()

    def action_leave(self) -> None:
        """Outline, then note, then where it was opened: in the list, or at another place."""
        if self.has_class("-outline"):
            self.remove_class("-outline")
            self.source.surface.focus()
        elif self.opened_from:
            self.notes_app.action_go(self.opened_from)
        elif self.has_class("-reading"):
            self.remove_class("-reading")
            self.notes.focus()
        else:
            self.notes_app.action_go("ask")
