"""Exact nearest neighbours by inner product, in FAISS.

Vectors are kept in half precision (`exact`), and once more in 8 bits (`coarse`), which a
CPU scans in a third of the time. What comes near in the scan is scored with the exact
vectors; how far a coarse score can be from the exact one is known, so that the scan also
tells whether it has missed anything, and goes on where it may have. With a GPU the exact
vectors are cloned to it and scanned there.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from notesqa.engines import ChangeLog, Progress, State
from notesqa.engines.following import Follower

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 8192
_LARGEST = 127
"""Of what 8 bits hold, on both sides of zero."""
_LEAST_REACH = 1e-6
# Measured with the built-in embedder at 98,609 chunks: 4 times as many as are wanted were
# enough to be certain for 99 of 100 questions, 6 times for all.
_OVERSAMPLING = 4
_WIDER = 4
_MOST_SCANNED = 4096
_ROUNDING = 1e-5
"""More than the sums of two ways to add up single precision differ by."""


def gpus() -> int:
    """How many GPUs FAISS can use."""
    return int(faiss.get_num_gpus())


def _quantized(dimension: int, kind: int) -> Any:
    index = faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    # These kinds learn nothing, but FAISS takes nothing in before.
    index.train(np.zeros((1, dimension), dtype=np.float32))
    return index


def _parameters(selector: Any) -> Any:
    parameters = faiss.SearchParameters()
    parameters.sel = selector
    return parameters


def _on_gpu(exact: Any) -> Any:
    if not gpus() or not exact.ntotal:
        return None
    # Ids stay on the CPU: IndexIDMap is not a GPU index.
    return faiss.index_cpu_to_gpu(
        faiss.StandardGpuResources(), 0, faiss.downcast_index(exact.index)
    )


def _pairs(keys: NDArray[np.int64], scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    return [pair for pair in zip(keys.tolist(), scores.tolist(), strict=True) if pair[0] >= 0]


# -- the coarse vectors ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Coarse:
    """Coarse vectors with what is known of them; see `_Vectors`."""

    index: Any
    scale: float
    error: float
    longest: float


_FIGURES = ("scale", "error", "longest")


def _batches(exact: Any, first: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Vectors from a position on, with that of the first of each batch."""
    for start in range(first, exact.ntotal, _BATCH):
        yield start, exact.index.reconstruct_n(start, min(_BATCH, exact.ntotal - start))


def _reach(exact: Any, first: int) -> float:
    """The largest component of the vectors from a position on."""
    return max((float(np.abs(rows).max()) for _, rows in _batches(exact, first)), default=0.0)


def _anew(exact: Any) -> _Coarse:
    """Coarse vectors of all exact ones; the scale is the finest that holds every component."""
    dimension = exact.d
    empty = faiss.IndexIDMap(_quantized(dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed))
    scale = _LARGEST / max(_reach(exact, 0), _LEAST_REACH)
    return _filled(_Coarse(empty, scale, 0.0, 0.0), exact, 0)


def _extended(former: _Coarse, exact: Any, first: int) -> _Coarse | None:
    """The coarse vectors with those from a position on; None where one is beyond the scale."""
    if not _reach(exact, first) * former.scale <= _LARGEST:
        return None
    return _filled(former, exact, first)


def _filled(coarse: _Coarse, exact: Any, first: int) -> _Coarse:
    keys = faiss.vector_to_array(exact.id_map)
    error, longest = coarse.error, coarse.longest
    for start, rows in _batches(exact, first):
        whole = np.rint(rows * np.float32(coarse.scale))
        coarse.index.add_with_ids(whole, keys[start : start + len(rows)])
        whole /= np.float32(coarse.scale)
        longest = max(longest, float(np.linalg.norm(whole, axis=1).max()))
        error = max(error, float(np.linalg.norm(rows - whole, axis=1).max()))
    return _Coarse(coarse.index, coarse.scale, error, longest)


