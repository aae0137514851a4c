"""From the corpus to a commit, and from there to the engines.

A rebuild costs what changed: files are hashed, only changed ones are read, only
new documents are chunked, only new texts are embedded. Vectors are kept as they
are computed, so that an interrupted rebuild goes on where it stopped; everything
else is one transaction at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from notesqa.catalog import Catalog, FileRow, NewChunk, NewDocument, encode_sources, text_key
from notesqa.chunking import VERSION as CHUNKING_VERSION
from notesqa.chunking import chunk
from notesqa.errors import Cancelled, CatalogError, CorpusError
from notesqa.notes import VERSION as READING_VERSION
from notesqa.notes import ReadFile, gather, read_file, supported
from notesqa.records import Document, Source
from notesqa.reports import IndexEvent, IndexReport, Pending, Stage
from notesqa.text.terms import defined_terms

if TYPE_CHECKING:
    from notesqa.config import Home, Settings
    from notesqa.embedding import Embedder
    from notesqa.engines import ChangeLog, Progress

LOCK_FILE = "rebuild.lock"
REPLACED_FOLDER = ".replaced"
USERDICT = "userdict.txt"
"""Words for the segmenter, not a note."""
_EMBED_BATCH = 256


class Follower(Protocol):
    """An engine, as far as the rebuild is concerned."""

    @property
    def name(self) -> str: ...
    def catch_up(self, log: ChangeLog, progress: Progress | None = None) -> bool: ...


def recipe(settings: Settings) -> str:
    """What documents and chunks depend on besides the files."""
    return f"read{READING_VERSION}/chunk{CHUNKING_VERSION}/{settings.chunking.tokens}"


def embedded_text(title: str, heading: Sequence[str], text: str) -> str:
    """What is embedded of a chunk: its text under its title and headings.

    A heading that the text holds itself is not said twice.
    """
    above = [part for part in (title, *heading) if part and part not in text]
    return "\n".join([*above, text])


# -- scanning --------------------------------------------------------------------


def corpus_files(corpus: Path) -> Iterator[Path]:
    """Every file below `corpus` that is a note by its suffix, in order of path.

    Hidden files and folders are left out; a folder reached twice through links is
    visited once. A folder that cannot be listed is yielded itself, so that it is told.

    Raises:
        CorpusError: `corpus` is there and cannot be listed.
    """
    seen: set[tuple[int, int]] = set()

    def walk(folder: Path) -> Iterator[Path]:
        try:
            found = folder.stat()
            entries = sorted(folder.iterdir(), key=lambda p: p.name)
        except FileNotFoundError:
            return
        except OSError as error:
            if folder == corpus:
                # Else every note would seem to be gone.
                raise CorpusError(
                    f"cannot read the notes in {corpus}: {error.strerror}",
                    "check that folder and its rights",
                ) from error
            yield folder
            return
        if (found.st_dev, found.st_ino) in seen:
            return
        seen.add((found.st_dev, found.st_ino))
        for entry in entries:
            if entry.name.startswith(".") or (folder == corpus and entry.name == USERDICT):
                continue
            if _is_folder(entry):
                yield from walk(entry)
                if supported(entry):
                    # A folder named like a note: say so rather than pass it over.
                    yield entry
            elif supported(entry):
                yield entry

    yield from walk(corpus)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def pending(home: Home, catalog: Catalog | None) -> Pending:
    """What a rebuild would find, judged by size and time of change alone."""
    known = catalog.file_stats() if catalog else {}
    added, changed, seen = [], [], set()
    for path in corpus_files(home.corpus):
        relative = _relative(path, home)
        seen.add(relative)
        if relative not in known:
            added.append(relative)
            continue
        try:
            found = path.stat()
        except OSError:
            continue
        if (found.st_size, found.st_mtime_ns) != known[relative][:2]:
            changed.append(relative)
    return Pending(tuple(added), tuple(changed), tuple(p for p in known if p not in seen))


def _relative(path: Path, home: Home) -> str:
    """The path in the home; bytes that are no UTF-8 are written as `\\xff`."""
    return os.fsencode(path.relative_to(home.path).as_posix()).decode("utf-8", "backslashreplace")


# -- adding files to the corpus ------------------------------------------------------


def add_paths(
    home: Home, paths: Iterable[str | os.PathLike[str]]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Copy files, or the notes below folders, into the corpus.

    A file that the corpus has already is left alone; one of the same name and
    other content takes its place, and the old one is kept under `corpus/.replaced/`.

    Returns:
        The copied files relative to the home, and `(path, reason)` of those that
        could not be copied.
    """
    copied: list[str] = []
    failed: list[tuple[str, str]] = []
    placed: set[Path] = set()
    for named in paths:
        try:
            found = _named(home, named)
        except CorpusError as error:
            failed.append((str(named), error.message))
            continue
        except (OSError, RuntimeError) as error:
            # RuntimeError: `~somebody` who is not known here.
            failed.append((str(named), getattr(error, "strerror", None) or str(error)))
            continue
        for file, place in found:
            target = home.corpus / place
            try:
                if target in placed and _hash_file(target) != _hash_file(file):
                    failed.append((str(file), "another file of this name was just added"))
                    continue
                placed.add(target)
                if _copy(file, target, home.corpus):
                    copied.append(_relative(target, home))
            except OSError as error:
                failed.append((str(file), error.strerror or str(error)))
    return copied, failed


