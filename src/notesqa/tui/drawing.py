"""Formulas as PNG pictures, in the size of the terminal's cells.

ziamath sets them in its own font and gives outlines, resvg fills these; neither
opens a file or a connection for it. Both are imported with the first picture.
Everything here may run in any thread but one at a time: ziamath is not re-entrant.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from notesqa.tui.latex_parser import UnrenderableError
from notesqa.tui.mathml import mathml
from notesqa.tui.pictures import Cell, Colour

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_CHARACTERS = 2000
MAX_ROWS = 60
# The size of the letters beside the height of a cell.
_EM = 0.95
_SET_AT = 24.0
_MARGIN = 1.5
# A picture is shrunk so far to fit in, and lies so much over a row to take no other.
_LEAST_SCALE = 0.62
_OVERLAP = 0.18
_MAX_PIXELS = 8_000_000
_SHAPES = {"svg", "path", "rect", "g"}
# What ziamath does with a shape that it was not made for.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Outline:
    """A formula as shapes without a colour.

    Attributes:
        shapes: SVG elements.
        left, top, width, height: what they take up, in pixels at 24 to the em.
    """

    shapes: str
    left: float
    top: float
    width: float
    height: float


@lru_cache(maxsize=256)
def outline(latex: str) -> Outline:
    """`latex` as shapes.

    Raises:
        UnrenderableError: it cannot be drawn, or the libraries are not installed.
    """
    if len(latex) > MAX_CHARACTERS:
        raise UnrenderableError(f"longer than {MAX_CHARACTERS} characters")
    root = mathml(latex)
    try:
        from ziamath.config import config
        from ziamath.zmath import Math, loadedfonts
    except ImportError as error:
        raise UnrenderableError("ziamath is not installed") from error
    config.svg2 = False
    font = loadedfonts["default"]
    for element in root.iter():
        for char in element.text or "":
            if char not in " \u00a0" and not font.glyphindex(char):
                raise UnrenderableError(f"the font has no {char!r}")
    try:
        drawn = Math(root, size=_SET_AT, margin=0)
        svg = drawn.svgxml()
    except _FAILURES as error:
        raise UnrenderableError("it could not be set") from error
    return _outline(svg)


def _outline(svg: Element) -> Outline:
    left, top, width, height = map(float, svg.attrib["viewBox"].split())
    if not (0 < width < 1e5 and 0 < height < 1e5):
        raise UnrenderableError("nothing to draw")
    # Slanted letters reach out of their boxes.
    left, width = left - _MARGIN, width + 2 * _MARGIN
    for element in svg.iter():
        if element.tag not in _SHAPES:
            raise UnrenderableError(f"an unexpected {element.tag}")
        # The colour is the picture's.
        if element.get("fill") not in (None, "none"):
            del element.attrib["fill"]
        if element.get("stroke") is not None:
            element.set("stroke", "currentColor")
    shapes = "".join(ElementTree.tostring(child, encoding="unicode") for child in svg)
    return Outline(shapes, left, top, width, height)


@dataclass(frozen=True, slots=True)
class Frame:
    """How many cells a picture takes, and how much it is enlarged for them."""

    columns: int
    rows: int
    scale: float


def frame(shape: Outline, cell: Cell, room: int, least: tuple[int, int] = (1, 1)) -> Frame | None:
    """The cells for a formula that has `room` columns, and takes `least` of each at least.

    None when it would be too small to read, or too large.
    """
    if room < 1:
        return None
    whole = _EM * cell.height / _SET_AT
    scale = min(whole, room * cell.width / shape.width)
    high = shape.height * scale / cell.height
    rows = max(1, math.ceil(high - _OVERLAP))
    scale *= min(1.0, rows / high)
    if scale < _LEAST_SCALE * whole or rows > MAX_ROWS:
        return None
    columns = max(least[0], min(room, math.ceil(shape.width * scale / cell.width)))
    rows = max(least[1], rows)
    if columns * rows * cell.width * cell.height > _MAX_PIXELS:
        return None
    return Frame(columns, rows, scale)


def png(
    shape: Outline, cell: Cell, box: Frame, colour: Colour, background: Colour | None = None
) -> bytes:
    """The picture, exactly as large as the cells of `box`; transparent without `background`.

    Raises:
        UnrenderableError: resvg is not installed.
    """
    try:
        import resvg_py
    except ImportError as error:
        raise UnrenderableError("resvg_py is not installed") from error
    wide, high = round(box.columns * cell.width), round(box.rows * cell.height)
    room, tall = wide / box.scale, high / box.scale
    top = shape.top - (tall - shape.height) / 2
    hexed = _hexed(colour)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}"'
        f' viewBox="{shape.left:.3f} {top:.3f} {room:.3f} {tall:.3f}"'
        f' preserveAspectRatio="none" fill="{hexed}" color="{hexed}">{shape.shapes}</svg>'
    )
    try:
        return resvg_py.svg_to_bytes(
            svg_string=svg,
            skip_system_fonts=True,
            background=_hexed(background) if background else None,
        )
    except ValueError as error:
        raise UnrenderableError("it could not be filled") from error


def _hexed(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
