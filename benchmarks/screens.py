"""A screen of the terminal UI as SVG, cell by cell.

Textual's own export sets the length of a text by its number of characters, which
squeezes Chinese into half its cells; here every character stands in its cells.
"""

from __future__ import annotations

from html import escape

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from textual.app import App

CELL = (9.64, 20.0)
_FONT = "'DejaVu Sans Mono','Noto Sans Mono CJK SC','Noto Sans CJK SC',monospace"


def svg(app: App[object], title: str = "") -> str:
    """The screen as it stands."""
    width, height = app.size
    cell_width, cell_height = CELL
    bar = 28.0 if title else 0.0
    rows = app.screen._compositor.render_strips()
    parts: list[str] = []
    back = app.screen.styles.background.hex
    for y, strip in enumerate(rows[:height]):
        x = 0
        for segment in strip:
            x = _segment(parts, segment, x, bar + y * cell_height)
    total_width, total_height = width * cell_width + 16, height * cell_height + bar + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_width:.0f}" '
        f'height="{total_height:.0f}" viewBox="-8 -8 {total_width:.1f} {total_height:.1f}">'
        f"<style>text{{font-family:{_FONT};font-size:16px;white-space:pre}}</style>"
        f'<rect x="-8" y="-8" width="100%" height="100%" rx="8" fill="{back}"/>'
    )
    if title:
        head += f'<text x="{total_width / 2 - 8:.1f}" y="12" fill="#888" text-anchor="middle">{escape(title)}</text>'
    return head + "".join(parts) + "</svg>"


def _segment(parts: list[str], segment: Segment, x: int, y: float) -> int:
    cell_width, cell_height = CELL
    text, style = segment.text, segment.style or Style.null()
    fore, back = _hex(style.color, "#cccccc"), _hex(style.bgcolor, "")
    if style.reverse:
        fore, back = back or "#000000", fore
    size = cell_len(text)
    if back:
        parts.append(
            f'<rect x="{x * cell_width:.2f}" y="{y:.2f}" width="{size * cell_width + 0.3:.2f}" '
            f'height="{cell_height + 0.3:.2f}" fill="{back}"/>'
        )
    look = f'fill="{fore}"'
    if style.bold:
        look += ' font-weight="bold"'
    if style.italic:
        look += ' font-style="italic"'
    if style.dim:
        look += ' opacity="0.6"'
    if style.underline and text.strip():
        line = y + cell_height - 2
        parts.append(
            f'<line x1="{x * cell_width:.2f}" x2="{(x + size) * cell_width:.2f}" '
            f'y1="{line:.2f}" y2="{line:.2f}" stroke="{fore}" stroke-width="1"/>'
        )
    base = y + cell_height * 0.76
    clusters: list[str] = []
    for char in text:
        if clusters and cell_len(char) == 0:
            clusters[-1] += char
        else:
            clusters.append(char)
    for cluster in clusters:
        if cluster.strip():
            parts.append(
                f'<text x="{x * cell_width:.2f}" y="{base:.2f}" {look}>{escape(cluster)}</text>'
            )
        x += cell_len(cluster)
    return x


def _hex(color: Color | None, default: str) -> str:
    if color is None or color.is_default:
        return default
    return color.get_truecolor(DIMMED_MONOKAI).hex
