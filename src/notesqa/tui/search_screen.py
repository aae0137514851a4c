"""Search as you type: results to the left, the passage in its note to the right."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.suggester import Suggester
from textual.timer import Timer
from textual.widgets import Input, Static

from notesqa.text.terminal import safe
from notesqa.tui import queries
from notesqa.tui.bars import KeyBar, ProgressBar, StatusBar
from notesqa.tui.field import Field
from notesqa.tui.results import ResultList
from notesqa.tui.source_pane import SourcePane
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp
    from notesqa.tui.note_text import NoteText
    from notesqa.tui.queries import Query
    from notesqa.tui.told import Results

_SHOWN = 20
_LISTED = 100
# The note is shown when the typing, or the walking through the results, has come to rest.
_PAUSE = 0.12


class FilterSuggester(Suggester):
    """Completes filters with the tags and sources of the notes."""

    def __init__(self, app: NotesApp) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._app = app

    async def get_suggestion(self, value: str) -> str | None:
        """The completed line, or None."""
        found = queries.complete(value, self._app.tags, self._app.sources)
        return found if found and found.startswith(value) else None


class SearchScreen(Screen[None]):
    """The second screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+j", "move(1)", show=False, priority=True),
        Binding("up,ctrl+k", "move(-1)", show=False, priority=True),
        Binding("enter", "open", "do_note", id="open_result", priority=True),
        Binding("ctrl+e", "explain", "do_explain", id="explain", priority=True),
        Binding("ctrl+g", "ask_this", "do_ask", id="ask_this"),
        Binding("ctrl+y", "copy", "do_copy_quote", id="copy_passage", show=False),
        Binding("escape", "back", "do_stop", id="search_back", show=False),
        Binding("ctrl+o", "pane", "do_pane", id="search_pane", show=False),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)
        self.line = Field(id="query", placeholder=words("search_hint"))
        self.count = Static("", id="count", markup=False)
        self.results = ResultList(words)
        self.source = SourcePane(words, id="source", empty="passage_empty")
        self._number = 0
        # The commit that was searched last; and the passage to be chosen again, if it is found.
        self._commit = 0
        self._kept = ""
        self._pause: Timer | None = None

    def compose(self) -> ComposeResult:
        """Line, results and passage."""
        yield StatusBar("search", self.words)
        yield ProgressBar(self.words)
        self.line.suggester = FilterSuggester(self.notes_app)
        yield self.line
        with Horizontal(id="body"):
            with Vertical(id="found"):
                yield self.count
                yield self.results
            yield self.source
        yield KeyBar()

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    def on_mount(self) -> None:
        """Type at once."""
        self.line.focus()

    def on_screen_resume(self) -> None:
        """What was found in an index of before is looked for again."""
        if self._commit != self.notes_app.signal.commit:
            self.catch_up()

    # -- searching -----------------------------------------------------------------

    @on(Input.Changed, "#query")
    def _on_changed(self, message: Input.Changed) -> None:
        self.search(message.value)

    def catch_up(self) -> None:
        """The index has changed: search it anew."""
        self.search(self.line.value, keep=True)

    def search(self, line: str, *, keep: bool = False) -> None:
        """Search for `line` as it is now; `keep` the choice, where it is found again."""
        query = queries.parse(line)
        self._number += 1
        self._commit = self.notes_app.signal.commit
        chosen = self.results.chosen
        self._kept = chosen.chunk_id if keep and chosen is not None else ""
        if query.bad_date or not (query.text or query.filters):
            bad = safe(query.bad_date, newlines=False)
            self._none(self.words("bad_date", value=bad) if bad else "")
            return
        most = _SHOWN if query.text else _LISTED
        self.notes_app.desk.search(self._number, query, most, self.results.plan())

    def _none(self, why: str) -> None:
        """Nothing is found, nor shown any more."""
        self.results.empty()
        self.source.clear()
        self._count(why)

    def show_results(self, message: Results) -> None:
        """What was found; dropped when something else has been typed since."""
        if message.number != self._number:
            return
        found = message.found
        count = len(found.passages)
        if not count:
            self._none(self._why_none(message.query))
            return
        self.results.fill(found, message.sections)
        kept = (i for i, passage in enumerate(found.passages) if passage.chunk_id == self._kept)
        self.results.choose(next(kept, 0))
        if message.query.text:
            ms = max(1, round(message.seconds * 1000))
            self._count(self.words("results", n=count, ms=ms))
        else:
            self._count(self.words("listed" if count < _LISTED else "listed_first", n=count))

    def _why_none(self, query: Query) -> str:
        """A tag or file that no note has, where one is named."""
        app, words = self.notes_app, self.words
        if app.documents:
            known = {tag.lower() for tag in app.tags}
            for tag in query.tags:
                if tag.lower() not in known:
                    return words("no_tag", name=safe(tag, newlines=False))
            for glob in query.sources:
                # As the catalog compares them: the path, or the name of the file.
                if not any(
                    fnmatchcase(p, glob) or fnmatchcase(p, f"*/{glob}") for p in app.sources
                ):
                    return words("no_source", name=safe(glob.strip("*"), newlines=False))
        return words("no_results")

    def show_error(self, text: str) -> None:
        """The search did not work."""
        self._none(text)

    def _count(self, text: str) -> None:
        # Its size is fixed: nothing else moves for it.
        self.count.update(Text(text), layout=False)

    # -- the passage -----------------------------------------------------------------

    @on(ResultList.Chosen)
    def _on_chosen(self) -> None:
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(_PAUSE, self._fetch)

    def _fetch(self) -> None:
        if (passage := self.results.chosen) is not None:
            self.notes_app.desk.document(
                passage.document_id,
                f"search:{passage.start}:{passage.end}",
                self.source.surface.text_width,
                self._number,
            )

    def show_document(self, note: NoteText, start: int, end: int) -> None:
        """The note of the chosen result has come; of another, it comes too late."""
        chosen = self.results.chosen
        if chosen is None or (note.document.id, start, end) != (
            chosen.document_id,
            chosen.start,
            chosen.end,
        ):
            return
        marks = [
            (start + a, start + b, "mark-word")
            for a, b in queries.matches(note.document.text[start:end], self.results.words)
        ]
        span = (marks[0][0], marks[0][1]) if marks else (start, end)
        self.source.show(note, marks=marks, span=span)
        self.source.span = (start, end)

    @on(Surface.Opened)
    def _on_link(self, message: Surface.Opened) -> None:
        if message.surface is self.results:
            self.results.choose(int(message.link.partition(":")[2]))
            return
        self.notes_app.follow(message.link, self.source.note)

    # -- keys --------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        """The next or previous result, or a line of the note when that has the focus."""
        if self.source.surface.has_focus:
            (self.source.surface.scroll_down if step > 0 else self.source.surface.scroll_up)(
                animate=False
            )
        else:
            self.results.choose(self.results.at + step)

    def action_open(self) -> None:
        """Read the whole note at the passage."""
        if (passage := self.results.chosen) is not None:
            self.notes_app.read(passage.document_id, (passage.start, passage.end))

    def action_explain(self) -> None:
        """Show how each score came about, or not."""
        self.results.toggle_scores()

    def action_ask_this(self) -> None:
        """Ask what was searched for."""
        text = queries.parse(self.line.value).text
        if text:
            self.notes_app.action_go("ask")
            self.notes_app.ask(text)

    def action_copy(self) -> None:
        """The passage to the clipboard."""
        passage = self.results.chosen
        self.notes_app.copy(passage.text if passage else "", "the_quote")

    def action_pane(self) -> None:
        """The focus to and fro."""
        line = self.line
        (self.source.surface if line.has_focus else line).focus()

    def action_back(self) -> None:
        """To the line; from there to asking."""
        line = self.line
        if line.has_focus:
            self.notes_app.action_go("ask")
        else:
            line.focus()
