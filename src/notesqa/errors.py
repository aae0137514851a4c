"""The errors that a caller of notesqa may see.

Every one carries a message that says what is wrong and a hint that says what
to do. Third-party errors are mapped to these where they enter.
"""

from __future__ import annotations


class NotesqaError(Exception):
    """Something went wrong that the user can understand and act upon.

    Attributes:
        message: one line, what is wrong.
        hint: one line, what to do; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(NotesqaError):
    """The home or its `notesqa.toml` is missing or wrong."""


class CorpusError(NotesqaError):
    """A note cannot be read or added."""


class CatalogError(NotesqaError):
    """The catalog or a search engine's folder cannot be read or written."""


class EmbeddingError(NotesqaError):
    """The embedder cannot be loaded or does not fit the index."""


class ModelError(NotesqaError):
    """The chat model cannot be loaded, reached, or fails while it writes."""


class PromptError(NotesqaError):
    """A prompt template is malformed."""


class Cancelled(NotesqaError):  # noqa: N818 - the user's wish, not a fault
    """The user stopped the work; what was done so far is kept."""
