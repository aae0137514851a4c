"""Ranks of golds to figures with intervals, and figures to Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ranks = NDArray[np.int64]

RESAMPLES = 2000
_SEED = 11


def rank_of(gold: str, documents: Iterable[str]) -> int:
    """Rank of `gold` among documents, each counted where it first stands; 0 where absent."""
    seen: dict[str, None] = {}
    for document in documents:
        seen.setdefault(document)
        if document == gold:
            return len(seen)
    return 0


def reciprocal(ranks: Ranks, depth: int = 10) -> NDArray[np.float64]:
    """One over each rank, 0 beyond `depth`."""
    near = (ranks > 0) & (ranks <= depth)
    return np.where(near, 1.0 / np.maximum(ranks, 1), 0.0)


def recall(ranks: Ranks, depth: int) -> float:
    """Share of golds within `depth`."""
    return float(np.mean((ranks > 0) & (ranks <= depth)))


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the means of resamples (Efron & Tibshirani 1993, percentile bootstrap).

    Resampling is seeded by the number of values alone, so that differences of two
    systems over the same questions are resampled alike.
    """
    random = np.random.default_rng([_SEED, len(values)])
    picks = random.integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def with_interval(values: NDArray[np.float64], *, sign: bool = False) -> str:
    """`0.612 [0.571, 0.650]`."""
    form = "+.3f" if sign else ".3f"
    low, high = interval(values)
    return f"{float(values.mean()):{form}} [{low:{form}}, {high:{form}}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column left, the others right."""
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)
