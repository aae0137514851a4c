"""notesqa: ask your own machine-learning notes, locally.

    from notesqa import Notes, Retriever

The names are imported when they are first used, so that `import notesqa` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notesqa.api import Notes
    from notesqa.errors import (
        Cancelled,
        CatalogError,
        ConfigError,
        CorpusError,
        EmbeddingError,
        ModelError,
        NotesqaError,
        PromptError,
    )
    from notesqa.records import Answer, Citation, Document, Passage, Sentence, Turn
    from notesqa.retrieval import Retriever

__version__ = "0.1.0"

_HOMES = {
    "Answer": "records",
    "Cancelled": "errors",
    "CatalogError": "errors",
    "Citation": "records",
    "ConfigError": "errors",
    "CorpusError": "errors",
    "Document": "records",
    "EmbeddingError": "errors",
    "ModelError": "errors",
    "Notes": "api",
    "NotesqaError": "errors",
    "Passage": "records",
    "PromptError": "errors",
    "Retriever": "retrieval",
    "Sentence": "records",
    "Turn": "records",
}

__all__ = [
    "Answer",
    "Cancelled",
    "CatalogError",
    "Citation",
    "ConfigError",
    "CorpusError",
    "Document",
    "EmbeddingError",
    "ModelError",
    "Notes",
    "NotesqaError",
    "Passage",
    "PromptError",
    "Retriever",
    "Sentence",
    "Turn",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(f"notesqa.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'notesqa' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
