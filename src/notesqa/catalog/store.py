"""Documents, chunks, vectors, terms and files, by commits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from notesqa.catalog.conversations import Conversations
from notesqa.catalog.file import mapped, now
from notesqa.catalog.rows import (
    ChunkRow,
    Commit,
    FileRow,
    LiveDocument,
    NewDocument,
    decode_sources,
    encode_sources,
)
from notesqa.catalog.space import Going, tidy
from notesqa.errors import CatalogError
from notesqa.records import Document, DocumentKind, Entry
from notesqa.reports import DocumentInfo

_IN_LIMIT = 500
_CUT = "cut:"
"""What keys of a state that tells of a cut begin with."""


class Catalog(Conversations):
    """The catalog of one home. Safe to use from several threads.

    Raises:
        CatalogError: from every method, when SQLite fails.
    """

    # -- commits -------------------------------------------------------------

    @property
    def identity(self) -> str:
        """Tells this catalog from one that was made anew in its place."""
        return str(self._rows("SELECT value FROM state WHERE key = 'identity'")[0][0])

    def head(self) -> int:
        """Number of the latest commit; 0 before the first."""
        return int(self._rows("SELECT coalesce(max(id), 0) FROM commits")[0][0])

    def commit(self) -> Commit | None:
        """The latest commit, or None before the first."""
        rows = self._rows(
            "SELECT id, created, recipe, embedder, files, documents, duplicates, chunks, seconds"
            " FROM commits ORDER BY id DESC LIMIT 1"
        )
        return Commit(*rows[0]) if rows else None

    def files(self) -> dict[str, FileRow]:
        """Every file of the corpus as last read, by path."""
        rows = self._rows("SELECT path, size, mtime_ns, hash, reason, reading FROM files")
        return {row[0]: FileRow(*row) for row in rows}

    def file_stats(self) -> dict[str, tuple[int, int, str | None]]:
        """Size, mtime in ns and the reason why it was not read, by path."""
        rows = self._rows("SELECT path, size, mtime_ns, reason FROM files ORDER BY path")
        return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def remarks(self) -> tuple[tuple[str, str], ...]:
        """Path of every file that the latest commit read and in which something is wrong."""
        rows = self._rows("SELECT value FROM state WHERE key = 'remarks'")
        return tuple((path, said) for path, said in json.loads(rows[0][0])) if rows else ()

    def live_documents(self) -> dict[str, LiveDocument]:
        """Every document of the latest commit, by id."""
        rows = self._rows("SELECT pk, id, hash, sources FROM documents WHERE removed IS NULL")
        return {row[1]: LiveDocument(*row) for row in rows}

    def add_commit(
        self,
        *,
        recipe: str,
        embedder: str,
        files: Iterable[FileRow],
        gone_files: Iterable[str],
        added: Iterable[NewDocument],
        removed: Iterable[int],
        moved: Mapping[int, Document],
        duplicates: int,
        seconds: float,
        remarks: Sequence[tuple[str, str]] = (),
        purge: bool = False,
    ) -> Commit:
        """Add one commit, all of it or nothing.

        Args:
            files: files read anew; `gone_files`: paths that are no more.
            added: new documents, or new versions of them.
            removed: primary keys of documents that are gone or replaced.
            moved: documents whose text stayed and whose sources changed.
            remarks: path of every file in which something is wrong that was read all the
                same, and what.
            purge: engines begin anew, and the rows of commits before the last are
                forgotten; what this commit removes stays for searches under way.
        """
        with self._lock, mapped(self.path), self._db.atomic() as db:
            number = self.head() + 1
            db.table("files").upsert_all(
                (
                    {
                        "path": f.path,
                        "size": f.size,
                        "mtime_ns": f.mtime_ns,
                        "hash": f.hash,
                        "reason": f.reason,
                        "reading": f.reading,
                    }
                    for f in files
                ),
                pk="path",
            )
            for path in gone_files:
                db.execute("DELETE FROM files WHERE path = ?", [path])
            for pk in removed:
                db.execute("UPDATE documents SET removed = ? WHERE pk = ?", [number, pk])
                db.execute(
                    "UPDATE chunks SET removed = ? WHERE document = ? AND removed IS NULL",
                    [number, pk],
                )
                db.execute("DELETE FROM terms WHERE document = ?", [pk])
            for pk, document in moved.items():
                db.execute(
                    "UPDATE documents SET sources = ? WHERE pk = ?",
                    [encode_sources(document.sources), pk],
                )
            db.execute(f"DELETE FROM state WHERE key GLOB '{_CUT}*'")
            if purge:
                # Before the new ones come, which may then take their room.
                db.execute("DELETE FROM chunks WHERE removed < ?", [number])
                db.execute("DELETE FROM documents WHERE removed < ?", [number])
                db.execute("UPDATE state SET value = ? WHERE key = 'oldest'", [str(number)])
            for new in added:
                self._add_document(new, number)
            db.execute(
                "INSERT OR REPLACE INTO state VALUES ('remarks', ?)",
                [json.dumps(list(remarks), ensure_ascii=False)],
            )
            count = "SELECT count(*) FROM"
            db.execute(
                f"INSERT INTO commits VALUES (?, ?, ?, ?, ({count} files),"
                f" ({count} documents WHERE removed IS NULL), ?,"
                f" ({count} chunks WHERE removed IS NULL), ?)",
                [number, now(), recipe, embedder, duplicates, seconds],
            )
        commit = self.commit()
        if commit is None:
            raise CatalogError("the commit was not kept", "run: notesqa doctor")
        return commit

    def _add_document(self, new: NewDocument, number: int) -> None:
        document = new.document
        cursor = self._db.execute(
            "INSERT INTO documents (id, title, text, kind, date, tags, truncated, sources, hash,"
            " added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                document.id,
                document.title,
                document.text,
                document.kind,
                document.date,
                json.dumps(document.tags, ensure_ascii=False),
                int(document.truncated),
                encode_sources(document.sources),
                new.hash,
                number,
            ],
        )
        pk = cursor.lastrowid
        self._db.conn.executemany(
            "INSERT INTO chunks (id, document, ordinal, start, stop, line, heading, text, tokens,"
            " embedded, added) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    c.chunk.id,
                    pk,
                    c.chunk.ordinal,
                    c.chunk.start,
                    c.chunk.end,
                    c.line,
                    json.dumps(c.chunk.heading, ensure_ascii=False),
                    c.chunk.text,
                    c.chunk.tokens,
                    c.embedded,
                    number,
                )
                for c in new.chunks
            ),
        )
        self._db.conn.executemany(
            "INSERT INTO terms VALUES (?, ?, ?, ?)", ((pk, *term) for term in new.terms)
        )

    def tidy(self, going: Going = lambda _done, _total: True) -> None:
        """Give back the space of what earlier commits held, where it is worth it.

        Others go on reading and writing meanwhile, and so may this catalog in other threads.

        Args:
            going: is told what is done of how much; where it says False the work ends.
        """
        with mapped(self.path):
            tidy(self.path, going)

    def touch_files(self, files: Iterable[FileRow]) -> None:
        """Note the new size and time of files whose content is as it was."""
        rows = [(f.size, f.mtime_ns, f.path) for f in files]
        if rows:
            with self._lock, mapped(self.path), self._db.atomic() as db:
                db.conn.executemany("UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", rows)

    # -- what a rebuild has cut -----------------------------------------------

    def keep_cuts(self, cuts: Mapping[str, str]) -> None:
        """Keep at once, until the next commit, how documents are cut."""
        with self._lock, mapped(self.path), self._db.atomic() as db:
            db.conn.executemany(
                "INSERT OR REPLACE INTO state VALUES (?, ?)",
                ((f"{_CUT}{key}", value) for key, value in cuts.items()),
            )

    def cuts(self) -> dict[str, str]:
        """What an interrupted rebuild has kept by `keep_cuts`."""
        rows = self._rows(f"SELECT key, value FROM state WHERE key GLOB '{_CUT}*'")
        return {key.removeprefix(_CUT): value for key, value in rows}

    # -- vectors -------------------------------------------------------------

    def missing_vectors(self, embedder: str, keys: Iterable[bytes]) -> set[bytes]:
        """Those of `keys` for which no vector of `embedder` is kept yet."""
        wanted = list(dict.fromkeys(keys))
        have: set[bytes] = set()
        number = self._embedder(embedder)
        for part in _parts(wanted):
            marks = ",".join("?" * len(part))
            rows = self._rows(
                f"SELECT embedded FROM vectors WHERE embedder = ? AND embedded IN ({marks})",
                [number, *part],
            )
            have.update(row[0] for row in rows)
        return {key for key in wanted if key not in have}

    def add_vectors(self, embedder: str, vectors: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep vectors (fp16 bytes) at once, so that an interrupted rebuild resumes here."""
        with self._lock, mapped(self.path), self._db.atomic() as db:
            number = self._embedder(embedder, make=True)
            db.conn.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                ((number, key, vector) for key, vector in vectors),
            )

    def prune_vectors(self, embedder: str) -> None:
        """Forget the vectors that no chunk and no `embedder` needs."""
        with self._lock, mapped(self.path), self._db.atomic() as db:
            db.execute("DELETE FROM vectors WHERE embedder <> ?", [self._embedder(embedder)])
            db.execute("DELETE FROM vectors WHERE embedded NOT IN (SELECT embedded FROM chunks)")

    def sample(self, embedder: str, size: int) -> list[tuple[ChunkRow, bytes]]:
        """At most `size` live chunks from all over the notes, with their vectors (fp16)."""
        keys = [row[0] for row in self._rows("SELECT pk FROM chunks WHERE removed IS NULL")]
        keys = keys[:: max(1, -(-len(keys) // size))]
        rows = self.chunk_rows(keys)
        marks = ",".join("?" * len(keys))
        vectors = self._rows(
            "SELECT c.pk, v.vector FROM chunks c JOIN vectors v ON v.embedded = c.embedded"
            f" WHERE v.embedder = ? AND c.pk IN ({marks}) ORDER BY c.pk",
            [self._embedder(embedder), *keys],
        )
        return [(rows[pk], vector) for pk, vector in vectors if pk in rows]

    def likeness(self, embedder: str) -> tuple[float, ...] | None:
        """What `keep_likeness` kept, where it was of this embedder."""
        rows = self._rows("SELECT value FROM state WHERE key = 'likeness'")
        kept = json.loads(rows[0][0]) if rows else {}
        return tuple(kept["map"]) if kept.get("embedder") == embedder else None

    def keep_likeness(self, embedder: str, values: Sequence[float]) -> None:
        """Keep how the cosines of `embedder` are to be read (`embedding.Likeness`)."""
        value = json.dumps({"embedder": embedder, "map": list(values)})
        with self._lock, mapped(self.path), self._db.atomic() as db:
            db.execute("INSERT OR REPLACE INTO state VALUES ('likeness', ?)", [value])

    def _embedder(self, name: str, *, make: bool = False) -> int:
        if make:
            self._db.execute("INSERT OR IGNORE INTO embedders (name) VALUES (?)", [name])
        rows = self._rows("SELECT id FROM embedders WHERE name = ?", [name])
        return int(rows[0][0]) if rows else -1

    # -- the change log that engines follow -----------------------------------

    def oldest(self) -> int:
        """The earliest commit from which a follower can still catch up."""
        return int(self._rows("SELECT value FROM state WHERE key = 'oldest'")[0][0])

    def removed(self, since: int, until: int) -> list[int]:
        """Keys of chunks that a follower at `since` has and that are gone at `until`."""
        rows = self._rows(
            "SELECT pk FROM chunks WHERE removed > ? AND removed <= ? AND added <= ?",
            [since, until, since],
        )
        return [row[0] for row in rows]

    def entries(self, since: int, until: int) -> Iterator[Entry]:
        """Chunks that were added after `since` and are live at `until`, by key."""
        for row in self._stream(
            "SELECT c.pk, d.title, c.heading, c.text FROM chunks c"
            f" CROSS JOIN documents d ON d.pk = c.document {_LIVE_AFTER}",
            since,
            until,
        ):
            yield Entry(row[0], row[1], " ".join(json.loads(row[2])), row[3])

    def vectors(self, since: int, until: int, embedder: str) -> Iterator[tuple[int, bytes]]:
        """Key and fp16 vector of the same chunks as `entries`."""
        number = self._embedder(embedder)
        yield from self._stream(
            "SELECT c.pk, v.vector FROM chunks c CROSS JOIN vectors v ON v.embedded = c.embedded"
            f" AND v.embedder = {number} {_LIVE_AFTER}",
            since,
            until,
        )

    def count(self, since: int, until: int) -> int:
        """How many chunks `entries` yields."""
        return int(
            self._rows(
                "SELECT count(*) FROM chunks WHERE added > ? AND added <= ?"
                " AND (removed IS NULL OR removed > ?)",
                [since, until, until],
            )[0][0]
        )

    def _stream(self, sql: str, since: int, until: int, page: int = 2000) -> Iterator[Any]:
        # Keys grow with commits, so what came since begins at one key; pages keep the
        # lock short, so that a search is never behind a long catch-up.
        first = self._rows("SELECT min(pk) FROM chunks WHERE added > ?", [since])[0][0]
        last = 0 if first is None else int(first) - 1
        while rows := self._rows(sql, [last, since, until, until, page]):
            yield from rows
            last = rows[-1][0]

    # -- reading ---------------------------------------------------------------

    def document(self, document_id: str) -> Document:
        """The latest version of a document.

        Raises:
            CatalogError: there is none of that id.
        """
        rows = self._rows(
            "SELECT id, title, text, kind, sources, date, tags, truncated FROM documents"
            " WHERE id = ? ORDER BY removed IS NULL DESC, pk DESC LIMIT 1",
            [document_id],
        )
        if not rows:
            raise CatalogError(
                f"there is no document {document_id}", "list them: Notes.documents()"
            )
        row = rows[0]
        kind: DocumentKind = row[3]
        return Document(
            row[0], row[1], row[2], kind, decode_sources(row[4]), row[5],
            tuple(json.loads(row[6])), bool(row[7]),
        )  # fmt: skip

    def documents(self) -> list[DocumentInfo]:
        """Every document of the latest commit, by title."""
        rows = self._rows(
            "SELECT id, title, kind, date, tags, sources, truncated, length(text) FROM documents"
            " WHERE removed IS NULL ORDER BY title, id"
        )
        return [
            DocumentInfo(
                r[0], r[1], r[2], r[3], tuple(json.loads(r[4])),
                tuple(str(s) for s in decode_sources(r[5])), bool(r[6]), r[7],
            )
            for r in rows
        ]  # fmt: skip

    def chunk_rows(self, keys: Iterable[int], *, at: int | None = None) -> dict[int, ChunkRow]:
        """Chunks by key; also of earlier commits, while they are kept.

        Args:
            at: only those that are live at this commit.
        """
        found: dict[int, ChunkRow] = {}
        live = "" if at is None else " AND c.added <= ? AND (c.removed IS NULL OR c.removed > ?)"
        for part in _parts(list(keys)):
            marks = ",".join("?" * len(part))
            values = part if at is None else [*part, at, at]
            for row in self._rows(f"{_CHUNK_ROW} WHERE c.pk IN ({marks}){live}", values):
                found[row[0]] = _chunk_row(row)
        return found

    def text(self, document_pk: int) -> str:
        """The text of one version of a document; empty when it is no longer kept."""
        rows = self._rows("SELECT text FROM documents WHERE pk = ?", [document_pk])
        return str(rows[0][0]) if rows else ""

    def chunks_of(self, document_id: str) -> list[ChunkRow]:
        """All live chunks of a document, in order."""
        rows = self._rows(
            f"{_CHUNK_ROW} WHERE d.id = ? AND c.removed IS NULL ORDER BY c.ordinal", [document_id]
        )
        return [_chunk_row(row) for row in rows]

    def neighbours(self, document_pk: int, ordinals: Iterable[int]) -> list[ChunkRow]:
        """Chunks of one document (version) by ordinal."""
        wanted = list(ordinals)
        marks = ",".join("?" * len(wanted))
        rows = self._rows(
            f"{_CHUNK_ROW} WHERE c.document = ? AND c.ordinal IN ({marks}) ORDER BY c.ordinal",
            [document_pk, *wanted],
        )
        return [_chunk_row(row) for row in rows]

    def chunk_keys(
        self,
        *,
        sources: Sequence[str] = (),
        tags: Sequence[str] = (),
        after: str | None = None,
        before: str | None = None,
        at: int | None = None,
        newest: int = 0,
    ) -> list[int]:
        """Keys of live chunks whose document meets every filter that is given, ascending.

        Args:
            at: the commit at which they are live; the latest where None.
            sources: globs over the path relative to the home, or its file name.
            tags: all must be there.
            after, before: ISO dates, both inclusive; documents without a date fail.
            newest: only the first of each of so many documents, in the order of their dates,
                latest first; 0 for all of all.
        """
        # A chunk comes and goes with its document.
        wheres, values = ["d.removed IS NULL"], list[Any]()
        if at is not None:
            wheres = ["d.added <= ?", "(d.removed IS NULL OR d.removed > ?)"]
            values = [at, at]
        if sources:
            globs = []
            for glob in sources:
                globs.append("json_extract(s.value, '$[0]') GLOB ?")
                values.append(glob)
                if "/" not in glob:
                    globs.append("json_extract(s.value, '$[0]') GLOB ?")
                    values.append(f"*/{glob}")
            wheres.append(
                f"EXISTS (SELECT 1 FROM json_each(d.sources) s WHERE {' OR '.join(globs)})"
            )
        for tag in tags:
            wheres.append(
                "EXISTS (SELECT 1 FROM json_each(d.tags) t WHERE lower(t.value) = lower(?))"
            )
            values.append(tag)
        if after:
            wheres.append("d.date >= ?")
            values.append(after)
        if before:
            wheres.append("d.date <= ?")
            values.append(before)
        order = " ORDER BY c.pk"
        if newest:
            wheres.append("c.ordinal = 0")
            order = " ORDER BY d.date DESC, d.title, c.pk LIMIT ?"
            values.append(newest)
        # Both by their indexes alone.
        rows = self._rows(
            "SELECT c.pk FROM documents d INDEXED BY documents_filtered"
            " CROSS JOIN chunks c ON c.document = d.pk WHERE " + " AND ".join(wheres) + order,
            values,
        )
        return [row[0] for row in rows]

    def terms(self) -> list[tuple[str, str, str]]:
        """Chinese name, English name and abbreviation found in the notes; any may be empty."""
        return self._rows("SELECT DISTINCT zh, en, abbr FROM terms ORDER BY zh, en, abbr")

    def check(self) -> list[str]:
        """Problems that SQLite finds in its file; empty when there are none."""
        rows = self._rows("PRAGMA quick_check(5)")
        return [row[0] for row in rows if row[0] != "ok"]


# CROSS JOIN and the plus signs hold SQLite to walking the chunks by key: left to itself
# it may begin at the other table, and then every page costs the whole catalog.
_LIVE_AFTER = (
    "WHERE c.pk > ? AND +c.added > ? AND +c.added <= ?"
    " AND (c.removed IS NULL OR +c.removed > ?) ORDER BY c.pk LIMIT ?"
)
_CHUNK_ROW = (
    "SELECT c.pk, c.id, c.document, d.id, c.ordinal, c.start, c.stop, c.heading, c.text, d.title,"
    " d.sources, c.line, d.kind, d.date, d.tags,"
    " substr(d.text, 1, 300) FROM chunks c JOIN documents d ON d.pk = c.document"
)


def _chunk_row(row: Any) -> ChunkRow:
    path, line = json.loads(row[10])[0]
    return ChunkRow(
        row[0], row[1], row[2], row[3], row[4], row[5], row[6], _strings(row[7]), row[8],
        row[9], f"{path}:{line + row[11]}", row[12], row[13], _strings(row[14]), row[15],
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _strings(raw: str) -> tuple[str, ...]:
    return tuple(json.loads(raw))


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for first in range(0, len(items), _IN_LIMIT):
        yield items[first : first + _IN_LIMIT]
