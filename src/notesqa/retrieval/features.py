"""Features of a question and a candidate passage, for the ranker and for refusal.

Each is a plain number that a person can check by hand; together they cost less than
0.1 ms a candidate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from notesqa.retrieval.query import Kind, Query
from notesqa.retrieval.terms import Concept

FEATURES = (
    "bm25",
    "cosine",
    "apart",
    "beside",
    "coverage",
    "opening_coverage",
    "lead_coverage",
    "early",
    "topic",
    "latin_coverage",
    "gram_coverage",
    "longest_common",
    "headed",
    "opening",
    "cue",
    "cue_list",
    "cue_what",
    "cue_why",
    "symbols",
    "length",
)

ANOTHER_NAME = 0.6
"""How far another name meets a Chinese word that is asked for. What is asked for in Latin
letters stands in Chinese notes under its Chinese name as a rule, and is met by it wholly."""
HEAD_CHARACTERS = 200
_LEAD_CHARACTERS = 80
# What is named this far into a passage counts 1/e of what it begins with.
_EARLY_CHARACTERS = 30.0

NEIGHBOURS = 2
"""How many of the passages that a search found are held against each of them."""
# A passage that stands farther from all others need not be better for it: it may only be
# about another field.
_FAR_ENOUGH = 0.5

# Where a title or a heading says what a passage is about, its clauses need not: such a word counts
# as one that begins a clause at seven of ten places.
_TITLED_TOPIC = 0.7

# Chinese says first what a clause is about, then what there is to say of it (Li & Thompson,
# 1976, "Subject and topic"). Before that there may stand marks of lists, tables and emphasis,
# and a word that takes up what was said before.
_JOINING = (
    *"但 但是 而 而且 因此 所以 其中 对于 关于 由于 如果 当 在 则 即 使用 采用 通过 对".split(),
    *("the ", "a ", "an "),
)
_STARTS = '\n。!?;:,("[|'
_CLAUSE = re.compile(
    rf"(?:^|[{re.escape(_STARTS)}])(?:[\s\-*+#>_\"'|)(]|\d+[.、)])*"
    rf"(?:{'|'.join(_JOINING)})?$"
)
_CLAUSE_WITHIN = 16
# Its last character is looked at first: most words stand after another one, or after a mark
# that does.
_MARKS = frozenset(" -*+#>_'")
_BEFORE_TOPIC = _MARKS | {*_STARTS, *"\t).、"} | {word[-1] for word in _JOINING}

CUES: dict[Kind, re.Pattern[str]] = {
    "what": re.compile(r"是一[种个类项]|是指|指的是|称为|叫做|定义[为是:]|即|表示|refers to|is an? |是(?!否)"),
    "list": re.compile(r"包括|分为|有以下|如下|主要有|(?:^|\n)\s*(?:[-*+]|\d+[.)、])|[一二三四1234][,是、.]|首先|第[一二]"),
    "why": re.compile(r"因为|由于|原因|因此|所以|从而|导致|为了|避免|之所以|使得|这样|because|since|so that"),
    "how": re.compile(r"首先|然后|步骤|通过|利用|采用|方法|先.{1,20}再|(?:^|\n)\s*\d+[.)、]|计算|def |import "),
    "compare": re.compile(r"区别|不同|相比|而|差异|相同|前者|后者|比.{1,12}[更大小快慢多少高低]|优于|但"),
    "pros": re.compile(r"优点|缺点|优势|不足|好处|劣势|局限|优缺点|advantage|drawback"),
    "number": re.compile(r"\d"),
    "when": re.compile(r"(?:19|20)\d\d|年|时候|当.{1,20}时|适合|适用"),
    "who": re.compile(r"提出|作者|等人|et al|教授|团队|[a-z]+ [a-z]+"),
    "example": re.compile(r"例如|比如|譬如|例子|举例|例:|如图|\be\.g\.|for (?:example|instance)"),
    "formula": re.compile(r"=|\$|\\[a-z]+|公式|∑|\[math\]"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wording:
    """What the features look at of a passage: the same for every question, so kept between them.

    Attributes:
        text, title: normalised; `title` holds the headings too.
        opening: the beginning of its document, normalised, `HEAD_CHARACTERS` of it.
        squeezed: the text without white space and hyphens.
        named: how long the document's own name is, with which `title` begins.
    """

    text: str
    title: str
    opening: str
    squeezed: str
    named: int

    @classmethod
    def of(cls, text: str, title: str, opening: str = "", *, named: int = 0) -> Wording:
        """From normalised strings."""
        return cls(text, title, opening[:HEAD_CHARACTERS], squeeze(text), named)


def best_idf(forms: tuple[str, ...], idf: Mapping[str, float]) -> float:
    """The weight of a concept: the idf of its first form that is known, else of a rare term.

    Where that form is as rare as anything that is asked about, and so perhaps foreign to the
    notes, another form that they have says how rare the concept is.
    """
    known = [idf[form] for form in forms if form in idf]
    rarest = max(idf.values(), default=1.0)
    if not known:
        return rarest
    return known[0] if known[0] < rarest else min(known)


Name = tuple[str, bool, str | None]
"""A name of a concept as it is looked for: itself, whether it is one Latin word, which is found
whole only, and else, where it is ASCII, itself without its joints."""


@lru_cache(maxsize=4096)
def _name(form: str) -> Name:
    if not form.isascii():
        return form, False, None
    if form.replace(".", "").isalnum():
        return form, True, None
    return form, False, form.replace(" ", "").replace("-", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as its candidates are looked at: all that is the same for every one of them.

    Attributes:
        content: the question's content, squeezed.
        concepts: of each the names, its own first, what it weighs in these notes, and whether
            it is a Latin word.
        total: the weight of everything that is asked about; 1 where nothing is.
        jointed: whether any name is also looked for without its joints.
    """

    query: Query
    content: str
    concepts: tuple[tuple[tuple[Name, ...], float, bool], ...]
    total: float
    jointed: bool

    @classmethod
    def of(cls, query: Query, idf: Mapping[str, float]) -> Asked:
        """Weigh a question.

        Args:
            idf: of each of the question's own words and alternatives.
        """
        concepts = []
        for concept in query.concepts:
            forms = concept.all_forms
            latin = _latin(concept.surface)
            concepts.append((tuple(map(_name, forms)), best_idf(forms, idf), latin))
        total = sum(weight for _, weight, _ in concepts) or 1.0
        jointed = any(name[2] is not None for names, _, _ in concepts for name in names)
        return cls(query, squeeze(query.content), tuple(concepts), total, jointed)


