"""The messages in which the desk tells the app what has come of its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

if TYPE_CHECKING:
    from notesqa.api import SavedTurn, Status
    from notesqa.errors import NotesqaError
    from notesqa.records import Answer, Passage
    from notesqa.reports import ConversationInfo, DocumentInfo, IndexEvent, IndexReport
    from notesqa.tui.finding import Findings
    from notesqa.tui.flow import Section
    from notesqa.tui.note_text import NoteText
    from notesqa.tui.queries import Query


class Told(Message):
    """What the desk tells the app, whose `on_told` hears all of it."""

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.handler_name = "on_told"


@dataclass
class Opened(Told):
    """The home is open; or its index or model has changed."""

    status: Status
    model: str = ""
    context_tokens: int = 0


@dataclass
class Warmed(Told):
    """The engines are loaded: searches are quick from now on."""

    seconds: float


@dataclass
class ModelState(Told):
    """The chat model is being loaded, is there (`name`), or is not."""

    name: str
    loading: bool = False
    context_tokens: int = 0
    has_template: bool = True


@dataclass
class Failed(Told):
    """Something did not work; `where` is what was being done."""

    where: str
    error: NotesqaError
    number: int = 0


@dataclass
class Results(Told):
    """What a search found, and the same laid out."""

    number: int
    query: Query
    found: Findings
    seconds: float
    sections: list[Section]


@dataclass
class AnswerFound(Told):
    """The passages that the answer will rest on, and the question as it was searched."""

    number: int
    question: str
    passages: tuple[Passage, ...]


@dataclass
class AnswerText(Told):
    """What the model has written so far."""

    number: int
    text: str


@dataclass
class AnswerDone(Told):
    """The answer, checked."""

    number: int
    answer: Answer


@dataclass
class AnswerSaved(Told):
    """The turn is kept in this conversation."""

    number: int
    conversation_id: int


@dataclass
class DocumentReady(Told):
    """A document that was asked for; `purpose` says by whom and what for."""

    purpose: str
    note: NoteText
    number: int


@dataclass
class Listed(Told):
    """All documents, by title; and all their tags and files, sorted."""

    documents: list[DocumentInfo]
    tags: list[str]
    sources: list[str]


@dataclass
class Conversations(Told):
    """Kept conversations, latest first."""

    query: str
    found: list[ConversationInfo]


@dataclass
class ConversationReady(Told):
    """The turns of a kept conversation."""

    conversation_id: int
    turns: list[SavedTurn]
    purpose: str


@dataclass
class IndexProgress(Told):
    """How far a rebuild is; `left` in seconds, or None."""

    event: IndexEvent
    left: float | None


@dataclass
class IndexDone(Told):
    """A rebuild ended; with the conversations that cite a note that has changed."""

    report: IndexReport
    changed: list[ConversationInfo]
    status: Status


@dataclass
class IndexCancelled(Told):
    """A rebuild was cancelled."""


@dataclass
class Noticed(Told):
    """Files in the corpus differ from what the index knows."""

    status: Status
