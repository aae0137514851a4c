"""Where a sentence follows a note and yet says something else.

Each check looks for the place of the note that the sentence resembles, and for one
thing in it that differs: another number in the same company, another subject, a
negation more or less, an opposite. Words apart from that are not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache

from notesqa.answering.facts import (
    Token,
    clauses,
    numbers_of,
    pairs,
    same_number,
    shown_number,
    tokens,
)
from notesqa.text.sentences import sentences

Place = tuple[str, int, int, float]
"""A passage's text, the window in it, and how much of the sentence the window covers."""

_PIECE = 6
_ALIKE = 0.55
_CLAUSE_ALIKE = 0.5
_NUMBER_MARGIN = 2.5
_NAME_WEIGHT = 2.5


def contradiction(sentence: str, places: Sequence[Place], english: bool) -> str:
    """How the sentence contradicts what it cites, as a reason; else nothing.

    It counts only if no cited passage says it the sentence's way.
    """
    reasons = []
    for text, start, end, score in places:
        window = text[start:end]
        reason = _misplaced_number(sentence, text, english)
        if not reason and score >= _ALIKE:
            reason = (
                _aligned(sentence, window, english)
                or _another_subject(sentence, window, english)
                or _turned(sentence, window, _around(text, start, end), english)
            )
        if not reason:
            return ""
        reasons.append(reason)
    return reasons[0] if reasons else ""


def _around(text: str, start: int, end: int) -> str:
    """The window with its neighbours, up to the headings above and below."""
    spans = [s for s in sentences(text) if not text.startswith("#", s[0])]
    inside = [i for i, (a, b) in enumerate(spans) if a >= start and b <= end]
    if not inside:
        return text[start:end]
    return text[spans[max(0, inside[0] - 1)][0] : spans[min(len(spans) - 1, inside[-1] + 1)][1]]


def _opposite(english: bool) -> str:
    return "the note says the opposite" if english else "与笔记的说法相反"


# -- side by side ------------------------------------------------------------------------


def _aligned(sentence: str, window: str, english: bool) -> str:
    """A number, name or negation in the place of another, the words around being the same."""
    claim, noted = tokens(sentence), tokens(window)
    matcher = SequenceMatcher(None, [t.key for t in claim], [t.key for t in noted], autojunk=False)
    steps = matcher.get_opcodes()
    for at, (kind, a, b, c, d) in enumerate(steps):
        if kind == "equal":
            continue
        ours, theirs = claim[a:b], noted[c:d]
        before = steps[at - 1][2] - steps[at - 1][1] if at else 0
        after = steps[at + 1][2] - steps[at + 1][1] if at + 1 < len(steps) else 0
        if before + after < 3 or len(ours) > _PIECE or len(theirs) > _PIECE:
            continue
        tied = (before >= 2 or a == c == 0) and (
            after >= 2 or (b == len(claim) and d == len(noted))
        )
        if reason := _swapped(ours, theirs, tied, english):
            return reason
        odd = _negations(ours) % 2 != _negations(theirs) % 2
        soft = _SOFT.search(_text(sentence, ours) + " " + _text(window, theirs))
        if tied and odd and before and after and not soft:
            return _opposite(english)
        if len(ours) == len(theirs) == 1 and frozenset((ours[0].key, theirs[0].key)) in _PAIRS:
            return _opposite(english)
    return ""


def _text(text: str, row: Sequence[Token]) -> str:
    """The words of some tokens, those left out between and beside them included."""
    return text[max(0, row[0].start - 2) : row[-1].end + 2] if row else ""


def _negations(row: Iterable[Token]) -> int:
    return sum(token.kind == "negation" for token in row)


def _swapped(ours: Sequence[Token], theirs: Sequence[Token], tied: bool, english: bool) -> str:
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
        return _instead(english_word, chinese_word, noted[0], mine[0], english)
    return ""


def _instead(english_word: str, chinese_word: str, noted: Token, mine: Token, english: bool) -> str:
    theirs, ours = ((shown_number(t) if t.kind == "number" else t.key) for t in (noted, mine))
    if english:
        return f"the note has the {english_word} {theirs} here, not {ours}"
    return f"笔记此处的{chinese_word}是 {theirs}，不是 {ours}"


