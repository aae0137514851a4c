"""Lines with pictures among them, and when these are put on the screen.

With Kitty's protocol a picture is made of cells like any text. With the others it is
put down over the formula's text once nothing has been drawn for a moment, where it
is wholly in sight and nothing lies over it; whatever is drawn there later takes it
away, as it would take away text.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.color import Color
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from notesqa.tui.flow import Line, Section, Spot

if TYPE_CHECKING:
    from notesqa.tui.gallery import Gallery, Order, Picture

# How long nothing is drawn before pictures are put down over the text.
_STILL_SECONDS = 0.12


class PictureView(ScrollView):
    """What `Surface` knows of pictures."""

    class PicturesReady(Message):
        """Some of the formulas have pictures now."""

        bubble = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sections: list[Section] = []
        self._lines: list[tuple[Section, Line]] = []
        self._strips: LRUCache[int, Strip] = LRUCache(512)
        self._laid_out_for = -1
        # Of each line, the section and the line of it that it came from.
        self._origins: list[tuple[int, int]] = []
        self._missing: list[tuple[int, Order]] = []
        self._still: Timer | None = None
        self._behind = False

    def _style(self, names: str, link: str) -> Style:
        raise NotImplementedError

    @property
    def gallery(self) -> Gallery | None:
        """The pictures of this terminal, where it shows any."""
        gallery: Gallery | None = getattr(self.app, "gallery", None)
        return gallery

    def on_mount(self) -> None:
        """Hear of pictures."""
        if self.gallery is not None:
            self.gallery.listen(self)
            self.app.app_resume_signal.subscribe(self, self._resumed)

    def _resumed(self, app: object) -> None:
        """The terminal was another program's for a while."""
        del app
        if self.gallery is not None:
            self.gallery.resend()
            self._hang()
            self.refresh()

    def measure_cells(self) -> None:
        """Have all pictures drawn anew if the terminal's cells have another size."""
        if self.gallery is not None and self.gallery.measure():
            self.gallery.tell()

    def pictures_ready(self) -> None:
        """There are more; told in the thread that draws."""
        self.post_message(self.PicturesReady())

    def on_picture_view_pictures_ready(self) -> None:
        """Show them, with the same text at the top."""
        if not any(line.spot for _, line in self._lines) or not self.size.width:
            return
        top = round(self.scroll_y)
        origin = self._origins[top] if top < len(self._origins) else (0, 0)
        at_end = self.is_vertical_scroll_end
        before = self._lines
        self._hang()
        if before == self._lines:
            return
        self._strips.clear()
        self.virtual_size = Size(self._laid_out_for, len(self._lines))
        self.refresh()
        if at_end and self.max_scroll_y:
            self.scroll_end(animate=False, immediate=True)
        else:
            y = bisect.bisect_left(self._origins, origin)
            self.scroll_to(y=y, animate=False, immediate=True)

    def _hang(self) -> None:
        """Put the lines together, with what pictures there are."""
        gallery = self.gallery
        self._lines = []
        self._origins = []
        self._missing = []
        shown: list[Picture] = []
        for number, section in enumerate(self.sections):
            for index, line in (
                self._pictured(section, shown) if gallery else enumerate(section.lines)
            ):
                self._lines.append((section, line))
                self._origins.append((number, index))
        if gallery is not None:
            self._tell_terminal(gallery.unsent(shown))
            self._want()

    def _pictured(self, section: Section, shown: list[Picture]) -> Iterable[tuple[int, Line]]:
        if self.gallery is None or not any(line.spot for line in section.lines):
            return enumerate(section.lines)
        from notesqa.tui.pictured import with_pictures

        gallery = self.gallery

        def find(spot: Spot, size: tuple[int, int]) -> Picture | None:
            order = self._order(section, spot, size)
            picture = gallery.get(order)
            if picture is None:
                self._missing.append((len(self._lines), order))
            else:
                shown.append(picture)
            return picture

        return with_pictures(section.lines, find)

    def _order(self, section: Section, spot: Spot, size: tuple[int, int]) -> Order:
        from notesqa.tui.gallery import Order
        from notesqa.tui.pictured import len_single

        marks = [
            style for start, end, style in section.marks if start < spot.end and end > spot.start
        ]
        style = self.rich_style + self._style(" ".join(["formula", *marks]), "")
        protocol = None if self.gallery is None else self.gallery.protocol
        # Placeholders are text: they need no room for another text.
        over = protocol != "kitty"
        single = len_single(spot) if over else 0
        return Order(
            spot.latex,
            spot.room,
            size if over else (1, 1),
            single if single <= spot.room else 0,
            _rgb(style.color),
            # The edges of a sixel's strokes have no transparency.
            _rgb(style.bgcolor) if protocol == "sixel" else None,
        )

    def _want(self) -> None:
        """Have what is near to sight drawn, from the top downwards."""
        if self.gallery is None or not self._missing:
            return
        top, height = round(self.scroll_y), max(1, self.size.height)
        near = [(y, order) for y, order in self._missing if top - height <= y < top + 3 * height]
        # What is in sight comes first, what is above last.
        near.sort(key=lambda item: (item[0] < top, item[0]))
        self.gallery.want(order for _, order in near)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other formulas come near."""
        super().watch_scroll_y(old_value, new_value)
        self._want()

    def _tell_terminal(self, data: str) -> None:
        driver = self.app._driver
        if data and driver is not None:
            driver.write(data)

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw; and put pictures down once it is still."""
        gallery = self.gallery
        if gallery is not None:
            behind = self.app.screen is not self.screen
            if behind != self._behind:
                # A dialog dims what is behind it, and so the colours that name pictures.
                self._behind = behind
                self._strips.clear()
                self._styles_cache.clear()
            if gallery.protocol != "kitty":
                if self._still is not None:
                    self._still.stop()
                self._still = self.set_timer(_STILL_SECONDS, self._put_down)
        return self._frame(crop)

    def _frame(self, crop: Region) -> list[Strip]:
        return super().render_lines(crop)

    def _put_down(self) -> None:
        """Cover the text of the formulas that are wholly in sight with their pictures."""
        self._still = None
        if not self.is_mounted or self.app.screen is not self.screen:
            return
        parts: list[str] = []
        for region, picture in self._in_sight():
            parts += [self._blank(region), _move(region.x, region.y), picture.data]
        if parts:
            # The cursor goes back to where it was: an input method follows it.
            self._tell_terminal("".join(["\x1b[?2026h\x1b7", *parts, "\x1b8\x1b[?2026l"]))

    def _blank(self, region: Region) -> str:
        """What takes the text away from where a picture comes."""
        inner = self.scrollable_content_region
        under = self.render_line(region.y - inner.y).crop(region.x - inner.x)
        background = next((s.style.bgcolor for s in under if s.style and s.style.bgcolor), None)
        blanks = Style(bgcolor=background).render(
            " " * region.width, color_system=self.app.console._color_system
        )
        return "".join(_move(region.x, y) + blanks for y in range(region.y, region.bottom))

    def _in_sight(self) -> list[tuple[Region, Picture]]:
        """The pictures with nothing over them, and where they are on the screen."""
        visible = self.screen._compositor.visible_widgets
        if self not in visible:
            return []
        inner = self.scrollable_content_region
        area = inner.intersection(visible[self][1])
        own = {self, *self.ancestors, self.vertical_scrollbar, self.horizontal_scrollbar}
        above = [
            region.intersection(clip)
            for widget, (region, clip) in visible.items()
            if widget not in own
        ]
        top = round(self.scroll_y)
        selection = self.text_selection
        found: list[tuple[Region, Picture]] = []
        for y in range(top, min(top + area.height, len(self._lines))):
            line = self._lines[y][1]
            picture, spot = line.picture, line.spot
            if picture is None or spot is None or line.row or selection is not None:
                continue
            place = Region(inner.x + spot.lead, inner.y + y - top, picture.columns, picture.rows)
            if area.contains_region(place) and not any(place.overlaps(r) for r in above):
                found.append((place, picture))
        return found


def _move(x: int, y: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"


def _rgb(color: Color | None) -> tuple[int, int, int]:
    if color is None:
        return (128, 128, 128)
    red, green, blue = color.triplet or color.get_truecolor()
    return red, green, blue
