"""Nearest neighbours by inner product.

Few vectors are held against a question one by one; many are scanned by FAISS (`scan`),
which is imported then only: that alone takes 0.1 s and 200 MB.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from notesqa.engines import MOST_LOOKED_AT, ChangeLog, Progress, State
from notesqa.engines.following import Follower
from notesqa.engines.rows import Rows, read_rows, write_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from notesqa.engines.scan import Scan

_BATCH = 8192


@dataclass(frozen=True, slots=True)
class _Vectors:
    """An open index.

    Attributes:
        rows: what is kept; without the coarse vectors where there is a scan.
        single: the vectors of a few rows in single precision; those of many are made so as
            they are needed.
        scan: of many rows, else None.
    """

    rows: Rows
    single: NDArray[np.float32] | None = None
    scan: Scan | None = None

    @classmethod
    def of(cls, rows: Rows) -> _Vectors:
        if len(rows.keys) <= MOST_LOOKED_AT:
            return cls(rows, single=rows.exact.astype(np.float32))
        from notesqa.engines.scan import Scan

        scan = Scan(rows)
        return cls(scan.rows, scan=scan)

    def whole(self) -> Rows:
        """All that is kept."""
        return self.scan.whole() if self.scan else self.rows

    def positions(self, keys: Sequence[int]) -> NDArray[np.int64]:
        """Where those of the chunks stand that are indexed, in the order of `keys`."""
        wanted, known = np.array(keys, dtype=np.int64), self.rows.keys
        at = np.searchsorted(known, wanted)
        there = at < len(known)
        there[there] = known[at[there]] == wanted[there]
        return at[there]

    def vectors(self, positions: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """In single precision."""
        if self.single is not None:
            return self.single[positions]
        return self.rows.exact[positions].astype(np.float32)

    def pairs(
        self, positions: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> list[tuple[int, float]]:
        """Keys with their scores."""
        return list(zip(self.rows.keys[positions].tolist(), scores.tolist(), strict=True))

    def nearest(
        self, query: NDArray[np.float32], limit: int, positions: NDArray[np.int64] | None
    ) -> list[tuple[int, float]]:
        """Keys and cosines of the nearest rows, or of those at `positions`, nearest first."""
        many = len(self.rows.keys) if positions is None else len(positions)
        limit = min(limit, many)
        if limit < 1:
            return []
        if self.scan is not None and many > MOST_LOOKED_AT:
            return self.pairs(*self.scan.nearest(query, limit, positions))
        # Not a product with a matrix, for which BLAS would wake its other threads.
        scores = np.vecdot(self.vectors(slice(None) if positions is None else positions), query)
        order = np.argsort(-scores, kind="stable")[:limit]
        return self.pairs(order if positions is None else positions[order], scores[order])


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
        return vectors.nearest(np.ascontiguousarray(query, dtype=np.float32), limit, positions)

    def scores(self, query: NDArray[np.float32], keys: Sequence[int]) -> dict[int, float]:
        """Cosine of `query` with each of `keys`; keys that are not indexed are left out."""
        vectors = self._ready()
        positions = vectors.positions(keys)
        return dict(vectors.pairs(positions, np.vecdot(vectors.vectors(positions), query)))

    def nearest_among(
        self, keys: Sequence[int], among: Sequence[int], count: int
    ) -> dict[int, list[tuple[int, float]]]:
        """Of each of `keys` the `count` nearest others in `among` with their cosines, nearest first.

        Keys that are not indexed are left out.
        """
        vectors = self._ready()
        ours, theirs = vectors.positions(keys), vectors.positions(among)
        known = vectors.rows.keys
        # As a product of matrices this is large enough for BLAS to wake its other threads,
        # which then wait busily beside the rest of the search: a tenth of its time.
        near = np.vecdot(vectors.vectors(ours)[:, None], vectors.vectors(theirs))
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
