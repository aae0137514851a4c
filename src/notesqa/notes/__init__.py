"""Reading notes: one function for a file, one for the corpus."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from notesqa.errors import CorpusError
from notesqa.notes.decode import decode
from notesqa.notes.gathering import Gathered, ReadFile, gather
from notesqa.notes.markdown import read_article
from notesqa.notes.transmission import is_transmission, read_transmission
from notesqa.records import DocumentKind

__all__ = ["VERSION", "Gathered", "ReadFile", "Unread", "gather", "read_file", "supported"]

VERSION = 5
"""Changes when the same file may be read otherwise than before."""

MOST_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that could not be read, and why, in one line."""

    source: str
    reason: str


def _text(text: str, relative: str) -> ReadFile:
    return _transmission_or(text, relative, "text")


def _markdown(text: str, relative: str) -> ReadFile:
    return _transmission_or(text, relative, "article")


def _transmission_or(text: str, relative: str, kind: DocumentKind) -> ReadFile:
    if is_transmission(text):
        return ReadFile(relative, read_transmission(text, relative))
    document, remarks = read_article(text, relative, kind)
    return ReadFile(relative, (document,) if document else (), remarks)


_READERS: dict[str, Callable[[str, str], ReadFile]] = {
    ".txt": _text,
    ".text": _text,
    ".md": _markdown,
    ".markdown": _markdown,
}


def supported(path: Path) -> bool:
    """Whether a file is a note, by its suffix; hidden files are none."""
    return path.suffix.lower() in _READERS and not path.name.startswith(".")


def read_file(path: Path, relative: str) -> ReadFile:
    """Read one file.

    Args:
        relative: its path relative to the home, with forward slashes.

    Raises:
        CorpusError: with a reason of one line: unreadable, binary, empty, of an unknown
            encoding or format.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(f"unknown format {path.suffix}", f"known: {', '.join(_READERS)}")
    try:
        mode, size = path.stat().st_mode, path.stat().st_size
        if stat.S_ISDIR(mode):
            raise CorpusError("a folder, not a file", "rename it, or put the notes in it elsewhere")
        if not stat.S_ISREG(mode):
            raise CorpusError("not a regular file", "only files are notes")
        if size > MOST_BYTES:
            raise CorpusError(
                f"too large ({size >> 20} MB; at most {MOST_BYTES >> 20})", "split it into several"
            )
        data = path.read_bytes()
    except OSError as error:
        raise CorpusError(_reason(error), "check the file and its rights") from error
    text = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise CorpusError("empty file", "write something into it, or remove it")
    read = reader(text, relative)
    if not read.documents:
        raise CorpusError("nothing in it but its frame", "save the page again")
    return read


def _reason(error: OSError) -> str:
    return (error.strerror or os.strerror(error.errno or 0)).lower()
