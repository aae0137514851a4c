"""Nearest neighbours among many vectors, in FAISS.

Vectors are kept in half precision (`exact`), and once more in 8 bits (`coarse`), which a
CPU scans in a third of the time. What comes near in the scan is scored with the exact
vectors; how far a coarse score can be from the exact one is known, so that the scan also
tells whether it has missed anything, and goes on where it may have. With a GPU the exact
vectors are cloned to it and scanned there.

Up to `rows.LEAST_LISTED` vectors all are scanned. More are kept in lists of neighbours, of
which those nearest to the question are scanned (an inverted file; Jégou et al., 2011,
"Product quantization for nearest neighbor search", section IV): `python -m benchmarks.scale`
tells how many of the nearest are found so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from notesqa.engines.rows import LARGEST, LEAST_REACH, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Found = tuple[NDArray[np.int64], NDArray[np.float32]]
    """Positions of rows and their cosines, nearest first."""

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


class Scan:
    """Many rows in FAISS. Safe to use from several threads.

    Attributes:
        rows: what is kept, its exact vectors in the memory of FAISS, without the coarse ones.
    """

    def __init__(self, rows: Rows) -> None:
        """Take rows over; what FAISS finds are their positions."""
        self._exact = _index(rows.exact)
        self._lists = _inverted(rows.coarse, rows.lists, rows.centres)
        # Not twice in memory.
        self.rows = dataclasses.replace(rows, exact=_codes(self._exact), coarse=rows.coarse[:0])
        self._gpu: Any = None
        # An index on a GPU takes one search at a time.
        self._gpu_lock = threading.Lock()
        if gpus():
            # One that is full of other things leaves the search to the CPU.
            with contextlib.suppress(RuntimeError):
                self._gpu = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), 0, self._exact)

    def whole(self) -> Rows:
        """All that is kept."""
        return dataclasses.replace(self.rows, coarse=_uninverted(self._lists))

    def nearest(
        self, query: NDArray[np.float32], limit: int, positions: NDArray[np.int64] | None
    ) -> Found:
        """The nearest rows.

        Args:
            limit: at most as many as there are to be looked at.
            positions: only these rows, where given.
        """
        if self._gpu is not None and positions is None:
            with contextlib.suppress(RuntimeError):
                with self._gpu_lock:
                    scores, at = self._gpu.search(query[None, :], limit)
                return at[0][at[0] >= 0], scores[0][at[0] >= 0]
        # FAISS shares out questions, not vectors: for one question a second thread only
        # waits, which on two busy cores took 44 ms where one thread took 8.
        faiss.omp_set_num_threads(1)
        most = len(self.rows.keys) if positions is None else len(positions)
        selector = None if positions is None else self._selector(positions)
        wanted = _OVERSAMPLING * limit
        while wanted < min(most, _MOST_SCANNED):
            found = self._scanned(query, limit, wanted, selector)
            if found is not None:
                return found
            wanted *= _WIDER
        scores, at = self._exact.search(query[None, :], limit, params=_parameters(selector))
        return at[0][at[0] >= 0], scores[0][at[0] >= 0]

    def _selector(self, positions: NDArray[np.int64]) -> Any:
        """What tells FAISS to look at these alone: bits, since a set takes 30 ms to be made."""
        chosen = np.zeros(len(self.rows.keys), dtype=np.bool_)
        chosen[positions] = True
        made: Any = faiss.IDSelectorBitmap
        return made(np.packbits(chosen, bitorder="little"))

    def _scanned(
        self, query: NDArray[np.float32], limit: int, wanted: int, selector: Any
    ) -> Found | None:
        """The nearest by a coarse scan that looks at `wanted`; None where others may be nearer.

        All lists are scanned where there is a selector, else `_PROBED` of them. With q' and x'
        for the coarse forms, |q·x - q'·x'| = |q·(x - x') + (q - q')·x'|, which is at most
        |q| `error` + |q - q'| `longest`.
        """
        rows = self.rows
        scale = LARGEST / max(float(np.abs(query).max()), LEAST_REACH)
        whole = np.rint(query * np.float32(scale))
        probed = _PROBED if selector is None else self._lists.nlist
        rough, at = self._lists.search(
            whole[None, :], wanted, params=_parameters(selector, lists=probed)
        )
        found = at[0][at[0] >= 0]
        if len(found) < limit and selector is None:
            return None
        scores = rows.exact[found].astype(np.float32) @ query
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
        return found[order], scores[order]
