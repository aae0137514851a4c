"""From a document to passages: what is embedded, found and cited.

The borders are chosen for the whole document at once, as lines of a paragraph are in
TeX (Knuth & Plass 1981, "Breaking paragraphs into lines"): of all ways to cut that keep
every passage within the limit, the one that costs least, where short passages cost,
breaks inside paragraphs and lists cost, and mixing sections that could stand alone costs.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from notesqa.records import Chunk, Document
from notesqa.text.blocks import Block, blocks, is_numbered
from notesqa.text.normalize import normalize
from notesqa.text.pieces import CountTokens, Piece, cut_block

VERSION = 5
"""Changes when the same document may be cut otherwise than before."""

TOKENS = 320
# What an excerpt may exceed the limit by and still stay whole.
_EXCERPT_SLACK = 1.25
# A paragraph longer than this share of the limit may be cut at its sentences.
_WHOLE_SHARE = 0.5
# Pieces up to this share of the limit, one after another, count as one.
_TINY = 0.025
# A section of this share of the limit can stand alone; mixing it with another costs.
_SIZEABLE = 0.25
# Atoms in one passage at most: bounds the time for texts of nothing but tiny lines.
_MOST_ATOMS = 120

_BREAK_AT_BLOCK = 0.1
_BREAK_IN_LIST = 0.35
# Numbered: one step alone says little.
_BREAK_IN_STEPS = 0.7
_BREAK_IN_TABLE = 0.45
_BREAK_AT_FORMULA = 0.35
_BREAK_IN_PARAGRAPH = 0.5
_BREAK_AFTER_COLON = 0.9
_BREAK_BEFORE_WHERE = 0.6
_BREAK_AFTER_HEADING = 4.0
_MIX_CHILD = 0.35
_MIX_SIBLING = 0.7
_MIX_TOP = 1.2

# Goes on with the formula above it.
_EXPLAINS = re.compile(r"\s*(?:其中|式中|这里|此处|即|也就是|where\b|with\b|here\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Atom:
    """What is not cut further.

    Attributes:
        section: number of the section it stands in.
        before: cost of a break before it.
    """

    start: int
    end: int
    tokens: int
    section: int
    before: float


@dataclass(slots=True)
class _Section:
    """A heading and what stands below it, down to the next heading.

    Attributes:
        path: titles of the headings, its own last.
        levels: their levels.
        tokens: of all its atoms, the heading included.
        bare: there is nothing below the heading.
    """

    path: tuple[str, ...]
    levels: tuple[int, ...]
    tokens: int = 0
    bare: bool = True


def chunk(document: Document, count_tokens: CountTokens, *, tokens: int = TOKENS) -> list[Chunk]:
    """The passages of a document, in order, without overlap.

    Every character that is no space is in exactly one of them. A heading belongs to the
    passage below it; formulas, lists, tables, code and the line that introduces them stay
    together where they fit.

    Args:
        count_tokens: length of a text in tokens of the embedder.
        tokens: the most that a passage may have; an excerpt may have a quarter more.

    Returns:
        Chunks with `chunk.text == document.text[chunk.start:chunk.end]`; none for a
        document without text.

    Raises:
        ValueError: `tokens` is less than 8.
    """
    if tokens < 8:
        raise ValueError(f"passages of {tokens} tokens are too short to hold anything")
    text = document.text
    if document.kind == "excerpt":
        whole = _whole_excerpt(document, count_tokens, tokens)
        if whole:
            return [whole]
    sections, atoms = _atoms(text, count_tokens, tokens)
    title = normalize(document.title)
    chunks: list[Chunk] = []
    for first, last in _passages(atoms, sections, tokens):
        for part, size in _counted(text, atoms[first:last], count_tokens, tokens):
            path = _common_path(sections, {atom.section for atom in part})
            heading = tuple(name for name in path if normalize(name) != title)
            start, end = part[0].start, part[-1].end
            chunks.append(_chunk(document, len(chunks), start, end, heading, size))
    return chunks


def _whole_excerpt(document: Document, count_tokens: CountTokens, tokens: int) -> Chunk | None:
    text = document.text
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if start >= end or end - start > tokens * 24:
        return None
    size = count_tokens(text[start:end])
    if size > tokens * _EXCERPT_SLACK:
        return None
    return _chunk(document, 0, start, end, (), size)


def _chunk(
    document: Document, ordinal: int, start: int, end: int, heading: tuple[str, ...], size: int
) -> Chunk:
    text = document.text[start:end]
    digest = hashlib.blake2b(digest_size=8)
    for part in (document.id, str(start), str(end), text):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    return Chunk(digest.hexdigest(), document.id, ordinal, start, end, heading, text, size)


# -- atoms -------------------------------------------------------------------------------


def _atoms(text: str, count_tokens: CountTokens, tokens: int) -> tuple[list[_Section], list[_Atom]]:
    sections = [_Section((), ())]
    atoms: list[_Atom] = []
    previous: Block | None = None
    headings = 0  # tokens of the headings that stand right above
    for block in blocks(text):
        if block.kind == "heading":
            sections.append(_below(sections[-1], block))
        section = sections[-1]
        before = _break_before(text, previous, block)
        # What follows a heading leaves room for it, so that the two can stay together.
        room = tokens - min(headings, tokens // 2)
        pieces = _pieces(text, block, count_tokens, room)
        headings = headings + sum(p.tokens for p in pieces) if block.kind == "heading" else 0
        for i, piece in enumerate(pieces):
            cost = before if i == 0 else _break_within(block)
            atom = _Atom(piece.start, piece.end, piece.tokens, len(sections) - 1, cost)
            section.tokens += piece.tokens
            if atoms and 0 < cost < _BREAK_AFTER_HEADING and _tiny(atoms[-1], atom, tokens):
                atom = _joined(atoms.pop(), atom)
            atoms.append(atom)
        section.bare = section.bare and block.kind == "heading"
        previous = block
    return sections, atoms


def _tiny(a: _Atom, b: _Atom, tokens: int) -> bool:
    """Whether two atoms are so small that no border between them is worth weighing."""
    return (
        a.section == b.section
        and b.tokens <= tokens * _TINY
        and a.tokens + b.tokens <= 3 * tokens * _TINY
    )


def _joined(a: _Atom, b: _Atom) -> _Atom:
    return _Atom(a.start, b.end, a.tokens + b.tokens, a.section, a.before)


def _below(section: _Section, block: Block) -> _Section:
    depth = sum(level < block.level for level in section.levels)
    # Levels rise along a path, so those below the new one are its first.
    return _Section((*section.path[:depth], block.title), (*section.levels[:depth], block.level))


def _pieces(text: str, block: Block, count_tokens: CountTokens, tokens: int) -> list[Piece]:
    start = block.start
    while text[start].isspace():
        start += 1
    end = block.end
    while text[end - 1].isspace():
        end -= 1
    whole = tokens * (_WHOLE_SHARE if block.kind in ("paragraph", "item", "quote") else 1.0)
    if end - start <= tokens * 24:
        size = count_tokens(text[start:end])
        if size <= whole:
            return [Piece(start, end, size)]
    return cut_block(text, block, count_tokens, tokens)


def _break_before(text: str, previous: Block | None, block: Block) -> float:
    """Cost of a break between two blocks."""
    if previous is None:
        return 0.0
    if previous.kind == "heading":
        return _BREAK_AFTER_HEADING
    if block.kind == "heading":
        return 0.0
    if previous.kind == "paragraph":
        ending = text[max(previous.start, previous.end - 20) : previous.end].rstrip()[-1:]
        if ending in "：:" or (block.kind == "formula" and ending not in "。.！!？?；;"):
            return _BREAK_AFTER_COLON
    if previous.kind == block.kind == "item":
        return _BREAK_IN_STEPS if is_numbered(text, block) else _BREAK_IN_LIST
    if previous.kind == "formula" and _EXPLAINS.match(text, block.start):
        return _BREAK_BEFORE_WHERE
    if "formula" in (previous.kind, block.kind):
        return _BREAK_AT_FORMULA
    return _BREAK_AT_BLOCK


def _break_within(block: Block) -> float:
    return _BREAK_IN_TABLE if block.kind in ("table", "fence") else _BREAK_IN_PARAGRAPH


def _counted(
    text: str, atoms: list[_Atom], count_tokens: CountTokens, tokens: int
) -> Iterator[tuple[list[_Atom], int]]:
    """A passage with its true length, cut again should that exceed the limit.

    Parts add up to the whole only nearly: a tokenizer may count the line ends between.
    """
    if len(atoms) == 1:
        yield atoms, atoms[0].tokens
        return
    size = count_tokens(text[atoms[0].start : atoms[-1].end])
    if size <= tokens:
        yield atoms, size
        return
    middle = min(range(1, len(atoms)), key=lambda i: atoms[i].before + abs(2 * i / len(atoms) - 1))
    yield from _counted(text, atoms[:middle], count_tokens, tokens)
    yield from _counted(text, atoms[middle:], count_tokens, tokens)


# -- choosing the borders ------------------------------------------------------------------


def _passages(
    atoms: list[_Atom], sections: list[_Section], tokens: int
) -> Iterator[tuple[int, int]]:
    """First and last atom (exclusive) of each passage of the cheapest cut."""
    count = len(atoms)
    best = [math.inf] * (count + 1)
    best[0] = 0.0
    origin = [0] * (count + 1)
    mixing = [0.0] + [_mixing(sections, a.section, b.section, tokens) for a, b in pairwise(atoms)]
    sizes = [atom.tokens for atom in atoms]
    before = [atom.before for atom in atoms]
    for last in range(1, count + 1):
        size, mixed, least, where = 0, 0.0, math.inf, last - 1
        for first in range(last - 1, max(-1, last - 1 - _MOST_ATOMS), -1):
            size += sizes[first]
            if size > tokens and first < last - 1:
                break
            short = 1.0 - size / tokens
            cost = best[first] + before[first] + short * short + mixed
            if cost < least:
                least, where = cost, first
            mixed += mixing[first]
        best[last], origin[last] = least, where
    borders = [count]
    while borders[-1] > 0:
        borders.append(origin[borders[-1]])
    borders.reverse()
    yield from pairwise(borders)


def _mixing(sections: list[_Section], upper: int, lower: int, tokens: int) -> float:
    """Cost of a passage that goes on from one section into the next."""
    if upper == lower:
        return 0.0
    a, b = sections[upper], sections[lower]
    if a.bare:
        return 0.0
    if len(b.path) > len(a.path):
        cost = _MIX_CHILD
    elif len(b.path) == len(a.path) and (len(b.path) > 1 and b.path[:-1] == a.path[:-1]):
        cost = _MIX_SIBLING
    else:
        cost = _MIX_TOP
    sizeable = tokens * _SIZEABLE
    return cost * min(1.0, min(a.tokens, b.tokens) / sizeable)


def _common_path(sections: list[_Section], used: set[int]) -> tuple[str, ...]:
    """Headings above all sections of a passage; a bare one counts as what stands below."""
    paths = [sections[i].path for i in sorted(used) if not sections[i].bare] or [
        sections[min(used)].path
    ]
    common = paths[0]
    for path in paths[1:]:
        depth = 0
        while depth < min(len(common), len(path)) and common[depth] == path[depth]:
            depth += 1
        common = common[:depth]
    return common
