"""The tables of the catalog, as named migrations, each of which is applied once."""

from __future__ import annotations

import uuid

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("notesqa")


@migrations(name="0001_documents_chunks_vectors")
def _m0001(db: Database) -> None:
    db.execute("CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    db.execute(
        "CREATE TABLE commits (id INTEGER PRIMARY KEY, created TEXT NOT NULL, recipe TEXT NOT NULL,"
        " embedder TEXT NOT NULL, files INTEGER NOT NULL, documents INTEGER NOT NULL,"
        " duplicates INTEGER NOT NULL, chunks INTEGER NOT NULL, seconds REAL NOT NULL)"
    )
    db.execute(
        "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER NOT NULL,"
        " mtime_ns INTEGER NOT NULL, hash TEXT NOT NULL, reason TEXT, reading BLOB)"
    )
    db.execute(
        "CREATE TABLE documents (pk INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,"
        " title TEXT NOT NULL, text TEXT NOT NULL, kind TEXT NOT NULL, date TEXT,"
        " tags TEXT NOT NULL, truncated INTEGER NOT NULL, sources TEXT NOT NULL,"
        " hash TEXT NOT NULL, added INTEGER NOT NULL, removed INTEGER)"
    )
    db.execute("CREATE UNIQUE INDEX live_documents ON documents (id) WHERE removed IS NULL")
    db.execute(
        "CREATE TABLE chunks (pk INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL,"
        " document INTEGER NOT NULL, ordinal INTEGER NOT NULL, start INTEGER NOT NULL,"
        " stop INTEGER NOT NULL, line INTEGER NOT NULL, heading TEXT NOT NULL,"
        " text TEXT NOT NULL, tokens INTEGER NOT NULL, embedded BLOB NOT NULL,"
        " added INTEGER NOT NULL, removed INTEGER)"
    )
    db.execute("CREATE INDEX chunks_of_document ON chunks (document, ordinal)")
    db.execute("CREATE INDEX chunks_by_id ON chunks (id)")
    db.execute("CREATE INDEX chunks_removed ON chunks (removed) WHERE removed IS NOT NULL")
    db.execute("CREATE INDEX chunks_added ON chunks (added)")
    db.execute("CREATE TABLE embedders (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")
    db.execute(
        "CREATE TABLE vectors (embedder INTEGER NOT NULL, embedded BLOB NOT NULL,"
        " vector BLOB NOT NULL, PRIMARY KEY (embedder, embedded)) WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE terms (document INTEGER NOT NULL, zh TEXT NOT NULL, en TEXT NOT NULL,"
        " abbr TEXT NOT NULL)"
    )
    db.execute("CREATE INDEX terms_of_document ON terms (document)")
    db.execute("INSERT INTO state VALUES ('identity', ?)", [uuid.uuid4().hex])
    db.execute("INSERT INTO state VALUES ('oldest', '0')")


@migrations(name="0002_conversations")
def _m0002(db: Database) -> None:
    db.execute(
        "CREATE TABLE conversations (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL,"
        " created TEXT NOT NULL, updated TEXT NOT NULL, deleted TEXT)"
    )
    db.execute(
        "CREATE TABLE turns (id INTEGER PRIMARY KEY AUTOINCREMENT, conversation INTEGER NOT NULL"
        " REFERENCES conversations (id), asked_at TEXT NOT NULL, question TEXT NOT NULL,"
        " answer TEXT NOT NULL)"
    )
    db.execute("CREATE INDEX turns_of_conversation ON turns (conversation)")


@migrations(name="0003_filters")
def _m0003(db: Database) -> None:
    # All that filters look at: a document's row holds its text, too, which takes a hundred
    # times as long to pass by.
    db.execute(
        "CREATE INDEX documents_filtered ON documents (removed, added, date, title, tags, sources)"
    )
