"""The pictures of formulas: which are wanted, which are ready.

A widget asks on the UI's thread and gets what is ready; the rest is drawn by one
thread, which then tells the widgets.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol as Shape

from notesqa.tui import pictures
from notesqa.tui.pictures import Cell, Colour
from notesqa.tui.terminal import Terminal, cell_of

_UNKNOWN_CELL = Cell(10, 20)
# What the system says of a cell's size differs a little from what the terminal says.
_SAME_CELL = 0.1
_MOST_READY = 192
_TELL_SECONDS = 0.08


@dataclass(frozen=True, slots=True)
class Order:
    """A picture that is wanted.

    Attributes:
        latex: without its delimiters.
        room: cells that it may take.
        least: columns and rows that it takes at least: those of its text.
        single: columns that its text takes on one line, which is enough where the
            picture is lower than the text; 0 when they are too many.
        colour, background: of its strokes and behind them; None for transparent.
    """

    latex: str
    room: int
    least: tuple[int, int]
    single: int
    colour: Colour
    background: Colour | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is ready.

    Attributes:
        columns, rows: the cells that it takes.
        data: what shows it: with Kitty told once, otherwise at the cursor.
        number: with Kitty, its id.
        name, family: with Kitty, the colour and the third mark of its cells.
    """

    columns: int
    rows: int
    data: str = field(repr=False)
    number: int = 0
    name: Colour = (0, 0, 0)
    family: int = 0


class Listener(Shape):
    """Somebody who waits for pictures."""

    def pictures_ready(self) -> None:
        """There are some; told in any thread."""


def gallery_for(terminal: Terminal, colours: str | None) -> Gallery | None:
    """The pictures for a terminal that shows them; `colours` is its system, as Rich names it."""
    if terminal.protocol is None or sys.__stdout__ is None or colours not in ("truecolor", "256"):
        return None
    if terminal.cell is None and terminal.protocol != "kitty":
        # Kitty fits a picture into its cells; elsewhere it must be exact.
        return None
    return Gallery(terminal, sys.__stdout__.fileno(), truecolor=colours == "truecolor")


class Gallery:
    """The pictures for one terminal."""

    def __init__(
        self, terminal: Terminal, fd: int | None = None, *, truecolor: bool = True
    ) -> None:
        """`fd` is the terminal, asked for its size when that may have changed.

        `truecolor` tells whether colours reach the terminal as they are, or in a
        palette of 256.
        """
        self.protocol = terminal.protocol
        self.cell = terminal.cell or _UNKNOWN_CELL
        self.truecolor = truecolor
        self._listeners: weakref.WeakSet[Listener] = weakref.WeakSet()
        self._fd = fd
        self._made = random.randrange(255 * len(pictures.NAMES))
        self._ready: OrderedDict[Order, Picture | None] = OrderedDict()
        self._sent: set[int] = set()
        self._dropped: list[int] = []
        self._wanted: dict[Order, None] = {}
        self._drawing: Order | None = None
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- for widgets -------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of pictures for as long as it lives."""
        with self._condition:
            self._listeners.add(listener)

    def tell(self) -> None:
        """Tell everybody who listens."""
        with self._condition:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.pictures_ready()

    def get(self, order: Order) -> Picture | None:
        """The picture, if it is ready and there can be one."""
        with self._condition:
            picture = self._ready.get(order)
            if picture is not None:
                self._ready.move_to_end(order)
            return picture

    def want(self, orders: Iterable[Order]) -> None:
        """Draw these next, in this order, and nothing of what was wanted before."""
        with self._condition:
            known = {*self._ready, self._drawing}
            self._wanted = {order: None for order in orders if order not in known}
            if not self._wanted or self._closed:
                return
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._draw_all, name="notesqa-pictures", daemon=True
                )
                self._thread.start()
            self._condition.notify_all()

    def unsent(self, shown: Iterable[Picture]) -> str:
        """What the terminal must be told before it sees the cells of these."""
        with self._condition:
            if self._closed:
                return ""
            parts = [pictures.kitty_forget(number) for number in self._dropped]
            self._dropped.clear()
            for picture in shown:
                if picture.number and picture.number not in self._sent:
                    self._sent.add(picture.number)
                    parts.append(picture.data)
        return "".join(parts)

    def measure(self) -> bool:
        """Look at the size of a cell; True when it has changed, and all is drawn anew."""
        cell = None if self._fd is None else cell_of(self._fd)
        if cell is None or _alike(cell, self.cell):
            return False
        with self._condition:
            self.cell = cell
            while self._ready:
                self._drop()
        return True

    def resend(self) -> None:
        """Another program has had the terminal: it may have lost the pictures."""
        with self._condition:
            self._sent.clear()

    def close(self) -> str:
        """Draw no more; what takes the pictures out of the terminal."""
        with self._condition:
            self._closed = True
            self._wanted = {}
            self._condition.notify_all()
            sent, self._sent = sorted(self._sent), set()
        return "".join(pictures.kitty_forget(number) for number in sent)

    # -- drawing -----------------------------------------------------------------------

    def _draw_all(self) -> None:
        untold = 0.0
        while True:
            with self._condition:
                while not self._wanted and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return
                order = next(iter(self._wanted))
                del self._wanted[order]
                self._drawing, cell = order, self.cell
            picture = self._drawn(order, cell)
            with self._condition:
                self._drawing = None
                if cell is self.cell:
                    self._ready[order] = picture
                    while len(self._ready) > _MOST_READY:
                        self._drop()
                more = bool(self._wanted)
            # Several at once: each telling lays out anew.
            untold = untold or time.monotonic()
            if not more or time.monotonic() - untold > _TELL_SECONDS:
                untold = 0.0
                self.tell()

    def _drop(self) -> None:
        """Forget the picture that was not asked for the longest."""
        _, picture = self._ready.popitem(last=False)
        if picture is not None and picture.number in self._sent:
            self._sent.discard(picture.number)
            self._dropped.append(picture.number)

    def _drawn(self, order: Order, cell: Cell) -> Picture | None:
        # Not needed before the first formula is: the app opens sooner.
        from notesqa.tui import drawing
        from notesqa.tui.latex_parser import UnrenderableError

        try:
            shape = drawing.outline(order.latex)
            box = drawing.frame(shape, cell, order.room)
            if box is not None:
                low = order.single and box.rows < order.least[1]
                least = (order.single, 1) if low else order.least
                box = drawing.frame(shape, cell, order.room, least)
            if box is None or max(box.columns, box.rows) > len(pictures.MARKS):
                return None
            png = drawing.png(shape, cell, box, order.colour, order.background)
            return self._packed(png, box.columns, box.rows, order.background or (0, 0, 0))
        except (UnrenderableError, ImportError):
            return None

    def _packed(self, png: bytes, columns: int, rows: int, background: Colour) -> Picture:
        if self.protocol == "iterm":
            return Picture(columns, rows, pictures.iterm_show(png, columns, rows))
        if self.protocol == "sixel":
            return Picture(columns, rows, pictures.sixel_show(png, background))
        family, index = divmod(self._made, len(pictures.NAMES))
        self._made = (self._made + 1) % (255 * len(pictures.NAMES))
        name = pictures.NAMES[index]
        number = pictures.kitty_id(name, family + 1, truecolor=self.truecolor)
        data = pictures.kitty_show(number, png, columns, rows)
        return Picture(columns, rows, data, number, name, family + 1)


def _alike(one: Cell, other: Cell) -> bool:
    pairs = (one.width, other.width), (one.height, other.height)
    return all(abs(a - b) <= _SAME_CELL * b for a, b in pairs)
