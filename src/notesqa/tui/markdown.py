"""A note's text as blocks to lay out, each with its place in the text.

markdown-it finds the blocks; what stands inside them is found by `inline`, which
keeps the place of every character, so that a citation can be shown where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from notesqa.text.latex import Formula, formulas
from notesqa.tui.flow import Piece
from notesqa.tui.inline import STAND_IN, Source, formula_piece, pieces_of, plain

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# markdown-it passes over what is nested deeper than 20 levels; such a text is shown as it is.
_TOO_DEEP = re.compile(
    r"^(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)])){16}|^[ \t]{36,}(?:[-*+]|\d{1,9}[.)])[ \t]",
    re.MULTILINE,
)
BlockKind = Literal["heading", "paragraph", "code", "mathematics", "table", "rule", "space"]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a note that is laid out as one.

    Attributes:
        level: of a heading, from 1.
        pieces: of a heading or paragraph; of code, a piece a line.
        first, rest: what stands at the head of its first line and of the others.
        rows: of a table, cells of pieces; the first row is the head when `headed`.
        formula: of a display formula.
        language: of code.
        start, end: its place in the text.
        tight: no blank line above it.
    """

    kind: BlockKind
    pieces: tuple[Piece, ...] = ()
    level: int = 0
    first: tuple[Piece, ...] = ()
    rest: tuple[Piece, ...] = ()
    rows: tuple[tuple[tuple[Piece, ...], ...], ...] = ()
    aligns: tuple[str, ...] = ()
    formula: Formula | None = None
    language: str = ""
    start: int = 0
    end: int = 0
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry of a note's outline."""

    level: int
    text: str
    start: int


def outline(blocks: Sequence[Block]) -> list[Heading]:
    """The headings, in order."""
    return [
        Heading(block.level, "".join(p.text for p in block.pieces), block.start)
        for block in blocks
        if block.kind == "heading"
    ]


def blocks_of(text: str, *, markdown: bool = True, show_source: bool = False) -> list[Block]:
    """The blocks of `text`; plain text has paragraphs and formulas only.

    `show_source` leaves every formula as its LaTeX.
    """
    found = formulas(text)
    parts: list[str] = []
    at = 0
    for formula in found:
        parts += [text[at : formula.start], STAND_IN * (formula.end - formula.start)]
        at = formula.end
    shadow = "".join([*parts, text[at:]])
    by_place = {formula.start: formula for formula in found}
    reader = _Reader(shadow, by_place, show_source)
    return reader.markdown() if markdown and not _TOO_DEEP.search(shadow) else reader.plain()


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table"]).disable(["inline"])