# -- numbers and their company ---------------------------------------------------------------


def _misplaced_number(sentence: str, text: str, english: bool) -> str:
    """A number of the note that stands in other company there than in the sentence."""
    claimed = [t for t in tokens(sentence) if t.kind == "number"]
    if not claimed:
        return ""
    spans = clauses(sentence)
    slots = _slots(text)
    said = {t.key for t in numbers_of(sentence)}
    code = [m.span() for m in _CODE.finditer(sentence)]
    for token in claimed:
        if any(a <= token.start < b for a, b in code):
            continue
        start, end = next(s for s in [*spans, (0, len(sentence))] if s[0] <= token.start < s[1])
        company = _company(sentence[start:end])
        own, other, instead = -1.0, 0.0, None
        for slot, around in slots:
            alike = sum(weight for key, weight in company.items() if key in around)
            if same_number(token, slot):
                own = max(own, alike)
            elif slot.key not in said and _comparable(token, slot) and alike > other:
                other, instead = alike, slot
        if instead is not None and own >= 0 and other >= own + _NUMBER_MARGIN:
            return _instead("number", "数字", instead, token, english)
    return ""


_CODE = re.compile(r"`[^`]*`")


def _comparable(a: Token, b: Token) -> bool:
    return a.unit == b.unit or not a.unit or not b.unit


@lru_cache(maxsize=512)
def _slots(text: str) -> tuple[tuple[Token, frozenset[str]], ...]:
    """The numbers of a note, each with what stands in its clause."""
    found: list[tuple[Token, frozenset[str]]] = []
    for first, last in clauses(text):
        whole = frozenset(_company(text[first:last]))
        for start, end in clauses(text[first:last], fine=True):
            part = text[first + start : first + end]
            keys = frozenset(_company(part))
            # In an enumeration (5、5、4) the parts say nothing by themselves.
            told = len(keys) > 2 or any(t.kind == "name" for t in tokens(part))
            found.extend((slot, keys if told else whole) for slot in numbers_of(part))
    return tuple(found)


def _company(text: str) -> dict[str, float]:
    """What surrounds a number: names, pairs of Han characters, other words."""
    row = tokens(text)
    found = dict.fromkeys(pairs(row), 1.0)
    for token in row:
        if token.kind == "name":
            found[token.key] = _NAME_WEIGHT
        elif token.kind in ("word", "formula"):
            found[token.key] = 1.0
    return found


# -- subjects --------------------------------------------------------------------------------


def _another_subject(sentence: str, window: str, english: bool) -> str:
    """A statement that the note makes of one named thing, made here of another one."""
    mine, theirs = _subject(sentence), _subject(window)
    if mine is None or theirs is None or mine.key == theirs.key:
        return ""
    ours = {t.key for t in tokens(sentence) if t.kind in ("name", "word")}
    noted = {t.key for t in tokens(window) if t.kind in ("name", "word")}
    packed = "".join(t.key for t in tokens(window))
    if mine.key in noted or mine.key in packed or theirs.key in ours:
        return ""
    if any(theirs.key in key or key in theirs.key for key in ours if len(key) > 2):
        return ""
    return _instead("name", "名称", theirs, mine, english)


def _subject(text: str) -> Token | None:
    """The name that a text begins with, leads such as 根据笔记 aside."""
    for start, end in clauses(text)[:2]:
        row = tokens(text[start:end])
        if row and _LEADING.fullmatch(text[start:end].strip()):
            continue
        for position, token in enumerate(row):
            if token.kind == "name":
                return token if position <= 2 else None
        return None
    return None


_LEADING = re.compile(
    r"(?:根据|按照|依据)?笔记(?:中|里|指出|提到)?|在.{1,40}[里中上]|(?:关于|对于|至于).{1,40}|简单来说|具体而言|也就是说|总之|此外|另外"
)


# -- negations and opposites -------------------------------------------------------------------