def _scanned(
    vectors: _Vectors, query: NDArray[np.float32], limit: int, wanted: int, selector: Any
) -> list[tuple[int, float]] | None:
    """The nearest by a coarse scan that looks at `wanted`; None where others may be nearer.

    With q' and x' for the coarse forms, |q·x - q'·x'| = |q·(x - x') + (q - q')·x'|, which is
    at most |q| `error` + |q - q'| `longest`.
    """
    scale = _LARGEST / max(float(np.abs(query).max()), _LEAST_REACH)
    whole = np.rint(query * np.float32(scale))
    rough, keys = vectors.coarse.search(whole[None, :], wanted, params=_parameters(selector))
    found = keys[0][keys[0] >= 0]
    if len(found) < limit and selector is None:
        return None
    scores = vectors.exact.reconstruct_batch(found) @ query
    order = np.lexsort((found, -scores))[:limit]
    if len(found) == wanted:
        margin = (
            float(np.linalg.norm(query)) * vectors.error
            + float(np.linalg.norm(query - whole / scale)) * vectors.longest
            + _ROUNDING
        )
        # Whatever the scan left out has at most the last rough score.
        unseen = float(rough[0, len(found) - 1]) / (scale * vectors.scale) + margin
        if not unseen < scores[order[-1]]:
            return None
    return _pairs(found[order], scores[order])


@dataclass(frozen=True, slots=True)
class _Vectors:
    """An open index.

    Attributes:
        exact: vectors in half precision by their keys.
        coarse: the same vectors times `scale`, rounded.
        error: the farthest that a coarse vector divided by `scale` lies from its exact one.
        longest: no coarse vector divided by `scale` is longer.
        gpu: the exact vectors on a GPU, without their keys, or None.
    """

    exact: Any
    coarse: Any
    scale: float
    error: float
    longest: float
    gpu: Any


