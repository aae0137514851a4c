"""The catalog's file: opened, brought up to date, locked, and its errors named."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from notesqa.catalog.schema import migrations
from notesqa.errors import CatalogError

CATALOG_FILE = "catalog.db"
_LONGEST_LOG = 32 << 20
"""Of SQLite's log after a great commit, which else keeps its size while anybody reads."""

_PARENTS: list[Database] = []
"""Connections of a process that this one was forked from: never closed here."""


@contextlib.contextmanager
def mapped(path: Path) -> Iterator[None]:
    """Name what SQLite raises.

    Raises:
        CatalogError: says what is wrong with the file at `path`, and what to do.
    """
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "readonly" in text or "unable to open" in text:
            raise CatalogError(
                f"cannot write to {path.parent}: {text}", "check the rights of the index folder"
            ) from error
        if "closed database" in text:
            raise CatalogError("the index was closed", "open it again") from error
        if "I/O" in text:
            raise CatalogError(
                f"the disk that holds {path.parent} fails: {text}",
                "look whether it is full or damaged",
            ) from error
        if "full" in text:
            raise CatalogError(
                f"the disk that holds {path.parent} is full", "free some space and run again"
            ) from error
        if "locked" in text or "busy" in text:
            raise CatalogError(
                f"{path} is in use by another program", "wait for it to end and run again"
            ) from error
        if isinstance(error, sqlite3.DatabaseError) and (
            "malformed" in text or "not a database" in text or "corrupt" in text
        ):
            raise CatalogError(
                f"{path} is damaged: {text}",
                "move it away and run: notesqa index --full (only saved conversations are lost)",
            ) from error
        raise CatalogError(f"{path}: {text}", "run: notesqa doctor") from error


class CatalogFile:
    """The open file of a catalog. Safe to use from several threads.

    Raises:
        CatalogError: from every method, when SQLite fails.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        """Open the catalog in `folder`; with `write` make or migrate it.

        Raises:
            CatalogError: not there (without `write`), of another version, damaged,
                or not writable.
        """
        self.path = folder / CATALOG_FILE
        self._process = os.getpid()
        self._lock = threading.RLock()
        if write:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise CatalogError(
                    f"cannot make the index folder {folder}: {error.strerror}",
                    "check the rights of its parent",
                ) from error
        elif not self.path.is_file():
            raise CatalogError("there is no index yet", "build it: notesqa index")
        with mapped(self.path):
            self._db = self._connect(write)
            try:
                self._bring_up_to_date(write)
            except BaseException:
                self.close()
                raise
        self._place = _place(self.path)

    def _bring_up_to_date(self, write: bool) -> None:
        known = {migration.name for migration in migrations._migrations}
        if {migration.name for migration in migrations.applied(self._db)} - known:
            raise CatalogError(
                "the index was made by a newer notesqa",
                f"install that one again, or delete {self.path.parent} and index anew",
            )
        if write:
            migrations.apply(self._db)
        elif migrations.pending(self._db):
            raise CatalogError(
                "the index was made by an older notesqa", "bring it up to date: notesqa index"
            )

    @property
    def is_gone(self) -> bool:
        """Whether the file was deleted or replaced since it was opened, or the process forked."""
        return self._process != os.getpid() or _place(self.path) != self._place

    def _connect(self, write: bool) -> Database:
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode={'rwc' if write else 'rw'}",
            uri=True,
            timeout=30,
            check_same_thread=False,
        )
        try:
            if write:
                # Heeded where there is nothing yet: such a file can become shorter step by step.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                # The probe row finds a read-only folder before any work is done.
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            if write or "malformed" in str(error):
                raise
            # On read-only media WAL cannot be used; nobody can write there either.
            connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=ro&immutable=1",
                uri=True,
                check_same_thread=False,
            )
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG}")
        return Database(connection, execute_plugins=False)

    def close(self) -> None:
        """Close the connection; the catalog cannot be used afterwards."""
        if self._process != os.getpid():
            # What the parent process has open would be closed under it.
            _PARENTS.append(self._db)
            return
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.conn.close()

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        if self._process != os.getpid():
            # SQLite forbids it, and the threads of a search are not there.
            raise CatalogError(
                "the index was opened before this process was forked", "open it again"
            )
        with self._lock, mapped(self.path):
            return list(self._db.execute(sql, values).fetchall())


def _place(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino


def now() -> str:
    """The time as the catalog keeps it: ISO 8601, UTC, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
