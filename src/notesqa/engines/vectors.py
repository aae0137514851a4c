"""Exact nearest neighbours by inner product, in FAISS.

Vectors are kept in half precision (`IndexScalarQuantizer`, QT_fp16): a quarter of
the time of float32 on a CPU, and the same neighbours in all but a few of 10,000
cases. With a GPU the same index is cloned to it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

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

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 8192


def _parameters(selector: Any) -> Any:
    parameters = faiss.SearchParameters()
    parameters.sel = selector
    return parameters


def gpus() -> int:
    """How many GPUs FAISS can use."""
    return int(faiss.get_num_gpus())


class VectorEngine:
    """Follower that finds chunks by the nearness of their vectors."""

    name = "vectors"

    def __init__(self, folder: Path, dimension: int, embedder: str) -> None:
        """Open the index in `folder`; nothing is built before `catch_up`.

        Args:
            dimension: length of the embedder's vectors.
            embedder: its name; another one rebuilds the index.
        """
        self._folder = folder
        self._dimension = dimension
        self._embedder = embedder
        self._recipe = f"1/{dimension}/{embedder}"
        # The state, its index and that one's clone on the GPU, in one: a search in another
        # thread takes all or none.
        self._served: tuple[State, Any, Any] | None = None
        self._lock = threading.Lock()
        # An index on a GPU takes one search at a time.
        self._gpu_lock = threading.Lock()
        state = read_state(folder)
        index = self._open(state) if state else None
        if state and index is not None:
            self._serve(state, index)

    def _open(self, state: State) -> Any:
        """Read the index that `state` tells of; None where it does not fit or is damaged."""
        if state.recipe != self._recipe:
            return None
        try:
            return faiss.read_index(str(self._folder / state.files[0]))
        except (RuntimeError, MemoryError, OSError):
            # Derived data: catch_up makes it anew.
            return None

    def _serve(self, state: State, index: Any) -> None:
        gpu = None
        if gpus() and index.ntotal:
            # Ids stay on the CPU: IndexIDMap is not a GPU index.
            gpu = faiss.index_cpu_to_gpu(
                faiss.StandardGpuResources(), 0, faiss.downcast_index(index.index)
            )
        self._served = (state, index, gpu)

    @property
    def commit(self) -> int:
        """The commit that the engine has reached; 0 before the first."""
        return self._served[0].commit if self._served else 0

    @property
    def device(self) -> str:
        """`cpu` or `cuda:0`: where a search runs."""
        return "cuda:0" if gpus() else "cpu"

    def is_current(self, log: ChangeLog) -> bool:
        """Whether `catch_up` has nothing to do."""
        state = self._served[0] if self._served else None
        return state is not None and state.follows(log, self._recipe) and state.commit == log.head()

    def usable(self, log: ChangeLog) -> bool:
        """Whether a search finds what some commit of this catalog held."""
        return self._served is not None and still_kept(self._served[0], log)

    def catch_up(
        self, log: ChangeLog, progress: Progress | None = None, *, wait: bool = True
    ) -> bool:
        """Apply the commits that came since; searches go on with the former state meanwhile.

        Returns:
            False where somebody else is at it and `wait` is False.

        Raises:
            CatalogError: the folder cannot be written, or the vectors do not fit.
        """
        if not self._lock.acquire(blocking=wait):
            return False
        try:
            with writing(self._folder, wait=wait) as mine:
                if mine:
                    self._follow(log, progress)
                return mine
        except (RuntimeError, OSError, ValueError) as error:
            raise CatalogError(
                f"the vector index in {self._folder} cannot be written:"
                # FAISS tells where in its source before it tells what.
                f" {str(error).rpartition(' failed: ')[2]}",
                "check the folder's rights and free space, or delete it; it is made anew",
            ) from error
        finally:
            self._lock.release()

    def _follow(self, log: ChangeLog, progress: Progress | None) -> None:
        head = log.head()
        state = read_state(self._folder)
        index: Any = None
        since = 0
        if state is not None and state.follows(log, self._recipe):
            index = self._open(state)
            if index is not None:
                if state.commit == head:
                    self._serve(state, index)
                    return
                since = state.commit
                gone = np.array(log.removed(since, head), dtype=np.int64)
                if len(gone):
                    index.remove_ids(gone)
        if index is None:
            fresh_folder(self._folder)
            index = faiss.IndexIDMap2(
                faiss.IndexScalarQuantizer(
                    self._dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
                )
            )
            index.train(np.zeros((1, self._dimension), dtype=np.float32))
        self._add(index, log, since, head, progress)
        self._serve(self._save(index, log, head), index)

    def _add(
        self, index: Any, log: ChangeLog, since: int, head: int, progress: Progress | None
    ) -> None:
        total = log.count(since, head)
        keys: list[int] = []
        rows: list[bytes] = []
        done = 0

        def flush() -> None:
            vectors = np.frombuffer(b"".join(rows), dtype=np.float16)
            index.add_with_ids(
                vectors.reshape(len(rows), self._dimension).astype(np.float32),
                np.array(keys, dtype=np.int64),
            )
            keys.clear()
            rows.clear()
            if progress:
                progress(done, total)

        for key, vector in log.vectors(since, head, self._embedder):
            done += 1
            keys.append(key)
            rows.append(vector)
            if len(keys) == _BATCH:
                flush()
        if keys:
            flush()

    def _save(self, index: Any, log: ChangeLog, head: int) -> State:
        name = f"flat-{head}.faiss"
        temporary = self._folder / f"{name}.{os.getpid()}"
        faiss.write_index(index, str(temporary))
        temporary.replace(self._folder / name)
        state = State(log.identity, self._recipe, head, (name,))
        write_state(self._folder, state)
        for old in self._folder.iterdir():
            if old.name not in (name, STATE_FILE):
                with contextlib.suppress(OSError):
                    old.unlink()
        return state

    # -- searching -------------------------------------------------------------

    def _ready(self) -> tuple[Any, Any]:
        """The index and its clone on the GPU, which may be None."""
        if self._served is None:
            raise CatalogError("there is no vector index yet", "build it: notesqa index")
        return self._served[1:]

    def size(self) -> int:
        """How many chunks are indexed."""
        return int(self._ready()[0].ntotal)

    def search(
        self, query: NDArray[np.float32], limit: int, allowed: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """Keys and cosines of the nearest chunks, nearest first.

        Args:
            query: unit vector, shape `(dimension,)`.
            allowed: only these keys, where given.
        """
        index, gpu = self._ready()
        limit = min(limit, index.ntotal)
        if limit < 1 or (allowed is not None and not allowed):
            return []
        rows = np.ascontiguousarray(query[None, :], dtype=np.float32)
        if allowed is not None:
            selector = faiss.IDSelectorBatch(np.array(allowed, dtype=np.int64))
            scores, keys = index.search(rows, limit, params=_parameters(selector))
        elif gpu is not None:
            with self._gpu_lock:
                scores, positions = gpu.search(rows, limit)
            known = faiss.vector_to_array(index.id_map)
            keys = np.where(positions < 0, -1, known[positions])
        else:
            # FAISS shares out questions, not vectors: for one question a second thread only
            # waits, which on two busy cores took 44 ms where one thread took 8.
            faiss.omp_set_num_threads(1)
            scores, keys = index.search(rows, limit)
        return [
            (int(key), float(score))
            for key, score in zip(keys[0], scores[0], strict=True)
            if key >= 0
        ]

    def scores(self, query: NDArray[np.float32], keys: Sequence[int]) -> dict[int, float]:
        """Cosine of `query` with each of `keys`; keys that are not indexed are left out."""
        index, _ = self._ready()
        if not keys:
            return {}
        try:
            rows = index.reconstruct_batch(np.array(keys, dtype=np.int64))
            return {key: float(row @ query) for key, row in zip(keys, rows, strict=True)}
        except RuntimeError:
            pass  # One of them is not indexed; the others are.
        found = {}
        for key in keys:
            try:
                row = index.reconstruct(int(key))
            except RuntimeError:
                continue
            found[key] = float(row @ query)
        return found
