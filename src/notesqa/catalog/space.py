"""Space in the catalog's file that nothing needs any more, given back to the disk.

A rebuild of everything leaves every chunk twice, and SQLite keeps what is deleted as free
pages: without this the file stays at twice its size. Each step is a short transaction, so
that nobody who writes waits long, and whoever is killed here has lost nothing.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Going = Callable[[int, int], bool]
"""Is told what is done of how much; False ends the work."""

_LONGEST_SEARCH = timedelta(minutes=10)
"""Who searches at a commit that was followed by another so long ago has stopped."""
_LEAST_CHUNKS = 1_000
_LEAST_BYTES = 16 << 20
"""Less is not worth the work, and is used again by what comes."""
_DEAD, _FREE = 1 / 3, 1 / 4
"""Shares of the chunks and of the file beyond which it is."""
_ROWS_AT_ONCE = 2_000
_PAGES_AT_ONCE = 1_000
_WAIT_SECONDS = 2.0
_STEPS = 20_000
"""Of SQLite's machine, between two looks at whether to go on."""
_INCREMENTAL = 2


def tidy(path: Path, going: Going) -> None:
    """Forget what earlier commits held and shorten the file, each where it is worth it.

    A disk without room or somebody else who writes leaves it for another time.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=_WAIT_SECONDS, isolation_level=None
    )
    with contextlib.closing(connection), contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA synchronous = NORMAL")
        if _forget(connection, going):
            _shorten(connection, path, going)


def _number(connection: sqlite3.Connection, sql: str, *values: object) -> int:
    (value,) = connection.execute(sql, values).fetchone()
    return int(value or 0)


def _forget(connection: sqlite3.Connection, going: Going) -> bool:
    """Delete the rows that were gone before the latest commit; False where it was stopped."""
    settled = (datetime.now(UTC) - _LONGEST_SEARCH).isoformat(timespec="seconds")
    last = _number(
        connection,
        "SELECT max(id) FROM commits WHERE created < ? AND id < (SELECT max(id) FROM commits)",
        settled,
    )
    dead = _number(connection, "SELECT count(*) FROM chunks WHERE removed <= ?", last)
    begun = _number(
        connection,
        "SELECT count(*) FROM chunks WHERE removed <"
        " (SELECT CAST(value AS INTEGER) FROM state WHERE key = 'oldest')",
    )
    chunks = _number(connection, "SELECT count(*) FROM chunks")
    if not begun and dead < max(_LEAST_CHUNKS, _DEAD * chunks):
        return True
    # First of all: an engine that stands before it must not rely on what goes now.
    connection.execute(
        "UPDATE state SET value = ? WHERE key = 'oldest' AND CAST(value AS INTEGER) <= ?",
        [str(last + 1), last],
    )
    # The chunks last: as long as there are any, it is not done.
    for table in ("documents", "chunks"):
        gone = connection.execute(f"SELECT pk FROM {table} WHERE removed <= ?", [last]).fetchall()
        for start in range(0, len(gone), _ROWS_AT_ONCE):
            if not going(start, len(gone)):
                return False
            connection.execute("BEGIN IMMEDIATE")
            some = gone[start : start + _ROWS_AT_ONCE]
            connection.executemany(f"DELETE FROM {table} WHERE pk = ?", some)
            connection.execute("COMMIT")
    connection.execute("DELETE FROM vectors WHERE embedded NOT IN (SELECT embedded FROM chunks)")
    return True


def _shorten(connection: sqlite3.Connection, path: Path, going: Going) -> None:
    pages = _number(connection, "PRAGMA page_count")
    free = _number(connection, "PRAGMA freelist_count")
    size = _number(connection, "PRAGMA page_size")
    if free * size < _LEAST_BYTES or free < _FREE * pages:
        return
    if _number(connection, "PRAGMA auto_vacuum") != _INCREMENTAL:
        # A file from before new ones were made so. It is written anew, this once: into a
        # temporary file and from there into the log.
        if shutil.disk_usage(path.parent).free > 3 * (pages - free) * size:
            connection.set_progress_handler(lambda: not going(0, 1), _STEPS)
            connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
            connection.execute("VACUUM")
            connection.set_progress_handler(None, _STEPS)
    else:
        for done in range(0, free, _PAGES_AT_ONCE):
            if not going(done, free):
                return
            # Not `execute`: the statement gives a row for each page and is left at the first.
            connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")
    # Never waits; the file becomes shorter where the log goes into it.
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
