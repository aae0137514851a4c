"""Which excerpts are the beginning of an article that the corpus has whole.

The feed has changed what it cut: formulas became `[公式]` or stand there without their
delimiters, hyphens and marks of Markdown are gone, the title is missing or runs into the
text. So only Han characters and plain Latin words are compared, and a few may differ.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher

from notesqa.records import Document
from notesqa.text.blocks import blocks
from notesqa.text.latex import formulas
from notesqa.text.normalize import normalize

_COMPARED = 350  # letters of an excerpt that are compared
_LEAST = 30  # an excerpt with fewer letters proves nothing
_SHINGLE = 5
_PROBES = 24
_LEAST_HITS = 4
_LIKELY = 0.4  # share of its probes without which an excerpt need not be compared
_ROUGH_COVERAGE = 0.5  # of shingles in their places, which is quick to count
_COVERAGE = 0.85
_LATE = 80  # letters of an article that may come before what the excerpt begins with

_PLACEHOLDER = re.compile(r"\[\s*(?:公式|math)\s*\]", re.IGNORECASE)
_ADDRESS = re.compile(r"\]\([^()\s]*\)|https?://\S+")
_HYPHEN = re.compile(r"(?<=[A-Za-z])[-‐‑](?=[A-Za-z])")
# Words of one or two letters and those with digits or indices are mostly symbols.
_LETTERS = re.compile(r"[\u3400-\u9fff]|(?<![a-z0-9_^\\])[a-z]{3,}(?![a-z0-9_^])")


def replaced_excerpts(excerpts: Sequence[Document], articles: Sequence[Document]) -> dict[str, str]:
    """From the id of an excerpt to the id of the article that begins like it."""
    keys = {e.id: letters(e.text)[:_COMPARED] for e in excerpts}
    keys = {id_: key for id_, key in keys.items() if len(key) >= _LEAST}
    if not keys or not articles:
        return {}
    probes: dict[str, set[str]] = defaultdict(set)
    wanted: dict[str, float] = {}
    for id_, key in keys.items():
        own = _probes(key)
        wanted[id_] = max(_LEAST_HITS, _LIKELY * len(own))
        for probe in own:
            probes[probe].add(id_)
    lengths = {e.id: len(e.text) for e in excerpts}
    best: dict[str, tuple[float, str]] = {}
    for article in sorted(articles, key=lambda a: a.sources[0].path):
        if not _worth_a_look(article.text, probes):
            continue
        openings = _openings(article)
        places = [_places(opening) for opening in openings]
        for id_ in _likely(openings, probes, wanted):
            if len(article.text) < 0.9 * lengths[id_]:
                continue
            alike = [
                _coverage(keys[id_], opening)
                for opening, at in zip(openings, places, strict=True)
                if _roughly(keys[id_], at) >= _ROUGH_COVERAGE
            ]
            score = max(alike, default=0.0)
            if score >= _COVERAGE and score > best.get(id_, (0.0, ""))[0]:
                best[id_] = (score, article.id)
    return {id_: article for id_, (_, article) in sorted(best.items())}


def _worth_a_look(text: str, probes: dict[str, set[str]]) -> bool:
    """Whether the beginning, formulas and all, shares anything with any excerpt."""
    rough = "".join(_LETTERS.findall(_HYPHEN.sub("", normalize(text[:1_500]))))
    found = 0
    for i in range(len(rough) - _SHINGLE + 1):
        if rough[i : i + _SHINGLE] in probes:
            found += 1
            if found == _LEAST_HITS:
                return True
    return False


def letters(text: str) -> str:
    """What survives the feed: Han characters and plain Latin words, normalised, joined."""
    kept = []
    position = 0
    for formula in formulas(text):
        kept.append(text[position : formula.start])
        position = formula.end
    kept.append(text[position:])
    plain = _ADDRESS.sub(" ", _PLACEHOLDER.sub(" ", " ".join(kept)))
    return "".join(_LETTERS.findall(_HYPHEN.sub("", normalize(plain))))


def _openings(article: Document) -> list[str]:
    """The article's beginning with its headings, and without those that come first."""
    text = article.text[:4_000]
    whole = letters(text)
    start = 0
    for block in blocks(text):
        if block.kind != "heading":
            start = block.start
            break
    return [whole[: 2 * _COMPARED]] + ([letters(text[start:])[: 2 * _COMPARED]] if start else [])


def _probes(key: str) -> set[str]:
    step = max(1, (len(key) - _SHINGLE) // _PROBES)
    return {key[i : i + _SHINGLE] for i in range(0, len(key) - _SHINGLE + 1, step)}


def _likely(
    openings: list[str], probes: dict[str, set[str]], wanted: dict[str, float]
) -> list[str]:
    """Excerpts of which the openings hold enough probes to be worth comparing."""
    hits: Counter[str] = Counter()
    shingles = {
        opening[i : i + _SHINGLE]
        for opening in openings
        for i in range(max(0, len(opening) - _SHINGLE + 1))
    }
    for shingle in shingles & probes.keys():
        hits.update(probes[shingle])
    return sorted(id_ for id_, count in hits.items() if count >= wanted[id_])


def _places(opening: str) -> dict[str, int]:
    """Where each shingle first stands."""
    places: dict[str, int] = {}
    for i in range(len(opening) - _SHINGLE + 1):
        places.setdefault(opening[i : i + _SHINGLE], i)
    return places


def _roughly(key: str, places: dict[str, int]) -> float:
    """Share of the excerpt's shingles that stand in the article about where they should."""
    count = max(1, len(key) - _SHINGLE + 1)
    near = 0
    for i in range(count):
        place = places.get(key[i : i + _SHINGLE])
        near += place is not None and -_LATE <= place - i <= _LATE + i // 4
    return near / count


def _coverage(key: str, opening: str) -> float:
    """Share of the excerpt's letters that the article's beginning has in the same order."""
    opening = opening[: int(len(key) * 1.25) + _LATE]
    matcher = SequenceMatcher(None, key, opening, autojunk=False)
    matching = [m for m in matcher.get_matching_blocks() if m.size >= 2]
    if not matching or matching[0].b > _LATE or matching[0].a > len(key) // 4:
        return 0.0
    return sum(m.size for m in matching) / len(key)
