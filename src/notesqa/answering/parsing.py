"""What a model wrote, as sentences with the passages they cite.

Tolerant, since servers without grammars write marks as they please: `[1]`, `[1, 2]`,
`[1-3]`, `[^1]`, `【1】`, `(1)`, `[段落 1]`, or none. Thinking is taken out, also where it
never ends; marks of passages that were not given are dropped and counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from notesqa.answering.refusal import REFUSAL_EN, REFUSAL_ZH
from notesqa.records import Sentence
from notesqa.text.blocks import item_marker
from notesqa.text.latex import protected_spans
from notesqa.text.normalize import normalize
from notesqa.text.sentences import sentences
from notesqa.text.terminal import safe

_TAG = r"(?:think|thinking|thought|reasoning)"
_THOUGHT = re.compile(rf"<{_TAG}>.*?</{_TAG}>", re.DOTALL | re.IGNORECASE)
_OPEN_THOUGHT = re.compile(rf"<{_TAG}>.*\Z", re.DOTALL | re.IGNORECASE)
_LATE_THOUGHT = re.compile(rf"\A.*</{_TAG}>", re.DOTALL | re.IGNORECASE)
_SPECIAL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>")
_LEAD = re.compile(
    r"\A\s*(?:\*\*)?(?:答案?|回答|answer)(?:\*\*)?\s*[:：](?:\*\*)?\s*", re.IGNORECASE
)

_WORD = r"(?:段落|笔记|来源|出处|资料|引用|passages?|notes?|sources?|refs?|p)"
_NUMBERS = r"\d{1,3}(?:\s*[,，、;；和&~–-]\s*\d{1,3})*"
_MARK = re.compile(
    rf"\[\s*\^?\s*(?:{_WORD}\s*)?(?P<square>{_NUMBERS})\s*\](?!\()"
    rf"|【\s*(?:{_WORD}\s*)?(?P<lenticular>{_NUMBERS})\s*(?:†[^】\n]{{0,40}})?】"
    rf"|(?<![A-Za-z0-9_)）])[(（]\s*(?:{_WORD}\s*)?(?P<round>{_NUMBERS})\s*[)）]",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d+)\s*[~–-]\s*(\d+)")
_DIGITS = re.compile(r"\d+")
_AFTER_ROUND = re.compile(r"\s*(?:[。.!！?？;；]|[(（\[【]\s*\d|\n|\Z)")
_PUNCTUATION = "。．.!！?？;；,，、:：)）"
_STOPS = frozenset("。．.！!？?")
_LINE_LEAD = re.compile(r"[ \t]*(?:[-*+•]\s+|\d{1,2}[.)、]\s*)?")
_QUOTE = re.compile(r">\s*")
# Without the space after it that Markdown wants.
_TIGHT_ITEM = re.compile(r"(\d{1,2}[.)])(?=[^\d\s])")
_HEADING = re.compile(r"\A\s*#{1,6}\s|\A\s*\*\*[^*\n]{1,40}\*\*[:：]?\s*\Z|\A[-*_=\s|:]*\Z")
_REFERENCES = re.compile(
    r"^[#*\s]*(?:参考(?:文献|资料|段落)?|引用(?:来源)?|来源|出处|references|sources|citations)"
    r"[*\s]*[:：]?[*\s]*$(?:\n+[ \t]*(?:[-*+]\s+)?(?:[\[【(（^]|\d).*)*",
    re.MULTILINE | re.IGNORECASE,
)
_EMPHASIS = re.compile(r"(?<![\\*])\*\*(?=\S)(.+?)(?<=\S)\*\*")
_NO_ANSWER = re.compile(
    r"(?:笔记|段落|资料|上文|材料|文中)[^。]{0,16}(?:没有|未|并未|无)[^。]{0,12}"
    r"(?:说到|提到|提及|涉及|包含|回答|说明|给出|答案)|无法(?:回答|根据|从)|"
    r"\b(?:passages?|notes?)\b[^.]{0,30}\b(?:do(?:es)? not|don't|doesn't|cannot)\b[^.]{0,30}"
    r"\b(?:say|answer|mention|contain|provide|hold|cover)\b|\bcannot (?:answer|be answered)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply, taken apart.

    Attributes:
        sentences: without marks, citing the numbers of passages, in order, each once.
        refused: it says that the notes do not say, and nothing else.
        dropped: marks of passages that were not given.
        complete: the last sentence came to its end.
    """

    sentences: tuple[Sentence, ...]
    refused: bool
    dropped: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Mark:
    start: int
    end: int
    numbers: tuple[int, ...]
    dropped: int


