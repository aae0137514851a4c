"""The files of the corpus: which there are, what they hold, and which have changed."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import stat
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.catalog import FileRow
from notesqa.errors import CorpusError
from notesqa.notes import ReadFile, read_file, supported
from notesqa.records import Document, Source
from notesqa.reports import Pending, Stage

if TYPE_CHECKING:
    from notesqa.catalog import Catalog
    from notesqa.config import Home

USERDICT = "userdict.txt"
"""Words for the segmenter, not a note."""


def corpus_files(corpus: Path, left_out: Counter[str] | None = None) -> Iterator[Path]:
    """Every file below `corpus` that is a note by its suffix, in order of path.

    Hidden files and folders are left out; a folder reached twice through links is
    visited once. A folder that cannot be listed is yielded itself, so that it is told.

    Args:
        left_out: where files of other formats are counted by their suffix.

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
            elif left_out is not None:
                left_out[entry.suffix.lower() or entry.name] += 1

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
    left_out: Counter[str] = Counter()
    for path in corpus_files(home.corpus, left_out):
        relative = path_in_home(path, home)
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
    gone = tuple(p for p in known if p not in seen)
    return Pending(tuple(added), tuple(changed), gone, by_suffix(left_out))


def by_suffix(left_out: Counter[str]) -> tuple[tuple[str, int], ...]:
    """What `corpus_files` counted, the most frequent first."""
    return tuple(sorted(left_out.items(), key=lambda pair: (-pair[1], pair[0])))


def path_in_home(path: Path, home: Home) -> str:
    """The path in the home; bytes that are no UTF-8 are written as `\\xff`."""
    return os.fsencode(path.relative_to(home.path).as_posix()).decode("utf-8", "backslashreplace")


def hash_file(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_corpus(
    home: Home,
    usable: dict[str, FileRow],
    known: dict[str, FileRow],
    tell: Callable[[Stage, int, int, str], object],
    left_out: Counter[str] | None = None,
) -> tuple[list[FileRow], list[FileRow], list[str], list[ReadFile]]:
    """Hash every file; read those whose content is not in `usable`.

    Args:
        left_out: as in `corpus_files`.

    Returns:
        Files read anew, files of which only the time has changed, paths that are
        gone, and what every readable file holds.

    Raises:
        CorpusError: the corpus was there and is gone, or cannot be listed.
    """
    if known and not home.corpus.exists():
        # An empty folder says that the notes are gone; none may be a disk that is away.
        raise CorpusError(
            f"the folder of the notes is gone: {home.corpus}",
            "bring it back, or make an empty one to forget its notes",
        )
    paths = list(corpus_files(home.corpus, left_out))
    fresh: list[FileRow] = []
    touched: list[FileRow] = []
    readings: list[ReadFile] = []
    seen: set[str] = set()
    for done, path in enumerate(paths, 1):
        relative = path_in_home(path, home)
        seen.add(relative)
        tell("scan", done, len(paths), relative)
        row = usable.get(relative)
        size, mtime_ns, digest = 0, 0, ""
        try:
            found = path.stat()
            size, mtime_ns = found.st_size, found.st_mtime_ns
            check_readable(path, found)
            digest = hash_file(path)
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
            reason = str(error)
        except OSError as error:
            reason = error.strerror or str(error)
        unread = FileRow(relative, size, mtime_ns, digest, reason, None)
        if row is None or (row.reason, row.hash) != (reason, digest):
            fresh.append(unread)
        elif (row.size, row.mtime_ns) != (size, mtime_ns):
            touched.append(unread)
    return fresh, touched, [p for p in known if p not in seen], readings


def check_readable(path: Path, found: os.stat_result) -> None:
    """Refuse what cannot be read as a file without harm.

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


def _is_utf8(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


# -- readings: what a file held, kept so that unchanged files need not be read ---------


def _pack(read: ReadFile) -> bytes:
    rows = [
        [d.id, d.title, d.text, d.kind, [[s.path, s.line] for s in d.sources], d.date,
         list(d.tags), d.truncated]
        for d in read.documents
    ]  # fmt: skip
    packed = json.dumps([rows, read.remarks], ensure_ascii=False)
    return zlib.compress(packed.encode("utf-8", "surrogatepass"), 1)


def _unpack(path: str, blob: bytes) -> ReadFile:
    rows, remarks = json.loads(zlib.decompress(blob).decode("utf-8", "surrogatepass"))
    return ReadFile(
        path,
        tuple(
            Document(r[0], r[1], r[2], r[3], tuple(Source(*s) for s in r[4]), r[5], tuple(r[6]),
                     r[7])
            for r in rows
        ),
        tuple(remarks),
    )  # fmt: skip
