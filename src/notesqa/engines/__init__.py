"""Search engines that follow the catalog.

Each keeps its own files in a folder of the index and knows the commit that it has
reached. `catch_up` applies what came since; where that is not possible (another
catalog, another embedder, a damaged or deleted folder) it builds itself anew.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from notesqa.errors import CatalogError
from notesqa.records import Entry

STATE_FILE = "state.json"


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
        files: names of the files that hold this state, where they vary.
    """

    catalog: str
    recipe: str
    commit: int
    files: tuple[str, ...] = ()

    def follows(self, log: ChangeLog, recipe: str) -> bool:
        """Whether `catch_up` can go on from here rather than begin anew."""
        return (
            self.catalog == log.identity
            and self.recipe == recipe
            and log.oldest() <= self.commit <= log.head()
        )


def read_state(folder: Path) -> State | None:
    """The state kept in `folder`, or None where there is none to be relied on."""
    try:
        raw = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        return State(
            str(raw["catalog"]), str(raw["recipe"]), int(raw["commit"]), tuple(raw["files"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(folder: Path, state: State) -> None:
    """Replace the state in one step."""
    temporary = folder / f"{STATE_FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
    temporary.replace(folder / STATE_FILE)


def fresh_folder(folder: Path) -> None:
    """Empty `folder`, making it where needed.

    Raises:
        CatalogError: it cannot be emptied or made.
    """
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise CatalogError(
            f"cannot write to {folder}: {error.strerror}", "check the rights of the index folder"
        ) from error
