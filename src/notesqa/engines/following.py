"""How an engine follows the catalog: what all of them share.

An engine says how its files are opened (`_open`), made (`_begin`) and brought to a later
commit (`_advance`). When each of that is called for, who may do it and what is served
meanwhile is settled here.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from notesqa.engines import (
    STATE_FILE,
    ChangeLog,
    Progress,
    State,
    fresh_folder,
    read_state,
    still_kept,
    write_state,
    writing,
)
from notesqa.errors import CatalogError

Index = TypeVar("Index")
"""What an engine searches."""


class Follower(ABC, Generic[Index]):
    """An engine that keeps its files in a folder and stands at a commit of the catalog."""

    name: ClassVar[str]
    """Also that of the folder, and of the engine in the status."""
    _title: ClassVar[str]
    """What a person calls it."""
    _failures: ClassVar[tuple[type[Exception], ...]]
    """What its library raises where files cannot be written or contents do not fit."""

    def __init__(self, folder: Path, recipe: str) -> None:
        """Open what is in `folder`; nothing is built before `catch_up`.

        Args:
            recipe: what the contents depend on besides the commits; another one begins anew.
        """
        self._folder = folder
        self._recipe = recipe
        # In one: a search in another thread takes both or neither.
        self._served: tuple[State, Index] | None = None
        self._lock = threading.Lock()
        state = read_state(folder)
        index = self._open(state) if state else None
        if state and index is not None:
            self._served = (state, index)

    # -- what an engine says -------------------------------------------------------

    @abstractmethod
    def _open(self, state: State) -> Index | None:
        """The index that `state` tells of, as it can be searched; None where it is damaged."""

    @abstractmethod
    def _begin(self, log: ChangeLog, head: int, progress: Progress | None) -> tuple[State, Index]:
        """Build everything up to the commit `head` in an empty folder.

        Returns:
            The state, not written yet, and what is to be searched.
        """

    @abstractmethod
    def _advance(
        self, index: Index, state: State, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, Index] | None:
        """Bring an index that stands at `state` to the commit `head`; else as `_begin`.

        None where it is better to begin anew. Nobody searches `index` meanwhile.
        """

    def _reason(self, error: Exception) -> str:
        """What went wrong, without what only a programmer reads."""
        return str(error)

    # -- where it stands -----------------------------------------------------------

    @property
    def commit(self) -> int:
        """The commit that the engine has reached; 0 before the first."""
        return self._served[0].commit if self._served else 0

    def is_current(self, log: ChangeLog) -> bool:
        """Whether `catch_up` has nothing to do."""
        state = self._served[0] if self._served else None
        return state is not None and state.follows(log, self._recipe) and state.commit == log.head()

    def usable(self, log: ChangeLog) -> bool:
        """Whether a search finds what some commit of this catalog held."""
        return self._served is not None and still_kept(self._served[0], log)

    def _ready(self) -> Index:
        """What is searched.

        Raises:
            CatalogError: nothing was built yet.
        """
        if self._served is None:
            raise CatalogError(f"there is no {self._title} yet", "build it: notesqa index")
        return self._served[1]

    # -- following -----------------------------------------------------------------

    def catch_up(
        self, log: ChangeLog, progress: Progress | None = None, *, wait: bool = True
    ) -> bool:
        """Apply the commits that came since; searches go on with the former state meanwhile.

        Returns:
            False where somebody else is at it and `wait` is False.

        Raises:
            CatalogError: the folder cannot be written, or what the catalog holds does not fit.
        """
        if not self._lock.acquire(blocking=wait):
            return False
        try:
            with writing(self._folder, wait=wait) as mine:
                if mine:
                    self._follow(log, progress)
                return mine
        except self._failures as error:
            raise CatalogError(
                f"the {self._title} in {self._folder} cannot be written: {self._reason(error)}",
                "check the folder's rights and free space, or delete it; it is made anew",
            ) from error
        finally:
            self._lock.release()

    def _follow(self, log: ChangeLog, progress: Progress | None) -> None:
        head = log.head()
        state = read_state(self._folder)
        advanced: tuple[State, Index] | None = None
        if state is not None and state.follows(log, self._recipe):
            index = self._open(state)
            if index is not None:
                if state.commit == head:
                    self._served = (state, index)
                    return
                advanced = self._advance(index, state, log, head, progress)
        if advanced is None:
            fresh_folder(self._folder)
            advanced = self._begin(log, head, progress)
        write_state(self._folder, advanced[0])
        self._served = advanced
        for old in self._folder.iterdir():
            if old.name not in (*advanced[0].files, STATE_FILE):
                with contextlib.suppress(OSError):
                    old.unlink()
