"""Finding the passages that answer: see `Retriever`."""

from notesqa.retrieval.hits import Hit
from notesqa.retrieval.retriever import Retriever

__all__ = ["Hit", "Retriever"]
