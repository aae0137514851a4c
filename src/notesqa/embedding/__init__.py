"""Embedders: text to unit vectors.

`open_embedder` chooses: the built-in static model (no torch), or any
sentence-transformers model that the settings name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from notesqa.config import EmbeddingSettings

    Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """What every embedder offers.

    Attributes:
        name: identifies model, version and options: vectors of two embedders with
            the same name are interchangeable (it keys the vector store).
        dimension: length of a vector.
        max_tokens: how many tokens of a text count; 0 when all do.
    """

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def max_tokens(self) -> int: ...

    def count_tokens(self, text: str) -> int:
        """Length of `text` in the embedder's tokens, without special ones."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of passages: float32, shape `(len(texts), dimension)`, unit length.

        A text without any known token gets the zero vector.
        """
        ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Vectors of questions; same shape and scale as `embed_passages`."""
        ...


@dataclass(frozen=True, slots=True)
class Likeness:
    """A linear map from cosines to those that the built-in embedder would give.

    As it stands by default, cosines stay as they are.

    Attributes:
        factor, offset: `offset + factor * cosine`, held within -1 and 1.
        english: added for questions in English, which lie farther from Chinese passages.
    """

    factor: float = 1.0
    offset: float = 0.0
    english: float = 0.0

    def __call__(self, cosine: float, *, chinese: bool = True) -> float:
        likeness = self.offset + self.factor * cosine + (0.0 if chinese else self.english)
        return min(1.0, max(-1.0, likeness))


def open_embedder(settings: EmbeddingSettings) -> Embedder:
    """The embedder that the settings name.

    Raises:
        EmbeddingError: it cannot be loaded.
    """
    if settings.model == "builtin":
        from notesqa.embedding.builtin import BuiltinEmbedder

        return BuiltinEmbedder()
    from notesqa.embedding.transformer import TransformerEmbedder

    return TransformerEmbedder(settings)
