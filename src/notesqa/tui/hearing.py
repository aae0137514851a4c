"""What the app knows, and how it comes to know it.

The desk tells in messages what has come of its work; here each changes what is known
and has the screens that show it drawn anew.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.reactive import reactive
from textual.widgets import Input

from notesqa.errors import Cancelled, NotesqaError
from notesqa.text.terminal import safe
from notesqa.tui.bars import Progress, Signal
from notesqa.tui.drafts import Draft
from notesqa.tui.errands import Errands

if TYPE_CHECKING:
    from notesqa.api import SavedTurn, Status
    from notesqa.records import Document
    from notesqa.reports import DocumentInfo
    from notesqa.tui import told
    from notesqa.tui.answers import Exchange
    from notesqa.tui.ask_screen import AskScreen
    from notesqa.tui.history_screen import HistoryScreen
    from notesqa.tui.read_screen import ReadScreen
    from notesqa.tui.rubbish import Rubbish
    from notesqa.tui.search_screen import SearchScreen
    from notesqa.tui.settings_screen import SettingsScreen
    from notesqa.tui.wording import Wording

_SUGGESTED = 4
_LONGEST_NAME = 40
# A title that gives its name again in another language; and titles that are no name.
_NAMED_TWICE = re.compile(r"[ \t]*[（(][^（）()]*[)）]$")
_NO_NAME = "：:？?！!，,、；;|/"
_TYPING_SECONDS = 1.5


class Hearing(Errands):
    """The part of the app that hears the desk; what it does itself is in `NotesApp`."""

    signal: reactive[Signal] = reactive(Signal)
    progress: reactive[Progress | None] = reactive[Progress | None](None)

    def __init__(
        self,
        words: Wording,
        corpus: Path | None,
        *,
        question: str,
        rubbish: Rubbish | None,
    ) -> None:
        """`question` is asked as soon as the home is open; the rest as for `NotesApp`."""
        super().__init__()
        self.words = words
        self.corpus = corpus
        self.exchanges: list[Exchange] = []
        self.documents: list[DocumentInfo] = []
        self.tags: Sequence[str] = ()
        self.sources: Sequence[str] = ()
        self.status: Status | None = None
        self.conversation_id: int | None = None
        self.context_tokens = 0
        self.last_speed = 0.0
        self._number = 0
        self._first_question = question
        self._draft = Draft(corpus.parent / "index" / "draft.txt" if corpus else None)
        self._suggestions: list[str] = []
        # Why the home could not be opened.
        self.not_opened: NotesqaError | None = None
        self._warm = False
        self._typed = 0.0
        self._rubbish = rubbish
        self._digest: told.IndexDone | None = None
        # That answers cannot be kept was told already.
        self._unsaved = False

    if TYPE_CHECKING:
        # What the app does, and hearing leads to.
        def action_go(self, place: str) -> None: ...
        def action_digest(self) -> None: ...
        def ask(self, question: str, *, llm: bool = True, literal: bool = False) -> None: ...
        def key_of(self, action: str) -> str: ...
        @property
        def is_empty(self) -> bool: ...

    @cached_property
    def _hearers(self) -> dict[type[told.Told], Callable[[Any], None]]:
        from notesqa.tui import told

        return {
            told.Opened: self._hear_opened,
            told.Warmed: self._hear_warmed,
            told.ModelState: self._hear_model_state,
            told.Listed: self._hear_listed,
            told.Results: self._hear_results,
            told.AnswerFound: self._hear_answer_found,
            told.AnswerText: self._hear_answer_text,
            told.AnswerDone: self._hear_answer_done,
            told.AnswerSaved: self._hear_answer_saved,
            told.Failed: self._hear_failed,
            told.DocumentReady: self._hear_document,
            told.Conversations: self._hear_conversations,
            told.ConversationReady: self._hear_conversation,
            told.IndexProgress: self._hear_index_progress,
            told.IndexCancelled: self._hear_index_cancelled,
            told.IndexDone: self._hear_index_done,
            told.Noticed: self._hear_noticed,
        }

    # -- what is there -------------------------------------------------------------------

    @property
    def ask_screen(self) -> AskScreen:
        """The screen at the bottom."""
        return cast("AskScreen", self.screen_stack[0])

    def _shown(self, name: str) -> Any:
        """The screen of this name, if it is in sight or below, and has its widgets."""
        screen = self.get_screen(name) if self.is_screen_installed(name) else None
        return screen if screen in self.screen_stack and screen.is_mounted else None

    def _searching(self) -> SearchScreen | None:
        return cast("SearchScreen | None", self._shown("search"))

    def _reading(self) -> ReadScreen | None:
        return cast("ReadScreen | None", self._shown("read"))

    def _looking_back(self) -> HistoryScreen | None:
        return cast("HistoryScreen | None", self._shown("history"))

    @property
    def suggestions(self) -> list[str]:
        """Questions to begin with."""
        return self._suggestions

    @property
    def latest(self) -> Exchange | None:
        """The last question of the conversation."""
        return self.exchanges[-1] if self.exchanges else None

    @property
    def answering(self) -> bool:
        """Whether an answer is in the making."""
        return self.latest is not None and self.latest.state in ("searching", "writing")

    def exchange(self, number: int) -> Exchange | None:
        """The exchange with this number."""
        return next((e for e in self.exchanges if e.number == number), None)

    # -- hearing ---------------------------------------------------------------------------

    def on_told(self, message: told.Told) -> None:
        """The desk has something to tell."""
        # What comes while the app is being left finds no widgets any more.
        if self.is_running:
            self._hearers[type(message)](message)

    def _hear_opened(self, message: told.Opened) -> None:
        self._know(message.status)

    def _know(self, status: Status) -> None:
        first = self.status is None
        was_empty = self.is_empty
        moved = not first and status.commit != self.signal.commit
        self.status = status
        waiting = _waiting(status)
        self.signal = dataclasses.replace(
            self.signal,
            opening=False,
            failed=False,
            documents=status.documents,
            commit=status.commit,
            waiting=waiting,
            outdated=status.outdated,
        )
        self.desk.documents() if status.commit else None
        if self.is_empty != was_empty:
            # To the welcome, which takes the place of asking, or back from it.
            self.action_go("ask")
        elif first and status.outdated:
            said = self.words("outdated_why", key=self.key_of("rebuild"))
            self.notify(said, timeout=8)
        elif first and waiting:
            self._tell_waiting(status)
        self._refresh_settings()
        self.ask_screen.greet()
        if moved:
            self._catch_up()
        if first and self._first_question and status.documents:
            self.ask_screen.question.value = ""
            self.ask(self._first_question)

    def _catch_up(self) -> None:
        """The index is at another commit: what was found and quoted is looked at anew.

        The notes that are shown follow with their list.
        """
        if (screen := self._searching()) is not None:
            screen.catch_up()
        if self.conversation_id is not None:
            self.desk.conversation(self.conversation_id, "changed")

    def _hear_warmed(self, message: told.Warmed) -> None:
        del message
        self._warm = True
        self._settle()

    def _hear_model_state(self, message: told.ModelState) -> None:
        name = Path(message.name).name if message.name else ""
        self.signal = dataclasses.replace(self.signal, model=name, loading=message.loading)
        self.context_tokens = message.context_tokens
        self._refresh_settings()
        if not message.has_template:
            said = self.words("no_template", name=safe(name, newlines=False))
            self.notify(said, severity="warning", timeout=12, markup=False)

    def _hear_listed(self, message: told.Listed) -> None:
        self.documents = message.documents
        self.tags, self.sources = message.tags, message.sources
        self._settle()
        if not self._suggestions:
            self._suggestions = self._suggested()
            self.ask_screen.greet()
        if (screen := self._reading()) is not None:
            screen.show_list(message.documents)
        self.ask_screen.catch_up({info.id for info in message.documents})

    def _suggested(self) -> list[str]:
        """A question about a few of the notes, the newest first; those named in a word."""
        dated = sorted(self.documents, key=lambda info: info.date or "", reverse=True)
        names = [_NAMED_TWICE.sub("", info.title).strip() for info in dated]
        names = [name for name in names if name and len(name) <= _LONGEST_NAME]
        names.sort(key=lambda name: any(mark in name for mark in _NO_NAME))
        chinese = self.words.language == "zh"
        return [
            (f"{name}{' ' * name[-1].isascii()}是什么？" if chinese else f"What is {name}?")
            for name in dict.fromkeys(names)
        ][:_SUGGESTED]

    def _hear_results(self, message: told.Results) -> None:
        self._warm = True
        if (screen := self._searching()) is not None:
            screen.show_results(message)

    def _hear_answer_found(self, message: told.AnswerFound) -> None:
        if (exchange := self.exchange(message.number)) is not None:
            exchange.state = "writing"
            exchange.waiting_for = ""
            exchange.wording = message.question
            exchange.passages = message.passages
            self.ask_screen.changed(exchange)

    def _hear_answer_text(self, message: told.AnswerText) -> None:
        if (exchange := self.exchange(message.number)) is not None:
            exchange.text = message.text
            self.ask_screen.changed(exchange)

    def _hear_answer_done(self, message: told.AnswerDone) -> None:
        if (exchange := self.exchange(message.number)) is None:
            return
        exchange.state = "done"
        exchange.answer = message.answer
        seconds = message.answer.seconds.get("answer", 0.0)
        if exchange.text and seconds and message.answer.engine != "extractive":
            self.last_speed = len(exchange.text) / seconds
        self.ask_screen.changed(exchange)

    def _hear_answer_saved(self, message: told.AnswerSaved) -> None:
        self._unsaved = False
        self._draft.keep(self.ask_screen.question.value)
        if self.exchange(message.number) is not None:
            self.conversation_id = message.conversation_id

    def _hear_failed(self, message: told.Failed) -> None:
        from notesqa.tui.faults import error_told

        error = error_told(message.error, self.words)
        exchange = self.exchange(message.number) if message.where == "ask" else None
        if exchange is not None and exchange.answer is None:
            if isinstance(message.error, Cancelled):
                error = Cancelled(self.words("stopped"))
            exchange.state, exchange.error = "failed", error
            self.ask_screen.changed(exchange)
            return
        if exchange is not None:
            # It is answered; in a home that cannot be written, none is kept.
            if not self._unsaved:
                said = f"{self.words('not_saved')}{self.words('colon')}{error.message}"
                self.tell(NotesqaError(said, error.hint))
            self._unsaved = True
            return
        exchange = self.exchange(message.number) if message.where == "model" else None
        if exchange is not None:
            # It is answered all the same, without the model.
            exchange.error = error
            self.ask_screen.changed(exchange)
            return
        if message.where == "search" and (screen := self._searching()) is not None:
            said = " · ".join(part for part in (error.message, error.hint) if part)
            screen.show_error(safe(said, newlines=False))
            return
        if message.where == "index":
            self.progress = None
        if message.where == "open" and self.status is None:
            # It stays so: a message that goes would leave "opening" behind for ever.
            self.not_opened = error
            self.signal = dataclasses.replace(self.signal, failed=True)
            self.ask_screen.greet()
            if self.screen is self.ask_screen and not self.exchanges:
                return
        self.tell(error)

    def _hear_document(self, message: told.DocumentReady) -> None:
        purpose, *span = message.purpose.split(":")
        if purpose == "cite":
            start, end = map(int, span)
            self.ask_screen.show_document(message.note, start, end)
            if self._quoted_otherwise(message.note.document, start, end):
                self.ask_screen.source.mark("changed_note")
        elif purpose == "search":
            if (screen := self._searching()) is not None:
                screen.show_document(message.note, int(span[0]), int(span[1]))
        elif (reader := self._reading()) is None:
            return
        elif purpose == "look":
            reader.show_preview(message.note)
        elif span:
            reader.renew(message.note)
        else:
            reader.show_document(message.note, message.number)

    def _quoted_otherwise(self, document: Document, start: int, end: int) -> bool:
        """Whether answers here quoted something else from that place."""
        quotes = {
            citation.quote
            for exchange in self.exchanges
            if exchange.answer is not None
            for answer in (exchange.answer, exchange.answer.alternative)
            if answer is not None
            for citation in answer.citations
            if (citation.document_id, citation.start, citation.end) == (document.id, start, end)
        }
        return bool(quotes) and document.text[start:end] not in quotes

    def _hear_conversations(self, message: told.Conversations) -> None:
        if (screen := self._looking_back()) is not None:
            screen.show_list(message.query, message.found)

    def _hear_conversation(self, message: told.ConversationReady) -> None:
        if message.purpose == "preview":
            if (screen := self._looking_back()) is not None:
                screen.show_preview(message)
            return
        if message.purpose.startswith("export:"):
            self.exported(message.purpose.partition(":")[2], message)
            return
        if message.purpose == "changed":
            self._mark_changed(message.turns)
            return
        from notesqa.tui.answers import Exchange

        self.exchanges = []
        for turn in message.turns:
            self._number += 1
            exchange = Exchange(self._number, turn.answer.question, state="done")
            exchange.answer, exchange.changed = turn.answer, turn.changed
            exchange.asked_at = turn.asked_at
            self.exchanges.append(exchange)
        self.conversation_id = message.conversation_id
        self.action_go("ask")
        self.ask_screen.show_conversation()
        self.ask_screen.question.focus()

    def _mark_changed(self, turns: Sequence[SavedTurn]) -> None:
        """Mark what is cited in the open conversation and is not in its note any more."""
        answered = [exchange for exchange in self.exchanges if exchange.answer is not None]
        for exchange, turn in zip(answered, turns, strict=False):
            if exchange.answer == turn.answer and exchange.changed != turn.changed:
                exchange.changed = turn.changed
                self.ask_screen.redraw(exchange)

    # -- rebuilding ------------------------------------------------------------------------

    def _hear_index_progress(self, message: told.IndexProgress) -> None:
        event = message.event
        self.progress = Progress(event.stage, event.done, event.total, message.left, event.detail)

    def _hear_index_cancelled(self, message: told.IndexCancelled) -> None:
        del message
        self.progress = None
        self.notify(self.words("rebuild_cancelled"), timeout=4)
        self.desk.status()

    def _hear_index_done(self, message: told.IndexDone) -> None:
        self.progress = None
        self._suggestions = []
        self._know(message.status)
        unread = message.report.failed or message.report.unread
        if not message.report.documents and not unread:
            self.notify(self.words("still_empty", corpus=safe(self.corpus_shown)), timeout=6)
            return
        if not (message.report.changed or message.report.failed):
            self.notify(self.words("nothing_new", n=message.report.commit), timeout=3)
            return
        self._digest = message
        line = self.focused
        recent = time.monotonic() - self._typed < _TYPING_SECONDS
        if isinstance(line, Input) and line.value and recent:
            # Somebody is typing: a page now would swallow the keys.
            key = self.key_of("digest")
            report = message.report
            counts = {
                "added": report.added,
                "updated": report.updated,
                "removed": report.removed,
            }
            self.notify(self.words("digest_ready", key=key, **counts), timeout=8)
        else:
            self.action_digest()

    def _hear_noticed(self, message: told.Noticed) -> None:
        if self.desk.indexing:
            return  # what waited then is being taken in
        if message.status.commit != self.signal.commit:
            # Another process has rebuilt it.
            self._know(message.status)
            return
        waiting = _waiting(message.status)
        known = self.signal.waiting
        self.signal = dataclasses.replace(self.signal, waiting=waiting)
        if waiting and waiting != known and not self.is_empty:
            self._tell_waiting(message.status)

    def _tell_waiting(self, status: Status) -> None:
        new, waiting = len(status.pending.added), _waiting(status)
        key = self.key_of("rebuild")
        self.notify(
            self.words("arrived", n=new, key=key)
            if new
            else self.words("files_changed", n=waiting, key=key),
            timeout=6,
        )

    def _refresh_settings(self) -> None:
        screen = cast("SettingsScreen | None", self._shown("settings"))
        if screen is not None:
            screen.refresh_state()

    def _settle(self) -> None:
        if self._rubbish is not None:
            self._rubbish.settle()


def _waiting(status: Status) -> int:
    pending = status.pending
    return len(pending.added) + len(pending.changed) + len(pending.removed)
