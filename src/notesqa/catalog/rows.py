"""What the catalog takes and gives, row by row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from notesqa.records import Chunk, Document, Source


@dataclass(frozen=True, slots=True)
class Commit:
    """What one rebuild left.

    Attributes:
        recipe: versions of reader, chunker and their settings; a change of it
            makes every document new.
        embedder: name of the embedder whose vectors belong to it.
    """

    id: int
    created: str
    recipe: str
    embedder: str
    files: int
    documents: int
    duplicates: int
    chunks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of the corpus as it was last read; `reading` is what it held."""

    path: str
    size: int
    mtime_ns: int
    hash: str
    reason: str | None
    reading: bytes | None


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk to be committed, the line breaks before it, and its embedded text's key."""

    chunk: Chunk
    line: int
    embedded: bytes


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document to be committed with its chunks and the terms found in it."""

    document: Document
    hash: str
    chunks: tuple[NewChunk, ...]
    terms: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """What is needed to tell whether a document has changed."""

    pk: int
    id: str
    hash: str
    sources: str


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk joined with what its document says of it.

    Attributes:
        opening: the first 300 characters of the document.
    """

    pk: int
    id: str
    document_pk: int
    document_id: str
    ordinal: int
    start: int
    end: int
    heading: tuple[str, ...]
    text: str
    title: str
    source: str
    kind: str
    date: str | None
    tags: tuple[str, ...]
    opening: str


def text_key(text: str) -> bytes:
    """The key under which the vector of `text` is kept (16 bytes of BLAKE2b)."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def encode_sources(sources: Sequence[Source]) -> str:
    """Sources as the JSON that the catalog keeps."""
    return json.dumps([[s.path, s.line] for s in sources], ensure_ascii=False)


def decode_sources(raw: str) -> tuple[Source, ...]:
    """The inverse of `encode_sources`."""
    return tuple(Source(path, line) for path, line in json.loads(raw))
