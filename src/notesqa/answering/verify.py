"""Whether the notes say what a sentence of an answer says, and where.

The sentence is held against the passages it cites in three steps. Its hard facts (every
number with its unit, formula and Latin name) must be there. Laid side by side with the
sentences of the note that it resembles most, it must not part from them in a number, a
name, a negation or an opposite. And enough of its words must be there at all. This is
strict on what readers cannot check by feel and lenient on wording; it knows nothing of
what follows from what (for that: natural language inference, Honovich et al. 2022,
"TRUE", arXiv:2204.04991), so a false conclusion from true words may pass.

Thresholds: `benchmarks/verification.py --calibrate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from notesqa.answering import across
from notesqa.answering.contradiction import contradiction
from notesqa.answering.facts import (
    Token,
    clauses,
    contains,
    numbers_of,
    pairs,
    same_number,
    shown_number,
    tokens,
)
from notesqa.records import Passage
from notesqa.text.latex import formula_tokens
from notesqa.text.normalize import normalize
from notesqa.text.script import mostly_english
from notesqa.text.sentences import sentences

if TYPE_CHECKING:
    from notesqa.embedding import Embedder
    from notesqa.text.segment import Segmenter

_WINDOW = 3
_WINDOW_COST = 0.04
_COVERAGE = 0.5
_CLAUSE_KEEPS = 0.97
_CLAUSE_WEIGHT = 5.0
_CLAUSE_COVERAGE = 0.25
_WEIGHTS = {"number": 3.0, "name": 2.0, "formula": 2.0, "word": 1.0, "han": 1.0, "negation": 0.5}
_LETTER = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about one sentence.

    Attributes:
        supported: the cited passages say it, as far as this can tell.
        reason: why not, in the sentence's language; empty when supported.
        quote: index of the passage and offsets into its text of what comes nearest to
            saying it; None when nothing does.
        score: share of the sentence that the passages cover, 0 to 1.
    """

    supported: bool
    reason: str
    quote: tuple[int, int, int] | None
    score: float


@dataclass(frozen=True, slots=True)
class _Window:
    """Neighbouring sentences of a passage, and how much of a claim they cover."""

    passage: int
    start: int
    end: int
    score: float


def verify(
    sentence: str,
    passages: Sequence[Passage],
    *,
    question: str = "",
    segmenter: Segmenter,
    embedder: Embedder | None = None,
) -> Verdict:
    """Hold a sentence against the passages that it cites.

    Args:
        sentence: without citation marks.
        passages: those it cites; none means that it is not supported.
        question: what it answers; a name in it is no invention of the answer's.
        embedder: when given, similarity of meaning counts beside that of words.
    """
    english = mostly_english(sentence)
    if not passages:
        return Verdict(False, "no source is cited" if english else "没有注明出处", None, 0.0)
    claim = tokens(sentence)
    if not _says_something(sentence, claim):
        return Verdict(
            False, "says nothing that can be checked" if english else "没有可核对的内容", None, 0.0
        )
    if across.apart(sentence, passages):
        return _across(sentence, claim, passages, embedder, english)
    windows = [_best_window(claim, i, p) for i, p in enumerate(passages)]
    best = max(windows, key=lambda window: window.score)
    quote = _tightened(claim, passages[best.passage], best)
    fault = _missing(claim, passages, windows, english) or contradiction(
        sentence,
        [(p.text, w.start, w.end, w.score) for w in windows for p in [passages[w.passage]]],
        english,
    )
    score = _score(sentence, claim, passages, windows, segmenter)
    if fault:
        return Verdict(False, fault, quote, score)
    if score < _COVERAGE or _adds(sentence, passages, windows):
        reason = "the cited passage does not say this" if english else "所引段落没有这样说"
        return Verdict(False, reason, quote if score > 0.2 else None, score)
    return Verdict(True, "", quote, score)


def _says_something(sentence: str, claim: Sequence[Token]) -> bool:
    """Whether there is anything to compare: words, not loose letters or unknown script."""
    letters = [c for c in sentence if c.isalpha() or c == "\ufffd"]
    strange = sum(
        c == "\ufffd" or not (c.isascii() or "\u0370" <= c <= "\u03ff" or c >= "\u2e80")
        for c in letters
    )
    if strange * 5 > len(letters):
        return False
    if pairs(claim):
        return True
    told = [t for t in claim if t.kind in ("number", "formula") or len(t.key) > 2]
    return len(told) > 1


