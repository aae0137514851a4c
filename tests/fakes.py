"""An embedder and homes for the tests: no model file, no notes of anybody else."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent
"""The repository: where a process that imports `tests` has to run."""


class BigramEmbedder:
    """Unit vectors of hashed character bigrams: the same text, the same vector, anywhere.

    It counts what it embeds, and can be told to fail or to call back before a batch.
    """

    def __init__(self, name: str = "fake-bigrams-1", dimension: int = 64) -> None:
        self._name = name
        self._dimension = dimension
        self.embedded: list[str] = []
        self.before_batch: Callable[[int], None] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def max_tokens(self) -> int:
        return 0

    def count_tokens(self, text: str) -> int:
        return sum(1 for char in text if not char.isspace()) // 2 + 1 if text else 0

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.before_batch:
            self.before_batch(len(self.embedded))
        self.embedded.extend(texts)
        return self._vectors(texts)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._vectors(texts)

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self._dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            text.encode("utf-8")  # as strict as a real tokenizer: no half characters
            letters = [char for char in text.lower() if char.isalnum()]
            for pair in itertools.pairwise(letters):
                digest = hashlib.blake2b("".join(pair).encode(), digest_size=4).digest()
                row[int.from_bytes(digest, "big") % self._dimension] += 1.0
            length = float(np.linalg.norm(row))
            if length:
                row /= length
        return rows


def transmission(*excerpts: str, pager: str = "1 2 3 ... 5") -> str:
    """A transmission as the feed page saves it."""
    return "\n".join(["INCOMING TRANSMISSION", "", "LATEST UPDATES", *excerpts, pager, ""])


def article(title: str, body: str, *, date: str = "2024-05-01", tags: Sequence[str] = ()) -> str:
    """A Markdown note with front matter."""
    listed = ", ".join(tags)
    return f"---\ntitle: {title}\ndate: {date}\ntags: [{listed}]\n---\n\n# {title}\n\n{body}\n"


def write_notes(home: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below `corpus/` of a home; returns the home."""
    for name, content in files.items():
        path = home / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return home
