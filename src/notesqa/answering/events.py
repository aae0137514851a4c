"""What an answer in the making tells: passages found, text written, the end."""

from __future__ import annotations

from dataclasses import dataclass

from notesqa.records import Answer, Passage


@dataclass(frozen=True, slots=True)
class Found:
    """The passages that the answer will rest on.

    Attributes:
        question: in the wording that was searched for; it stands alone.
    """

    question: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply, as the model writes it; may hold citation marks."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer, checked against the notes; always the last event."""

    answer: Answer


AnswerEvent = Found | Delta | Finished