def met(text: str, squeezed: str, concept: Concept) -> tuple[int, float]:
    """Where a text has a concept first, or -1, and how far that meets it.

    1 for the question's own word, 0 for none of its names. Another name meets a Chinese word by
    `ANOTHER_NAME`, a Latin one wholly, and half as far where it is a single character. Latin
    words are found whole only, save that a digit may follow ("yolo" in "yolov1").

    Args:
        squeezed: the text as `squeeze` leaves it.
    """
    other = 1.0 if _latin(concept.surface) else ANOTHER_NAME
    return _met(text, squeezed, tuple(map(_name, concept.all_forms)), other)


def _latin(surface: str) -> bool:
    return any(c.isascii() and c.isalpha() for c in surface)


def _met(text: str, squeezed: str, names: Sequence[Name], share: float) -> tuple[int, float]:
    at = _place(text, squeezed, names[0])
    if at >= 0:
        return at, 1.0
    first, best = -1, 0.0
    for name in names[1:]:
        at = _place(text, squeezed, name)
        if at >= 0:
            # A single character stands in many other words: 点 in 优点.
            worth = share if len(name[0]) > 1 else share / 2
            if worth > best or (worth == best and at < first):
                first, best = at, worth
    return first, best


def _place(text: str, squeezed: str, name: Name) -> int:
    """Offset of a name in a text, or in the text squeezed, or -1."""
    form, whole, folded = name
    at = text.find(form)
    if at < 0:
        return at if folded is None else squeezed.find(folded)
    return _whole_word(text, form, at) if whole else at


def _whole_word(text: str, word: str, start: int) -> int:
    """Offset of a Latin word that stands by itself, from one of its letters on, or -1."""
    while start >= 0:
        # "gan" is not in "organ".
        end = start + len(word)
        before = text[start - 1] if start else " "
        after = text[end] if end < len(text) else " "
        if not (before.isascii() and before.isalnum()) and not (
            after.isascii() and after.isalnum() and not after.isdigit()
        ):
            return start
        start = text.find(word, start + 1)
    return -1


def topic_share(text: str, names: Sequence[Name]) -> float:
    """Of the places where a text has one of the names, the share where a clause begins with it.

    A passage is about what its clauses begin with; what it only mentions stands within them.
    """
    places = begins = 0
    for form, whole, _ in names:
        at = text.find(form)
        while at >= 0 and (not whole or (at := _whole_word(text, form, at)) >= 0):
            places += 1
            begins += _begins_clause(text, at)
            at = text.find(form, at + len(form))
    return begins / places if places else 0.0


def _begins_clause(text: str, at: int) -> bool:
    last = text[at - 1]
    if at == 0 or last in _STARTS:
        return True
    if last not in _BEFORE_TOPIC:
        return False
    before = text[at - 2 : at - 1]
    # "the ", "a " and "an " join, too.
    if last in _MARKS and before.isalnum() and (last != " " or before not in "ean"):
        return False
    return _CLAUSE.search(text, max(0, at - _CLAUSE_WITHIN), at) is not None


