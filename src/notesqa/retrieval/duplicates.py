"""Passages that say hardly more than another one does."""

from __future__ import annotations

_OVERLAP = 0.9
_SHINGLE, _FEWEST_SHINGLES, _SAMPLES = 4, 20, 16
# So many samples more that are missing than that are there make two texts different.
_STRANGE = 3


def near_duplicates(one: str, other: str) -> bool:
    """Whether one text says hardly more than the other does."""
    short, long = sorted((one, other), key=len)
    # Cheap, and enough for nearly all: texts that share nine parts of ten share most samples,
    # and the first ones of them, too.
    places = range(0, len(short) - _SHINGLE + 1, max(1, len(short) // _SAMPLES))
    hits = 0
    for n, at in enumerate(places, 1):
        hits += short[at : at + _SHINGLE] in long
        if n - hits > min(hits + _STRANGE, len(places) / 2):
            return False
    a, b = _shingles(short), _shingles(long)
    fewer = min(len(a), len(b))
    return fewer > _FEWEST_SHINGLES and len(a & b) >= _OVERLAP * fewer


def _shingles(text: str) -> set[str]:
    return {text[at : at + _SHINGLE] for at in range(max(1, len(text) - _SHINGLE + 1))}
