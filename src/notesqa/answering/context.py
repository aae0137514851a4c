"""What a quoted sentence cannot be understood without, or is hardly an answer without."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from notesqa.answering.followups import subjects
from notesqa.answering.naming import has_one
from notesqa.answering.spans import LIST_ITEM, Span
from notesqa.answering.standing import asks, points_elsewhere, refers_back
from notesqa.records import Passage
from notesqa.retrieval.query import Query
from notesqa.retrieval.terms import Concept
from notesqa.text.normalize import normalize

_MOST_CHARACTERS = 560
# Of an answer whose best sentence brings along what its paragraph goes on to say.
_MOST_WITH_REST = 360
_MOST_ITEMS = 8
# A question of so few characters does not say what it asks about.
_BARE_QUESTION = 8
# Of characters between passages that adjoin each other: blank lines.
_MOST_BETWEEN = 8
# How far, in score, the best sentence on the other side of a comparison may be behind.
_FURTHEST_SIDE = 9.0
_ENUMERATING = frozenset(("list", "how"))
# One step alone says nothing to who asks for the steps.
_ASKS_STEPS = re.compile(r"步骤|流程|过程|\bsteps?\b|\bprocedure\b")
_CUT = ("...", "…")
# A heading that lost its line, of which a space is left where running Chinese has none:
# 桶的划分 每次按…….
_NEW_SECTION = re.compile(r"[\w\u3400-\u9fff -]{1,15}[\u3400-\u9fff]\s(?=[\u3400-\u9fff])")
# So begins what cannot stand first.
_GOES_ON = re.compile(
    r"因此|所以|于是|从而|可见|由此|还|也|再|此外|另外|同时|不过|但|而|例如|比如|其中|或|反过来|以上|"
    r"上[表图例面]|"
    r"(?:therefore|hence|thus|also|but|however|besides|for example)\b",
    re.IGNORECASE,
)
# What a sentence within a paragraph adds to the one before it: 后者也会…, 结果同样…; 又称 adds
# a name only.
_ADDS = re.compile(r"[^，,。；;]{0,24}?(?:[也还又](?!被?[叫称])|同样)")
# Of two things one is asked for.
_ASKS_WHICH = re.compile(r"还是|哪一?[个种]|谁|\bwhich\b")
# Whoever reads a conclusion asks what it follows from.
_CONCLUDES = re.compile(
    r"(?:因此|所以|于是|从而|可见|由此|therefore\b|hence\b|thus\b)", re.IGNORECASE
)


def completed(
    query: Query,
    chosen: Sequence[Span],
    spans: Sequence[Span],
    passages: Sequence[Passage],
    *,
    answered: bool,
    told: bool = False,
) -> list[Span]:
    """What was chosen, with what it cannot be understood without, in the order of the note.

    A sentence that begins with "it", a conclusion and a formula bring the sentence before
    them along; a sentence of an item, the item's first and, if it is that, the others; of a
    list that is asked for, be it by its heading, the items between and beside those that were
    chosen, of numbered steps all. The best sentence brings along what its paragraph goes on to
    say: it shares the most words with the question, and what is asked often stands after it.

    Args:
        answered: the best sentence has the number or the date that is asked for.
        told: it has nearly all that is asked; where a new section begins, it is left at that.
    """
    length = sum(span.end - span.start for span in chosen)
    added: list[Span] = []
    own: dict[int, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start):
        own.setdefault(span.passage, []).append(span)

    def add(span: Span, most: int = _MOST_CHARACTERS) -> bool:
        nonlocal length
        if span in chosen or span in added:
            return True
        size = span.end - span.start
        if length + size > most:
            return False
        added.append(span)
        length += size
        return True

    for span in chosen:
        text = passages[span.passage].text
        beside = own[span.passage]
        place = beside.index(span)
        said = text[span.start : span.end]
        if place and (refers_back(said) or _CONCLUDES.match(said)):
            before = beside[place - 1]
            gap = text[before.end : span.start]
            asked = text[before.start : before.end]
            apart = gap.strip() or ("\n" in gap and _says_apart(asked))
            if not apart:
                add(before)
                # 怎么办呢？ What this asks about is told before it.
                bare = asks(asked) and len(asked) <= _BARE_QUESTION
                if bare and place > 1 and "\n" not in gap:
                    add(beside[place - 2])
        for opening in _opening(beside, place, text):
            add(opening)
        for other in _rest_of_item(beside, place, text):
            add(other)
        if query.kind in _ENUMERATING or span.headed:
            items = _list_of(beside, place, text)
            numbered = bool(items) and not text.startswith(("-", "*", "+"), items[0].start)
            half = 2 * sum(item in chosen for item in items) >= len(items)
            steps = numbered and _ASKS_STEPS.search(query.normalized) is not None
            if span.headed:
                items = [item for item in items if item.headed]
            if span.headed or steps or (half and (numbered or query.kind == "list")):
                for item in items:
                    add(item)
    best = max(chosen, key=lambda span: span.worth)
    text = passages[best.passage].text
    rest = _rest_of_paragraph(own[best.passage], best, text, stops=told)
    for span in rest if not answered else ():
        if not add(span, _MOST_WITH_REST):
            break
    return ordered([*chosen, *added], passages)


def both_sides(
    query: Query, chosen: Sequence[Span], spans: Sequence[Span], passages: Sequence[Passage]
) -> list[Span]:
    """What was chosen of a comparison, with a sentence on the side that it says nothing of.

    Args:
        spans: best first.
    """
    sides = subjects(query.text) if query.kind == "compare" else ()
    found = list(chosen)
    for side in sides if len(sides) == 2 else ():
        name = normalize(side)
        forms = next((c.forms for c in query.concepts if c.surface == name), ())
        named = [Concept(name, forms)]

        def speaks(span: Span, named: Sequence[Concept] = named) -> bool:
            return has_one(named, passages[span.passage].text[span.start : span.end])

        if not any(speaks(span) for span in found):
            least = chosen[0].worth - _FURTHEST_SIDE
            other = next((s for s in spans if s.worth >= least and speaks(s)), None)
            found += [other] if other else []
    return ordered(found, passages)


def _opening(beside: Sequence[Span], place: int, text: str) -> list[Span]:
    """The first sentence of the list item that a later one is in: what the item is about."""
    first = place
    while first and "\n" not in (gap := text[beside[first - 1].end : beside[first].start]):
        if gap.strip():
            return []
        first -= 1
    said = text[beside[first].start : beside[first].end]
    opens = first < place and LIST_ITEM.match(said) and not asks(said)
    return [beside[first]] if opens else []


def _rest_of_item(beside: Sequence[Span], place: int, text: str) -> list[Span]:
    """What a list item goes on to say after its first sentence.

    The item may be the last of a list that goes with the line that introduces it.
    """
    first = beside[place]
    if not LIST_ITEM.match(text[first.start : first.end].rpartition("\n")[2]):
        return []
    last = place
    while last + 1 < len(beside):
        gap = text[beside[last].end : beside[last + 1].start]
        if gap.strip() or "\n" in gap:
            break
        last += 1
    return list(beside[place + 1 : last + 1])


def _rest_of_paragraph(beside: Sequence[Span], span: Span, text: str, *, stops: bool) -> list[Span]:
    """The sentences after one in its paragraph.

    Args:
        stops: at a heading that lost its line.
    """
    first = last = beside.index(span)
    while last + 1 < len(beside):
        after = beside[last + 1]
        gap = text[beside[last].end : after.start]
        said = text[after.start : after.end]
        if gap.strip() or "\n" in gap or _says_apart(said) or _says_nothing(said):
            break
        if stops and _NEW_SECTION.match(said):
            break
        last += 1
    return list(beside[first + 1 : last + 1])


def ordered(chosen: Sequence[Span], passages: Sequence[Passage]) -> list[Span]:
    """The place of the best sentence speaks first; within a place the note's own order.

    A place is a passage with those that it adjoins.
    """
    places = _places([passages[n] for n in dict.fromkeys(span.passage for span in chosen)])

    def key(span: Span) -> tuple[int, int]:
        passage = passages[span.passage]
        return places[passage.chunk_id], passage.start + span.start

    return sorted(chosen, key=key)


def forward(query: Query, said: Sequence[Span], passages: Sequence[Passage]) -> list[Span]:
    """What is quoted, with what the paragraph of the best sentence says at the front of its place.

    Only what can be read without what stood above it is moved; items of lists, and what two
    things are compared by, keep the order of the note.
    """
    both = query.kind == "compare" or len(subjects(query.text)) > 1
    if both and not _ASKS_WHICH.search(query.normalized):
        return list(said)
    best = max(said, key=lambda span: span.worth)
    text = passages[best.passage].text
    begin = max(0, text.rfind("\n\n", 0, best.start))
    end = text.find("\n\n", best.end)
    run = [
        span
        for span in said
        if span.passage == best.passage and begin <= span.start and (end < 0 or span.start < end)
    ]
    if any(_says_apart(text[span.start : span.end]) for span in run):
        return list(said)
    opening = text[run[0].start : run[0].end]
    whole = not text[begin : run[0].start].strip()
    # A thing is said to be what it is where it comes up first.
    within = not whole and (query.defines or _ADDS.match(opening))
    leans = _GOES_ON.match(opening) or within
    if leans or refers_back(opening):
        return list(said)
    place = next(n for n, span in enumerate(said) if span.passage == best.passage)
    rest = [span for span in said[place:] if span not in run]
    return [*said[:place], *run, *rest]


def _places(passages: Sequence[Passage]) -> dict[str, int]:
    """By a passage's id the number of the first that adjoins it, directly or by others."""
    places = {passage.chunk_id: number for number, passage in enumerate(passages)}
    in_order = sorted(passages, key=lambda passage: (passage.document_id, passage.start))
    for upper, lower in pairwise(in_order):
        same = upper.document_id == lower.document_id
        if same and 0 <= lower.start - upper.end <= _MOST_BETWEEN:
            old, new = sorted((places[upper.chunk_id], places[lower.chunk_id]), reverse=True)
            places = {key: new if number == old else number for key, number in places.items()}
    return places


def _says_nothing(text: str) -> bool:
    """Whether a sentence only points elsewhere, asks, or was cut off."""
    return points_elsewhere(text) or asks(text) or text.rstrip().endswith(_CUT)


def _says_apart(text: str) -> bool:
    """Whether a piece of a note is no running text that the next sentence could refer to."""
    return text.startswith(("|", "```", "~~~")) or bool(LIST_ITEM.match(text))


def _list_of(beside: Sequence[Span], place: int, text: str) -> list[Span]:
    """The items of the list that a span is in, where it is a short one; else nothing."""

    def item(n: int) -> bool:
        return bool(LIST_ITEM.match(text[beside[n].start : beside[n].end]))

    def joined(n: int) -> bool:
        return not text[beside[n].end : beside[n + 1].start].strip()

    if not item(place):
        return []
    first = last = place
    while first and item(first - 1) and joined(first - 1):
        first -= 1
    while last + 1 < len(beside) and item(last + 1) and joined(last):
        last += 1
    return list(beside[first : last + 1]) if last - first < _MOST_ITEMS else []
