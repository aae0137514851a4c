"""Nearest neighbours by inner product, in FAISS.

Vectors are kept in half precision (`exact`), and once more in 8 bits (`coarse`), which a
CPU scans in a third of the time. What comes near in the scan is scored with the exact
vectors; how far a coarse score can be from the exact one is known, so that the scan also
tells whether it has missed anything, and goes on where it may have. With a GPU the exact
vectors are cloned to it and scanned there.

Of few chunks all are scanned. Many are kept in lists of neighbours, of which those nearest
to the question are scanned (an inverted file; Jégou et al., 2011, "Product quantization for
nearest neighbor search", section IV): `python -m benchmarks.scale` tells how many of the
nearest are found so.

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
# Measured with the built-in embedder at 98,657 chunks: in 96 of 512 lists, which hold 18 of 100
# chunks, are 974 of 1,000 of the nearest 30 (48 lists: 934; 96 of 256: 985; 96 of 1,024: 960).
_LEAST_LISTED = 25_000
_ROWS_A_LIST = 192
_MOST_LISTS = 1024
_PROBED = 96
# More of either change the lists, and not what is found in them.
_SAMPLED_A_LIST = 100
_ITERATIONS = 8
_SEED = 5
_ROUNDING = 1e-5
"""More than the sums of two ways to add up single precision differ by."""


def gpus() -> int:
    """How many GPUs FAISS can use."""
    return int(faiss.get_num_gpus())


def _index(exact: NDArray[np.float16]) -> Any:
    """A FAISS index of rows in half precision, as it keeps them itself."""
    index = faiss.IndexScalarQuantizer(
        exact.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    faiss.copy_array_to_vector(exact.view(np.uint8).ravel(), index.codes)
    index.ntotal = len(exact)
    index.is_trained = True
    return index


def _codes(index: Any) -> NDArray[np.float16]:
    """The rows of `_index`, where FAISS keeps them: only as long as it lives."""
    codes = faiss.rev_swig_ptr(index.codes.data(), index.codes.size())
    return np.asarray(codes).view(np.float16).reshape(index.ntotal, index.d)


def _parameters(selector: Any, *, lists: int = 0) -> Any:
    parameters: Any = faiss.SearchParametersIVF() if lists else faiss.SearchParameters()
    parameters.sel = selector
    if lists:
        parameters.nprobe = lists
    return parameters


# -- lists of neighbours ---------------------------------------------------------------


def _lists_for(count: int) -> int:
    """In how many lists so many rows are kept: a power of two, so that it seldom changes."""
    if count < _LEAST_LISTED:
        return 1
    return int(min(_MOST_LISTS, 2 ** round(math.log2(count / _ROWS_A_LIST))))


def _centres(exact: NDArray[np.float16]) -> NDArray[np.float32]:
    """The centres of the lists for rows, by k-means over a sample of them."""
    count = _lists_for(len(exact))
    if count == 1:
        return np.zeros((1, exact.shape[1]), dtype=np.float32)
    means = faiss.Kmeans(exact.shape[1], count, niter=_ITERATIONS, spherical=True, seed=_SEED)
    sample = np.linspace(0, len(exact) - 1, min(len(exact), count * _SAMPLED_A_LIST))
    means.train(exact[sample.astype(np.int64)].astype(np.float32))
    return np.asarray(means.centroids, dtype=np.float32)


def _listed(exact: NDArray[np.float16], centres: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The list of each row: the one with the nearest centre."""
    lists = np.zeros(len(exact), dtype=np.uint16)
    if len(centres) > 1:
        for start, rows in _batches(exact):
            lists[start : start + len(rows)] = (rows @ centres.T).argmax(axis=1)
    return lists


def _inverted(
    coarse: NDArray[np.uint8], lists: NDArray[np.uint16], centres: NDArray[np.float32]
) -> Any:
    """A FAISS index of coarse rows by their lists."""
    count, dimension = centres.shape
    index: Any = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(dimension), dimension, count,
        faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT, False,
    )  # fmt: skip
    index.quantizer.add(centres)
    index.is_trained = True
    by_list = np.argsort(lists, kind="stable")
    for number, at in enumerate(np.split(by_list, np.cumsum(np.bincount(lists, minlength=count)))):
        if len(at):
            codes = np.ascontiguousarray(coarse[at])
            index.invlists.add_entries(number, len(at), faiss.swig_ptr(at), faiss.swig_ptr(codes))
    index.ntotal = len(coarse)
    return index


def _uninverted(index: Any) -> NDArray[np.uint8]:
    """The coarse rows of `_inverted`."""
    coarse = np.empty((index.ntotal, index.d), dtype=np.uint8)
    for number in range(index.nlist):
        if size := index.invlists.list_size(number):
            at = faiss.rev_swig_ptr(index.invlists.get_ids(number), size)
            codes = faiss.rev_swig_ptr(index.invlists.get_codes(number), size * index.d)
            coarse[at] = codes.reshape(size, index.d)
    return coarse


