"""Finding the passages that answer: see `Retriever`."""

from notesqa.retrieval.retriever import Hit, Retriever

__all__ = ["Hit", "Retriever"]
