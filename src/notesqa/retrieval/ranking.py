"""The learned ranker and the refusal model: two small linear models that can be read.

Weights are in `weights.json`, written by `python -m training.ranker` from the tuning
sets; every number there belongs to a feature of `features.FEATURES`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from operator import mul

from notesqa.retrieval.features import FEATURES


@dataclass(frozen=True)
class Weights:
    """Linear weights by feature, and those of the probability that notes answer at all.

    Attributes:
        rank: by feature; the score of a candidate is their weighted sum.
        dense: weight of the cosine when candidates are chosen, beside the BM25 sum.
        answerable: by signal of `refusal_signals`.
        answerable_bias: added to their weighted sum before the logistic function.
        threshold: below this probability an answer is refused.
        nearest: below this one it is said to be what is nearest.
    """

    rank: Mapping[str, float]
    dense: float
    answerable: Mapping[str, float]
    answerable_bias: float
    threshold: float
    nearest: float

    def score(self, values: Sequence[float]) -> float:
        """Weighted sum of a candidate's feature values, in the order of `FEATURES`."""
        return float(sum(map(mul, values, self._in_order)))

    @cached_property
    def _in_order(self) -> tuple[float, ...]:
        return tuple(self.rank.get(name, 0.0) for name in FEATURES)


@cache
def load_weights() -> Weights:
    """The weights that ship with the package."""
    raw = json.loads(files("notesqa.retrieval").joinpath("weights.json").read_text("utf-8"))
    return Weights(
        raw["rank"],
        raw["dense"],
        raw["answerable"]["weights"],
        raw["answerable"]["bias"],
        raw["answerable"]["threshold"],
        raw["answerable"]["nearest"],
    )


def logistic(x: float) -> float:
    """1 / (1 + e^-x), without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))