def parse(raw: str, passages: int) -> Reply:
    """Sentences and citations of a reply; never fails.

    Args:
        raw: what the model wrote, whole or cut short.
        passages: how many passages were given; valid numbers are 1 to this.
    """
    text = _REFERENCES.sub("", visible(raw))
    marks = _marks(text, passages)
    clean, places = _without(text, marks)
    spans = [s for s in _spans(clean, places) if _says(clean[s[0] : s[1]])]
    dropped = sum(mark.dropped for mark in marks)
    cited = _assigned(clean, spans, places)
    found: list[Sentence] = []
    last = 0
    for (start, end), numbers in zip(spans, cited, strict=True):
        if not (_HEADING.match(clean[start:end]) and not numbers):
            marker, said = _item(clean[start:end])
            lead = _lead(clean[last:start], marker, found)
            found.append(Sentence(_tidy(said), numbers, lead=lead))
            last = end
    complete = not text.strip() or bool(marks and text.rstrip().endswith(tuple("]】)）。.")))
    if text.rstrip().endswith(tuple('。．.!！?？…”"')):
        complete = True
    refusals = [i for i, sentence in enumerate(found) if _is_refusal(sentence.text)]
    if found and len(refusals) == len(found):
        return Reply((), True, dropped, complete)
    loose = len(found) == 1 and not found[0].citations and _NO_ANSWER.search(found[0].text)
    if loose:
        return Reply((), True, dropped, complete)
    kept = tuple(row for i, row in enumerate(found) if i not in refusals)
    return Reply(kept, False, dropped, complete)


def _item(text: str) -> tuple[str, str]:
    """The marker of the item of a list that a sentence begins, if it does, and the sentence."""
    text = text.lstrip()
    marker, begin = item_marker(text)
    if not marker and (tight := _TIGHT_ITEM.match(text)):
        marker, begin = f"{tight[1]} ", tight.end()
    return marker, _QUOTE.sub("", text, count=1) if text.startswith(">") else text[begin:]


def _lead(between: str, marker: str, before: Sequence[Sentence]) -> str:
    """What sets a sentence apart from those before it (`Sentence.lead`).

    Args:
        between: what stands between it and the last of them; a heading, if not white space.
        marker: of the item of a list that it begins, if it does.
    """
    if not before:
        return marker
    begun = next((s.lead for s in reversed(before) if s.lead), before[0].lead)
    in_item = begun.strip() != ""
    lines = between.count("\n")
    if marker and lines:
        directly = in_item or lines == 1
        return ("\n" if directly and not between.strip() else "\n\n") + marker
    # An indented line goes on with the item above it.
    goes_on = lines == 0 or (lines == 1 and not in_item) or (in_item and between[-1] != "\n")
    return "" if goes_on and not between.strip() else "\n\n"


def _spans(clean: str, places: Sequence[tuple[int, _Mark, bool]]) -> list[tuple[int, int]]:
    """Sentences; a mark beside a full stop ends one also where the stop alone would not."""
    ends = set()
    for place, _, leads in places:
        if not leads and clean[:place].rstrip()[-1:] in _STOPS:
            ends.add(place)
        elif not leads and clean[place : place + 1] in _STOPS:
            ends.add(place + 1)
    spans: list[tuple[int, int]] = []
    for start, end in sentences(clean):
        for cut in sorted(e for e in ends if start < e < end):
            spans.append((start, cut))
            start = cut
        spans.append((start, end))
    return spans


def visible(raw: str) -> str:
    """A reply without thinking, special tokens and a leading `Answer:`."""
    text = _THOUGHT.sub("", raw)
    text = _OPEN_THOUGHT.sub("", text)
    text = _LATE_THOUGHT.sub("", text)
    text = _SPECIAL.sub("", text)
    return _LEAD.sub("", text)


def _marks(text: str, passages: int) -> list[_Mark]:
    kept = protected_spans(text)
    marks: list[_Mark] = []
    for match in _MARK.finditer(text):
        if any(start <= match.start() < end for start, end in kept):
            continue
        inner = match[match.lastgroup or "square"]
        if match.lastgroup == "round" and not _cites(text, match, marks):
            continue
        numbers = _listed(inner)
        if 0 in numbers:
            continue  # an interval such as [0, 1], no citation
        valid = tuple(dict.fromkeys(n for n in numbers if n <= passages))
        marks.append(_Mark(match.start(), match.end(), valid, len(numbers) - len(valid)))
    return marks


def _cites(text: str, match: re.Match[str], marks: Sequence[_Mark]) -> bool:
    """Whether `(1)` is a citation rather than an item's number or an argument."""
    if not _AFTER_ROUND.match(text, match.end()):
        return False
    line = text.rfind("\n", 0, match.start()) + 1
    return bool(text[line : match.start()].strip(" \t-*•")) or bool(
        marks and marks[-1].end == match.start()
    )


def _listed(inner: str) -> list[int]:
    numbers: list[int] = []
    for part in re.split(r"[,，、;；和&]", inner):
        span = _RANGE.search(part)
        if span and int(span[1]) <= int(span[2]) <= int(span[1]) + 20:
            numbers.extend(range(int(span[1]), int(span[2]) + 1))
        else:
            numbers.extend(int(n) for n in _DIGITS.findall(part))
    return list(dict.fromkeys(numbers))