def found_by(
    asked: Asked,
    bm25: float,
    cosine: float,
    around: Sequence[tuple[float, float]],
) -> tuple[float, float, float, float]:
    """The first of `FEATURES`: the scores that found a passage, and how it stands to its like.

    What is near to many other passages is near to many questions, and seldom what one of them
    is after (hubs; Radovanović et al., 2010). So it is held against a passage how near its
    nearest are, as in the local scaling of Conneau et al. (2018, arXiv:1710.04087, section
    2.3), and for it how near these are to the question (the cluster hypothesis; van
    Rijsbergen, 1979).

    Args:
        bm25: of the question's own words and grams.
        cosine: of the question and the passage.
        around: of the passage's `NEIGHBOURS` nearest among all that was found the cosine
            with the passage and that with the question.
    """
    crowded = sum(near for near, _ in around) / NEIGHBOURS
    return (
        bm25 / asked.total,
        cosine,
        min(_FAR_ENOUGH, 1.0 - crowded),
        sum(alike for _, alike in around) / NEIGHBOURS,
    )


def told_by(asked: Asked, wording: Wording) -> tuple[float, ...]:
    """The other ones, in the order of `FEATURES`: what the passage itself tells."""
    query, total = asked.query, asked.total
    text, squeezed = wording.text, wording.squeezed
    title, opening = wording.title, wording.opening
    packed_title = squeeze(title) if asked.jointed else ""
    packed_opening = squeeze(opening) if asked.jointed else ""
    # Most names stand nowhere in a passage: one look at all of it spares a look at each part.
    whole = f"{text}\n{title}\n{opening}"
    packed = f"{squeezed}\n{packed_title}\n{packed_opening}"
    # Whether title and headings name all that is asked for, and the title some of it: another
    # note's section on both is about that note's matter.
    headed, named = bool(asked.concepts), False
    covered = in_opening = in_lead = early = topic = latin_all = latin_in = 0.0
    for called, weight, latin in asked.concepts:
        if latin:
            latin_all += weight
        # A single character is found, or found missing, in a third of the time that a name takes.
        names = [
            name
            for name in called
            if (name[0][0] in whole and name[0] in whole)
            or (name[2] is not None and name[2] in packed)
        ]
        if not names:
            headed = False
            continue
        if names[0] is not called[0]:
            names.insert(0, called[0])  # Its own name weighs more than the others.
        other = 1.0 if latin else ANOTHER_NAME
        at, share = _met(text, squeezed, names, other)
        # What its title or a heading says need not be said again in a passage.
        above, titled = _met(title, packed_title, names, other) if title else (-1, 0.0)
        headed = headed and above >= 0
        named = named or 0 <= above < wording.named
        opened = titled
        if titled < 1.0 and opening:
            opened = max(_met(opening, packed_opening, names, other)[1], titled)
        either = max(share, titled)
        covered += weight * either
        in_opening += weight * opened
        if 0 <= at < _LEAD_CHARACTERS:
            in_lead += weight * share
        soon = share * math.exp(-at / _EARLY_CHARACTERS) if at >= 0 else 0.0
        early += weight * max(titled, soon)
        said = share * topic_share(text, names) if at >= 0 else 0.0
        topic += weight * max(_TITLED_TOPIC * titled, said)
        if latin:
            latin_in += weight * either
    grams, content = query.own_grams, asked.content
    gram_hits = sum(map(squeezed.__contains__, grams))
    cue = CUES.get(query.kind)
    cued = 1.0 if cue and cue.search(text) else 0.0
    return (
        covered / total,
        in_opening / total,
        in_lead / total,
        early / total,
        topic / total,
        latin_in / latin_all if latin_all else 0.0,
        gram_hits / (len(grams) or 1),
        longest_common(content, squeezed) / (len(content) or 1),
        1.0 if headed and named else 0.0,
        # Who asks what a thing is wants the passage that begins with it.
        _opening(query, squeezed) if query.defines else 0.0,
        cued if query.kind not in ("list", "what", "why") else 0.0,
        cued if query.kind == "list" else 0.0,
        cued if query.kind == "what" else 0.0,
        cued if query.kind == "why" else 0.0,
        sum(s in text for s in query.symbols) / len(query.symbols) if query.symbols else 0.0,
        math.log(len(text) + 1) / 6.0,
    )


def longest_common(needle: str, text: str) -> int:
    """Length of the longest run of `needle` that stands in `text`."""
    best, length = 0, len(needle)
    for start in range(length):
        if needle[start] in text:
            while start + best < length and needle[start : start + best + 1] in text:
                best += 1
        if length - start <= best + 1:
            break
    return best


def squeeze(text: str) -> str:
    """`text` without white space and hyphens."""
    # str.split knows the same white space as `\s`, in less than half the time.
    return "".join(text.split()).replace("-", "")


_squeezed = lru_cache(maxsize=4096)(squeeze)


_OPENING_WITHIN = 12


def _opening(query: Query, squeezed: str) -> float:
    """Whether the passage begins by saying what a thing asked about is."""
    head = squeezed[:60]
    for concept in query.concepts:
        for form in concept.all_forms:
            name = _squeezed(form)
            at = head.find(name, 0, _OPENING_WITHIN + len(name))
            if at >= 0 and _DEFINES.match(head, at + len(name)):
                return 1.0
    return 0.0


_DEFINES = re.compile(r"[（(「\"《*]|[*:：,，]?(?:是|指|即|又|也|就是|简称|全称|称|表示|:|：)")
