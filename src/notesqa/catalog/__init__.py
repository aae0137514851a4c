"""The catalog: one SQLite file that is the only truth about a home.

Documents, chunks, vectors, terms and files belong to *commits*. A rebuild is one
transaction that adds a commit; rows carry the commit that added them and the one
that removed them, so a reader keeps a whole state and a search engine can follow.
Conversations live here too, with the cited text as it was.

The only package that imports sqlite3 and sqlite_utils.
"""

from __future__ import annotations

from notesqa.catalog.file import CATALOG_FILE
from notesqa.catalog.rows import (
    ChunkRow,
    Commit,
    FileRow,
    LiveDocument,
    NewChunk,
    NewDocument,
    decode_sources,
    encode_sources,
    text_key,
)
from notesqa.catalog.store import Catalog

__all__ = [
    "CATALOG_FILE",
    "Catalog",
    "ChunkRow",
    "Commit",
    "FileRow",
    "LiveDocument",
    "NewChunk",
    "NewDocument",
    "decode_sources",
    "encode_sources",
    "text_key",
]