class _Reader:
    def __init__(self, text: str, by_place: Mapping[int, Formula], show_source: bool) -> None:
        self.text = text
        self.formulas = by_place
        self.show_source = show_source
        self.blocks: list[Block] = []
        # Only \n ends a line, for markdown-it as for the offsets.
        self.starts = [0]
        for index, char in enumerate(text):
            if char == "\n":
                self.starts.append(index + 1)

    def line(self, number: int) -> tuple[int, str]:
        """Place and text of a line."""
        if number >= len(self.starts):
            return len(self.text), ""
        start = self.starts[number]
        stop = self.starts[number + 1] - 1 if number + 1 < len(self.starts) else len(self.text)
        return start, self.text[start:stop]

    def plain(self) -> list[Block]:
        for number in range(len(self.starts)):
            start, line = self.line(number)
            if not line.strip():
                continue
            indent = len(line) - len(line.lstrip())
            source = Source(line[indent:], range(start + indent, start + len(line)))
            self.paragraph(source, (), (), tight=bool(self.blocks) and number > 0, raw=True)
        return self.blocks

    # -- Markdown ----------------------------------------------------------------

    def markdown(self) -> list[Block]:
        tokens = _parser().parse(self.text)
        first: tuple[Piece, ...] = ()
        rest: tuple[Piece, ...] = ()
        heads: list[tuple[Piece, ...]] = []
        numbers: list[int | None] = []
        tight = fresh = False
        index = 0
        while index < len(tokens):
            token = tokens[index]
            kind = token.type
            if kind == "blockquote_open":
                heads.append(rest)
                bar = Piece("▎ ", "quote-bar")
                first, rest = (*first, bar), (*rest, bar)
            elif kind in ("bullet_list_open", "ordered_list_open"):
                ordered = kind == "ordered_list_open"
                numbers.append(int(token.attrGet("start") or 1) if ordered else None)
                heads.append(rest)
                fresh = len(numbers) == 1
            elif kind in ("blockquote_close", "bullet_list_close", "ordered_list_close"):
                rest = heads.pop()
                first = rest
                tight = False
                if kind != "blockquote_close":
                    numbers.pop()
            elif kind == "list_item_open":
                number = numbers[-1]
                mark = "• " if number is None else f"{number}. "
                if number is not None:
                    numbers[-1] = number + 1
                above = heads[-1]
                first = (*above, Piece(mark, "marker"))
                rest = (*above, Piece(" " * len(mark)))
            elif kind == "list_item_close":
                first = rest = heads[-1]
            elif kind == "heading_open":
                self.heading(tokens[index + 1], int(token.tag[1]), first, rest)
                index += 2
                first, tight = rest, False
            elif kind == "paragraph_open":
                inner = tokens[index + 1]
                self.paragraph(
                    self.source(inner), first, rest, tight=(tight or token.hidden) and not fresh
                )
                index += 2
                first, tight, fresh = rest, token.hidden, False
            elif kind in ("fence", "code_block"):
                self.code(token, first, rest)
                first, tight = rest, False
            elif kind == "hr":
                self.blocks.append(Block("rule", first=first, rest=rest))
                first, tight = rest, False
            elif kind == "table_open":
                close = next(
                    i for i in range(index, len(tokens)) if tokens[i].type == "table_close"
                )
                self.table(tokens[index:close], first, rest)
                index = close
                first, tight = rest, False
            index += 1
        return self.blocks

    def source(self, token: Token) -> Source:
        """The paragraph's text with the place of each character."""
        begin, end = token.map or (0, 0)
        texts: list[str] = []
        places: list[int] = []
        lines = token.content.split("\n")
        for number, content in zip(range(begin, max(end, begin + 1)), lines, strict=False):
            start, line = self.line(number)
            at = line.find(content)
            if at < 0:
                at, content = 0, line
            if texts:
                join = self.join(texts[-1], content)
                texts.append(join)
                places.extend([start - 1] * len(join))
            texts.append(content)
            places.extend(range(start + at, start + at + len(content)))
        return Source("".join(texts), tuple(places))

    @staticmethod
    def join(before: str, after: str) -> str:
        """What a line break inside a paragraph becomes: nothing between Chinese."""
        if before.endswith(("  ", "\\")):
            return "\n"
        wide = before[-1:] > "\u2e80" and after[:1] > "\u2e80"
        formula = STAND_IN in (before[-1:], after[:1])
        return "" if wide and not formula else " "

    def heading(
        self, token: Token, level: int, first: tuple[Piece, ...], rest: tuple[Piece, ...]
    ) -> None:
        source = self.source(token)
        pieces = self.pieces(source, f"heading-{min(level, 4)}")
        self.blocks.append(
            Block("heading", pieces, level, first, rest, start=source.start, end=source.end)
        )

    def pieces(self, source: Source, style: str = "", *, raw: bool = False) -> tuple[Piece, ...]:
        lines: list[Piece] = []
        at = 0
        for index, char in enumerate([*source.text, "\n"]):
            if char != "\n":
                continue
            part = source.part(at, index)
            if raw:
                lines.extend(self.raw(part, style))
            else:
                lines.extend(
                    pieces_of(part, self.formulas, style=style, show_source=self.show_source)
                )
            if index < len(source.text):
                lines.append(Piece("\n"))
            at = index + 1
        return tuple(lines)

    def raw(self, source: Source, style: str) -> list[Piece]:
        """Text that is no Markdown: formulas are all that is special in it."""
        pieces: list[Piece] = []
        at = 0
        text = source.text
        while (begin := text.find(STAND_IN, at)) >= 0:
            end = begin
            while end < len(text) and text[end] == STAND_IN:
                end += 1
            pieces.extend(plain(source.part(at, begin), style))
            pieces.extend(
                formula_piece(formula, source=self.show_source, style=style)
                for place in source.places[begin:end]
                if (formula := self.formulas.get(place))
            )
            at = end
        pieces.extend(plain(source.part(at, len(text)), style))
        return pieces

    def paragraph(
        self,
        source: Source,
        first: tuple[Piece, ...],
        rest: tuple[Piece, ...],
        *,
        tight: bool,
        raw: bool = False,
    ) -> None:
        """A paragraph, in parts where display formulas interrupt it."""
        at = 0
        for index, place in enumerate(source.places):
            formula = self.formulas.get(place)
            if formula is None or not formula.display:
                continue
            self.part(source.part(at, index), first, rest, tight, raw)
            first = rest
            self.blocks.append(
                Block(
                    "mathematics",
                    first=first,
                    rest=rest,
                    formula=formula,
                    start=formula.start,
                    end=formula.end,
                )
            )
            at = index + (formula.end - formula.start)
        self.part(source.part(at, len(source.text)), first, rest, tight and at == 0, raw)

    def part(
        self,
        source: Source,
        first: tuple[Piece, ...],
        rest: tuple[Piece, ...],
        tight: bool,
        raw: bool,
    ) -> None:
        text = source.text
        left = len(text) - len(text.lstrip())
        source = source.part(left, len(text.rstrip()))
        if source.text:
            pieces = self.pieces(source, raw=raw)
            self.blocks.append(
                Block(
                    "paragraph",
                    pieces,
                    first=first,
                    rest=rest,
                    start=source.start,
                    end=source.end,
                    tight=tight,
                )
            )

    def code(self, token: Token, first: tuple[Piece, ...], rest: tuple[Piece, ...]) -> None:
        begin, end = token.map or (0, 0)
        if token.type == "fence":
            begin += 1
        lines: list[Piece] = []
        for offset, content in enumerate(token.content.removesuffix("\n").split("\n")):
            start, line = self.line(begin + offset)
            at = max(line.find(content), 0)
            expanded = Source(content, range(start + at, start + at + len(content)))
            lines.extend([*plain(expanded, "code-block"), Piece("\n")])
        language = (token.info or "").split(" ")[0].strip("{}.").lower()
        start = self.line(begin)[0]
        stop = self.line(max(end - 1, begin))[0]
        if language == "math" and token.content.strip():
            formula = Formula(start, max(stop, start), token.content, True)
            self.blocks.append(
                Block(
                    "mathematics",
                    first=first,
                    rest=rest,
                    formula=formula,
                    start=start,
                    end=formula.end,
                )
            )
            return
        self.blocks.append(
            Block(
                "code",
                tuple(lines[:-1]),
                first=first,
                rest=rest,
                language=language,
                start=start,
                end=max(stop, start),
            )
        )

    def table(
        self, tokens: Sequence[Token], first: tuple[Piece, ...], rest: tuple[Piece, ...]
    ) -> None:
        rows: list[list[tuple[Piece, ...]]] = []
        aligns: list[str] = []
        cursor = 0
        start = end = 0
        for token, after in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
            if token.type == "tr_open":
                begin, stop = token.map or (0, 0)
                cursor = self.line(begin)[0]
                start = start or cursor
                end = self.line(stop)[0]
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                if len(rows) == 1:
                    aligns.append(str(token.attrGet("style") or "").rpartition(":")[2] or "left")
                content = after.content
                at = self.text.find(content, cursor) if content else cursor
                if content and 0 <= at < max(end, cursor + 1):
                    cursor = at + len(content)
                    source = Source(content, range(at, cursor))
                else:
                    source = Source(content, (cursor,) * len(content))
                rows[-1].append(self.pieces(source, "strong" if len(rows) == 1 else ""))
        self.blocks.append(
            Block(
                "table",
                first=first,
                rest=rest,
                rows=tuple(tuple(row) for row in rows),
                aligns=tuple(aligns),
                start=start,
                end=end,
            )
        )


@lru_cache(maxsize=2048)
def plain_text(text: str) -> str:
    """What `text` says on one line: formulas drawn, marks of Markdown left out."""
    parts: list[str] = []
    for block in blocks_of(text):
        pieces: Sequence[Piece] = block.pieces
        if block.rows:
            pieces = [p for row in block.rows for cell in row for p in (*cell, Piece(" "))]
        if block.formula is not None:
            pieces = [formula_piece(block.formula)]
        parts.append("".join(" " if p.text == "\n" else p.text for p in pieces))
    return " ".join(" ".join(parts).split())
