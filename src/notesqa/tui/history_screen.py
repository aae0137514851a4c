"""Kept conversations: found, reopened, renamed, deleted and brought back, exported."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from notesqa.text.terminal import clip, safe
from notesqa.tui.answers import Exchange, exchange_lines
from notesqa.tui.bars import KeyBar, ProgressBar, StatusBar
from notesqa.tui.dialogs import Confirm, Prompt, when
from notesqa.tui.field import Field
from notesqa.tui.flow import Line, Piece
from notesqa.tui.queries import matches
from notesqa.tui.surface import Section, Surface
from notesqa.tui.wording import Wording, speak

if TYPE_CHECKING:
    from notesqa.reports import ConversationInfo
    from notesqa.tui.app import NotesApp
    from notesqa.tui.told import ConversationReady


class HistoryScreen(Screen[None]):
    """The fourth screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "do_explore", id="open_conversation", priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("f8,ctrl+t", "rename", "do_rename", id="rename"),
        Binding("delete,ctrl+d", "delete", "do_delete", id="delete", priority=True),
        Binding("f9", "undo", "do_undo", id="undo", priority=True),
        Binding("ctrl+e", "export", "do_export", id="export", priority=True),
        Binding("escape", "leave", "do_stop", id="history_leave", show=False),
    ]

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        speak(self, words)
        self.line = Field(id="query", placeholder=words("history_hint"))
        self.list = OptionList(id="conversations", markup=False, compact=True)
        self.preview = Surface(id="preview", max_width=100)
        self._found: list[ConversationInfo] = []
        self._deleted: list[int] = []

    def compose(self) -> ComposeResult:
        """Line, list, preview."""
        yield StatusBar("history", self.words)
        yield ProgressBar(self.words)
        yield self.line
        with Horizontal(id="body"):
            with Vertical(id="found"):
                yield self.list
            yield self.preview
        yield KeyBar()

    @property
    def notes_app(self) -> NotesApp:
        """The app, with its own type."""
        return cast("NotesApp", self.app)

    @property
    def _query(self) -> str:
        return self.line.value.strip()

    @property
    def _current(self) -> ConversationInfo | None:
        at = self.list.highlighted
        return self._found[at] if at is not None and at < len(self._found) else None

    def on_mount(self) -> None:
        """Type at once."""
        self.line.focus()

    def on_screen_resume(self) -> None:
        """List what there is now."""
        self._fetch()

    @on(Input.Changed, "#query")
    def _on_changed(self) -> None:
        self._fetch()

    def _fetch(self) -> None:
        status = self.notes_app.status
        if status is not None and not status.commit:
            # They are kept beside the index: without one there are none.
            self.show_list(self._query, [])
        else:
            self.notes_app.desk.conversations(self._query)

    def show_list(self, query: str, found: list[ConversationInfo]) -> None:
        """What was found; dropped when something else has been typed since."""
        if query != self._query:
            return
        kept = self.list.highlighted or 0
        self._found = found
        self.refresh_bindings()
        self.list.clear_options()
        for info in found:
            below = f"\n{when(info.updated)} · {self.words('turns', n=info.turns)}"
            # Colours by name: they are another theme's tomorrow.
            text = Content.assemble(safe(info.title, newlines=False), (below, "$quiet"))
            self.list.add_option(Option(text))
        if found:
            self.list.highlighted = min(kept, len(found) - 1)
        else:
            said = self.words("no_results" if query else "no_history")
            self.list.add_option(Option(Content.styled(said, "$quiet"), disabled=True))
            self.preview.show([])

    @on(OptionList.OptionHighlighted, "#conversations")
    def _on_highlighted(self) -> None:
        if (info := self._current) is not None:
            self.notes_app.desk.conversation(info.id, "preview")

    @on(OptionList.OptionSelected, "#conversations")
    def _on_selected(self) -> None:
        self.action_open()

    def show_preview(self, message: ConversationReady) -> None:
        """The turns of the highlighted conversation have come."""
        info = self._current
        if info is None or info.id != message.conversation_id:
            return
        sections = [
            self._section(
                Exchange(
                    -1 - index,
                    turn.answer.question,
                    state="done",
                    answer=turn.answer,
                    changed=turn.changed,
                )
            )
            for index, turn in enumerate(message.turns)
        ]
        self.preview.show(sections)
        # From the first turn on that holds what is searched for.
        if (hit := next((s for s in sections if _holds(s, self._query)), None)) is not None:
            self.preview.scroll_to_anchor(next(line.anchor for line in hit.lines if line.anchor))

    def _section(self, exchange: Exchange) -> Section:
        query = self._query

        def lay_out(width: int) -> list[Line]:
            return [_marked(line, query) for line in exchange_lines(exchange, width, self.words)]

        return Section(f"turn:{exchange.number}", lay_out)

    # -- keys -------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is offered that there is no conversation for."""
        if action == "undo":
            return bool(self._deleted)
        if action in ("open", "rename", "delete", "export"):
            return bool(self._found)
        return super().check_action(action, parameters)

    def action_move(self, step: int) -> None:
        """The next or previous conversation."""
        if step > 0:
            self.list.action_cursor_down()
        else:
            self.list.action_cursor_up()

    def action_open(self) -> None:
        """Go on with the conversation."""
        if (info := self._current) is not None:
            self.notes_app.open_conversation(info.id)

    def action_rename(self) -> None:
        """Give it another title."""
        if (info := self._current) is None:
            return

        def renamed(title: str | None) -> None:
            if title:
                self.notes_app.desk.change_conversation(
                    lambda notes: notes.rename_conversation(info.id, title), self._query
                )

        self.app.push_screen(Prompt(self.words("rename"), info.title, self.words), renamed)

    def action_delete(self) -> None:
        """Delete it, after a question; it can be taken back."""
        if (info := self._current) is None:
            return

        def confirmed(yes: bool | None) -> None:
            if yes:
                self._deleted.append(info.id)
                self.notes_app.forget_conversation(info.id)
                self.notes_app.desk.change_conversation(
                    lambda notes: notes.delete_conversation(info.id), self._query
                )
                self.notify(self.words("deleted"), timeout=4)

        title = clip(safe(info.title, newlines=False), 40)
        self.app.push_screen(Confirm(self.words("delete_ask", title=title), self.words), confirmed)

    def action_undo(self) -> None:
        """Bring back what was deleted last."""
        last = self._deleted.pop()
        self.notes_app.desk.change_conversation(
            lambda notes: notes.restore_conversation(last), self._query
        )
        self.notify(self.words("restored"), timeout=2)

    def action_export(self) -> None:
        """Write it to a Markdown file."""
        if (info := self._current) is not None:
            self.notes_app.export(info)

    def action_leave(self) -> None:
        """Back to asking."""
        self.notes_app.action_go("ask")


def _marked(line: Line, query: str) -> Line:
    """`line` with `query` marked wherever it says it, also across pieces."""
    found = matches(line.text, [query])
    if not found or line.spot is not None:
        return line
    pieces: list[Piece] = []
    at = 0
    for piece in line.pieces:
        begin, at = at, at + len(piece.text)
        cuts = {0, len(piece.text)}
        cuts |= {c - begin for span in found for c in span if begin < c < at}
        for start, end in pairwise(sorted(cuts)):
            part = piece.part(start, end)
            if any(low <= begin + start < high for low, high in found):
                part = replace(part, style=f"{part.style} mark-word".strip())
            pieces.append(part)
    return replace(line, pieces=tuple(pieces))


def _holds(section: Section, query: str) -> bool:
    return bool(matches("".join(line.text.strip() for line in section.lines), [query]))
