"""From the corpus to a commit, and from there to the engines.

A rebuild costs what changed: files are hashed, only changed ones are read, only
new documents are chunked, only new texts are embedded. Passages and vectors are kept
as they are made, so that an interrupted rebuild goes on where it stopped; everything
else is one transaction at the end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from notesqa.adding import REPLACED_FOLDER, add_paths
from notesqa.catalog import Catalog, ChunkRow, NewDocument, encode_sources
from notesqa.chunking import VERSION as CHUNKING_VERSION
from notesqa.cutting import Cutter, embedded_text
from notesqa.embedding.likeness import is_builtin, measure
from notesqa.errors import Cancelled, CatalogError
from notesqa.notes import VERSION as READING_VERSION
from notesqa.notes import gather
from notesqa.records import Document
from notesqa.reports import DocumentInfo, IndexEvent, IndexReport, Stage
from notesqa.scanning import USERDICT, by_suffix, corpus_files, pending, read_corpus

if TYPE_CHECKING:
    from notesqa.config import Home, Settings
    from notesqa.embedding import Embedder
    from notesqa.engines import ChangeLog, Progress

__all__ = [
    "LOCK_FILE",
    "REPLACED_FOLDER",
    "USERDICT",
    "Follower",
    "add_paths",
    "corpus_files",
    "pending",
    "rebuild",
    "rebuild_lock",
    "recipe",
]

LOCK_FILE = "rebuild.lock"
_FIRST_BATCH, _LARGEST_BATCH = 16, 256
_BRISK = 0.5
_SAMPLE = 96
_BEGINNING = 40


class Follower(Protocol):
    """An engine, as far as the rebuild is concerned."""

    @property
    def name(self) -> str: ...
    def catch_up(self, log: ChangeLog, progress: Progress | None = None) -> bool: ...


def recipe(settings: Settings) -> str:
    """What documents and chunks depend on besides the files."""
    return f"read{READING_VERSION}/chunk{CHUNKING_VERSION}/{settings.chunking.tokens}"


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
    displaced: Sequence[tuple[str, str]] = (),
    left_out: Counter[str] | None = None,
    on_event: Callable[[IndexEvent], None] | None = None,
    cancel: threading.Event | None = None,
) -> IndexReport:
    """Bring catalog and followers up to the corpus. Hold `rebuild_lock` around it.

    Args:
        full: read and chunk everything anew, and forget earlier commits; vectors of
            unchanged texts are kept.
        copied, failed, displaced: what `add_paths` returned; only reported.
        left_out: what it counted, to which the files of the corpus are added.
        on_event: called from this thread.
        cancel: when set, the work stops soon; what was cut and embedded so far is kept.

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
    left_out = Counter() if left_out is None else left_out
    fresh, touched, gone, readings = read_corpus(home, {} if anew else known, known, tell, left_out)
    catalog.touch_files(touched)
    stale_vectors = previous is not None and previous.embedder != embedder.name
    if not (fresh or gone or anew or stale_vectors) and previous is not None:
        if catalog.likeness(embedder.name) is None:
            keep_likeness(catalog, embedder)
        _follow(catalog, followers, tell)
        _tidy(catalog, tell)
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
            left_out=by_suffix(left_out),
            remarks=catalog.remarks(),
            displaced=tuple(displaced),
        )
    gathered = gather(readings)
    live = catalog.live_documents()
    by_id = {d.id: d for d in gathered.documents}
    hashes = {d.id: _document_hash(d) for d in gathered.documents}
    rechunk = anew or stale_vectors
    changed = [d for d in gathered.documents
               if rechunk or d.id not in live or live[d.id].hash != hashes[d.id]]  # fmt: skip
    removed = [row.pk for id_, row in live.items() if id_ not in by_id]
    went = [d for d in catalog.documents() if d.id not in by_id] if removed else []
    came = [d for d in changed if d.id not in live]
    heirs = _heirs(catalog, went, came)
    replaced_pks = [live[d.id].pk for d in changed if d.id in live]
    moved = {
        live[d.id].pk: d
        for d in gathered.documents
        if not rechunk
        and d.id in live
        and live[d.id].hash == hashes[d.id]
        and live[d.id].sources != encode_sources(d.sources)
    }
    new = []
    cutter = Cutter(catalog, embedder, settings, wanted)
    for done, document in enumerate(changed):
        tell("read", done, len(changed), document.title)
        new.append(cutter.cut(document, hashes[document.id]))
    embedded = _embed(catalog, embedder, new, tell)
    remarks = tuple((read.path, said) for read in readings for said in read.remarks)
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
        remarks=remarks,
        purge=anew,
    )
    if anew or stale_vectors:
        catalog.prune_vectors(embedder.name)
    keep_likeness(catalog, embedder)
    tell("commit", 1, 1)
    _follow(catalog, followers, tell)
    _tidy(catalog, tell)
    titles = {d.id: d.title for r in readings for d in r.documents}
    titles.update({d.id: d.title for d in gathered.documents})
    updated = [d for d in changed if d.id in live and live[d.id].hash != hashes[d.id]]
    updated += heirs.values()
    taken = {heir.id for heir in heirs.values()}
    came = [d for d in came if d.id not in taken]
    went = [info for info in went if info.id not in heirs]
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
        added=len(came),
        removed=len(went),
        updated=len(updated),
        replaced=tuple(
            (titles.get(old, old), titles.get(new_id, new_id)) for old, new_id in fresh_replacements
        ),
        new_titles=tuple(d.title for d in came),
        updated_titles=tuple(d.title for d in updated),
        removed_titles=tuple(info.title for info in went),
        copied=tuple(copied),
        unread=_unread(catalog),
        failed=tuple(failed),
        embedded=embedded,
        seconds=time.perf_counter() - started,
        left_out=by_suffix(left_out),
        remarks=remarks,
        displaced=tuple(displaced),
    )


