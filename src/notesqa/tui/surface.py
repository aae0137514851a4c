"""The widget on which notes, answers and lists are drawn.

It takes sections of lines and draws those in sight. Styles are names
(`notesqa.tui.inks`). Spans of a section's source text can be marked, which is how a
quotation or a matched word is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import dedent

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip

from notesqa.tui.flow import NO_PLACE, Line, Piece, Section
from notesqa.tui.inks import ink
from notesqa.tui.picture_view import PictureView

__all__ = ["Section", "Surface"]


@dataclass(slots=True)
class _Kept:
    """What stays in sight when the size changes.

    Attributes:
        find: the line that it is at; None where there is none.
        margin: lines above it.
        shape: of what is shown since it was put there. Scrolling in the same shape is
            somebody's own; it is then not kept any more.
    """

    find: Callable[[], int | None]
    margin: int
    shape: tuple[object, ...] = ()


class Surface(PictureView, can_focus=True):
    """Scrollable lines with links, marks and selectable text."""

    ALLOW_SELECT = True
    DEFAULT_CSS = """
    Surface { scrollbar-size-vertical: 1; overflow-x: hidden; overflow-y: auto; scrollbar-gutter: stable; }
    """

    class Opened(Message):
        """A link was clicked or entered."""

        def __init__(self, surface: Surface, link: str) -> None:
            super().__init__()
            self.surface = surface
            self.link = link

        @property
        def control(self) -> Surface:
            """For `@on` with a selector."""
            return self.surface

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002 - Textual's name for it
        classes: str | None = None,
        max_width: int = 0,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.max_width = max_width
        self.current = ""
        self._kept: _Kept | None = None
        self._styles: dict[tuple[str, str], Style] = {}
        # The same over the style of the widget, and what both were worked out for.
        self._inked: dict[tuple[str, str], Style] = {}
        self._look: tuple[object, ...] = ()

    # -- content -----------------------------------------------------------------

    def show(self, sections: Sequence[Section], *, keep_scroll: bool = False) -> None:
        """Replace everything."""
        self.sections = list(sections)
        self._kept = None
        self._lay_out()
        if not keep_scroll:
            self.scroll_to(y=0, animate=False, immediate=True)

    def changed(self, *sections: Section) -> None:
        """These have other lines now; they stay where they are."""
        for section in sections:
            section.width = -1
        self._lay_out()
        if self._kept is not None:
            self._kept.shape = self._shape

    @property
    def text_width(self) -> int:
        """Cells that a line may take."""
        width = max(8, self.scrollable_content_region.width)
        return min(width, self.max_width) if self.max_width else width

    def _lay_out(self) -> None:
        if not self.size.width:
            # Hidden: what is here now is not to be seen again when it is shown.
            self._laid_out_for = -1
            return
        width = self.text_width
        self._laid_out_for = width
        for section in self.sections:
            section.fit(width)
        self._hang()
        self._strips.clear()
        self.virtual_size = Size(width, len(self._lines))
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """How many lines there are at `width`; for `height: auto`."""
        del container, viewport
        room = min(width - 1, self.max_width) if self.max_width else width - 1
        return sum(len(section.lay_out(max(8, room))) for section in self.sections)

    def on_resize(self, event: events.Resize) -> None:
        """Lay out anew for another width, with the same text in sight."""
        del event
        self.measure_cells()
        kept = self._kept
        at_end = kept is None and bool(self._lines) and self.is_vertical_scroll_end
        if kept is None and not at_end:
            kept = self._top()
        if self.text_width != self._laid_out_for:
            self._lay_out()
        if at_end:
            self.scroll_end(animate=False, immediate=True)
        elif kept is not None:
            self._put(kept)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Keep no more what somebody has scrolled away from."""
        super().watch_scroll_y(old_value, new_value)
        if self._kept is not None:
            if self._kept.shape == self._shape:
                self._kept = None
            else:
                self._kept.shape = self._shape

    @property
    def _shape(self) -> tuple[object, ...]:
        return (self.size, self._laid_out_for, len(self._lines))

    def _top(self) -> _Kept | None:
        """What is at the top."""
        y = round(self.scroll_y)
        if (place := self.place_at(y)) is None:
            return None
        section, start = place

        def lines() -> list[int]:
            return self._owned(section) if start == NO_PLACE else self._lines_at(section, start)

        shown = lines()
        # As far down in it as it was: a formula takes several lines, an answer many.
        share = max(0, y - shown[0]) / len(shown) if shown else 0.0

        def find() -> int | None:
            now = lines()
            return now[0] + round(share * len(now)) if now else None

        return _Kept(find, 0)

    def _put(self, kept: _Kept) -> None:
        """Scroll to it, and keep it there; be it when there is room to lay it out."""
        self._kept = kept
        kept.shape = ()
        if self._laid_out_for < 0:
            return
        if (y := kept.find()) is not None:
            self.scroll_to_line(y, margin=kept.margin)
        kept.shape = self._shape

    def _owned(self, section: Section) -> list[int]:
        return [y for y, (owner, _) in enumerate(self._lines) if owner is section]

    def in_sight(self) -> list[tuple[Section, Line]]:
        """The lines that are in sight."""
        top = round(self.scroll_y)
        return self._lines[top : top + self.size.height]

    def place_at(self, y: int) -> tuple[Section, int] | None:
        """Section and source place of the first placed text at or below line `y`."""
        for section, line in self._lines[y : y + 50]:
            for piece in line.pieces:
                if piece.start != NO_PLACE:
                    return section, piece.start
        return (self._lines[y][0], NO_PLACE) if 0 <= y < len(self._lines) else None

    def _lines_at(self, section: Section, place: int) -> list[int]:
        """The lines with what begins at `place`, or last before it."""
        found: list[int] = []
        begins = NO_PLACE
        for y, (owner, line) in enumerate(self._lines):
            start = next((p.start for p in line.pieces if p.start != NO_PLACE), NO_PLACE)
            if owner is not section or start == NO_PLACE or start > place:
                continue
            found = [*found, y] if start == begins else [y]
            begins = start
        return found

    # -- finding and scrolling ---------------------------------------------------

    def line_at_place(self, section: Section, start: int, end: int) -> int | None:
        """The first line that shows something of `start` to `end`."""
        for y, (owner, line) in enumerate(self._lines):
            if owner is section and any(
                p.start != NO_PLACE and p.start < end and p.end > start for p in line.pieces
            ):
                return y
        return None

    def scroll_to_line(self, y: int, *, margin: int = 3) -> None:
        """Bring line `y` into view, with some lines above it."""
        # By force: a bar that these lines need may not be there yet.
        self.scroll_to(y=max(0, y - margin), animate=False, immediate=True, force=True)

    def scroll_to_place(self, section: Section, start: int, end: int) -> None:
        """Bring a span of the source into view, and keep it there until it is scrolled."""
        self._put(_Kept(lambda: self.line_at_place(section, start, end), 3))

    def scroll_to_anchor(self, anchor: str) -> None:
        """Bring the line that carries `anchor` to the top, and keep it there likewise."""

        def find() -> int | None:
            return next((y for y, (_, ln) in enumerate(self._lines) if ln.anchor == anchor), None)

        self._put(_Kept(find, 0))

    def show_section(self, section: Section) -> None:
        """Bring the whole of `section` into view, as far as it fits."""
        owned = self._owned(section)
        if not owned:
            return
        top, height = round(self.scroll_y), self.size.height
        if owned[0] < top:
            self.scroll_to_line(owned[0], margin=0)
        elif owned[-1] >= top + height:
            self.scroll_to_line(owned[-1] - height + 1, margin=0)

    def links(self) -> list[str]:
        """The links in order, each once."""
        found = dict.fromkeys(
            piece.link for _, line in self._lines for piece in line.pieces if piece.link
        )
        return list(found)

    def point_at(self, link: str, *, scroll: bool = True) -> None:
        """Show `link` as the current one."""
        if link == self.current:
            return
        self.current = link
        self._styles.clear()
        self._inked.clear()
        self._strips.clear()
        self.refresh()
        if not (scroll and link):
            return
        top = round(self.scroll_y)
        for y, (_, line) in enumerate(self._lines):
            if any(piece.link == link for piece in line.pieces):
                if not top <= y < top + self.size.height:
                    self.scroll_to_line(y)
                return

    def remark(self) -> None:
        """Marks have changed."""
        self._strips.clear()
        self.refresh()

    # -- drawing -----------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Forget what was drawn in the old styles."""
        super().notify_style_update()
        self._look = ()
        self._styles.clear()
        self._strips.clear()
        self._inked.clear()
        if self._lines:
            # The pictures have the colours of the theme.
            self.pictures_ready()

    def _style(self, names: str, link: str) -> Style:
        key = (names, link)
        if (style := self._styles.get(key)) is not None:
            return style
        style = Style.null()
        for name in names.split():
            style += ink(self.app, name)
        if link:
            style += Style.from_meta({"link_to": link})
            if link == self.current:
                style += ink(self.app, "current")
        self._styles[key] = style
        return style

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw what is in sight of it."""
        # Worked out once a frame, not once a line: it is a fifth of the work.
        self._base = self.rich_style
        return super().render_lines(crop)

    def _frame(self, crop: Region) -> list[Strip]:
        """As Textual does, in a third of the time: with nothing around a line but padding.

        A line that was drawn once is only looked up, also when it is elsewhere by now.
        """
        padding = self.styles.padding
        if self.opacity != 1.0 or self.styles.gutter != padding or self.styles.tint.a:
            return super()._frame(crop)
        width, content = self.region.width, self.content_region.size
        below, over = self.background_colors
        inner = Style.from_color(bgcolor=(below + over).rich_color)
        look = (width, content.width, inner, self._base)
        if look != self._look:
            self._look = look
            self._strips.clear()
            self._inked.clear()
        blank = Strip.blank(width, inner)
        sides = [Segment(" " * cells, inner) for cells in (padding.left, padding.right)]
        top = round(self.scroll_offset.y)
        selection = self.text_selection
        filters = self.get_line_filters()
        strips = []
        for y in crop.line_range:
            row = y - padding.top
            at = top + row
            strip = blank if not 0 <= row < content.height else None
            if strip is None and selection is None:
                strip = self._strips.get(at)
            if strip is None:
                line = self._content(at, content.width, selection)
                strip = Strip([s for s in (sides[0], *line, sides[1]) if s.text], width)
                if selection is None:
                    self._strips[at] = strip
            for line_filter in filters:
                strip = strip.apply_filter(line_filter, over)
            strips.append(strip)
        left, right = crop.column_span
        return strips if (left, right) == (0, width) else [s.crop(left, right) for s in strips]

    def render_line(self, y: int) -> Strip:
        """Draw the line at `y` of what is in sight; it says which character is where."""
        self._base = self.rich_style
        at = round(self.scroll_offset.y) + y
        return self._content(at, self.size.width, self.text_selection).apply_offsets(0, at)

    def _content(self, at: int, width: int, selection: Selection | None) -> Strip:
        if not 0 <= at < len(self._lines):
            return Strip.blank(width, self._base)
        section, line = self._lines[at]
        fill = self._base + self._style(line.fill, "") if line.fill else self._base
        if selection is not None or line.picture is not None:
            strip = self._draw(section, line, at, selection)
            return strip.crop_extend(0, width, fill).apply_style(self._base)
        segments = []
        cells = 0
        for piece in line.pieces:
            for part in _marked(piece, section.marks):
                segments.append(Segment(part.text, self._ink(part.style, part.link)))
                cells += cell_len(part.text)
        if cells < width:
            segments.append(Segment(" " * (width - cells), fill))
        strip = Strip(segments, max(cells, width))
        return strip if cells <= width else strip.crop(0, width)

    def _ink(self, names: str, link: str) -> Style:
        """The whole style, over that of the widget."""
        key = (names, link)
        if (style := self._inked.get(key)) is None:
            style = self._inked[key] = self._base + self._style(names, link)
        return style

    def _draw(self, section: Section, line: Line, y: int, selection: Selection | None) -> Strip:
        segments = [
            Segment(part.text, self._style(part.style, part.link))
            for piece in line.pieces
            for part in _marked(piece, section.marks)
        ]
        strip = Strip(segments)
        if selection is not None and (span := selection.get_span(y)) is not None:
            # What is selected is text, also where it is under a picture.
            start, end = span
            return _selected(
                strip, start, end, self.screen.get_component_rich_style("screen--selection")
            )
        if line.picture is not None and not self._behind:
            from notesqa.tui.pictured import overlaid

            strip = overlaid(strip, line)
        return strip

    # -- selecting, clicking -----------------------------------------------------

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, its lines those of the text and not of the window."""
        first = selection.start.y if selection.start is not None else 0
        last = selection.end.y if selection.end is not None else len(self._lines) - 1
        text, indented = "", True
        for y in range(max(0, first), min(last + 1, len(self._lines))):
            if (span := selection.get_span(y)) is None:
                continue
            line = self._lines[y][1]
            start, end = span
            said = line.text[: end if end >= 0 else None].rstrip(" ")
            if y == first:
                text, indented = said[start:], not said[:start].strip(" ")
            elif line.joint is not None:
                text += line.joint + said[line.head :]
            else:
                text += "\n" + said
        head, newline, rest = text.partition("\n")
        # What all lines are set in by is no part of them.
        return (dedent(text) if indented else head + newline + dedent(rest)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        del selection
        self._strips.clear()
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Open what was clicked."""
        link = event.style.meta.get("link_to")
        if isinstance(link, str):
            event.stop()
            self.post_message(self.Opened(self, link))


def _marked(piece: Piece, marks: Sequence[tuple[int, int, str]]) -> list[Piece]:
    """`piece` cut where marks begin and end, the marked parts with their style."""
    if not marks or piece.start == NO_PLACE:
        return [piece]
    if not piece.exact or piece.solid:
        for start, end, style in marks:
            if piece.start < end and piece.end > start:
                return [_with(piece, style)]
        return [piece]
    parts: list[Piece] = []
    at = 0
    for start, end, style in marks:
        begin, stop = max(start - piece.start, at), min(end - piece.start, len(piece.text))
        if begin >= stop:
            continue
        if begin > at:
            parts.append(piece.part(at, begin))
        parts.append(_with(piece.part(begin, stop), style))
        at = stop
    if at < len(piece.text):
        parts.append(piece.part(at, len(piece.text)))
    return parts


def _with(piece: Piece, style: str) -> Piece:
    if style == "mark-quote" and "formula-rows" in piece.style:
        style = "mark-rows"
    return Piece(
        piece.text,
        f"{piece.style} {style}".strip(),
        piece.start,
        piece.end,
        piece.solid,
        piece.link,
    )


def _selected(strip: Strip, start: int, end: int, style: Style) -> Strip:
    """`strip` with the characters `start` to `end` (-1: all) in `style`."""
    text = strip.text
    stop = len(text) if end < 0 else min(end, len(text))
    segments: list[Segment] = []
    at = 0
    for segment in strip:
        size = len(segment.text)
        low, high = max(start - at, 0), min(stop - at, size)
        if low >= high:
            segments.append(segment)
        else:
            own = segment.style or Style.null()
            pieces = ((0, low, own), (low, high, own + style), (high, size, own))
            segments.extend(Segment(segment.text[a:b], s) for a, b, s in pieces if a < b)
        at += size
    return Strip(segments)