def _across(
    sentence: str,
    claim: Sequence[Token],
    passages: Sequence[Passage],
    embedder: Embedder | None,
    english: bool,
) -> Verdict:
    """Notes in another language than the sentence: facts and likeness, no wording."""
    near = across.nearest(sentence, passages, embedder)
    quote = (near.passage, near.start, near.end)
    whole = [_Window(i, 0, len(p.text), 0.0) for i, p in enumerate(passages)]
    score = max(0.0, near.score)
    if fault := _missing(claim, passages, whole, english, sentence):
        return Verdict(False, fault, quote, score)
    if score < across.THRESHOLD:
        reason = "the cited passage does not say this" if english else "所引段落没有这样说"
        return Verdict(False, reason, quote if score > 0.2 else None, score)
    return Verdict(True, "", quote, score)


# -- where a passage comes nearest -----------------------------------------------------------


def _best_window(claim: Sequence[Token], index: int, passage: Passage) -> _Window:
    """The one to three neighbouring sentences that cover most of the claim."""
    spans = _sentences(passage.text)
    wanted = _wanted(claim)
    total = sum(wanted.values()) or 1.0
    best = _Window(index, 0, len(passage.text), 0.0)
    # A heading says what follows, not that it is so.
    spans = tuple(s for s in spans if not passage.text.startswith("#", s[0])) or spans
    held = [_held(passage.text[start:end]) for start, end in spans]
    for first in range(len(spans)):
        keys: set[str] = set()
        for last in range(first, min(first + _WINDOW, len(spans))):
            keys |= held[last]
            covered = sum(weight for key, weight in wanted.items() if key in keys) / total
            score = covered - _WINDOW_COST * (last - first)
            if score > best.score + 1e-9:
                best = _Window(index, spans[first][0], spans[last][1], score)
    return best


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[tuple[int, int], ...]:
    return tuple(sentences(text))


def _wanted(claim: Sequence[Token]) -> dict[str, float]:
    """What a window should hold: the claim's tokens, and Han characters in pairs."""
    wanted: dict[str, float] = {}
    for token in claim:
        if token.kind != "han":
            loose = token.kind == "word" and len(token.key) == 1
            wanted[token.key] = _LETTER if loose else _WEIGHTS[token.kind]
    for pair in pairs(claim):
        wanted[pair] = 1.0
    return wanted


@lru_cache(maxsize=4096)
def _held(text: str) -> frozenset[str]:
    row = tokens(text)
    keys = {token.key for token in row if token.kind != "han"} | set(pairs(row))
    for token in row:
        keys.update(token.symbols)
    return frozenset(keys)


def _tightened(
    claim: Sequence[Token], passage: Passage, window: _Window
) -> tuple[int, int, int] | None:
    """The window, or the clause of it that says as much."""
    if window.score <= 0:
        return None
    text = passage.text[window.start : window.end]
    wanted = _wanted(claim)
    whole = _covered(wanted, text)
    spans = clauses(text)
    best = (window.start, window.end)
    for first in range(len(spans)):
        for last in range(first, len(spans)):
            start, end = spans[first][0], spans[last][1]
            if end - start >= best[1] - best[0]:
                break
            if _covered(wanted, text[start:end]) >= _CLAUSE_KEEPS * whole:
                best = (window.start + start, window.start + end)
                break
    return (window.passage, *best)


def _covered(wanted: dict[str, float], text: str) -> float:
    held = _held(text)
    return sum(weight for key, weight in wanted.items() if key in held)


# -- facts that must be there -----------------------------------------------------------------


def _around(passage: Passage, window: _Window) -> str:
    """The window with the sentence before and after it."""
    spans = _sentences(passage.text)
    inside = [i for i, (s, e) in enumerate(spans) if s >= window.start and e <= window.end]
    if not inside:
        return passage.text
    first, last = max(0, inside[0] - 1), min(len(spans) - 1, inside[-1] + 1)
    return passage.text[spans[first][0] : spans[last][1]]


