"""The lines at the edges of every screen: where one is, how a rebuild goes, what keys do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.reactive import reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from notesqa.text.terminal import clip, safe
from notesqa.tui.inks import ink
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

SMALL = 60
"""Fewer columns than this hold no two things beside one another."""
PLACES = ("ask", "search", "read", "history", "settings")


# Of the name of a model less than this tells nothing.
_NAME_CELLS = 6


@dataclass(frozen=True, slots=True)
class Signal:
    """What the top line tells.

    Attributes:
        opening: nothing is known yet.
        failed: nor will be, as it is: the home could not be opened.
        waiting: files that a rebuild would take in.
        outdated: a rebuild would make all of it anew.
        model: name of the chat model; empty for none.
    """

    opening: bool = True
    failed: bool = False
    documents: int = 0
    commit: int = 0
    waiting: int = 0
    model: str = ""
    loading: bool = False
    outdated: bool = False


def _fit(parts: list[tuple[str, str]], cells: int) -> bool:
    return sum(cell_len(text) + 3 for text, _ in parts) <= max(0, cells)


class Bar(Widget):
    """One line."""

    ALLOW_SELECT = False

    def _style(self, name: str) -> Style:
        return ink(self.app, name)


class StatusBar(Bar):
    """`▌INCOMING TRANSMISSION`, the places to go, and the state of the home."""

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
        if signal.failed:
            parts = [(words("not_opened"), "alert")]
        elif signal.opening:
            parts = [(words("opening"), "dim")]
        elif not signal.commit:
            parts = [(words("no_index"), "alert")]
        else:
            parts = [
                (words("notes_count", n=signal.documents), "dim"),
                (words("commit", n=signal.commit), "dim"),
            ]
        model = clip(safe(signal.model, newlines=False), 28) or words("extractive")
        parts.append((("∿ " if signal.loading else "") + model, "dim"))
        if signal.outdated:
            parts.insert(0, (words("outdated"), "alert"))
        elif signal.waiting:
            parts.insert(0, (words("pending", n=signal.waiting), "alert"))
        if signal.model and not _fit(parts, cells):
            # Who answers says more than how often notes were taken in.
            parts = [part for part in parts if part[0] != words("commit", n=signal.commit)]
            room = cells - sum(cell_len(text) + 3 for text, _ in parts[:-1]) - 3
            if room >= _NAME_CELLS:
                parts[-1] = (clip(parts[-1][0], room), "dim")
        while not _fit(parts, cells):
            parts.pop()
        return parts

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        if y:
            return Strip.blank(self.size.width, self.rich_style)
        cells = self.size.width
        app = cast("NotesApp", self.app)
        places = [(p, f" {app.key_of(p).upper()} {self.words(p)} ") for p in PLACES]
        if sum(cell_len(text) for _, text in places) + 2 > cells:
            # The keys of all places, rather than the names of some.
            places = [
                (p, text if p == self.here else f" {app.key_of(p).upper()} ") for p, text in places
            ]
        places_width = sum(cell_len(text) for _, text in places)
        brand = next(
            (
                text
                for text in ("▌INCOMING TRANSMISSION ", "▌TRANSMISSION ", "▌ ")
                if cell_len(text) + places_width + 20 <= cells
            ),
            "▌ ",
        )
        segments = [Segment(brand, self._style("brand"))]
        for place, text in places:
            style = self._style("here" if place == self.here else "dim")
            segments.append(Segment(text, style + Style.from_meta({"place": place})))
        used = cell_len(brand) + places_width
        state = self._state(cells - used - 2)
        shown = sum(cell_len(text) for text, _ in state) + 3 * max(0, len(state) - 1) + 1
        segments.append(Segment(" " * max(0, cells - used - shown), self.rich_style))
        for index, (text, name) in enumerate(state):
            if index:
                segments.append(Segment(" · ", self._style("dim")))
            segments.append(Segment(text, self._style(name)))
        return Strip(segments).crop_extend(0, cells, self.rich_style).apply_style(self.rich_style)

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


class ProgressBar(Bar):
    """A rebuild in one line: stage, bar, time left, how to cancel."""

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
        room = max(0, cells - cell_len(left) - cell_len(right))
        share = progress.done / progress.total if progress.total else 0.0
        filled = round(room * min(1.0, share))
        segments = [
            Segment(left, self._style("entry")),
            Segment("━" * filled, self._style("marker")),
            Segment("┄" * (room - filled), self._style("rule")),
            Segment(right, self._style("entry")),
        ]
        return Strip(segments).crop_extend(0, cells, self.rich_style).apply_style(self.rich_style)


class KeyBar(Bar):
    """What keys do where the focus is; a click on one presses it."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[tuple[str, str, str, bool]] | None = None
        self._help = ""
        self._hovered = ""

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._follow)

    def _follow(self, screen: Screen[Any]) -> None:
        before, self._keys = self._keys, None
        if screen.app.app_focus and self._shown() != before:
            self.refresh()

    def _shown(self) -> list[tuple[str, str, str, bool]]:
        """Key, how it is called, what it does, and whether it does it now."""
        if self._keys is None:
            shown = {}
            for active in self.screen.active_bindings.values():
                binding = active.binding
                if binding.show and binding.action not in shown:
                    name = self.app.get_key_display(binding)
                    shown[binding.action] = (binding.key, name, binding.description, active.enabled)
            self._help = shown.get("help", ("", "", "", False))[0]
            # Leaving is the last thing to offer.
            if leaving := shown.pop("quit", None):
                shown["quit"] = leaving
            self._keys = list(shown.values())
        return self._keys

    def render_line(self, y: int) -> Strip:
        """Draw the line."""
        cells = self.size.width
        if y:
            return Strip.blank(cells, self.rich_style)
        segments = []
        for key, name, does, enabled in self._fitting(cells):
            style = Style.from_meta({"press": key if enabled else ""})
            if key == self._hovered:
                style += self._style("key-hovered")
            if not enabled:
                style += self._style("key-off")
            segments.append(Segment(name, style + self._style("key")))
            segments.append(Segment(f" {does}", style + self._style("key-does")))
            segments.append(Segment(" "))
        return Strip(segments).crop_extend(0, cells, self.rich_style).apply_style(self.rich_style)

    def _fitting(self, cells: int) -> list[tuple[str, str, str, bool]]:
        """Those that there is room for; the help, which tells of the others, stays longest."""
        keys = list(self._shown())
        while sum(cell_len(f"{name} {does} ") for _, name, does, _ in keys) > cells + 1:
            others = [key for key in keys if key[0] != self._help]
            if not others:
                break
            keys.remove(others[-1])
        return keys

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Press the key under the pointer."""
        key = event.style.meta.get("press")
        if key == "":
            self.app.bell()
        elif isinstance(key, str):
            self.app.simulate_key(key)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show which key a click would press."""
        self._hover(event.style.meta.get("press") or "")

    def on_leave(self) -> None:
        """None any more."""
        self._hover("")

    def _hover(self, key: str) -> None:
        if key != self._hovered:
            self._hovered = key
            self.refresh()
