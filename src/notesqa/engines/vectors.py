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
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from notesqa.engines import ChangeLog, Progress, State
from notesqa.engines.following import Follower
from notesqa.engines.rows import LARGEST, LEAST_REACH, Rows, read_rows, write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 8192
# Measured with the built-in embedder at 98,609 chunks: 4 times as many as are wanted were
# enough to be certain for 99 of 100 questions, 6 times for all.
_OVERSAMPLING = 4
_WIDER = 4
_MOST_SCANNED = 4096
# Measured with the built-in embedder at 98,657 chunks: in 96 of 512 lists, which hold 18 of 100
# chunks, are 974 of 1,000 of the nearest 30 (48 lists: 934; 96 of 256: 985; 96 of 1,024: 960).
_PROBED = 96
_ROUNDING = 1e-5
"""More than the sums of two ways to add up single precision differ by."""


def gpus() -> int:
    """How many GPUs FAISS can use; one that has no memory left counts."""
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

    rows: Rows
    exact: Any
    scan: Any
    gpu: Any

    @classmethod
    def of(cls, rows: Rows) -> _Vectors:
        exact = _index(rows.exact)
        scan = _inverted(rows.coarse, rows.lists, rows.centres)
        gpu = None
        if len(rows.keys):
            # Not twice in memory.
            rows = dataclasses.replace(rows, exact=_codes(exact), coarse=rows.coarse[:0])
            if gpus():
                # One that is full of other things leaves the search to the CPU.
                with contextlib.suppress(RuntimeError):
                    gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, exact)
        return cls(rows, exact, scan, gpu)

    def whole(self) -> Rows:
        """All that is kept."""
        return dataclasses.replace(self.rows, coarse=_uninverted(self.scan))

    def positions(self, keys: Sequence[int]) -> NDArray[np.int64]:
        """Where those of the chunks stand that are indexed, in the order of `keys`."""
        wanted, known = np.array(keys, dtype=np.int64), self.rows.keys
        at = np.searchsorted(known, wanted)
        there = at < len(known)
        there[there] = known[at[there]] == wanted[there]
        return at[there]

    def selector(self, positions: NDArray[np.int64]) -> Any:
        """What tells FAISS to look at these alone: bits, since a set takes 30 ms to be made."""
        chosen = np.zeros(len(self.rows.keys), dtype=np.bool_)
        chosen[positions] = True
        made: Any = faiss.IDSelectorBitmap
        return made(np.packbits(chosen, bitorder="little"))

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
        scale = LARGEST / max(float(np.abs(query).max()), LEAST_REACH)
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
            return _Vectors.of(read_rows(self._folder, state.files, state.figures, self._dimension))
        except (RuntimeError, MemoryError, OSError, ValueError, KeyError):
            # Derived data: catch_up makes it anew.
            return None

    def _reason(self, error: Exception) -> str:
        # FAISS tells where in its source before it tells what.
        return str(error).rpartition(" failed: ")[2]

    def _begin(
        self, log: ChangeLog, head: int, progress: Progress | None
    ) -> tuple[State, _Vectors]:
        return self._save(Rows.anew(*self._came(log, 0, head, progress)), log, head)

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

    def _save(self, rows: Rows, log: ChangeLog, head: int) -> tuple[State, _Vectors]:
        names, figures = write_rows(self._folder, head, rows)
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
            allowed: only these keys, where given; ascending.
        """
        vectors = self._ready()
        positions = None if allowed is None else vectors.positions(allowed)
        most = len(vectors.rows.keys) if positions is None else len(positions)
        limit = min(limit, most)
        if limit < 1:
            return []
        query = np.ascontiguousarray(query, dtype=np.float32)
        if positions is not None and most <= _MOST_SCANNED:
            scores = vectors.cosines(positions, query)
            order = np.lexsort((positions, -scores))[:limit]
            return vectors.pairs(positions[order], scores[order])
        if vectors.gpu is not None and positions is None:
            with contextlib.suppress(RuntimeError):
                with self._gpu_lock:
                    scores, at = vectors.gpu.search(query[None, :], limit)
                return vectors.pairs(at[0][at[0] >= 0], scores[0][at[0] >= 0])
        # FAISS shares out questions, not vectors: for one question a second thread only
        # waits, which on two busy cores took 44 ms where one thread took 8.
        faiss.omp_set_num_threads(1)
        selector = None if positions is None else vectors.selector(positions)
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
