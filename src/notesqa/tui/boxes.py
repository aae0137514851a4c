"""Rectangles of text with a baseline, and how they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len


@dataclass(frozen=True, slots=True)
class Box:
    """Lines of equal width, one of which is the baseline.

    Attributes:
        lines: each exactly `width` cells wide.
        base: index of the line that stands on the baseline.
    """

    lines: tuple[str, ...]
    base: int
    width: int

    @property
    def height(self) -> int:
        """How many lines."""
        return len(self.lines)

    @property
    def below(self) -> int:
        """How many lines under the baseline."""
        return len(self.lines) - 1 - self.base


def line(text: str) -> Box:
    """A box of one line."""
    return Box((text,), 0, cell_len(text))


def blank(width: int) -> Box:
    """Empty cells on the baseline."""
    return line(" " * width)


def beside(boxes: Sequence[Box]) -> Box:
    """Boxes from left to right on a common baseline."""
    if not boxes:
        return blank(0)
    base = max(box.base for box in boxes)
    below = max(box.below for box in boxes)
    rows = []
    for y in range(-base, below + 1):
        parts = [
            box.lines[box.base + y] if 0 <= box.base + y < box.height else " " * box.width
            for box in boxes
        ]
        rows.append("".join(parts))
    return Box(tuple(rows), base, sum(box.width for box in boxes))


def widened(box: Box, width: int, align: str = "center") -> Box:
    """`box` with spaces on its sides, `width` cells wide."""
    spare = max(0, width - box.width)
    left = {"left": 0, "right": spare}.get(align, spare // 2)
    rows = tuple(" " * left + row + " " * (spare - left) for row in box.lines)
    return Box(rows, box.base, box.width + spare)


def stacked(boxes: Sequence[Box], base: int, align: str = "center") -> Box:
    """Boxes from top to bottom; `base` is the line of the baseline in the whole."""
    width = max((box.width for box in boxes), default=0)
    rows = [row for box in boxes for row in widened(box, width, align).lines]
    return Box(tuple(rows), base, width)


def grid(rows: Sequence[Sequence[Box]], aligns: Sequence[str], gap: int, spread: int = 0) -> Box:
    """A table of boxes: columns `gap` cells apart, rows `spread` lines apart, centred."""
    columns = max((len(row) for row in rows), default=0)
    widths = [
        max((row[c].width for row in rows if c < len(row)), default=0) for c in range(columns)
    ]
    lines: list[Box] = []
    for row in rows:
        cells: list[Box] = []
        for c in range(columns):
            if c:
                cells.append(blank(gap))
            cell = row[c] if c < len(row) else blank(0)
            cells.append(widened(cell, widths[c], aligns[c % len(aligns)]))
        lines.append(beside(cells))
    tall = any(box.height > 1 for box in lines)
    spaced: list[Box] = []
    for index, box in enumerate(lines):
        if index and (spread or tall):
            spaced.append(blank(box.width))
        spaced.append(box)
    height = sum(box.height for box in spaced)
    base = spaced[0].base if len(lines) == 1 else max(0, height - 1) // 2
    return stacked(spaced, base, "left")


# top, middle (filler), bottom, and the hook of a brace
_TALL = {
    "(": "⎛⎜⎝",
    ")": "⎞⎟⎠",
    "[": "⎡⎢⎣",
    "]": "⎤⎥⎦",
    "{": "⎧⎪⎩⎨",
    "}": "⎫⎪⎭⎬",
    "⌈": "⎡⎢⎢",
    "⌉": "⎤⎥⎥",
    "⌊": "⎢⎢⎣",
    "⌋": "⎥⎥⎦",
    "|": "│││",
    "‖": "‖‖‖",
}


def delimiter(mark: str, height: int, base: int) -> Box:
    """A delimiter `height` lines tall with its baseline at `base`."""
    if not mark:
        return blank(0)
    if height <= 1:
        return line(mark)
    if mark in "⟨⟩":
        half = height // 2
        first, second = ("╱", "╲") if mark == "⟨" else ("╲", "╱")
        wide = max(1, half)
        offsets = [wide - 1 - i for i in range(wide)]
        if mark == "⟩":
            offsets = list(range(wide))
        upper = [" " * o + first + " " * (wide - 1 - o) for o in offsets]
        lower = [" " * o + second + " " * (wide - 1 - o) for o in reversed(offsets)]
        middle = [widened(line(mark), wide, "left" if mark == "⟨" else "right").lines[0]]
        return Box(tuple(upper + (middle if height % 2 else []) + lower), base, wide)
    pieces = _TALL.get(mark)
    if pieces is None:
        rows = [" "] * height
        rows[min(base, height - 1)] = mark
        return Box(tuple(rows), base, cell_len(mark))
    top, fill, bottom = pieces[0], pieces[1], pieces[2]
    rows = [top, *[fill] * (height - 2), bottom]
    if len(pieces) == 4:
        if height == 2:
            rows = ["⎰", "⎱"] if mark == "{" else ["⎱", "⎰"]
        else:
            rows[height // 2] = pieces[3]
    return Box(tuple(rows), base, 1)
