"""The inside of a paragraph of Markdown: emphasis, code, links and formulas.

Every piece keeps its place in the note's text, which is what a citation refers
to. Formulas come from `notesqa.text.latex`; the caller has put a stand-in of the
same length for each of them, so that no `_` or `*` inside one is taken for
emphasis.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from notesqa.text.latex import Formula
from notesqa.text.terminal import safe
from notesqa.tui import mathematics
from notesqa.tui.flow import NO_PLACE, Piece

STAND_IN = "\ue000"
_PATTERN = re.compile(
    r"""
    (?P<formula>\ue000+)
  | (?P<escape>\\[!-/:-@\[-`{-~])
  | (?P<code>(?P<ticks>`+)(?P<code_text>.{1,1000}?)(?<!`)(?P=ticks)(?!`))
  | (?P<image>!\[(?P<alt>[^\]]{0,300})\]\([^)\n]{1,1000}\))
  | (?P<wiki>\[\[(?P<wiki_text>[^\]|]{1,200})(?:\|(?P<wiki_label>[^\]]{1,200}))?\]\])
  | (?P<link>\[(?P<label>(?:[^\[\]]|\[[^\[\]]{0,100}\]){1,300})\]\((?P<target>[^)\s]{1,1000})(?:\s[^)]{0,300})?\))
  | (?P<auto><(?P<auto_target>(?:https?|mailto):[^>\s]+)>)
  | (?P<bare>(?:https?://)[^\s<>，。；、）】》」"'`]+)
  | (?P<strong>(?P<s>\*\*|__)(?=\S)(?P<strong_text>.{1,600}?)(?<=\S)(?P=s))
  | (?P<strike>~~(?=\S)(?P<strike_text>.{1,600}?)(?<=\S)~~)
  | (?P<star>\*(?=[^\s*])(?P<star_text>[^*\n]{1,300}?)(?<=\S)\*)
  | (?P<under>(?<![\w])_(?=[^\s_])(?P<under_text>[^_\n]{1,300}?)(?<=\S)_(?!\w))
    """,
    re.VERBOSE | re.DOTALL,
)
_MAX_NESTING = 6
# A character with the marks that combine with it, which `safe` may thin out.
_CLUSTER = re.compile(
    r".[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]*", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a paragraph, with the place of each of its characters in the note."""

    text: str
    places: tuple[int, ...] | range

    def part(self, start: int, end: int) -> Source:
        """Characters `start` to `end`."""
        return Source(self.text[start:end], self.places[start:end])

    @property
    def start(self) -> int:
        """Place of the first character."""
        return self.places[0] if self.places else NO_PLACE

    @property
    def end(self) -> int:
        """Place behind the last character."""
        return self.places[-1] + 1 if self.places else NO_PLACE


def plain(source: Source, style: str = "", link: str = "") -> list[Piece]:
    """Text as it stands, made safe; each piece is a contiguous part of the note."""
    pieces: list[Piece] = []
    text, places = source.text, source.places
    at = 0
    while at < len(text):
        end = _run(places, at, len(text))
        pieces.extend(_safe(text[at:end], places[at], style, link))
        at = end
    return pieces


def _run(places: tuple[int, ...] | range, at: int, end: int) -> int:
    """Where the run of consecutive places that begins at `at` stops."""
    if isinstance(places, range) or places[end - 1] - places[at] == end - 1 - at:
        return end
    first = places[at] - at
    while at < end and places[at] - at == first:
        at += 1
    return at


def _safe(text: str, start: int, style: str, link: str) -> list[Piece]:
    whole = safe(text, newlines=False)
    if len(whole) == len(text):
        placed = start != NO_PLACE
        end = start + len(text) if placed else NO_PLACE
        return [Piece(whole, style, start, end, link=link)]
    # Something was dropped or spelled out: keep the exact place of all the rest.
    pieces: list[Piece] = []
    for match in _CLUSTER.finditer(text):
        shown = safe(match[0], newlines=False)
        if not shown:
            continue
        place = end = NO_PLACE
        if start != NO_PLACE:
            place, end = start + match.start(), start + match.end()
        last = pieces[-1] if pieces else None
        if last and last.exact and last.end == place and len(shown) == end - place:
            pieces[-1] = Piece(last.text + shown, style, last.start, end, link=link)
        else:
            pieces.append(Piece(shown, style, place, end, link=link))
    return pieces


def formula_piece(formula: Formula, *, source: bool = False, style: str = "") -> Piece:
    """A formula on one line; its LaTeX when `source` is set or it cannot be drawn."""
    shown, name = formula.body, "formula-source"
    if not source:
        with contextlib.suppress(mathematics.UnrenderableError):
            shown, name = mathematics.inline(formula.body), "formula"
    text = safe(" ".join(shown.split()), newlines=False)
    return Piece(text, f"{style} {name}".strip(), formula.start, formula.end, solid=True)


def pieces_of(
    source: Source,
    formulas: Mapping[int, Formula],
    *,
    style: str = "",
    link: str = "",
    show_source: bool = False,
    depth: int = 0,
) -> list[Piece]:
    """The pieces of a paragraph; `formulas` by the place where each begins."""
    found: list[Piece] = []
    at = 0

    def inner(start: int, end: int, extra: str, target: str = link) -> list[Piece]:
        return pieces_of(
            source.part(start, end),
            formulas,
            style=f"{style} {extra}".strip(),
            link=target,
            show_source=show_source,
            depth=depth + 1,
        )

    for match in _PATTERN.finditer(source.text) if depth < _MAX_NESTING else ():
        start, end = match.span()
        if start > at:
            found.extend(plain(source.part(at, start), style, link))
        at = end
        kind = next(k for k in _KINDS if match.group(k) is not None)
        if kind == "formula":
            found.extend(_formulas(source.part(start, end), formulas, style, show_source))
        elif kind == "escape":
            found.extend(plain(source.part(start + 1, end), style, link))
        elif kind == "code":
            found.extend(plain(source.part(*match.span("code_text")), f"{style} code".strip()))
        elif kind == "image":
            label = source.part(*match.span("alt"))
            found.append(Piece("▣ ", f"{style} dim".strip(), NO_PLACE, NO_PLACE))
            found.extend(plain(label, f"{style} dim".strip()))
        elif kind == "wiki":
            shown = "wiki_label" if match.group("wiki_label") else "wiki_text"
            found.extend(inner(*match.span(shown), "link", f"note:{match.group('wiki_text')}"))
        elif kind == "link":
            target = match.group("target")
            scheme = "url" if re.match(r"[a-z]+:", target) else "note"
            found.extend(inner(*match.span("label"), "link", f"{scheme}:{target}"))
        elif kind in ("auto", "bare"):
            span = match.span("auto_target") if kind == "auto" else (start, end)
            target = source.text[span[0] : span[1]]
            found.extend(plain(source.part(*span), f"{style} link".strip(), f"url:{target}"))
        else:
            found.extend(inner(*match.span(f"{kind}_text"), _EMPHASIS[kind]))
    if at < len(source.text):
        found.extend(plain(source.part(at, len(source.text)), style, link))
    return found


_KINDS = (
    *("formula", "escape", "code", "image", "wiki", "link", "auto", "bare"),
    *("strong", "strike", "star", "under"),
)
_EMPHASIS = {"strong": "strong", "strike": "strike", "star": "emphasis", "under": "emphasis"}


def _formulas(
    run: Source, formulas: Mapping[int, Formula], style: str, show_source: bool
) -> list[Piece]:
    """The formulas that a run of stand-ins is made of."""
    return [
        formula_piece(formula, source=show_source, style=style)
        for place in run.places
        if (formula := formulas.get(place))
    ]
