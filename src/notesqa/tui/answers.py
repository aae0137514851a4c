"""A question and its answer as lines: sentences, citation chips, doubts, sources."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from notesqa.errors import NotesqaError
from notesqa.records import Answer, Citation, Paragraph, Passage, Sentence, paragraphs
from notesqa.text.terminal import clip, safe, width
from notesqa.tui.cited import Cited, citation_lines, nearby_lines
from notesqa.tui.flow import BLANK, NO_PLACE, Line, Piece, wrap
from notesqa.tui.wording import Wording

# What sets Markdown and formulas is imported where it is first needed: the app has been
# painted by then.
if TYPE_CHECKING:
    from notesqa.tui.markdown import Block

State = Literal["searching", "writing", "done", "failed"]
_QUESTION_LINES = 5
_MARK = re.compile(r"\[(\d{1,3})\]")


@dataclass(eq=False, slots=True)
class Exchange:
    """A question, and its answer as far as it has come.

    Attributes:
        number: of the request; unique while the app runs.
        wording: the question as it was searched, when it differs.
        changed: numbers of citations whose note has changed since.
        literal: it is searched to the letter, whatever was asked before.
        unfolded: a long question is shown whole.
    """

    number: int
    question: str
    llm: bool = True
    state: State = "searching"
    wording: str = ""
    text: str = ""
    passages: tuple[Passage, ...] = ()
    answer: Answer | None = None
    error: NotesqaError | None = None
    stopping: bool = False
    changed: tuple[int, ...] = ()
    waiting_for: str = ""
    seconds: float = 0.0
    conversation_id: int | None = None
    asked_at: str = field(default="")
    literal: bool = False
    unfolded: bool = False

    @property
    def reworded(self) -> bool:
        """Whether something else was searched than was asked."""
        return bool(self.wording) and self.wording != self.question

    def citation(self, n: int, *, alternative: bool = False) -> Citation | None:
        """The citation with number `n`, of the answer or of its alternative."""
        answer = self.answer
        if answer is not None and alternative:
            answer = answer.alternative
        if answer is None:
            return None
        return next((c for c in answer.citations if c.n == n), None)

    @property
    def links(self) -> list[str]:
        """What can be opened, in order: citations, or the nearest passages."""
        if self.answer is None:
            return []
        cited = dict.fromkeys(n for s in self.answer.sentences for n in s.citations)
        known = {c.n for c in self.answer.citations}
        links = [f"cite:{self.number}:{n}" for n in cited if n in known]
        links += [f"cite:{self.number}:{n}" for n in sorted(known - set(cited))]
        if self.answer.alternative is not None:
            links += [f"alt:{self.number}:{c.n}" for c in self.answer.alternative.citations]
        if not links:
            links = [f"passage:{self.number}:{p.rank}" for p in self.nearby]
        return links

    @property
    def nearby(self) -> tuple[Passage, ...]:
        """The passages to show with a refusal."""
        if self.answer is None or not self.answer.refused:
            return ()
        return (self.answer.passages or self.passages)[:3]


def exchange_lines(
    exchange: Exchange, cells: int, words: Wording, *, current: bool = True, latex: bool = False
) -> list[Line]:
    """The lines of a question and its answer.

    Args:
        current: it is the turn that commands are about.
        latex: show the LaTeX of formulas.
    """
    lines = _question(exchange, cells, words, "brand" if current else "rule")
    lines[0] = Line(lines[0].pieces, anchor=f"turn:{exchange.number}")
    if exchange.reworded:
        told = words("searched_as", text=safe(exchange.wording, newlines=False))
        pieces = [Piece(f"{told}  ", "dim")]
        literal = words("search_literally")
        pieces.append(Piece(literal, "link", solid=True, link=f"literal:{exchange.number}"))
        lines += wrap(pieces, cells, first=[Piece("  ")], rest=[Piece("  ")])
    lines.append(BLANK)
    lines += [_indented(line) for line in _body(exchange, max(8, cells - 2), words, latex)]
    return [*lines, BLANK]


def _question(exchange: Exchange, cells: int, words: Wording, mark: str) -> list[Line]:
    """The question; of a long one the beginning, for the answer is what one wants to see."""
    text = safe(" ".join(exchange.question.split()), newlines=False)
    bar = [Piece("▌ ", mark)]
    lines = wrap([Piece(text, "question")], cells, first=bar, rest=bar)
    if len(lines) > _QUESTION_LINES + 1:
        told = Piece(
            words("folded", n=len(text)), "link", solid=True, link=f"whole:{exchange.number}"
        )
        kept = lines if exchange.unfolded else lines[:_QUESTION_LINES]
        lines = [*kept, *wrap([told], cells, first=bar, rest=bar)]
    return lines


def _indented(line: Line) -> Line:
    if not line.pieces:
        return line
    indent = Piece("  ")
    spot = line.spot and replace(line.spot, head=(indent, *line.spot.head))
    head = line.head + len(indent.text) if line.joint is not None else 0
    return replace(line, pieces=(indent, *line.pieces), spot=spot, head=head)


def _body(exchange: Exchange, cells: int, words: Wording, latex: bool) -> list[Line]:
    if exchange.state == "failed" and exchange.error is not None:
        return error_lines(exchange.error, cells, words)
    if exchange.answer is not None:
        failed = error_lines(exchange.error, cells, words) if exchange.error else []
        said = _answer(exchange, exchange.answer, cells, words, latex)
        return [*failed, *[BLANK][: len(failed)], *said]
    lines: list[Line] = []
    if exchange.text:
        from notesqa.tui.layout import lay_out
        from notesqa.tui.markdown import blocks_of

        blocks = _chipped(blocks_of(exchange.text, show_source=latex), exchange.number)
        lines += lay_out(blocks, cells, show_source=latex)
        lines.append(BLANK)
    told = exchange.waiting_for or words("writing" if exchange.passages else "searching")
    return [*lines, *wrap([Piece(f"∿ {told}", "dim")], cells)]


def error_lines(error: NotesqaError, cells: int, words: Wording) -> list[Line]:
    """An error, and what to do about it."""
    message = f"⚠ {words('error')}{words('colon')}{safe(error.message, newlines=False)}"
    lines = wrap([Piece(message, "error")], cells)
    if error.hint:
        hint = Piece(safe(error.hint, newlines=False), "dim")
        lines += wrap([hint], cells, first=[Piece("  ")], rest=[Piece("  ")])
    return lines


def _answer(
    exchange: Exchange, answer: Answer, cells: int, words: Wording, latex: bool
) -> list[Line]:
    lines = _said(exchange, answer, "cite", cells, words, latex)
    if exchange.nearby:
        lines += [BLANK, *nearby_lines(exchange.nearby, exchange.number, cells, words)]
    if answer.alternative is not None:
        # Where it was stopped before anything was said, nothing of it is doubtful.
        why = words("alternative" if answer.sentences else "stopped_early")
        lines += [BLANK] * bool(lines)
        lines += [*wrap([Piece(f"≈ {why}", "warning")], cells), BLANK]
        lines += _said(exchange, answer.alternative, "alt", cells, words, latex)
    return [*lines, BLANK, Line((Piece(clip(_colophon(answer, words), cells), "dim"),))]


def _said(
    exchange: Exchange, answer: Answer, scheme: str, cells: int, words: Wording, latex: bool
) -> list[Line]:
    """The sentences of an answer, what is doubtful about them, and what they cite."""
    from notesqa.tui.layout import lay_out

    if answer.refused and not answer.citations:
        # Its one sentence says so itself.
        said = " ".join(s.text for s in answer.sentences) or words("refused")
        return wrap([Piece(f"∅ {safe(said, newlines=False)}", "warning")], cells)
    lines: list[Line] = []
    if answer.refused:
        lines += wrap([Piece(f"∅ {words('refused')}", "warning")], cells)
        lines.append(BLANK)
    elif answer.nearest:
        lines += wrap([Piece(f"≈ {words('nearest')}", "warning")], cells)
        lines.append(BLANK)
    known = {c.n for c in answer.citations}
    prefix = f"{scheme}:{exchange.number}"
    blocks = answer_blocks(paragraphs(answer), known, prefix, show_source=latex)
    if blocks:
        lines += lay_out(blocks, cells, show_source=latex)
    doubts = [s for s in answer.sentences if not s.supported]
    if doubts and not answer.refused:
        lines.append(BLANK)
        for sentence in doubts:
            lines += _doubt(sentence, cells, words)
    if answer.citations:
        headings = {p.chunk_id: p.heading for p in (*exchange.passages, *answer.passages)}
        cited = Cited(answer.citations, prefix, headings, exchange.changed)
        lines += [BLANK, *citation_lines(cited, cells, words)]
    return lines


def answer_blocks(
    paragraphs: Iterable[Paragraph],
    known: Iterable[int],
    prefix: str,
    *,
    show_source: bool = False,
) -> list[Block]:
    """The sentences as blocks, each followed by its chips; an item hangs below its marker."""
    known = set(known)
    blocks: list[Block] = []
    count = 0
    for paragraph in paragraphs:
        found = _run_on(paragraph.sentences, count, known, prefix, show_source)
        blocks += _hung(found, paragraph) if paragraph.marker else found
        count += len(paragraph.sentences)
    # The places are those of the sentences, which nothing refers to.
    return [_placeless(block) for block in blocks]


def _run_on(
    sentences: Sequence[Sentence],
    count: int,
    known: Collection[int],
    prefix: str,
    show_source: bool,
) -> list[Block]:
    """Sentences of one paragraph, `count` before them; plain ones run on."""
    from notesqa.tui.markdown import Block, blocks_of

    blocks: list[Block] = []
    ended = False
    for index, sentence in enumerate(sentences, count):
        found = blocks_of(sentence.text, show_source=show_source)
        chips = [
            Piece(f"[{n}]", "chip", solid=True, link=f"{prefix}:{n}")
            for n in sentence.citations
            if n in known
        ]
        if not sentence.supported:
            chips.append(Piece("⚠", "warning", solid=True, link=f"why:{prefix}:{index}"))
            found = [_doubted(block) for block in found]
        if not found:
            found = [Block("paragraph")]
        below = found[-1].kind not in ("paragraph", "heading")
        if below:
            found.append(Block("paragraph", tight=True))
        last = found[-1]
        found[-1] = replace(last, pieces=(*last.pieces, *chips))
        if blocks and not ended and _runs_on(blocks[-1]) and _runs_on(found[0]):
            joined = (*blocks[-1].pieces, *_between(blocks[-1], found[0]), *found[0].pieces)
            blocks[-1] = replace(blocks[-1], pieces=joined)
            found = found[1:]
        blocks.extend(found)
        # Chips below a formula end their line: the next sentence begins a paragraph.
        ended = below
    return blocks


def _hung(blocks: Iterable[Block], item: Paragraph) -> Iterator[Block]:
    """The blocks of an item of a list, beside its marker."""
    shown = "• " if item.marker == "- " else item.marker
    head, tight = Piece(shown, "marker"), item.joins
    indent = Piece(" " * width(shown))
    for block in blocks:
        yield replace(
            block,
            first=(head, *block.first),
            rest=(indent, *block.rest),
            tight=tight or block.tight,
        )
        head, tight = indent, False


def _placeless(block: Block) -> Block:
    pieces = tuple(
        p if p.start == NO_PLACE else replace(p, start=NO_PLACE, end=NO_PLACE) for p in block.pieces
    )
    return replace(block, pieces=pieces)


def _doubted(block: Block) -> Block:
    pieces = tuple(replace(p, style=f"{p.style} doubted".strip()) for p in block.pieces)
    return replace(block, pieces=pieces)


def _runs_on(block: Block) -> bool:
    return block.kind == "paragraph" and not block.first and not block.rest


def _between(before: Block, after: Block) -> tuple[Piece, ...]:
    """A space between sentences that are not both Chinese."""
    words = [p for p in before.pieces if p.style != "chip" and p.text.strip()]
    if not words or not after.pieces:
        return ()
    wide = width(words[-1].text[-1:]) == 2 or words[-1].text[-1:] in "”’…"
    return () if wide else (Piece(" "),)


def _chipped(blocks: Iterable[Block], number: int) -> list[Block]:
    """Blocks of a reply in the making, with `[3]` as a chip."""

    def cut(piece: Piece) -> Iterable[Piece]:
        if piece.solid or not piece.exact or "code" in piece.style:
            yield replace(piece, start=NO_PLACE, end=NO_PLACE)
            return
        at = 0
        for match in _MARK.finditer(piece.text):
            if match.start() > at:
                yield Piece(piece.text[at : match.start()], piece.style, link=piece.link)
            yield Piece(match[0], "chip", solid=True, link=f"cite:{number}:{match[1]}")
            at = match.end()
        if at < len(piece.text):
            yield Piece(piece.text[at:], piece.style, link=piece.link)

    return [replace(b, pieces=tuple(part for p in b.pieces for part in cut(p))) for b in blocks]


def _doubt(sentence: Sentence, cells: int, words: Wording) -> list[Line]:
    said = clip(safe(" ".join(sentence.text.split()), newlines=False), max(12, cells // 2))
    reason = safe(sentence.reason, newlines=False) or words("unsupported")
    pieces = [Piece(f"“{said}” ", "dim"), Piece(reason, "warning")]
    return wrap(pieces, cells, first=[Piece("⚠ ", "warning")], rest=[Piece("  ")])


def _colophon(answer: Answer, words: Wording) -> str:
    """Who answered, and how long it took."""
    engine = words("extractive") if answer.engine == "extractive" else answer.engine
    parts = [safe(engine, newlines=False)]
    seconds = answer.seconds.get("total") or sum(answer.seconds.values())
    if seconds:
        parts.append(words("seconds", n=f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"))
    if answer.stopped:
        parts.append(words("stopped"))
    return " · ".join(parts)
