"""Files that the user names, copied into the corpus."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from notesqa.errors import CorpusError
from notesqa.notes import supported
from notesqa.scanning import check_readable, corpus_files, hash_file, path_in_home

if TYPE_CHECKING:
    from notesqa.config import Home

REPLACED_FOLDER = ".replaced"


class Added(NamedTuple):
    """What `add_paths` did.

    Attributes:
        copied: files relative to the home.
        failed: path and reason of what could not be copied.
        displaced: files that took the place of others of their name, and where those are kept.
    """

    copied: list[str]
    failed: list[tuple[str, str]]
    displaced: list[tuple[str, str]]


def add_paths(
    home: Home,
    paths: Iterable[str | os.PathLike[str]],
    left_out: Counter[str] | None = None,
) -> Added:
    """Copy files, or the notes below folders, into the corpus.

    A file that the corpus has already is left alone; one of the same name and
    other content takes its place, and the old one is kept under `corpus/.replaced/`.

    Args:
        left_out: where files of other formats below folders are counted by their suffix.
    """
    copied: list[str] = []
    failed: list[tuple[str, str]] = []
    displaced: list[tuple[str, str]] = []
    placed: set[Path] = set()
    for named in paths:
        try:
            found = _named(home, named, left_out)
        except CorpusError as error:
            failed.append((str(named), error.message))
            continue
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError: `~somebody` who is not known here. ValueError: a NUL in the name.
            failed.append((str(named), getattr(error, "strerror", None) or str(error)))
            continue
        for file, place in found:
            target = home.corpus / place
            try:
                check_readable(file, file.stat())
                if target in placed and hash_file(target) != hash_file(file):
                    failed.append((str(file), "another file of this name was just added"))
                    continue
                placed.add(target)
                if target.is_file() and hash_file(target) == hash_file(file):
                    continue
                if kept := _copy(file, target, home.corpus):
                    displaced.append((path_in_home(target, home), path_in_home(kept, home)))
                copied.append(path_in_home(target, home))
            except CorpusError as error:
                failed.append((str(file), error.message))
            except OSError as error:
                failed.append((str(file), error.strerror or str(error)))
    return Added(copied, failed, displaced)


def _named(
    home: Home, named: str | os.PathLike[str], left_out: Counter[str] | None
) -> list[tuple[Path, Path]]:
    """The files that a path names, with their places in the corpus.

    Raises:
        CorpusError: it names no notes.
        OSError, RuntimeError, ValueError: it cannot be looked at.
    """
    if not os.fspath(named):
        raise CorpusError("an empty name")
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
            for file in corpus_files(path, left_out)
        ]
        if not found:
            raise CorpusError("holds no notes (.md, .txt)")
        return found
    if not supported(path):
        raise CorpusError(f"{path.suffix or 'no suffix'}: no format of notes")
    if not path.is_file():
        raise CorpusError("not a regular file")
    return [(path, Path(path.name))]


def _copy(file: Path, target: Path, corpus: Path) -> Path | None:
    """Copy a note; returns where the one in its place is kept, if there was one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    if target.exists():
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
    return kept
