"""Answers whose every sentence cites its passage: see `Answerer`."""

from notesqa.answering.answerer import Answerer
from notesqa.answering.events import AnswerEvent, Delta, Finished, Found

__all__ = ["AnswerEvent", "Answerer", "Delta", "Finished", "Found"]
