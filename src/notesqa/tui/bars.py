"""The line at the top of every screen, and the progress of a rebuild below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from notesqa.text.terminal import clip, safe, width
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

PLACES = ("ask", "search", "read", "history", "settings")


@dataclass(frozen=True, slots=True)
class Signal:
    """What the top line tells.

    Attributes:
        opening: nothing is known yet.
        waiting: files that a rebuild would take in.
        model: name of the chat model; empty for none.
    """

    opening: bool = True
    documents: int = 0
    commit: int = 0
    waiting: int = 0
    model: str = ""
    loading: bool = False


class StatusBar(Widget):
    """`▌INCOMING TRANSMISSION`, the places to go, and the state of the home."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status--brand",
        "status--place",
        "status--here",
        "status--quiet",
        "status--alert",
    }
    signal: reactive[Signal] = reactive(Signal)

    def __init__(self, here: str, words: Wording) -> None:
        super().__init__()
        self.here = here
        self.words = words

    def on_mount(self) -> None:
        """Follow the app's signal."""
        app = cast("NotesApp", self.app)
        self.signal = app.signal
        self.watch(app, "signal", self._follow)

    def _follow(self, signal: Signal) -> None:
        self.signal = signal

    def _state(self, cells: int) -> list[tuple[str, str]]:
        """The right-hand side, as much of it as there is room for."""
        words, signal = self.words, self.signal
        if signal.opening:
            parts = [(words("opening"), "quiet")]
        elif not signal.commit:
            parts = [(words("no_index"), "alert")]
        else:
            parts = [
                (words("notes_count", n=signal.documents), "quiet"),
                (words("commit", n=signal.commit), "quiet"),
            ]
        model = clip(safe(signal.model, newlines=False), 28) or words("extractive")
        parts.append((("∿ " if signal.loading else "") + model, "quiet"))
        if signal.waiting:
            parts.insert(0, (words("pending", n=signal.waiting), "alert"))
        while parts and sum(width(text) + 3 for text, _ in parts) > cells:
            parts.pop()
        return parts

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        if y:
            return Strip.blank(self.size.width, self.rich_style)
        cells = self.size.width
        app = cast("NotesApp", self.app)
        places = [(p, f" {app.key_of(p).upper()} {self.words(p)} ") for p in PLACES]
        places_width = sum(width(text) for _, text in places)
        brand = next(
            (
                text
                for text in ("▌INCOMING TRANSMISSION ", "▌TRANSMISSION ", "▌ ")
                if width(text) + places_width + 20 <= cells
            ),
            "▌ ",
        )
        segments = [Segment(brand, self._style("brand"))]
        for place, text in places:
            style = self._style("here" if place == self.here else "place")
            segments.append(Segment(text, style + Style.from_meta({"place": place})))
        used = width(brand) + places_width
        state = self._state(cells - used - 2)
        shown = sum(width(text) for text, _ in state) + 3 * max(0, len(state) - 1) + 1
        segments.append(Segment(" " * max(0, cells - used - shown), self.rich_style))
        for index, (text, name) in enumerate(state):
            if index:
                segments.append(Segment(" · ", self._style("quiet")))
            segments.append(Segment(text, self._style(name)))
        return Strip(segments).crop_extend(0, cells, self.rich_style).apply_style(self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"status--{name}", partial=True)

    def on_click(self, event: events.Click) -> None:
        """Go to the place that was clicked."""
        place = event.style.meta.get("place")
        if isinstance(place, str):
            cast("NotesApp", self.app).action_go(place)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is; `left` in seconds, or None."""

    stage: str
    done: int
    total: int
    left: float | None
    detail: str = ""


class ProgressBar(Widget):
    """A rebuild in one line: stage, bar, time left, how to cancel."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"progress--bar", "progress--rest", "progress--text"}
    progress: reactive[Progress | None] = reactive[Progress | None](None)

    def __init__(self, words: Wording) -> None:
        super().__init__()
        self.words = words
        self.display = False

    def on_mount(self) -> None:
        """Follow the app's rebuild."""
        self.watch(self.app, "progress", self._follow)

    def _follow(self, progress: Progress | None) -> None:
        self.progress = progress
        self.display = progress is not None

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        progress = self.progress
        cells = self.size.width
        if progress is None or y:
            return Strip.blank(cells, self.rich_style)
        words = self.words
        left = f" {words('rebuild')} · {words('stage_' + progress.stage)} "
        right = f" {progress.done}/{progress.total}" if progress.total else ""
        if progress.left is not None:
            right += f" · {words('left', n=round(progress.left))}"
        right += f" · {words('cancel_hint')} "
        room = max(0, cells - width(left) - width(right))
        share = progress.done / progress.total if progress.total else 0.0
        filled = round(room * min(1.0, share))
        segments = [
            Segment(left, self._style("text")),
            Segment("━" * filled, self._style("bar")),
            Segment("┄" * (room - filled), self._style("rest")),
            Segment(right, self._style("text")),
        ]
        return Strip(segments).crop_extend(0, cells, self.rich_style).apply_style(self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"progress--{name}", partial=True)
