"""Search engines that follow the catalog.

Each keeps its own files in a folder of the index and knows the commit that it has
reached. `catch_up` applies what came since; where that is not possible (another
catalog, another embedder, a damaged or deleted folder) it builds itself anew.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Protocol

from notesqa.errors import CatalogError
from notesqa.records import Entry

STATE_FILE = "state.json"
_CHECKSUM = "checksum"
_LONGEST_WAIT_SECONDS = 600
_MOST_TRIES = 5
# Of NVIDIA's driver on Linux, and of the one that Windows lends to it.
_GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")

MOST_LOOKED_AT = 4096
"""So many vectors are held against a question one by one, which takes .2 ms, without FAISS."""


def gpu_driver() -> bool:
    """Whether a GPU can be there at all; FAISS, which knows, takes long to import."""
    return any(Path(driver).exists() for driver in _GPU_DRIVERS)


class ChangeLog(Protocol):
    """What a follower needs of the catalog."""

    @property
    def identity(self) -> str: ...
    def head(self) -> int: ...
    def oldest(self) -> int: ...
    def removed(self, since: int, until: int) -> list[int]: ...
    def entries(self, since: int, until: int) -> Iterator[Entry]: ...
    def vectors(self, since: int, until: int, embedder: str) -> Iterator[tuple[int, bytes]]: ...
    def count(self, since: int, until: int) -> int: ...


Progress = Callable[[int, int], None]
"""Called with how many chunks are done and how many there are."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a follower stands.

    Attributes:
        catalog: identity of the catalog that it follows.
        recipe: what its contents depend on besides the commits.
        commit: the commit that it has reached.
        files: names of the files that hold this state; others in the folder are leftovers.
        figures: what else has to be known of them.
    """

    catalog: str
    recipe: str
    commit: int
    files: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)

    def follows(self, log: ChangeLog, recipe: str) -> bool:
        """Whether `catch_up` can go on from here rather than begin anew."""
        return (
            self.catalog == log.identity
            and self.recipe == recipe
            and log.oldest() <= self.commit <= log.head()
        )


_TOLD = {told.name for told in fields(State)}


def still_kept(state: State | None, log: ChangeLog) -> bool:
    """Whether the catalog still holds every chunk of the state's commit.

    A purge keeps what it replaces itself, hence the commit right before it.
    """
    return state is not None and state.catalog == log.identity and state.commit >= log.oldest() - 1


def read_state(folder: Path) -> State | None:
    """The state kept in `folder`, or None where there is none to be relied on."""
    try:
        raw = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        # Who wrote before there was a checksum left none.
        if raw.pop(_CHECKSUM, None) not in (None, _checksum(raw)) or raw.keys() - _TOLD:
            return None
        files = tuple(str(name) for name in raw["files"])
        if not files or any(Path(name).name != name for name in files):
            return None
        figures = {str(name): float(value) for name, value in raw.get("figures", {}).items()}
        return State(str(raw["catalog"]), str(raw["recipe"]), int(raw["commit"]), files, figures)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Replace the state in one step."""
    temporary = folder / f"{STATE_FILE}.{os.getpid()}"
    told = asdict(state)
    told[_CHECKSUM] = _checksum(told)
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.replace(folder / STATE_FILE)


def _checksum(told: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(told, sort_keys=True).encode())


@contextlib.contextmanager
def writing(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """One process at a time catches up in `folder`; a killed one leaves no lock behind.

    Yields False where another one is at it and `wait` is False.

    Raises:
        CatalogError: the folder's parent cannot be written, or the wait was too long.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder.parent / f"{folder.name}.lock")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=_LONGEST_WAIT_SECONDS if wait else 0)
    except Timeout as error:
        if not wait:
            yield False
            return
        raise CatalogError(
            f"another program is writing to {folder}", "wait for it to end, and try again"
        ) from error
    except OSError as error:
        raise CatalogError(
            f"cannot write to {folder.parent}: {error.strerror}",
            "check the rights of the index folder",
        ) from error
    try:
        yield True
    finally:
        lock.release()


def fresh_folder(folder: Path) -> None:
    """Empty `folder`, making it where needed.

    Raises:
        CatalogError: it cannot be emptied or made.
    """
    try:
        for left in reversed(range(_MOST_TRIES)):
            try:
                if folder.exists():
                    shutil.rmtree(folder)
                break
            except OSError as error:
                # Somebody who still reads the former files may put a lock beside them.
                if error.errno != errno.ENOTEMPTY or not left:
                    raise
        folder.mkdir(parents=True)
    except OSError as error:
        raise CatalogError(
            f"cannot write to {folder}: {error.strerror}", "check the rights of the index folder"
        ) from error
