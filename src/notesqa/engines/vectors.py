"""Exact nearest neighbours by inner product, in FAISS.

Vectors are kept in half precision (`exact`), and once more in 8 bits (`coarse`), which a
CPU scans in a third of the time. What comes near in the scan is scored with the exact
vectors; how far a coarse score can be from the exact one is known, so that the scan also
tells whether it has missed anything, and goes on where it may have. With a GPU the exact
vectors are cloned to it and scanned there.

The files are bare arrays, one row a chunk in the order of the keys, and their checksums
stand in the state: no byte of them is relied on before it was looked at.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
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
_ZERO = 128
"""What FAISS adds to a coarse component, to keep it without a sign."""
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


def _index(kind: int, codes: NDArray[Any]) -> Any:
    """A FAISS index of rows as it keeps them itself."""
    index = faiss.IndexScalarQuantizer(codes.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    faiss.copy_array_to_vector(codes.view(np.uint8).ravel(), index.codes)
    index.ntotal = len(codes)
    index.is_trained = True
    return index


def _codes(index: Any, dtype: type[np.generic]) -> NDArray[Any]:
    """The rows of a FAISS index, where it keeps them: only as long as it lives."""
    codes = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
    return np.asarray(codes).view(dtype).reshape(index.ntotal, index.d)


def _parameters(selector: Any) -> Any:
    parameters = faiss.SearchParameters()
    parameters.sel = selector
    return parameters


# -- what is kept ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """The vectors of chunks, one row each.

    Attributes:
        keys: of the chunks, ascending; int64, shape `(n,)`.
        exact: half precision, shape `(n, dimension)`.
        coarse: the same times `scale`, rounded, plus `_ZERO`; uint8.
        error: the farthest that a coarse vector divided by `scale` lies from its exact one.
        longest: no coarse vector divided by `scale` is longer.
    """

    keys: NDArray[np.int64]
    exact: NDArray[np.float16]
    coarse: NDArray[np.uint8]
    scale: float
    error: float
    longest: float

    @classmethod
    def anew(cls, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> _Rows:
        """With the finest scale that holds every component."""
        scale = _LARGEST / max(_reach(exact), _LEAST_REACH)
        return cls(keys, exact, *_rounded(exact, scale))

    def without(self, gone: Sequence[int]) -> _Rows:
        """All but the chunks with these keys."""
        left = ~np.isin(self.keys, np.array(gone, dtype=np.int64))
        return _Rows(
            self.keys[left], self.exact[left], self.coarse[left],
            self.scale, self.error, self.longest,
        )  # fmt: skip

    def extended(self, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> _Rows:
        """With more of them, all of whose keys come later."""
        keys, all_exact = np.concatenate([self.keys, keys]), np.concatenate([self.exact, exact])
        if not _reach(exact) * self.scale <= _LARGEST:
            return _Rows.anew(keys, all_exact)
        coarse, _, error, longest = _rounded(exact, self.scale)
        return _Rows(
            keys, all_exact, np.concatenate([self.coarse, coarse]),
            self.scale, max(self.error, error), max(self.longest, longest),
        )  # fmt: skip


def _batches(exact: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """In single precision, with the position of the first of each batch."""
    for start in range(0, len(exact), _BATCH):
        yield start, exact[start : start + _BATCH].astype(np.float32)


def _reach(exact: NDArray[np.float16]) -> float:
    """The largest component."""
    return max((float(np.abs(rows).max()) for _, rows in _batches(exact)), default=0.0)


def _rounded(
    exact: NDArray[np.float16], scale: float
) -> tuple[NDArray[np.uint8], float, float, float]:
    """The coarse vectors, their scale, error and greatest length; see `_Rows`."""
    coarse = np.empty(exact.shape, dtype=np.uint8)
    error = longest = 0.0
    for start, rows in _batches(exact):
        whole = np.rint(rows * np.float32(scale))
        coarse[start : start + len(rows)] = whole + _ZERO
        whole /= np.float32(scale)
        longest = max(longest, float(np.linalg.norm(whole, axis=1).max()))
        error = max(error, float(np.linalg.norm(rows - whole, axis=1).max()))
    return coarse, scale, error, longest


_ARRAYS = {"keys": np.int64, "exact": np.float16, "coarse": np.uint8}
_FIGURES = ("scale", "error", "longest")


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data)


def _written(folder: Path, head: int, rows: _Rows) -> tuple[tuple[str, ...], dict[str, float]]:
    """Write the files of a commit; their names, and what else the state has to tell."""
    names, figures = [], {name: float(getattr(rows, name)) for name in _FIGURES}
    for kind in _ARRAYS:
        array = getattr(rows, kind)
        names.append(f"{kind}-{head}.bin")
        figures[kind] = _checksum(array)
        temporary = folder / f"{names[-1]}.{os.getpid()}"
        array.tofile(temporary)
        temporary.replace(folder / names[-1])
    return tuple(names), figures


def _read(
    folder: Path, names: Sequence[str], figures: Mapping[str, float], dimension: int
) -> _Rows:
    """The inverse of `_written`.

    Raises:
        OSError, ValueError, KeyError, MemoryError: the files are not as they were written.
    """
    arrays = []
    for (kind, dtype), name in zip(_ARRAYS.items(), names, strict=True):
        array = np.fromfile(folder / name, dtype=dtype)
        if _checksum(array) != figures[kind]:
            raise ValueError(f"{name} is damaged")
        arrays.append(array)
    keys, exact, coarse = arrays
    shape = len(keys), dimension
    return _Rows(keys, exact.reshape(shape), coarse.reshape(shape), *(figures[n] for n in _FIGURES))


# -- what is searched ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Vectors:
    """An open index; what FAISS finds are positions of rows.

    Attributes:
        rows: what is kept, in the memory of `exact` and `scan`.
        exact: the exact vectors in FAISS.
        scan: the coarse ones.
        gpu: `exact` on a GPU, or None.
    """

    rows: _Rows
    exact: Any
    scan: Any
    gpu: Any

    @classmethod
    def of(cls, rows: _Rows) -> _Vectors:
        exact = _index(faiss.ScalarQuantizer.QT_fp16, rows.exact)
        scan = _index(faiss.ScalarQuantizer.QT_8bit_direct_signed, rows.coarse)
        gpu = None
        if len(rows.keys):
            # Not twice in memory.
            rows = dataclasses.replace(
                rows, exact=_codes(exact, np.float16), coarse=_codes(scan, np.uint8)
            )
            if gpus():
                gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, exact)
        return cls(rows, exact, scan, gpu)

    def positions(self, keys: Sequence[int]) -> NDArray[np.int64]:
        """Where those of the chunks stand that are indexed, in the order of `keys`."""
        wanted, known = np.array(keys, dtype=np.int64), self.rows.keys
        at = np.searchsorted(known, wanted)
        there = at < len(known)
        there[there] = known[at[there]] == wanted[there]
        return at[there]

    def pairs(
        self, positions: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> list[tuple[int, float]]:
        """Keys with their scores."""
        return list(zip(self.rows.keys[positions].tolist(), scores.tolist(), strict=True))

    def cosines(
        self, positions: NDArray[np.int64], query: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """By the exact vectors."""
        return self.rows.exact[positions].astype(np.float32) @ query

    def scanned(
        self, query: NDArray[np.float32], limit: int, wanted: int, selector: Any
    ) -> list[tuple[int, float]] | None:
        """The nearest by a coarse scan that looks at `wanted`; None where others may be nearer.

        With q' and x' for the coarse forms, |q·x - q'·x'| = |q·(x - x') + (q - q')·x'|, which
        is at most |q| `error` + |q - q'| `longest`.
        """
        rows = self.rows
        scale = _LARGEST / max(float(np.abs(query).max()), _LEAST_REACH)
        whole = np.rint(query * np.float32(scale))
        rough, at = self.scan.search(whole[None, :], wanted, params=_parameters(selector))
        found = at[0][at[0] >= 0]
        if len(found) < limit and selector is None:
            return None
        scores = self.cosines(found, query)
        # Positions are in the order of keys.
        order = np.lexsort((found, -scores))[:limit]
        if len(found) == wanted:
            margin = (
                float(np.linalg.norm(query)) * rows.error
                + float(np.linalg.norm(query - whole / scale)) * rows.longest
                + _ROUNDING
            )
            # Whatever the scan left out has at most the last rough score.
            unseen = float(rough[0, len(found) - 1]) / (scale * rows.scale) + margin
            if not unseen < scores[order[-1]]:
                return None
        return self.pairs(found[order], scores[order])


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
        super().__init__(folder, f"3/{dimension}/{embedder}")

    def _open(self, state: State) -> _Vectors | None:
        if state.recipe != self._recipe:
            return None
        try:
            return _Vectors.of(_read(self._folder, state.files, state.figures, self._dimension))
        except (RuntimeError, MemoryError, OSError, ValueError, KeyError):
            # Derived data: catch_up makes it anew.
            return None

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
        return self._save(_Rows.anew(*self._came(log, 0, head, progress)), log, head)

    def _advance(
        self, index: _Vectors, state: State, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, _Vectors]:
        kept = index.rows.without(log.removed(state.commit, head))
        return self._save(kept.extended(*self._came(log, state.commit, head, progress)), log, head)

    def _came(
        self, log: ChangeLog, since: int, head: int, progress: Progress | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Keys and vectors of the chunks that came between two commits."""
        total = log.count(since, head)
        keys: list[int] = []
        vectors = bytearray()
        stream = log.vectors(since, head, self._embedder)
        while batch := list(itertools.islice(stream, _BATCH)):
            keys += [key for key, _ in batch]
            vectors += b"".join([row for _, row in batch])
            if progress:
                progress(len(keys), total)
        exact = np.frombuffer(vectors, dtype=np.float16).reshape(len(keys), self._dimension)
        return np.array(keys, dtype=np.int64), exact

    def _save(self, rows: _Rows, log: ChangeLog, head: int) -> tuple[State, _Vectors]:
        names, figures = _written(self._folder, head, rows)
        return State(log.identity, self._recipe, head, names, figures), _Vectors.of(rows)

    # -- searching -------------------------------------------------------------

    def size(self) -> int:
        """How many chunks are indexed."""
        return len(self._ready().rows.keys)

    def search(
        self, query: NDArray[np.float32], limit: int, allowed: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """Keys and cosines of the nearest chunks, nearest first.

        Args:
            query: unit vector, shape `(dimension,)`.
            allowed: only these keys, where given.
        """
        vectors = self._ready()
        positions = None if allowed is None else vectors.positions(allowed)
        most = len(vectors.rows.keys) if positions is None else len(positions)
        limit = min(limit, most)
        if limit < 1:
            return []
        query = np.ascontiguousarray(query, dtype=np.float32)
        if vectors.gpu is not None and positions is None:
            with self._gpu_lock:
                scores, at = vectors.gpu.search(query[None, :], limit)
            return vectors.pairs(at[0][at[0] >= 0], scores[0][at[0] >= 0])
        # FAISS shares out questions, not vectors: for one question a second thread only
        # waits, which on two busy cores took 44 ms where one thread took 8.
        faiss.omp_set_num_threads(1)
        selector = None if positions is None else faiss.IDSelectorBatch(positions)
        wanted = _OVERSAMPLING * limit
        while wanted < min(most, _MOST_SCANNED):
            found = vectors.scanned(query, limit, wanted, selector)
            if found is not None:
                return found
            wanted *= _WIDER
        scores, at = vectors.exact.search(query[None, :], limit, params=_parameters(selector))
        return vectors.pairs(at[0][at[0] >= 0], scores[0][at[0] >= 0])

    def scores(self, query: NDArray[np.float32], keys: Sequence[int]) -> dict[int, float]:
        """Cosine of `query` with each of `keys`; keys that are not indexed are left out."""
        vectors = self._ready()
        positions = vectors.positions(keys)
        return dict(vectors.pairs(positions, vectors.cosines(positions, query)))

    def nearest_among(
        self, keys: Sequence[int], among: Sequence[int], count: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Of each of `keys` the `count` nearest others in `among` with their cosines, nearest first.

        Keys that are not indexed are left out.
        """
        vectors = self._ready()
        ours, theirs = vectors.positions(keys), vectors.positions(among)
        exact, known = vectors.rows.exact, vectors.rows.keys
        # As a product of matrices this is large enough for BLAS to wake its other threads,
        # which then wait busily beside the rest of the search: a tenth of its time.
        near = np.vecdot(exact[ours].astype(np.float32)[:, None], exact[theirs].astype(np.float32))
        near[ours[:, None] == theirs] = -np.inf
        found: dict[int, list[tuple[int, float]]] = {key: [] for key in known[ours].tolist()}
        every = np.arange(len(ours))
        for _ in range(min(count, len(theirs))):
            best = near.argmax(axis=1)
            cosines = near[every, best].tolist()
            near[every, best] = -np.inf
            others = known[theirs[best]].tolist()
            for beside, other, cosine in zip(found.values(), others, cosines, strict=True):
                if cosine > -math.inf:
                    beside.append((other, cosine))
        return found