_SOFT = re.compile(
    r"去掉|去除|省去|省掉|避免|防止|免去|难以|很难|不难|缺乏|缺少|丢掉|丢弃|舍弃|停止|拒绝|禁止|零|才|除了|以外|之外|而非|只|仅|"
    r"[吗呢]|反而|却|并非|未必|不一定"
)
_CLASSES: tuple[tuple[str, str], ...] = (
    (r"提高|提升|升高|上升|升到|升至|增加|增大|增多|变大|增长|放大|略升",
     r"降低|下降|降到|降至|减少|减小|缩小|变小|缩短|略降"),
    (r"大于|高于|超过|多于|优于|好于|不小于", r"小于|低于|不到|少于|劣于|差于|不如"),
    (r"[更较最越]大", r"[更较最越]小"),
    (r"[更较最越]高", r"[更较最越]低"),
    (r"[更较最越]快", r"[更较最越]慢"),
    (r"[更较最越]多", r"[更较最越]少"),
    (r"[更较最越]好", r"[更较最越][差坏]"),
    (r"[更较最越]强", r"[更较最越]弱"),
    (r"[更较最越]长", r"[更较最越]短"),
    (r"[更较最越]深", r"[更较最越]浅"),
    (r"容易|易于", r"难以|很难|不易|不容易"),
    (r"先.{0,12}再", r"(?!)"),
)  # fmt: skip
_DIRECTIONS = tuple((re.compile(up), re.compile(down)) for up, down in _CLASSES)
_PAIRS = {
    frozenset(pair)
    for pair in (
        "高低 大小 快慢 多少 强弱 增减 升降 优劣 好坏 长短 深浅 正负 易难 同异 涨跌 粗细 远近 早晚 松紧 宽窄 "
        "软硬 单双 内外 加减 先后 左右 好差 优差 首末"
    ).split()
}


def _turned(sentence: str, window: str, noted: str, english: bool) -> str:
    """A negation more or less, or an opposite, in clauses that otherwise agree."""
    ours = [sentence[a:b] for a, b in clauses(sentence)]
    theirs = [noted[a:b] for a, b in clauses(noted)]
    claimed = 0
    matched: set[int] = set()
    for clause in ours:
        index, alike = _nearest(clause, theirs)
        if index < 0 or alike < _CLAUSE_ALIKE:
            continue
        other = theirs[index]
        if _opposed(clause, other):
            return _opposite(english)
        if _SOFT.search(clause) or _SOFT.search(other):
            return ""
        claimed += _denials(clause)
        matched.add(index)
    there = sum(_denials(theirs[i]) for i in matched)
    if claimed == there:
        return ""
    # The note may deny in a neighbouring clause what the sentence denies in this one.
    if _denials(sentence) in (_denials(window), _denials(noted)):
        return ""
    return _opposite(english)


def _denials(text: str) -> int:
    """How often a text denies, names in brackets (无锚框) aside."""
    return _negations(tokens(_BRACKETS.sub("", text)))


_BRACKETS = re.compile(r"（[^（）]*）|\([^()]*\)")


def _opposed(clause: str, other: str) -> bool:
    if _denials(clause) != _denials(other):
        return False
    return any(
        one.search(clause)
        and not two.search(clause)
        and two.search(other)
        and not one.search(other)
        for up, down in _DIRECTIONS
        for one, two in ((up, down), (down, up))
    )


def _nearest(clause: str, others: Sequence[str]) -> tuple[int, float]:
    """The clause that holds most of another one, and the share that it holds."""
    wanted = _company(clause)
    for token in tokens(clause):
        if token.kind == "number":
            wanted[token.key] = 1.0
    total = sum(wanted.values())
    if total < 2:
        return -1, 0.0
    best, index = 0.0, -1
    for i, other in enumerate(others):
        keys = _keys(other)
        share = sum(weight for key, weight in wanted.items() if key in keys) / total
        if share > best:
            best, index = share, i
    return index, best


@lru_cache(maxsize=4096)
def _keys(text: str) -> frozenset[str]:
    return frozenset(_company(text)) | {t.key for t in tokens(text) if t.kind == "number"}
