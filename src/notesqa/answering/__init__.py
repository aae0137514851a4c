"""Answers whose every sentence cites its passage: see `Answerer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from notesqa.answering.events import AnswerEvent, Delta, Finished, Found

if TYPE_CHECKING:
    from notesqa.answering.answerer import Answerer

__all__ = ["AnswerEvent", "Answerer", "Delta", "Finished", "Found"]


def __getattr__(name: str) -> Any:
    # Whoever only hears the events does not load the engines.
    if name == "Answerer":
        from notesqa.answering.answerer import Answerer

        return Answerer
    raise AttributeError(f"module 'notesqa.answering' has no attribute {name!r}")
