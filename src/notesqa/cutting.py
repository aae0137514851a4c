"""Documents cut into the passages that are committed.

Half of the time of a rebuild goes into it. What takes long is therefore kept as it is cut,
until the commit, so that an interrupted rebuild need not do it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from notesqa.catalog import NewChunk, NewDocument, text_key
from notesqa.chunking import chunk
from notesqa.records import Chunk, Document
from notesqa.text.terms import defined_terms

if TYPE_CHECKING:
    from notesqa.catalog import Catalog
    from notesqa.config import Settings
    from notesqa.embedding import Embedder

_KEEP_SECONDS = 2.0
"""How much work may be lost; what takes less is never written twice."""


def embedded_text(title: str, heading: Sequence[str], text: str) -> str:
    """What is embedded of a chunk: its text under its title and headings.

    A heading that the text holds itself is not said twice.
    """
    above = [part for part in (title, *heading) if part and part not in text]
    return "\n".join([*above, text])


class Cutter:
    """Cuts documents, each of them once, also where a rebuild is stopped and begun again."""

    def __init__(
        self, catalog: Catalog, embedder: Embedder, settings: Settings, recipe: str
    ) -> None:
        """Take up what an interrupted rebuild has kept."""
        self._catalog = catalog
        self._embedder = embedder
        self._tokens = _chunk_tokens(embedder, settings)
        # A document of the same hash is cut the same way by the same recipe and embedder.
        self._made_for = f"{recipe}/{self._tokens}/{embedder.name}"
        self._kept = catalog.cuts()
        self._fresh: dict[str, str] = {}
        self._last_kept = time.monotonic()

    def cut(self, document: Document, digest: str) -> NewDocument:
        """A document with its passages and terms; `digest` tells this version of it."""
        key = f"{self._made_for}/{document.id}/{digest}"
        kept = self._kept.get(key)
        if kept is not None:
            chunks, terms = _unpacked(document, kept)
        else:
            chunks = chunk(document, self._embedder.count_tokens, tokens=self._tokens)
            terms = defined_terms(document.text)
            self._fresh[key] = _packed(chunks, terms)
            if time.monotonic() - self._last_kept >= _KEEP_SECONDS:
                self._catalog.keep_cuts(self._fresh)
                self._fresh.clear()
                self._last_kept = time.monotonic()
        rows, line, position = [], 0, 0
        for c in chunks:
            line += document.text.count("\n", position, c.start)
            position = c.start
            embedded = text_key(embedded_text(document.title, c.heading, c.text))
            rows.append(NewChunk(c, line, embedded))
        return NewDocument(document, digest, tuple(rows), tuple(terms))


def _chunk_tokens(embedder: Embedder, settings: Settings) -> int:
    """The chunk size asked for, or less where the embedder would cut it off unseen."""
    if not embedder.max_tokens:
        return settings.chunking.tokens
    # Room for the title and headings that are embedded with the text.
    return max(32, min(settings.chunking.tokens, embedder.max_tokens * 3 // 4))


def _packed(chunks: Sequence[Chunk], terms: Sequence[tuple[str, str, str]]) -> str:
    rows = [[c.id, c.ordinal, c.start, c.end, c.heading, c.tokens] for c in chunks]
    # A note may hold half a character, which is written as an escape.
    return json.dumps([rows, terms])


def _unpacked(document: Document, raw: str) -> tuple[list[Chunk], list[tuple[str, str, str]]]:
    rows, terms = json.loads(raw)
    chunks = [
        Chunk(id_, document.id, ordinal, start, end, tuple(heading), document.text[start:end], size)
        for id_, ordinal, start, end, heading, size in rows
    ]
    return chunks, [(zh, en, abbr) for zh, en, abbr in terms]
