"""The results of a search as a list to walk through."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.message import Message

from notesqa.records import Passage
from notesqa.text.terminal import clip, safe
from notesqa.tui import queries
from notesqa.tui.flow import BLANK, Line, Piece, Section, fold, may_break
from notesqa.tui.note_text import filed_under
from notesqa.tui.surface import Surface
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.finding import Findings

_SNIPPET_LINES = 2
_MOST_SCORES = 5


@dataclass(frozen=True, slots=True)
class Result:
    """A passage, and how it reads on one line."""

    passage: Passage
    text: str


def results_of(found: Findings) -> list[Result]:
    """The passages of a search, each with how it reads."""
    return [Result(p, text) for p, text in zip(found.passages, found.shown, strict=True)]


def result_lines(
    result: Result,
    words: Sequence[str],
    width: int,
    *,
    link: str,
    explain: Wording | None,
    chosen: bool,
) -> list[Line]:
    """Title, a snippet with the matched words marked, date and tags; then an empty line.

    With the words `explain` also how the score came about.
    """
    passage = result.passage
    back = " chosen" if chosen else ""
    mark = Piece("▌" if chosen else " ", f"brand{back}", link=link)
    room = max(8, width - 2)

    def line(*pieces: Piece) -> Line:
        return Line((mark, *pieces), fill=back.strip())

    def piece(text: str, style: str) -> Piece:
        return Piece(text, f"{style}{back}".strip(), link=link)

    def marked(text: str, style: str) -> Iterator[Piece]:
        at = 0
        for start, end in queries.matches(text, words):
            yield piece(text[at:start], style)
            yield piece(text[start:end], "mark-word")
            at = end
        yield piece(text[at:], style)

    title = clip(safe(passage.title, newlines=False), room)
    head = [piece(title, "strong accent" if chosen else "title")]
    heading = safe(passage.heading.rpartition(" › ")[2], newlines=False)
    left = room - cell_len(title) - 3
    text = result.text
    if heading and heading != passage.title and left > 8:
        shown = clip(heading, left)
        head += [piece(" › ", "dim"), *marked(shown, "dim")]
        if shown == heading:
            # The passage begins with it: it is not said twice.
            text = text.removeprefix(heading).lstrip() or text
    lines = [line(*head)]
    rows = snippet(text, words, room, _SNIPPET_LINES)
    lines += [line(*marked(row, "")) for row in rows]
    if filed := filed_under(passage.date, passage.tags):
        lines.append(line(piece(clip(filed, room), "dim")))
    if explain is not None:
        shares = [f"{explain.named('score', n)} {v:.2f}" for n, v in passage.scores.items() if v]
        told = f"{passage.score:.2f}{explain('colon')}{' · '.join(shares)}"
        most = len(lines) + _MOST_SCORES
        while told and len(lines) < most:
            row, told = fold(told, room)
            lines.append(line(piece(row, "dim")))
        lines.append(line(piece(clip(safe(passage.source, newlines=False), room), "dim")))
    return [*lines, BLANK]


def snippet(text: str, words: Sequence[str], width: int, lines: int) -> list[str]:
    """A few lines of `text`, from a little before the first of `words`."""
    flat = " ".join(text[:4000].split())
    found = queries.matches(flat, words)
    begin = _beginning(flat, found[0][0], width) if found else 0
    # Of a long text no more is measured than can be shown.
    rest = ("…" if begin else "") + flat[begin : begin + 2 * width * lines]
    shown: list[str] = []
    while rest and len(shown) < lines:
        last = len(shown) == lines - 1
        part, left = fold(rest, width)
        if last and left:
            part = fold(rest, width - 1)[0] + "…"
        shown.append(part)
        rest = left
    return shown


def _beginning(text: str, match: int, width: int) -> int:
    """Where the snippet for a match begins: with a sentence or a clause, if one is near."""
    if match <= width // 2:
        return 0
    for ends, most in (("。！？；", width // 2), ("，、：,", width // 4)):
        for at in range(match, match - most, -1):
            if text[at - 1] in ends:
                return at + (text[at] == " ")
    begin = match - width // 4
    while begin < match and (text[begin] == " " or not may_break(text[begin - 1], text[begin])):
        begin += 1
    return begin


class ResultList(Surface):
    """Results, one of which is chosen."""

    class Chosen(Message):
        """Another result is the chosen one."""

    def __init__(self, wording: Wording) -> None:
        super().__init__(id="results")
        self._wording = wording
        self.results: list[Result] = []
        self.words: Sequence[str] = ()
        self.explain = False
        self._explained = False
        self.at = 0

    def plan(self) -> Callable[[Findings], list[Section]]:
        """How results would be laid out now; what it gives may be called in any thread."""
        width, explain = self.text_width, self.explain
        self._explained = explain

        def lay_out(found: Findings) -> list[Section]:
            sections = []
            for i, result in enumerate(results_of(found)):
                section = Section(str(i), partial(self._result, i))
                section.lines = self._lines_of(result, i, width, found.words, explain, i == 0)
                section.width = width
                sections.append(section)
            return sections

        return lay_out

    def fill(self, found: Findings, sections: list[Section]) -> None:
        """Show other results, as the last `plan` laid them out; the first is chosen."""
        self.results, self.words, self.at = results_of(found), found.words, 0
        if self._explained != self.explain:
            for section in sections:
                section.width = -1
        self.show(sections)
        self.post_message(self.Chosen())

    def empty(self) -> None:
        """Show none."""
        self.results, self.words, self.at = [], (), 0
        self.show([])
        self.post_message(self.Chosen())

    def _result(self, index: int, width: int) -> list[Line]:
        result, chosen = self.results[index], index == self.at
        return self._lines_of(result, index, width, self.words, self.explain, chosen)

    def _lines_of(
        self,
        result: Result,
        index: int,
        width: int,
        words: Sequence[str],
        explain: bool,
        chosen: bool,
    ) -> list[Line]:
        wording = self._wording if explain else None
        link = f"result:{index}"
        return result_lines(result, words, width, link=link, explain=wording, chosen=chosen)

    @property
    def chosen(self) -> Passage | None:
        """The passage of the chosen result."""
        return self.results[self.at].passage if self.at < len(self.results) else None

    def choose(self, index: int) -> None:
        """Choose a result, and bring it into view."""
        if not 0 <= index < len(self.results) or index == self.at:
            return
        before, self.at = self.sections[self.at], index
        before.width = -1
        self.changed(self.sections[index])
        self.show_section(self.sections[index])
        self.post_message(self.Chosen())

    def toggle_scores(self) -> None:
        """Show how each score came about, or not."""
        self.explain = not self.explain
        for section in self.sections:
            section.width = -1
        if self.sections:
            self.changed(self.sections[self.at])
            self.show_section(self.sections[self.at])
