"""How a terminal is told to show a picture: Kitty, iTerm2, Sixel.

Kitty's are text: cells hold a placeholder whose colour names the picture, so that
they scroll and are covered like any other. The others are put down over cells.
Nothing here writes to the terminal.
"""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Protocol = Literal["kitty", "iterm", "sixel"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Cell:
    """The size of one cell of the terminal, in pixels."""

    width: float
    height: float


PLACEHOLDER = "\U0010eeee"
_CHUNK = 4096
# Kitty's table of marks that number rows and columns, from 0 (rowcolumn-diacritics.txt).
_MARKS = """
305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1
5a8-5a9 5ab-5ac 5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec 730 732-733
735-736 73a 73d 73f-741 743 745 747 749-74a 7eb-7f1 7f3 816-819 81b-823 825-827 829-82d 951 953-954
f82-f83 f86-f87 135d-135f 17dd 193a 1a17 1a75-1a7c 1b6b 1b6d-1b73 1cd0-1cd2 1cda-1cdb 1ce0 1dc0-1dc1
1dc3-1dc9 1dcb-1dcc 1dd1-1de6 1dfe 20d0-20d1 20d4-20d7 20db-20dc 20e1 20e7 20e9 20f0 2cef-2cf1
2de0-2dff a66f a67c-a67d a6f0-a6f1 a8e0-a8f1 aab0 aab2-aab3 aab7-aab8 aabe-aabf aac1 fe20-fe26
10a0f 10a38 1d185-1d189 1d1aa-1d1ad 1d242-1d244
"""


def _listed(ranges: str) -> Iterator[str]:
    for item in ranges.split():
        first, _, last = item.partition("-")
        for code in range(int(first, 16), int(last or first, 16) + 1):
            yield chr(code)


MARKS = tuple(_listed(_MARKS))
# Colours that stay what they are in a palette of 256: each names one picture.
_STEPS = (0, 95, 135, 175, 215, 255)
NAMES: tuple[Colour, ...] = tuple(
    (_STEPS[r], _STEPS[g], _STEPS[b])
    for r, g, b in itertools.product(range(6), repeat=3)
    if max(r, g, b) - min(r, g, b) >= 3
)


def kitty_id(name: Colour, family: int, *, truecolor: bool) -> int:
    """The id of the picture whose cells have the colour `name`.

    `family`, from 1 to 255, keeps the pictures of this program from those of others;
    it is the third mark of a cell.
    """
    red, green, blue = name
    low = red << 16 | green << 8 | blue
    if not truecolor:
        low = 16 + 36 * _STEPS.index(red) + 6 * _STEPS.index(green) + _STEPS.index(blue)
    return family << 24 | low


def kitty_show(number: int, png: bytes, columns: int, rows: int) -> str:
    """Hand over a picture, to be shown where its placeholders are; no answer is sent."""
    data = base64.standard_b64encode(png).decode("ascii")
    keys = f"a=T,U=1,f=100,t=d,q=2,i={number},c={columns},r={rows},"
    parts: list[str] = []
    for at in range(0, len(data), _CHUNK):
        more = int(at + _CHUNK < len(data))
        parts.append(f"\x1b_G{keys}m={more};{data[at : at + _CHUNK]}\x1b\\")
        keys = "q=2,"
    return "".join(parts)


def kitty_forget(number: int) -> str:
    """Drop a picture and free its memory."""
    return f"\x1b_Ga=d,d=I,q=2,i={number}\x1b\\"


def kitty_cell(row: int, column: int, family: int) -> str:
    """One placeholder."""
    return PLACEHOLDER + MARKS[row] + MARKS[column] + MARKS[family]


def iterm_show(png: bytes, columns: int, rows: int) -> str:
    """A picture at the cursor, as iTerm2, WezTerm and others have it."""
    data = base64.standard_b64encode(png).decode("ascii")
    keys = (
        f"inline=1;size={len(png)};width={columns};height={rows}"
        ";preserveAspectRatio=0;doNotMoveCursor=1"
    )
    return f"\x1b]1337;File={keys}:{data}\x07"


def sixel_show(png: bytes, background: Colour, colours: int = 16) -> str:
    """A picture at the cursor, in at most `colours` colours.

    What is of the colour `background` is left as the cells are, which so need not have
    it exactly: a sixel's colours are in percent.

    Raises:
        ImportError: Pillow or numpy is not installed.
    """
    import numpy
    from PIL import Image

    with Image.open(io.BytesIO(png)) as opened:
        image = opened.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
    palette = image.getpalette() or []
    pixels = numpy.asarray(image)
    height, width = pixels.shape
    parts = [f'\x1bP0;1;0q"1;1;{width};{height}']
    entries = [palette[3 * index : 3 * index + 3] for index in range(int(pixels.max()) + 1)]
    behind = min(
        range(len(entries)),
        key=lambda index: sum(abs(a - b) for a, b in zip(entries[index], background, strict=True)),
    )
    for index, entry in enumerate(entries):
        red, green, blue = (round(value * 100 / 255) for value in entry)
        parts.append(f"#{index};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        weights = (1 << numpy.arange(len(band), dtype=numpy.uint8))[:, None]
        lines: list[str] = []
        for index in numpy.unique(band):
            if index == behind:
                continue
            column = ((band == index) * weights).sum(axis=0) + 63
            lines.append(f"#{index}{_runs(bytes(column.astype(numpy.uint8)))}")
        parts.append("$".join(lines) + "-")
    # No line feed after the last band: it could scroll the screen.
    parts[-1] = parts[-1].removesuffix("-")
    return "".join([*parts, "\x1b\\"])


def _runs(row: bytes) -> str:
    parts: list[str] = []
    for value, group in itertools.groupby(row):
        count = sum(1 for _ in group)
        char = chr(value)
        parts.append(f"!{count}{char}" if count > 3 else char * count)
    return "".join(parts)