# -- what is kept ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """The vectors of chunks, one row each.

    Attributes:
        keys: of the chunks, ascending; int64, shape `(n,)`.
        exact: half precision, shape `(n, dimension)`.
        coarse: the same times `scale`, rounded, plus `_ZERO`; uint8.
        lists: in which list each is; uint16, shape `(n,)`.
        centres: of the lists, shape `(lists, dimension)`; a single one means nothing.
        error: the farthest that a coarse vector divided by `scale` lies from its exact one.
        longest: no coarse vector divided by `scale` is longer.
    """

    keys: NDArray[np.int64]
    exact: NDArray[np.float16]
    coarse: NDArray[np.uint8]
    lists: NDArray[np.uint16]
    centres: NDArray[np.float32]
    scale: float
    error: float
    longest: float

    @classmethod
    def anew(cls, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> _Rows:
        """With the finest scale that holds every component, and lists of their own."""
        scale = _LARGEST / max(_reach(exact), _LEAST_REACH)
        coarse, error, longest = _rounded(exact, scale)
        centres = _centres(exact)
        lists = _listed(exact, centres)
        return cls(keys, exact, coarse, lists, centres, scale, error, longest)

    def without(self, gone: Sequence[int]) -> _Rows:
        """All but the chunks with these keys."""
        left = ~np.isin(self.keys, np.array(gone, dtype=np.int64))
        return dataclasses.replace(
            self, keys=self.keys[left], exact=self.exact[left], coarse=self.coarse[left],
            lists=self.lists[left],
        )  # fmt: skip

    def extended(self, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> _Rows:
        """With more of them, all of whose keys come later."""
        all_keys, all_exact = np.append(self.keys, keys), np.concatenate([self.exact, exact])
        held = _reach(exact) * self.scale <= _LARGEST
        if not held or _lists_for(len(all_keys)) != len(self.centres):
            return _Rows.anew(all_keys, all_exact)
        coarse, error, longest = _rounded(exact, self.scale)
        return _Rows(
            all_keys, all_exact, np.concatenate([self.coarse, coarse]),
            np.append(self.lists, _listed(exact, self.centres)), self.centres,
            self.scale, max(self.error, error), max(self.longest, longest),
        )  # fmt: skip


def _batches(exact: NDArray[np.float16]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """In single precision, with the position of the first of each batch."""
    for start in range(0, len(exact), _BATCH):
        yield start, exact[start : start + _BATCH].astype(np.float32)


def _reach(exact: NDArray[np.float16]) -> float:
    """The largest component."""
    return max((float(np.abs(rows).max()) for _, rows in _batches(exact)), default=0.0)


def _rounded(exact: NDArray[np.float16], scale: float) -> tuple[NDArray[np.uint8], float, float]:
    """The coarse vectors, their error and greatest length; see `_Rows`."""
    coarse = np.empty(exact.shape, dtype=np.uint8)
    error = longest = 0.0
    for start, rows in _batches(exact):
        whole = np.rint(rows * np.float32(scale))
        coarse[start : start + len(rows)] = whole + _ZERO
        whole /= np.float32(scale)
        longest = max(longest, float(np.linalg.norm(whole, axis=1).max()))
        error = max(error, float(np.linalg.norm(rows - whole, axis=1).max()))
    return coarse, error, longest


_ARRAYS = {
    "keys": np.int64,
    "exact": np.float16,
    "coarse": np.uint8,
    "lists": np.uint16,
    "centres": np.float32,
}
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
    keys, exact, coarse, lists, centres = arrays
    shape = len(keys), dimension
    return _Rows(
        keys, exact.reshape(shape), coarse.reshape(shape), lists,
        centres.reshape(-1, dimension), *(figures[n] for n in _FIGURES),
    )  # fmt: skip


# -- what is searched ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Vectors:
    """An open index; what FAISS finds are positions of rows.

    Attributes:
        rows: what is kept, its exact vectors in the memory of `exact`, without the coarse
            ones, which are in `scan`.
        exact: the exact vectors in FAISS.
        scan: the coarse ones, by their lists.
        gpu: `exact` on a GPU, or None.
    """

    rows: _Rows
    exact: Any
    scan: Any
    gpu: Any

    @classmethod
    def of(cls, rows: _Rows) -> _Vectors:
        exact = _index(rows.exact)
        scan = _inverted(rows.coarse, rows.lists, rows.centres)
        gpu = None
        if len(rows.keys):
            # Not twice in memory.
            rows = dataclasses.replace(rows, exact=_codes(exact), coarse=rows.coarse[:0])
            if gpus():
                gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, exact)
        return cls(rows, exact, scan, gpu)

    def whole(self) -> _Rows:
        """All that is kept."""
        return dataclasses.replace(self.rows, coarse=_uninverted(self.scan))

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

        All lists are scanned where there is a selector, else `_PROBED` of them. With q' and x'
        for the coarse forms, |q·x - q'·x'| = |q·(x - x') + (q - q')·x'|, which is at most
        |q| `error` + |q - q'| `longest`.
        """
        rows = self.rows
        scale = _LARGEST / max(float(np.abs(query).max()), _LEAST_REACH)
        whole = np.rint(query * np.float32(scale))
        probed = _PROBED if selector is None else self.scan.nlist
        rough, at = self.scan.search(
            whole[None, :], wanted, params=_parameters(selector, lists=probed)
        )
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
            # Whatever it left out of these lists has at most the last rough score.
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
        super().__init__(folder, f"4/{dimension}/{embedder}")

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
        kept = index.whole().without(log.removed(state.commit, head))
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