def _without(text: str, marks: Sequence[_Mark]) -> tuple[str, list[tuple[int, _Mark, bool]]]:
    """The text without marks, and of each its place there and whether it leads a line."""
    pieces: list[str] = []
    places: list[tuple[int, _Mark, bool]] = []
    length = position = 0
    for index, mark in enumerate(marks):
        piece = text[position : mark.start]
        after = text[mark.end : mark.end + 1]
        last = index + 1 == len(marks) or marks[index + 1].start != mark.end
        if piece and (not last or not after or after in _PUNCTUATION or after.isspace()):
            piece = piece.rstrip(" \t\u3000")
        line = text.rfind("\n", 0, mark.start) + 1
        line_end = text.find("\n", mark.end)
        rest = text[mark.end : line_end if line_end >= 0 else len(text)]
        leads = (
            _LINE_LEAD.fullmatch(text, line, mark.start) is not None
            and bool(re.search(r"\w", _MARK.sub("", rest)))
        )  # fmt: skip
        pieces.append(piece)
        length += len(piece)
        places.append((length, mark, leads))
        position = mark.end
    pieces.append(text[position:])
    return "".join(pieces), places


def _assigned(
    clean: str, spans: Sequence[tuple[int, int]], places: Sequence[tuple[int, _Mark, bool]]
) -> list[tuple[int, ...]]:
    """The numbers that each sentence cites: a mark belongs to what stands before it."""
    cited: list[list[int]] = [[] for _ in spans]
    for place, mark, leads in places:
        index = -1
        for i, (start, end) in enumerate(spans):
            if leads and start >= place - 4 and end > place:
                index = i
                break
            if start < place:
                index = i
        if index < 0 and spans:
            index = 0
        if index >= 0:
            cited[index].extend(mark.numbers)
    return [tuple(dict.fromkeys(numbers)) for numbers in cited]


def _says(text: str) -> bool:
    return any(char.isalnum() for char in text)


def _tidy(text: str) -> str:
    text = _EMPHASIS.sub(r"\1", text).strip()
    return safe(text).replace("\n", " ") if "$$" not in text and "```" not in text else safe(text)


_REFUSALS = frozenset(normalize(text).strip(" .。") for text in (REFUSAL_ZH, REFUSAL_EN))


def _is_refusal(sentence: str) -> bool:
    return normalize(sentence).strip(" .。") in _REFUSALS


# -- while it is written -----------------------------------------------------------------

_MAYBE_TAG = re.compile(r"</?[A-Za-z|]{0,20}[^<>\n]{0,20}\Z|<\Z")
_MAYBE_MARK = re.compile(
    rf"[ \t]*[\[【(（]\s*\^?\s*(?:{_WORD[:-1]}|[a-z]{{0,8}})?\s*)?[\d\s,，、;；和&~–-]{{0,24}}\Z",
    re.IGNORECASE,
)
_MOST_HELD = 240


class ReplyStream:
    """A reply as it is shown while the model writes it.

    Thinking, half-written marks and tags are held back; marks appear as `[1]`; marks of
    passages that were not given never appear. What `feed` and `close` return, joined, is
    safe for a terminal.
    """

    def __init__(self, passages: int) -> None:
        """Take how many passages were given."""
        self._passages = passages
        self._raw = ""
        self._shown = ""

    @property
    def raw(self) -> str:
        """Everything that was fed."""
        return self._raw

    def feed(self, piece: str) -> str:
        """Take the next piece of the reply; returns what can be shown because of it."""
        self._raw += piece
        return self._advance(self._raw[: self._settled()])

    def close(self) -> str:
        """The rest, when no more will come."""
        return self._advance(self._raw)

    def _settled(self) -> int:
        raw = self._raw
        end = len(raw)
        for pattern in (_MAYBE_TAG, _MAYBE_MARK):
            if match := pattern.search(raw, max(0, end - 60), end):
                end = match.start()
        for opener in "$`":
            start = raw.rfind(opener, max(0, end - _MOST_HELD), end)
            if start >= 0 and not any(a <= start < b for a, b in protected_spans(raw)):
                end = min(end, start)
        return end

    def _advance(self, raw: str) -> str:
        text = visible(raw)
        shown: list[str] = []
        position = 0
        for mark in _marks(text, self._passages):
            shown.append(text[position : mark.start])
            shown.extend(f"[{n}]" for n in mark.numbers)
            position = mark.end
        shown.append(text[position:])
        now = safe("".join(shown)).lstrip()
        if not now.startswith(self._shown):
            return ""  # what was shown stands; the finished answer replaces it anyway
        new = now[len(self._shown) :]
        self._shown = now
        return new