def _named(home: Home, named: str | os.PathLike[str]) -> list[tuple[Path, Path]]:
    """The files that a path names, with their places in the corpus.

    Raises:
        CorpusError: it names no notes.
        OSError, RuntimeError: it cannot be looked at.
    """
    if not os.fspath(named):
        raise CorpusError("no such file")
    path = Path(named).expanduser().resolve()
    corpus = home.corpus.resolve()
    if not path.exists():
        raise CorpusError("no such file")
    if path.is_relative_to(corpus):
        return []
    if path.is_dir():
        if corpus.is_relative_to(path):
            raise CorpusError("it holds the corpus itself: name the notes in it")
        found = [
            (file, Path(path.name) / file.relative_to(path))
            for file in corpus_files(path)
            if file.is_file()
        ]
        if not found:
            raise CorpusError("holds no notes (.md, .txt)")
        return found
    if not supported(path):
        raise CorpusError(f"{path.suffix or 'no suffix'}: no format of notes")
    if not path.is_file():
        raise CorpusError("not a regular file")
    return [(path, Path(path.name))]


def _copy(file: Path, target: Path, corpus: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        if target.is_file() and _hash_file(target) == _hash_file(file):
            return False
        kept = corpus / REPLACED_FOLDER / target.relative_to(corpus)
        kept = kept.with_name(f"{datetime.now():%Y%m%d-%H%M%S-%f}-{kept.name}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(target, kept)
    # A copy that is cut short must never stand as a note.
    temporary = target.with_name(f".copying-{os.getpid()}")
    try:
        shutil.copyfile(file, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


# -- readings: what a file held, kept so that unchanged files need not be read ---------


def _pack(read: ReadFile) -> bytes:
    rows = [
        [d.id, d.title, d.text, d.kind, [[s.path, s.line] for s in d.sources], d.date,
         list(d.tags), d.truncated]
        for d in read.documents
    ]  # fmt: skip
    return zlib.compress(json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass"), 1)


def _unpack(path: str, blob: bytes) -> ReadFile:
    rows = json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))
    return ReadFile(
        path,
        tuple(
            Document(r[0], r[1], r[2], r[3], tuple(Source(*s) for s in r[4]), r[5], tuple(r[6]),
                     r[7])
            for r in rows
        ),
    )  # fmt: skip


def _document_hash(document: Document) -> str:
    fields = json.dumps(
        [document.title, document.date, document.tags, document.truncated, document.kind]
    )
    text = f"{fields}\0{document.text}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


# -- the rebuild -----------------------------------------------------------------------


class _Tell:
    """Passes events on and stops the work when the user wishes."""

    def __init__(
        self, on_event: Callable[[IndexEvent], None] | None, cancel: threading.Event | None
    ) -> None:
        self._on_event = on_event
        self._cancel = cancel

    def __call__(self, stage: Stage, done: int, total: int, detail: str = "") -> None:
        self.check()
        if self._on_event:
            self._on_event(IndexEvent(stage, done, total, detail))

    def check(self) -> None:
        if self._cancel and self._cancel.is_set():
            raise Cancelled(
                "the rebuild was stopped; the index is as it was before", "run it again to go on"
            )


@contextlib.contextmanager
def rebuild_lock(index: Path) -> Iterator[None]:
    """One rebuild of a home at a time.

    Raises:
        CatalogError: another one runs, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(index / LOCK_FILE)
    try:
        index.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CatalogError(
            "another rebuild of this home is running", "wait for it to end"
        ) from error
    except OSError as error:
        raise CatalogError(
            f"cannot write to the index folder {index}: {error.strerror}",
            "check its rights and free space",
        ) from error
    try:
        yield
    finally:
        lock.release()


def rebuild(
    home: Home,
    settings: Settings,
    catalog: Catalog,
    embedder: Embedder,
    followers: Sequence[Follower],
    *,
    full: bool = False,
    copied: Sequence[str] = (),
    failed: Sequence[tuple[str, str]] = (),
    on_event: Callable[[IndexEvent], None] | None = None,
    cancel: threading.Event | None = None,
) -> IndexReport:
    """Bring catalog and followers up to the corpus. Hold `rebuild_lock` around it.

    Args:
        full: read and chunk everything anew, and forget earlier commits; vectors of
            unchanged texts are kept.
        copied, failed: what `add_paths` returned; only reported.
        on_event: called from this thread.
        cancel: when set, the work stops soon; vectors computed so far are kept.

    Raises:
        Cancelled: by `cancel`.
        CatalogError, EmbeddingError: as their parts do.
    """
    started = time.perf_counter()
    tell = _Tell(on_event, cancel)
    previous = catalog.commit()
    wanted = recipe(settings)
    anew = full or previous is None or previous.recipe != wanted
    known = catalog.files()
    fresh, touched, gone, readings = _read(home, {} if anew else known, known, tell)
    catalog.touch_files(touched)
    stale_vectors = previous is not None and previous.embedder != embedder.name
    if not (fresh or gone or anew or stale_vectors) and previous is not None:
        _follow(catalog, followers, tell)
        unread = _unread(catalog)
        return IndexReport(
            commit=previous.id,
            changed=False,
            files=previous.files,
            documents=previous.documents,
            chunks=previous.chunks,
            duplicates=previous.duplicates,
            added=0,
            removed=0,
            updated=0,
            replaced=(),
            new_titles=(),
            copied=tuple(copied),
            unread=unread,
            failed=tuple(failed),
            embedded=0,
            seconds=time.perf_counter() - started,
        )
    gathered = gather(readings)
    live = catalog.live_documents()
    by_id = {d.id: d for d in gathered.documents}
    hashes = {d.id: _document_hash(d) for d in gathered.documents}
    rechunk = anew or stale_vectors
    changed = [d for d in gathered.documents
               if rechunk or d.id not in live or live[d.id].hash != hashes[d.id]]  # fmt: skip
    removed = [row.pk for id_, row in live.items() if id_ not in by_id]
    replaced_pks = [live[d.id].pk for d in changed if d.id in live]
    moved = {
        live[d.id].pk: d
        for d in gathered.documents
        if not rechunk
        and d.id in live
        and live[d.id].hash == hashes[d.id]
        and live[d.id].sources != encode_sources(d.sources)
    }
    new = [_new_document(d, hashes[d.id], embedder, settings, tell) for d in changed]
    embedded = _embed(catalog, embedder, new, tell)
    tell("commit", 0, 1)
    commit = catalog.add_commit(
        recipe=wanted,
        embedder=embedder.name,
        files=fresh,
        gone_files=gone,
        added=new,
        removed=[*removed, *replaced_pks],
        moved=moved,
        duplicates=gathered.duplicates,
        seconds=time.perf_counter() - started,
        purge=anew,
    )
    if anew or stale_vectors:
        catalog.prune_vectors(embedder.name)
    tell("commit", 1, 1)
    _follow(catalog, followers, tell)
    titles = {d.id: d.title for r in readings for d in r.documents}
    titles.update({d.id: d.title for d in gathered.documents})
    new_documents = [d for d in changed if d.id not in live]
    really_updated = [d for d in changed if d.id in live and live[d.id].hash != hashes[d.id]]
    fresh_replacements = [
        (old, new_id) for old, new_id in gathered.replaced if old in live or new_id not in live
    ]
    return IndexReport(
        commit=commit.id,
        changed=True,
        files=commit.files,
        documents=commit.documents,
        chunks=commit.chunks,
        duplicates=commit.duplicates,
        added=len(new_documents),
        removed=len(removed),
        updated=len(really_updated),
        replaced=tuple(
            (titles.get(old, old), titles.get(new_id, new_id)) for old, new_id in fresh_replacements
        ),
        new_titles=tuple(d.title for d in new_documents),
        copied=tuple(copied),
        unread=_unread(catalog),
        failed=tuple(failed),
        embedded=embedded,
        seconds=time.perf_counter() - started,
    )


def _unread(catalog: Catalog) -> tuple[tuple[str, str], ...]:
    return tuple((p, s[2]) for p, s in catalog.file_stats().items() if s[2] is not None)


def _read(
    home: Home, usable: dict[str, FileRow], known: dict[str, FileRow], tell: _Tell
) -> tuple[list[FileRow], list[FileRow], list[str], list[ReadFile]]:
    """Hash every file; read those whose content is not in `usable`.

    Returns:
        Files read anew, files of which only the time has changed, paths that are
        gone, and what every readable file holds.
    """
    paths = list(corpus_files(home.corpus))
    fresh: list[FileRow] = []
    touched: list[FileRow] = []
    readings: list[ReadFile] = []
    seen: set[str] = set()
    for done, path in enumerate(paths, 1):
        relative = _relative(path, home)
        seen.add(relative)
        tell("scan", done, len(paths), relative)
        row = usable.get(relative)
        size, mtime_ns, digest = 0, 0, ""
        try:
            found = path.stat()
            size, mtime_ns = found.st_size, found.st_mtime_ns
            digest = _readable(path, found)
            if row and row.hash == digest and row.reason is None and row.reading is not None:
                readings.append(_unpack(relative, row.reading))
                if (row.size, row.mtime_ns) != (size, mtime_ns):
                    touched.append(dataclasses.replace(row, size=size, mtime_ns=mtime_ns))
                continue
            read = read_file(path, relative)
            readings.append(read)
            fresh.append(FileRow(relative, size, mtime_ns, digest, None, _pack(read)))
            continue
        except CorpusError as error:
            reason = error.message
        except OSError as error:
            reason = error.strerror or str(error)
        unread = FileRow(relative, size, mtime_ns, digest, reason, None)
        if row is None or (row.reason, row.hash) != (reason, digest):
            fresh.append(unread)
        elif (row.size, row.mtime_ns) != (size, mtime_ns):
            touched.append(unread)
    return fresh, touched, [p for p in known if p not in seen], readings


def _readable(path: Path, found: os.stat_result) -> str:
    """The digest of a file that can be read without harm.

    Raises:
        CorpusError: it is a folder, a pipe or a device, or has a name that cannot be kept.
    """
    if stat.S_ISDIR(found.st_mode):
        if supported(path):
            raise CorpusError("a folder, not a file")
        raise CorpusError("this folder cannot be listed")
    if not stat.S_ISREG(found.st_mode):
        raise CorpusError("not a regular file")
    if not _is_utf8(path.name):
        raise CorpusError("its name is not UTF-8: rename it")
    return _hash_file(path)


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _new_document(
    document: Document, digest: str, embedder: Embedder, settings: Settings, tell: _Tell
) -> NewDocument:
    tell("read", 0, 0, document.title)
    chunks = chunk(document, embedder.count_tokens, tokens=_chunk_tokens(embedder, settings))
    rows, line, position = [], 0, 0
    for c in chunks:
        line += document.text.count("\n", position, c.start)
        position = c.start
        rows.append(NewChunk(c, line, text_key(embedded_text(document.title, c.heading, c.text))))
    return NewDocument(document, digest, tuple(rows), tuple(defined_terms(document.text)))


def _chunk_tokens(embedder: Embedder, settings: Settings) -> int:
    """The chunk size asked for, or less where the embedder would cut it off unseen."""
    if not embedder.max_tokens:
        return settings.chunking.tokens
    # Room for the title and headings that are embedded with the text.
    return max(32, min(settings.chunking.tokens, embedder.max_tokens * 3 // 4))


def _embed(catalog: Catalog, embedder: Embedder, new: Sequence[NewDocument], tell: _Tell) -> int:
    texts = {
        c.embedded: embedded_text(n.document.title, c.chunk.heading, c.chunk.text)
        for n in new
        for c in n.chunks
    }
    missing = catalog.missing_vectors(embedder.name, texts)
    work = [(key, text) for key, text in texts.items() if key in missing]
    tell("embed", 0, len(work))
    for first in range(0, len(work), _EMBED_BATCH):
        part = work[first : first + _EMBED_BATCH]
        vectors = embedder.embed_passages([text for _, text in part]).astype(np.float16)
        catalog.add_vectors(
            embedder.name,
            ((key, row.tobytes()) for (key, _), row in zip(part, vectors, strict=True)),
        )
        tell("embed", first + len(part), len(work))
    return len(work)


def _follow(catalog: Catalog, followers: Sequence[Follower], tell: _Tell) -> None:
    for follower in followers:

        def progress(done: int, total: int, name: str = follower.name) -> None:
            try:
                tell("follow", done, total, name)
            except Cancelled as stop:
                raise Cancelled(
                    "stopped; the notes are in, and the search engines catch up at the next use"
                ) from stop

        follower.catch_up(catalog, progress)
