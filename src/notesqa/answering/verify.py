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

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import TYPE_CHECKING

from notesqa.answering.facts import Token, contains, same_number, tokens
from notesqa.records import Passage
from notesqa.text.latex import formula_tokens, protected_spans
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
_WEIGHTS = {"number": 3.0, "name": 2.0, "formula": 2.0, "word": 1.0, "han": 1.0, "negation": 0.5}


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
    if not claim:
        return Verdict(False, "says nothing" if english else "没有内容", None, 0.0)
    windows = [_best_window(claim, i, p) for i, p in enumerate(passages)]
    best = max(windows, key=lambda window: window.score)
    quote = _tightened(claim, passages[best.passage], best)
    fault = _missing(claim, passages, windows, question, english) or _parted(
        claim, passages, windows, english
    )
    score = _score(sentence, claim, passages, windows, segmenter)
    if fault:
        return Verdict(False, fault, quote, score)
    if score < _COVERAGE:
        reason = "the cited passage does not say this" if english else "所引段落没有这样说"
        return Verdict(False, reason, quote if score > 0.2 else None, score)
    return Verdict(True, "", quote, score)


# -- where a passage comes nearest -----------------------------------------------------------


def _best_window(claim: Sequence[Token], index: int, passage: Passage) -> _Window:
    """The one to three neighbouring sentences that cover most of the claim."""
    spans = _sentences(passage.text)
    wanted = _wanted(claim)
    total = sum(wanted.values()) or 1.0
    held = [_held(passage.text[start:end]) for start, end in spans]
    best = _Window(index, 0, len(passage.text), 0.0)
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
            wanted[token.key] = _WEIGHTS[token.kind]
    for pair in _pairs(claim):
        wanted[pair] = 1.0
    return wanted


def _pairs(row: Sequence[Token]) -> list[str]:
    """Neighbouring Han characters, as one key a pair."""
    return [
        a.key + b.key
        for a, b in itertools.pairwise(row)
        if a.kind == b.kind == "han" and b.start - a.end <= 1
    ]


@lru_cache(maxsize=4096)
def _held(text: str) -> frozenset[str]:
    row = tokens(text)
    keys = {token.key for token in row if token.kind != "han"} | set(_pairs(row))
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
    spans = _clauses(text)
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


def _clauses(text: str) -> list[tuple[int, int]]:
    """Clauses of a text, split after commas and semicolons outside formulas and code."""
    kept = protected_spans(text)
    spans: list[tuple[int, int]] = []
    begin = 0
    for i, char in enumerate(text):
        if char not in "，；。！？;\n" and not (char in ",:" and text[i + 1 : i + 2] == " "):
            continue
        if any(start <= i < end for start, end in kept):
            continue
        if text[begin:i].strip():
            spans.append(_stripped(text, begin, i + 1))
        begin = i + 1
    if text[begin:].strip():
        spans.append(_stripped(text, begin, len(text)))
    return spans


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in "，,；;"):
        end -= 1
    return start, end


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
    question: str,
    english: bool,
) -> str:
    """The first hard fact that the passages lack, as a reason; else nothing."""
    near = [_around(passages[w.passage], w) for w in windows]
    heads = [f"{p.title}\n{p.heading}" for p in passages]
    numbers = [t for text in (*near, *heads) for t in _numbers(text)]
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
        ):
            return _lacks("name", "名称", token, english)
        if token.kind == "formula" and not any(contains(token.symbols, s) for s in symbols):
            return (
                "the formula is not in the cited passage" if english else "所引段落里没有这个公式"
            )
    return ""


def _lacks(english_word: str, chinese_word: str, token: Token, english: bool) -> str:
    unit = {"x": "倍", "y": "年", "pp": "个百分点", "layer": "层", "dim": "维"}.get(
        token.unit, token.unit
    )
    shown = f"{token.key}{'' if unit == 'th' else unit}"
    if english:
        return f"the {english_word} {shown} is not in the cited passage"
    return f"所引段落里没有{chinese_word} {shown}"


@lru_cache(maxsize=2048)
def _numbers(text: str) -> tuple[Token, ...]:
    """Numbers of a text, those in its formulas and at the end of names included."""
    found = [t for t in tokens(text) if t.kind == "number"]
    for token in tokens(text):
        if token.kind == "formula":
            found.extend(
                Token("number", s, token.start, token.end) for s in token.symbols if s[0].isdigit()
            )
    return tuple(found)


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


# -- where claim and note part --------------------------------------------------------------

_OPPOSITES = [
    "高低", "大小", "快慢", "多少", "强弱", "增减", "升降", "优劣", "好坏", "长短", "深浅", "正负",
    "易难", "同异", "涨跌", "粗细", "远近", "早晚", "松紧", "宽窄", "软硬", "单双", "内外", "加减",
    "先后", "左右", "首末", "好差", "优差",
]  # fmt: skip
_OPPOSITE = {frozenset(pair) for pair in _OPPOSITES}
_PIECE = 6
_ALIKE = 0.55


def _parted(
    claim: Sequence[Token], passages: Sequence[Passage], windows: Sequence[_Window], english: bool
) -> str:
    """How the claim contradicts the wording of the note that it follows; else nothing.

    A contradiction counts only if no cited passage says it the claim's way.
    """
    reasons = []
    for window in windows:
        if window.score < _ALIKE:
            continue
        noted = tokens(passages[window.passage].text[window.start : window.end])
        reason = _contradiction(claim, noted, english)
        if not reason:
            return ""
        reasons.append(reason)
    return reasons[0] if reasons else ""


def _contradiction(claim: Sequence[Token], noted: Sequence[Token], english: bool) -> str:
    matcher = SequenceMatcher(None, [t.key for t in claim], [t.key for t in noted], autojunk=False)
    operations = matcher.get_opcodes()
    for at, (kind, a, b, c, d) in enumerate(operations):
        if kind == "equal":
            continue
        ours, theirs = claim[a:b], noted[c:d]
        before = operations[at - 1][2] - operations[at - 1][1] if at else 0
        after = operations[at + 1][2] - operations[at + 1][1] if at + 1 < len(operations) else 0
        if before + after < 3 or len(ours) > _PIECE or len(theirs) > _PIECE:
            continue
        tied = (before >= 2 or a == 0) and (after >= 2 or b == len(claim))
        if reason := _swapped(ours, theirs, tied, english):
            return reason
        if tied and _negations(ours) % 2 != _negations(theirs) % 2 and (before and after):
            return "the note says the opposite" if english else "与笔记的说法相反"
        if len(ours) == len(theirs) == 1 and frozenset((ours[0].key, theirs[0].key)) in _OPPOSITE:
            return "the note says the opposite" if english else "与笔记的说法相反"
    return ""


def _negations(row: Iterable[Token]) -> int:
    return sum(token.kind == "negation" for token in row)


def _swapped(ours: Sequence[Token], theirs: Sequence[Token], tied: bool, english: bool) -> str:
    """A number or name in the place of another one."""
    for kind, english_word, chinese_word in (
        ("number", "number", "数字"),
        ("name", "name", "名称"),
    ):
        mine = [t for t in ours if t.kind == kind]
        noted = [t for t in theirs if t.kind == kind]
        if not mine or not noted or {t.key for t in mine} & {t.key for t in noted}:
            continue
        if not tied and (len(ours) > 3 or len(theirs) > 3):
            continue
        if english:
            return f"the note has the {english_word} {noted[0].key} here, not {mine[0].key}"
        return f"笔记此处的{chinese_word}是 {noted[0].key}，不是 {mine[0].key}"
    return ""


# -- how much is there at all -------------------------------------------------------------------


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
