"""The vectors of chunks as they are kept: exact, coarse, and in lists of neighbours.

The files are bare arrays, one row a chunk in the order of the keys, and their checksums
stand in the state: no byte of them is relied on before it was looked at.
"""

from __future__ import annotations

import dataclasses
import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 127
"""Of what 8 bits hold, on both sides of zero."""
_ZERO = 128
"""What FAISS adds to a coarse component, to keep it without a sign."""
LEAST_REACH = 1e-6
"""In place of the largest component of vectors that are all but zero."""
_BATCH = 8192
# Measured: a scan of 24,900 takes .9 ms, the lists of 98,432 as long, words there 1.1.
LEAST_LISTED = 25_000
"""So many rows are kept in lists of neighbours."""
_ROWS_A_LIST = 192
_MOST_LISTS = 1024
_SAMPLED_A_LIST = 100
_ITERATIONS = 8
_SEED = 5


@dataclass(frozen=True, slots=True)
class Rows:
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
    def anew(cls, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> Rows:
        """With the finest scale that holds every component, and lists of their own."""
        scale = LARGEST / max(_reach(exact), LEAST_REACH)
        coarse, error, longest = _rounded(exact, scale)
        centres = _centres(exact)
        lists = _listed(exact, centres)
        return cls(keys, exact, coarse, lists, centres, scale, error, longest)

    def without(self, gone: Sequence[int]) -> Rows:
        """All but the chunks with these keys."""
        left = ~np.isin(self.keys, np.array(gone, dtype=np.int64))
        return dataclasses.replace(
            self, keys=self.keys[left], exact=self.exact[left], coarse=self.coarse[left],
            lists=self.lists[left],
        )  # fmt: skip

    def extended(self, keys: NDArray[np.int64], exact: NDArray[np.float16]) -> Rows:
        """With more of them, all of whose keys come later."""
        all_keys, all_exact = np.append(self.keys, keys), np.concatenate([self.exact, exact])
        held = _reach(exact) * self.scale <= LARGEST
        if not held or _lists_for(len(all_keys)) != len(self.centres):
            return Rows.anew(all_keys, all_exact)
        coarse, error, longest = _rounded(exact, self.scale)
        return Rows(
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
    """The coarse vectors, their error and greatest length; see `Rows`."""
    coarse = np.empty(exact.shape, dtype=np.uint8)
    error = longest = 0.0
    for start, rows in _batches(exact):
        whole = np.rint(rows * np.float32(scale))
        coarse[start : start + len(rows)] = whole + _ZERO
        whole /= np.float32(scale)
        longest = max(longest, float(np.linalg.norm(whole, axis=1).max()))
        error = max(error, float(np.linalg.norm(rows - whole, axis=1).max()))
    return coarse, error, longest


# -- lists of neighbours ---------------------------------------------------------------


def _lists_for(count: int) -> int:
    """In how many lists so many rows are kept: a power of two, so that it seldom changes."""
    if count < LEAST_LISTED:
        return 1
    return int(min(_MOST_LISTS, 2 ** round(math.log2(count / _ROWS_A_LIST))))


def _centres(exact: NDArray[np.float16]) -> NDArray[np.float32]:
    """The centres of the lists for rows, by k-means over a sample of them."""
    count = _lists_for(len(exact))
    if count == 1:
        return np.zeros((1, exact.shape[1]), dtype=np.float32)
    import faiss

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


# -- files -----------------------------------------------------------------------------


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


def write_rows(folder: Path, head: int, rows: Rows) -> tuple[tuple[str, ...], dict[str, float]]:
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


def read_rows(
    folder: Path, names: Sequence[str], figures: Mapping[str, float], dimension: int
) -> Rows:
    """The inverse of `write_rows`.

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
    return Rows(
        keys, exact.reshape(shape), coarse.reshape(shape), lists,
        centres.reshape(-1, dimension), *(figures[n] for n in _FIGURES),
    )  # fmt: skip