def _missing(
    claim: Sequence[Token],
    passages: Sequence[Passage],
    windows: Sequence[_Window],
    english: bool,
    sentence: str = "",
) -> str:
    """The first hard fact that the passages lack, as a reason; else nothing."""
    near = [_around(passages[w.passage], w) for w in windows]
    heads = [f"{p.title}\n{p.heading}" for p in passages]
    numbers = [t for text in (*near, *heads) for t in numbers_of(text)]
    names = {k for p in passages for k in _name_keys(p.text)}
    names |= {k for text in heads for k in _name_keys(text)}
    packed = _packed("\n".join([*(p.text for p in passages), *heads]))
    symbols = [tuple(s for s in formula_tokens(p.text) if s not in ",.;") for p in passages]
    for token in claim:
        if token.kind == "number" and not any(same_number(token, n) for n in numbers):
            return _lacks("number", "数字", token, english)
        if (
            token.kind == "name"
            and token.key not in names
            and not (len(token.key) >= 4 and token.key in packed)
            and not (sentence and _translated(token, sentence, packed))
        ):
            return _lacks("name", "名称", token, english)
        if token.kind == "formula" and not any(contains(token.symbols, s) for s in symbols):
            return (
                "the formula is not in the cited passage" if english else "所引段落里没有这个公式"
            )
    return ""


def _translated(token: Token, sentence: str, packed: str) -> bool:
    """Whether a name may stand in notes of another language in that language's form."""
    original = sentence[token.start : token.end]
    # Laplace or Gaussian; names such as GPU or ResNet are written alike everywhere.
    plain = original.isalpha() and sum(c.isupper() for c in original) == 1
    return plain or across.named(token.key, sentence, packed)


def _lacks(english_word: str, chinese_word: str, token: Token, english: bool) -> str:
    shown = shown_number(token) if token.kind == "number" else token.key
    if english:
        return f"the {english_word} {shown} is not in the cited passage"
    return f"所引段落里没有{chinese_word} {shown}"


@lru_cache(maxsize=2048)
def _name_keys(text: str) -> frozenset[str]:
    from notesqa.text.segment import latin_words

    keys: set[str] = set()
    for token in tokens(text):
        if token.kind in ("name", "word"):
            keys.add(token.key)
            keys.update(latin_words(token.key))
        keys.update(s.lower() for s in token.symbols if len(s) > 1)
    return frozenset(keys)


@lru_cache(maxsize=512)
def _packed(text: str) -> str:
    return "".join(c for c in normalize(text) if c.isalnum())


# -- how much is there at all -------------------------------------------------------------------


def _adds(sentence: str, passages: Sequence[Passage], windows: Sequence[_Window]) -> bool:
    """Whether a whole clause of the sentence has nothing to do with what it cites."""
    text = "\n".join(
        [
            *(_around(passages[w.passage], w) for w in windows),
            *(f"{p.title}\n{p.heading}" for p in passages),
        ]
    )
    for start, end in clauses(sentence):
        wanted = _wanted(tokens(sentence[start:end]))
        total = sum(wanted.values())
        if total >= _CLAUSE_WEIGHT and _covered(wanted, text) < _CLAUSE_COVERAGE * total:
            return True
    return False


def _score(
    sentence: str,
    claim: Sequence[Token],
    passages: Sequence[Passage],
    windows: Sequence[_Window],
    segmenter: Segmenter,
) -> float:
    """Share of the claim's words and pairs that the windows and headings hold."""
    text = "\n".join(
        [
            *(passages[w.passage].text[w.start : w.end] for w in windows),
            *(f"{p.title}\n{p.heading}" for p in passages),
        ]
    )
    wanted = _wanted(claim)
    total = sum(wanted.values()) or 1.0
    pairs = _covered(wanted, text) / total
    own = {w for w in segmenter.words(sentence) if len(w) > 1}
    if not own:
        return pairs
    there = set(segmenter.words(text))
    words = sum(w in there for w in own) / len(own)
    return 0.5 * pairs + 0.5 * words