class VectorEngine(Follower[_Vectors]):
    """Follower that finds chunks by the nearness of their vectors."""

    name = "vectors"
    _title = "vector index"
    _failures = (RuntimeError, OSError, ValueError)

    def __init__(self, folder: Path, dimension: int, embedder: str) -> None:
        """Open the index in `folder`; nothing is built before `catch_up`.

        Args:
            dimension: length of the embedder's vectors.
            embedder: its name; another one rebuilds the index.
        """
        self._dimension = dimension
        self._embedder = embedder
        # An index on a GPU takes one search at a time.
        self._gpu_lock = threading.Lock()
        super().__init__(folder, f"2/{dimension}/{embedder}")

    def _open(self, state: State) -> _Vectors | None:
        if state.recipe != self._recipe:
            return None
        try:
            read: list[Any] = [faiss.read_index(str(self._folder / f)) for f in state.files]
            exact, coarse = read
            scale, error, longest = (state.figures[name] for name in _FIGURES)
            keys, others = (faiss.vector_to_array(index.id_map) for index in read)
        except (RuntimeError, MemoryError, OSError, ValueError, KeyError, AttributeError):
            # Derived data: catch_up makes it anew.
            return None
        if not exact.d == coarse.d == self._dimension or not np.array_equal(keys, others):
            return None
        return _Vectors(exact, coarse, scale, error, longest, _on_gpu(exact))

    def _reason(self, error: Exception) -> str:
        # FAISS tells where in its source before it tells what.
        return str(error).rpartition(" failed: ")[2]

    @property
    def device(self) -> str:
        """`cpu` or `cuda:0`: where a search runs."""
        return "cuda:0" if gpus() else "cpu"

    def _begin(
        self, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, _Vectors]:
        exact = faiss.IndexIDMap2(_quantized(self._dimension, faiss.ScalarQuantizer.QT_fp16))
        self._add(exact, log, 0, head, progress)
        return self._save(exact, _anew(exact), log, head)

    def _advance(
        self, index: _Vectors, state: State, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, _Vectors]:
        exact, coarse = index.exact, index.coarse
        gone = np.array(log.removed(state.commit, head), dtype=np.int64)
        if len(gone):
            exact.remove_ids(gone)
            coarse.remove_ids(gone)
        first = exact.ntotal
        self._add(exact, log, state.commit, head, progress)
        former = _Coarse(coarse, index.scale, index.error, index.longest)
        return self._save(exact, _extended(former, exact, first) or _anew(exact), log, head)

    def _add(
        self, exact: Any, log: ChangeLog, since: int, head: int, progress: Progress | None
    ) -> None:
        total = log.count(since, head)
        done = 0
        stream = log.vectors(since, head, self._embedder)
        while batch := list(itertools.islice(stream, _BATCH)):
            vectors = np.frombuffer(b"".join(row for _, row in batch), dtype=np.float16)
            exact.add_with_ids(
                vectors.reshape(len(batch), self._dimension).astype(np.float32),
                np.array([key for key, _ in batch], dtype=np.int64),
            )
            done += len(batch)
            if progress:
                progress(done, total)

    def _save(
        self, exact: Any, coarse: _Coarse, log: ChangeLog, head: int
    ) -> tuple[State, _Vectors]:
        names = (f"flat-{head}.faiss", f"coarse-{head}.faiss")
        for name, index in zip(names, (exact, coarse.index), strict=True):
            temporary = self._folder / f"{name}.{os.getpid()}"
            faiss.write_index(index, str(temporary))
            temporary.replace(self._folder / name)
        figures = (coarse.scale, coarse.error, coarse.longest)
        state = State(
            log.identity, self._recipe, head, names, dict(zip(_FIGURES, figures, strict=True))
        )
        return state, _Vectors(exact, coarse.index, *figures, _on_gpu(exact))

    # -- searching -------------------------------------------------------------

    def size(self) -> int:
        """How many chunks are indexed."""
        return int(self._ready().exact.ntotal)

    def search(
        self, query: NDArray[np.float32], limit: int, allowed: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """Keys and cosines of the nearest chunks, nearest first.

        Args:
            query: unit vector, shape `(dimension,)`.
            allowed: only these keys, where given.
        """
        vectors = self._ready()
        limit = min(limit, vectors.exact.ntotal)
        if limit < 1 or (allowed is not None and not allowed):
            return []
        query = np.ascontiguousarray(query, dtype=np.float32)
        if vectors.gpu is not None and allowed is None:
            with self._gpu_lock:
                scores, positions = vectors.gpu.search(query[None, :], limit)
            known = faiss.vector_to_array(vectors.exact.id_map)
            return _pairs(np.where(positions < 0, -1, known[positions])[0], scores[0])
        # FAISS shares out questions, not vectors: for one question a second thread only
        # waits, which on two busy cores took 44 ms where one thread took 8.
        faiss.omp_set_num_threads(1)
        selector = None
        if allowed is not None:
            selector = faiss.IDSelectorBatch(np.array(allowed, dtype=np.int64))
        most = len(allowed) if allowed is not None else vectors.exact.ntotal
        wanted = _OVERSAMPLING * limit
        while wanted < min(most, _MOST_SCANNED):
            found = _scanned(vectors, query, limit, wanted, selector)
            if found is not None:
                return found
            wanted *= _WIDER
        scores, keys = vectors.exact.search(query[None, :], limit, params=_parameters(selector))
        return _pairs(keys[0], scores[0])

    def scores(self, query: NDArray[np.float32], keys: Sequence[int]) -> dict[int, float]:
        """Cosine of `query` with each of `keys`; keys that are not indexed are left out."""
        exact = self._ready().exact
        if not keys:
            return {}
        try:
            rows = exact.reconstruct_batch(np.array(keys, dtype=np.int64))
            return dict(zip(keys, (rows @ query).tolist(), strict=True))
        except RuntimeError:
            pass  # One of them is not indexed; the others are.
        found = {}
        for key in keys:
            try:
                row = exact.reconstruct(int(key))
            except RuntimeError:
                continue
            found[key] = float(row @ query)
        return found
