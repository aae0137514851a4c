"""Small screens over the others: a question, a line to fill in, a digest, the help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from notesqa.text.terminal import pad, safe
from notesqa.tui.field import Field
from notesqa.tui.flow import BLANK, Line, Piece, wrap
from notesqa.tui.path_field import PathField
from notesqa.tui.surface import Section, Surface
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.told import IndexDone

_KEY_CELLS = 11
_TOLD_CELLS = 22
_MOST_SUFFIXES = 5


Entry = Line | tuple[Piece, ...] | Callable[[int], list[Line]]
"""What a page holds: a line, what is broken into lines, or what makes them for a width."""


class Confirm(ModalScreen[bool]):
    """Yes or no; Escape is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", show=False),
        Binding("y", "answer(True)", show=False),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, words: Wording) -> None:
        super().__init__()
        self.question = question
        self.words = words

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical(classes="dialog"):
            yield Static(Text(self.question), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(f"{self.words('yes')} (y)", id="yes", variant="primary", compact=True)
                yield Button(f"{self.words('no')} (n)", id="no", compact=True)

    @on(Button.Pressed)
    def _on_pressed(self, message: Button.Pressed) -> None:
        self.dismiss(message.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """Give the answer."""
        self.dismiss(yes)


class Prompt(ModalScreen[str]):
    """A line to fill in; Escape leaves it (the result is then empty)."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False)]

    def __init__(self, question: str, value: str, words: Wording, *, path: bool = False) -> None:
        """`path`: what is wanted is the path of notes."""
        super().__init__()
        self.question = question
        self.value = value
        self.words = words
        self.path = path

    def compose(self) -> ComposeResult:
        """The question and the line."""
        with Vertical(classes="dialog"):
            yield Static(Text(self.question), markup=False)
            yield PathField(value=self.value) if self.path else Field(self.value)
            keys = self.words("path_keys" if self.path else "fill_keys")
            yield Static(Text(keys), classes="dialog-keys", markup=False)

    @on(Input.Submitted)
    def _on_submitted(self, message: Input.Submitted) -> None:
        self.dismiss(message.value.strip())

    def action_leave(self) -> None:
        """Leave it."""
        self.dismiss("")


class Page(ModalScreen[str]):
    """Text to read; Escape closes it, a link that is opened closes it with that link."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,f1", "leave", show=False),
        Binding("enter", "open", show=False),
        Binding("tab", "next(1)", show=False),
        Binding("shift+tab", "next(-1)", show=False),
    ]

    def __init__(self, title: str, lines: Sequence[Entry], words: Wording) -> None:
        super().__init__()
        self._title = title
        self._content = lines
        self.words = words

    def compose(self) -> ComposeResult:
        """Title and text; what can be done stands in the frame."""
        with Vertical(classes="dialog page"):
            yield Static(Text(self._title, "bold"), classes="dialog-title", markup=False)
            yield Surface()

    def on_mount(self) -> None:
        """Show the text."""
        surface = self.query_one(Surface)
        surface.show([Section("page", self._lay_out)])
        surface.focus()
        pieces = (p for e in self._content if isinstance(e, tuple) for p in e)
        keys = "page_links_keys" if any(p.link for p in pieces) else "page_keys"
        self.query_one(".page").border_subtitle = self.words(keys)

    def _lay_out(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for entry in self._content:
            if isinstance(entry, Line):
                lines.append(entry)
            elif callable(entry):
                lines += entry(width)
            else:
                lines += wrap(entry, width, rest=[Piece("  ")])
        return lines

    def makes_way(self, event: events.Key | events.Paste) -> bool:
        """Whether `event` is text for what lies below, and no command of this page.

        The digest comes by itself, perhaps before somebody who begins to type a question.
        """
        if isinstance(event, events.Paste):
            return True
        typed = event.is_printable and not event.key.startswith(("alt+", "ctrl+"))
        return typed and event.key != "space" and event.key not in self.active_bindings

    @on(Surface.Opened)
    def _on_link(self, message: Surface.Opened) -> None:
        self.dismiss(message.link)

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss("")

    def action_open(self) -> None:
        """Open the current link; without one, close it."""
        self.dismiss(self.query_one(Surface).current)

    def action_next(self, step: int) -> None:
        """The next link, or the one before."""
        surface = self.query_one(Surface)
        if links := surface.links():
            at = links.index(surface.current) + step if surface.current in links else min(step, 0)
            surface.point_at(links[at % len(links)])


def key_lines(key: str, does: str, name: str) -> Callable[[int], list[Line]]:
    """What a key does and what it is called in the settings: beside, or else below, that."""

    def lay_out(width: int) -> list[Line]:
        head = Piece(pad(key, _KEY_CELLS), "accent")
        column = max(_TOLD_CELLS, cell_len(does) + 2)
        if cell_len(head.text) + column + cell_len(name) <= width:
            return [Line((head, Piece(pad(does, column)), Piece(name, "dim")))]
        below = [Piece(" " * _KEY_CELLS)]
        lines = wrap([Piece(does)], width, first=[head], rest=below)
        return lines + (wrap([Piece(name, "dim")], width, first=below, rest=below) if name else [])

    return lay_out


def digest(done: IndexDone, words: Wording) -> list[Line | tuple[Piece, ...]]:
    """What a rebuild brought."""
    # Imported with the first rebuild, not before the first paint.
    from notesqa.tui.faults import told

    report = done.report
    lines: list[Line | tuple[Piece, ...]] = []
    if report.changed:
        summary = words(
            "digest_line",
            added=report.added,
            updated=report.updated,
            removed=report.removed,
            seconds=f"{report.seconds:.1f}",
        )
    else:
        summary = words("nothing_new", n=report.commit)
    lines.append((Piece(summary, "accent"),))
    totals = words(
        "digest_totals",
        documents=report.documents,
        chunks=report.chunks,
        files=report.files,
        duplicates=report.duplicates,
    )
    lines.append((Piece(totals, "dim"),))
    if report.copied:
        # The last of a long list says how many more there are.
        more = "+" * report.copied[-1].startswith("… ")
        copied = words("copied_in", n=f"{len(report.copied) - len(more)}{more}")
        lines.append((Piece(copied, "dim"),))

    def part(key: str, rows: Sequence[tuple[Piece, ...]]) -> None:
        if rows:
            lines.extend([BLANK, (Piece(words(key), "heading-3"),), *rows])

    def text(value: str) -> str:
        return safe(value, newlines=False)

    def entry(title: str, mark: str) -> Piece:
        # The last of a long list says how many more there are.
        if title.startswith("… "):
            return Piece(text(told(title, words)))
        return Piece(f"{mark} {text(title)}", link=f"title:{title}")

    def gone(title: str) -> Piece:
        more = title.startswith("… ")
        return Piece(text(told(title, words)) if more else f"- {text(title)}", "dim")

    part("new_notes", [(entry(title, "+"),) for title in report.new_titles])
    part("updated_notes", [(entry(title, "~"),) for title in report.updated_titles])
    part("removed_notes", [(gone(title),) for title in report.removed_titles])

    def change(old: str, new: str) -> tuple[Piece, ...]:
        said = told(new, words) if old == "…" else new
        return Piece(f"{text(old)} → "), Piece(text(said), "strong")

    part("replaced", [change(old, new) for old, new in report.replaced])
    part(
        "answers_changed",
        [
            (
                Piece(f"⚠ {text(info.title)}", "link", link=f"conversation:{info.id}"),
                # Several may have begun with the same question.
                Piece(f"  {when(info.updated)}", "dim"),
            )
            for info in done.changed
        ],
    )
    part(
        "displaced",
        [
            (
                Piece(f"{text(path)}{words('colon')}"),
                Piece(
                    words("kept_as", path=text(told(kept, words) if path == "…" else kept)), "dim"
                ),
            )
            for path, kept in report.displaced
        ],
    )
    part("unread", complaints((*report.unread, *report.failed), words, "✗", "error"))
    part("remarks", complaints(report.remarks, words, "⚠", "warning"))
    if report.left_out:
        lines += [BLANK, (Piece(left_out(report.left_out, words), "dim"),)]
    return lines


def complaints(
    files: Sequence[tuple[str, str]], words: Wording, mark: str, style: str
) -> list[tuple[Piece, ...]]:
    """Files, each with what is wrong with it."""
    from notesqa.tui.faults import told

    return [
        (
            Piece(f"{mark} {safe(source, newlines=False)}{words('colon')}", style),
            Piece(safe(told(why, words), newlines=False)),
        )
        for source, why in files
    ]


def left_out(counts: Sequence[tuple[str, int]], words: Wording) -> str:
    """How many files of other formats there are, and which."""
    suffixes = [safe(suffix, newlines=False) for suffix, _ in counts[:_MOST_SUFFIXES]]
    more = "…" * (len(counts) > _MOST_SUFFIXES)
    total = sum(count for _, count in counts)
    return words("left_out", n=total, suffixes=" ".join(filter(None, (*suffixes, more))))


def when(stamp: str) -> str:
    """A kept time, which is of Greenwich, as the clock on the wall here showed it."""
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return stamp.replace("T", " ")[:16]