def _heirs(
    catalog: Catalog, went: Sequence[DocumentInfo], came: Sequence[Document]
) -> dict[str, Document]:
    """What takes the place of documents that went, by their ids: to a person they only changed.

    A longer excerpt of an article is another document, and so is a file of another name.
    """
    free = {d.id: d for d in came}
    titled: dict[str, list[Document]] = {}
    begun: dict[str, list[Document]] = {}
    for document in came:
        titled.setdefault(document.title, []).append(document)
        if document.kind == "excerpt":
            begun.setdefault(document.text[:_BEGINNING], []).append(document)
    heirs: dict[str, Document] = {}
    for info in went:
        near = titled.get(info.title, [])
        if info.kind == "excerpt":
            text = catalog.document(info.id).text.rstrip(".…")
            longer = begun.get(text[:_BEGINNING], [])
            near = [*(d for d in longer if d.text.startswith(text)), *near]
        if (heir := next((d for d in near if d.id in free), None)) is not None:
            heirs[info.id] = free.pop(heir.id)
    return heirs


def keep_likeness(catalog: Catalog, embedder: Embedder) -> None:
    """Note how the embedder's cosines lie beside those of the built-in one, in these notes."""
    if is_builtin(embedder):
        return
    sample = catalog.sample(embedder.name, _SAMPLE)
    if not sample:
        return
    above: dict[str, int] = {}
    for row, _ in sample:
        above.setdefault(_about(row), row.document_pk)
    found = measure(
        embedder,
        [(document, text) for text, document in above.items() if text.strip()],
        [(row.document_pk, embedded_text(row.title, row.heading, row.text)) for row, _ in sample],
        np.stack([np.frombuffer(vector, np.float16) for _, vector in sample]).astype(np.float32),
    )
    catalog.keep_likeness(embedder.name, dataclasses.astuple(found))


def _about(row: ChunkRow) -> str:
    """What stands above a chunk, or how it begins."""
    above = row.heading[-1] if row.heading else row.title
    return above or row.text.split("\n", 1)[0][:_BEGINNING]


def _unread(catalog: Catalog) -> tuple[tuple[str, str], ...]:
    return tuple((p, s[2]) for p, s in catalog.file_stats().items() if s[2] is not None)


def _embed(catalog: Catalog, embedder: Embedder, new: Sequence[NewDocument], tell: _Tell) -> int:
    texts = {
        c.embedded: embedded_text(n.document.title, c.chunk.heading, c.chunk.text)
        for n in new
        for c in n.chunks
    }
    missing = catalog.missing_vectors(embedder.name, texts)
    work = [(key, text) for key, text in texts.items() if key in missing]
    tell("embed", 0, len(work))
    done, size = 0, _FIRST_BATCH
    while done < len(work):
        tell.check()
        part = work[done : done + size]
        began = time.perf_counter()
        vectors = embedder.embed_passages([text for _, text in part]).astype(np.float16)
        took = time.perf_counter() - began
        catalog.add_vectors(
            embedder.name,
            ((key, row.tobytes()) for (key, _), row in zip(part, vectors, strict=True)),
        )
        done += len(part)
        tell("embed", done, len(work))
        # A large model on a slow machine shows its progress, and can be stopped, all the same.
        if took < _BRISK and size < _LARGEST_BATCH:
            size *= 2
        elif took > 4 * _BRISK and size > 1:
            size //= 2
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


def _tidy(catalog: Catalog, tell: _Tell) -> None:
    """Give back space; who stops that lacks nothing, so that it is no stopped rebuild."""

    def going(done: int, total: int) -> bool:
        try:
            tell("tidy", done, total)
        except Cancelled:
            return False
        return True

    catalog.tidy(going)
