"""Formulas as pictures: drawn, packed for three kinds of terminals, shown and taken away."""

from __future__ import annotations

import base64
import io
import itertools
import os
import re
import signal
import threading
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.segment import Segment
from textual.strip import Strip

from notesqa.api import Notes
from notesqa.config import Home, Settings
from notesqa.errors import ConfigError
from notesqa.tui import drawing, mathml, pictures, terminal
from notesqa.tui.flow import Line
from notesqa.tui.gallery import Gallery, Order, Picture, gallery_for
from notesqa.tui.latex_parser import UnrenderableError
from notesqa.tui.layout import lay_out
from notesqa.tui.markdown import blocks_of
from notesqa.tui.pictured import overlaid, with_pictures
from notesqa.tui.pictures import Cell
from tests.patience import PATIENCE
from tests.test_tui_terminal import ENTER, F4, Terminal

CELL = Cell(10, 20)
LOSS = r"\mathcal{L} = \frac{1}{n}\sum_{i=1}^n \|y_i - \hat{y}_i\|_2^2"


def drawn(latex: str, *, room: int = 80, background: pictures.Colour | None = None) -> Image.Image:
    shape = drawing.outline(latex)
    box = drawing.frame(shape, CELL, room)
    assert box is not None
    png = drawing.png(shape, CELL, box, (200, 100, 50), background)
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (box.columns * 10, box.rows * 20)
        return image.convert("RGBA")


# -- drawing ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "latex",
    [
        LOSS,
        r"\begin{aligned} a &= b \\ &\le \int_0^1 f(x)\,\mathrm{d}x \end{aligned}",
        r"f(x)=\begin{cases} 1 & x>0 \\ 0 & \text{otherwise} \end{cases}",
        r"\overline{AB} + \sqrt[3]{x} + \boxed{y} + \underline{z} + \underbrace{a+b}_{n}",
        r"\begin{pmatrix} a & b \\ c & d \end{pmatrix} \xrightarrow{\text{step}} \binom{n}{k}",
        r"\arg\max_\theta \log p_\theta(x'), \quad x \notin \mathbb{R}^{d \times d}",
    ],
)
def test_every_stroke_has_the_colour_that_was_asked_for(latex: str) -> None:
    image = drawn(latex)
    data = image.tobytes()
    strokes = [data[at : at + 3] for at in range(0, len(data), 4) if data[at + 3] == 255]
    assert len(strokes) > 20
    assert set(strokes) == {bytes((200, 100, 50))}
    # Nothing is cut off: the outermost columns of pixels are empty.
    alpha = image.getchannel("A")
    assert alpha.crop((0, 0, 1, image.height)).getextrema() == (0, 0)


def test_a_letter_is_upright_where_tex_has_it_so() -> None:
    assert drawn(r"\mathrm{d}").tobytes() != drawn("d").tobytes()
    assert drawn(r"\mathbf{d}").tobytes() != drawn("d").tobytes()


def test_a_sign_stands_apart_from_a_relation_and_close_to_what_it_signs() -> None:
    def width(latex: str) -> float:
        return drawing.outline(latex).width

    sign = width("-a") - width("a")
    assert width("b=-a") - width("b=a") == pytest.approx(sign, abs=1)
    assert width("b-a") - width("ba") > sign + 6


def test_letters_are_about_as_high_as_a_cell_and_shrink_to_fit() -> None:
    shape = drawing.outline(r"a = b + c + d + e + f + g")
    whole = drawing.frame(shape, CELL, 80)
    assert whole is not None and whole.rows == 1
    narrow = drawing.frame(shape, CELL, whole.columns * 3 // 4)
    assert narrow is not None and narrow.scale < whole.scale
    assert drawing.frame(shape, CELL, whole.columns // 3) is None
    assert drawing.frame(shape, CELL, 0) is None


@pytest.mark.parametrize(
    "latex",
    [
        "",
        "{",
        r"\nosuchcommand{x}",
        r"x + \cancel{y}",
        r"\text{其他} + 1",
        r"\begin{array}{c|c} a & b \end{array}",
        r"\begin{matrix} a \\ \hline b \end{matrix}",
        r"a\phantom{xyz}b",
        "a\x07b",
        r"\sqrt{" * 30 + "x" + "}" * 30,
        r"\left(" * 30 + "x" + r"\right)" * 30,
        "x" * 5000,
        r"\begin{matrix}" + "&".join("x" * 1900) + r"\end{matrix}",
    ],
)
def test_what_cannot_be_drawn_rightly_is_not_drawn(latex: str) -> None:
    with pytest.raises(UnrenderableError):
        drawing.outline(latex)


def test_markup_in_a_formula_is_text() -> None:
    shape = drawing.outline(r"\text{</mtext><image href='/etc/passwd'/>&amp;}")
    assert "image" not in shape.shapes and "href" not in shape.shapes


_TOKENS = st.sampled_from(
    r"a b 1 . + - = < ( ) [ ] | ' ^ _ { } {} & \\ , ! \, \! \quad ~ \frac \sqrt \sqrt[3] \hat \bar"
    r" \overline \underline \vec \widehat \sum \int \prod \lim \max \alpha \epsilon \Gamma \partial"
    r" \mathbb \mathbf \mathrm \text{if} \left( \right) \left. \right. \middle| \big \not \limits"
    r" \begin{aligned} \end{aligned} \begin{cases} \end{cases} \begin{pmatrix} \end{pmatrix}"
    r" \underbrace \overset \xrightarrow \binom \substack{a\\b} \boxed \to \infty \cdots ‖ 中 é".split()
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.lists(_TOKENS, max_size=14).map(" ".join), st.text(max_size=30)))
def test_any_latex_is_a_picture_or_refused(latex: str) -> None:
    try:
        element = mathml.mathml(latex)
        shape = drawing.outline(latex)
    except UnrenderableError:
        return
    assert mathml.cost(element) <= mathml.MAX_COST
    box = drawing.frame(shape, CELL, 60)
    if box is not None:
        assert 1 <= box.columns <= 60 and 1 <= box.rows <= drawing.MAX_ROWS
        assert drawing.png(shape, CELL, box, (1, 2, 3)).startswith(b"\x89PNG")


# -- what is told to the terminal ----------------------------------------------------------

_GRAPHICS = re.compile(r"\x1b_G([^;\x1b]*)(?:;([^\x1b]*))?\x1b\\")


def kitty_pictures(data: str) -> dict[int, tuple[dict[str, str], bytes]]:
    """Keys and file of every picture handed over in `data`, by its id."""
    found: dict[int, tuple[dict[str, str], bytes]] = {}
    keys: dict[str, str] = {}
    parts: list[str] = []
    for match in _GRAPHICS.finditer(data):
        now = dict(item.split("=") for item in match[1].split(","))
        assert now["q"] == "2"  # no answer, which would be taken for typing
        if now.get("a") == "d":
            continue
        payload = match[2]
        assert len(payload) <= 4096
        if "i" in now:
            assert not parts, "a picture within a picture"
            keys = now
        else:
            assert set(now) <= {"m", "q"}
        parts.append(payload)
        if now["m"] == "0":
            found[int(keys["i"])] = keys, base64.standard_b64decode("".join(parts))
            parts = []
        else:
            assert len(payload) % 4 == 0
    assert not parts, "a picture without an end"
    return found


def test_kitty_takes_a_picture_in_pieces_and_forgets_it() -> None:
    png = bytes(range(256)) * 40
    told = pictures.kitty_show(77, png, 30, 4)
    ((number, (keys, data)),) = kitty_pictures(told).items()
    assert (number, data) == (77, png)
    assert (keys["a"], keys["U"], keys["f"], keys["c"], keys["r"]) == ("T", "1", "100", "30", "4")
    assert _GRAPHICS.sub("", told) == ""
    assert pictures.kitty_forget(77) == "\x1b_Ga=d,d=I,q=2,i=77\x1b\\"


def test_kittys_marks_and_names() -> None:
    # From the table of the protocol: first, some in the middle, last.
    assert len(pictures.MARKS) == 297
    known = {0: 0x305, 1: 0x30D, 17: 0x363, 100: 0x7EB, 296: 0x1D244}
    assert {i: ord(pictures.MARKS[i]) for i in known} == known
    assert list(pictures.MARKS) == sorted(pictures.MARKS)
    assert {unicodedata.combining(mark) for mark in pictures.MARKS} == {230}
    assert all(cell_len(pictures.kitty_cell(1, 2, i)) == 1 for i in range(1, 256))
    for name in pictures.NAMES:
        # In a palette of 256 colours it is still one of its own.
        number = Color.from_rgb(*name).downgrade(ColorSystem.EIGHT_BIT).number
        assert pictures.kitty_id(name, 3, truecolor=False) == 3 << 24 | (number or 0)
    assert pictures.kitty_id((0, 95, 135), 3, truecolor=True) == 0x03005F87


def sixel_pixels(data: str) -> tuple[int, int, list[list[int]], dict[int, tuple[int, ...]]]:
    """Width, height, the palette's number of each pixel (-1: none), the palette in percent."""
    match = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)([^\x1b]*)\x1b\\', data)
    assert match
    width, height = int(match[1]), int(match[2])
    pixels = [[-1] * width for _ in range(height)]
    palette: dict[int, tuple[int, ...]] = {}
    x = y = colour = 0
    for part in re.finditer(
        r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([?-~])|(\$)|(-)", match[3]
    ):
        if part[1]:
            colour = int(part[1])
            if part[2]:
                palette[colour] = tuple(map(int, part.group(2, 3, 4)))
        elif part[8]:
            x = 0
        elif part[9]:
            x, y = 0, y + 6
        else:
            bits = ord(part[6] or part[7]) - 63
            count = int(part[5] or 1)
            for bit in range(6):
                if bits >> bit & 1:
                    pixels[y + bit][x : x + count] = [colour] * count
            x += count
    return width, height, pixels, palette


def test_a_sixel_picture_is_the_picture() -> None:
    background = (14, 20, 19)
    image = drawn(LOSS, background=background)
    file = io.BytesIO()
    image.save(file, "PNG")
    width, height, pixels, palette = sixel_pixels(pictures.sixel_show(file.getvalue(), background))
    assert (width, height) == image.size
    shown = {entry for row in pixels for entry in row}
    assert len(shown) > 4 and -1 in shown
    for y, x in itertools.product(range(height), range(width)):
        there = image.getpixel((x, y))
        assert isinstance(there, tuple)
        entry = pixels[y][x]
        seen = background if entry < 0 else [value * 2.55 for value in palette[entry]]
        assert all(abs(a - b) < 30 for a, b in zip(there[:3], seen, strict=True))


def test_an_iterm_picture_is_the_file_in_the_cells_it_takes() -> None:
    told = pictures.iterm_show(b"\x89PNG...", 12, 3)
    match = re.fullmatch(r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", told)
    assert match
    keys = dict(item.split("=") for item in match[1].split(";"))
    assert (keys["inline"], keys["width"], keys["height"], keys["size"]) == ("1", "12", "3", "7")
    assert base64.standard_b64decode(match[2]) == b"\x89PNG..."


# -- what the terminal says ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "environ", "protocol"),
    [
        (b"\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;c", {}, "kitty"),
        (b"\x1bP>|kitty(0.26.5)\x1b\\\x1b[?62;c", {}, None),  # knows no placeholders yet
        (b"\x1bP>|ghostty 1.1.0\x1b\\\x1b[?62;22c", {}, "kitty"),
        (b"\x1bP>|WezTerm 20240203\x1b\\\x1b[?65;4;6;18;22c", {}, "iterm"),
        (b"\x1bP>|iTerm2 3.5.4\x1b\\\x1b[?62;4c", {}, "iterm"),
        (b"\x1b[?62;4c", {"TERM_PROGRAM": "iTerm.app"}, "iterm"),
        (b"\x1bP>|XTerm(379)\x1b\\\x1b[?63;1;2;4;6;9;15;22c", {}, "sixel"),
        (b"\x1b[?4;6c", {}, None),  # a VT132, not a terminal with sixels
        (b"\x1bP>|VTE(7600)\x1b\\\x1b[?65;1;9c", {}, None),
        (b"", {}, None),
    ],
)
def test_the_protocol_is_told_from_the_answers(
    heard: bytes, environ: dict[str, str], protocol: str | None
) -> None:
    assert terminal.understood(heard, CELL, environ).protocol == protocol


def test_the_answers_tell_the_cells_and_what_is_typed_is_kept() -> None:
    heard = "你\x1bP>|kitty(0.41.1)\x1b\\好\x1b[6;19;10t\x1b[4;800;1100t\x1b[?62;c!\r".encode()
    found = terminal.understood(heard, None, {})
    assert (found.cell, found.typed) == (Cell(10, 19), "你好!\r")
    assert terminal.understood(b"\x1b[6;0;9999t", CELL, {}).cell == CELL
    keys = [getattr(event, "character", None) for event in terminal.keys_of(found.typed)]
    assert keys == ["你", "好", "!", "\r"]


def test_pictures_need_colours_and_outside_of_kitty_the_size_of_cells() -> None:
    sixel = terminal.Terminal("sixel", CELL)
    assert gallery_for(sixel, "truecolor") is not None
    assert gallery_for(sixel, "standard") is None
    assert gallery_for(sixel, None) is None
    assert gallery_for(terminal.Terminal("sixel", None), "truecolor") is None
    assert gallery_for(terminal.Terminal("kitty", None), "256") is not None
    assert gallery_for(terminal.Terminal(None, CELL), "truecolor") is None


def test_the_setting_is_checked(tmp_path: Path) -> None:
    (tmp_path / "notesqa.toml").write_text('[tui]\nformulas = "sixels"\n')
    with pytest.raises(ConfigError, match=r"tui\.formulas must be one of auto, kitty"):
        Settings.load(Home(tmp_path))


# -- the gallery ----------------------------------------------------------------------------


class Waiting:
    """Hears of pictures."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def pictures_ready(self) -> None:
        self.heard.set()


def order(latex: str) -> Order:
    return Order(latex, 60, (1, 1), 0, (200, 200, 200), None)


def test_pictures_are_drawn_behind_and_told_to_kitty_once() -> None:
    gallery = Gallery(terminal.Terminal("kitty", CELL))
    waiting = Waiting()
    gallery.listen(waiting)
    assert gallery.get(order(LOSS)) is None
    gallery.want([order(LOSS), order(r"\nosuch")])
    assert waiting.heard.wait(PATIENCE)
    picture = gallery.get(order(LOSS))
    assert picture is not None
    ((number, (keys, png)),) = kitty_pictures(gallery.unsent([picture])).items()
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (int(keys["c"]) * 10, int(keys["r"]) * 20)
    assert (picture.number, picture.columns) == (number, int(keys["c"]))
    assert gallery.unsent([picture]) == ""
    gallery.resend()
    assert list(kitty_pictures(gallery.unsent([picture]))) == [number]
    assert gallery.get(order(r"\nosuch")) is None
    assert gallery.close() == pictures.kitty_forget(number)


def test_over_text_a_picture_covers_it_and_takes_no_more_rows_than_it_must() -> None:
    gallery = Gallery(terminal.Terminal("iterm", CELL))

    def size(least: tuple[int, int], single: int) -> tuple[int, int]:
        wanted = Order(LOSS, 60, least, single, (200, 200, 200), None)
        waiting = Waiting()
        gallery.listen(waiting)
        gallery.want([wanted])
        assert waiting.heard.wait(PATIENCE)
        picture = gallery.get(wanted)
        assert picture is not None
        return picture.columns, picture.rows

    columns, rows = size((1, 1), 0)
    assert size((50, rows), 0) == (50, rows)
    assert size((50, rows + 4), 40) == (40, rows)
    assert size((50, rows + 4), 0) == (50, rows + 4)
    assert columns < 40
    gallery.close()


def test_no_two_pictures_have_one_id_and_old_ones_leave_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notesqa.tui.gallery._MOST_READY", 3)
    gallery = Gallery(terminal.Terminal("kitty", CELL))
    made: list[Picture] = []
    for number in range(5):
        waiting = Waiting()
        gallery.listen(waiting)
        gallery.want([order(f"x_{number}")])
        assert waiting.heard.wait(PATIENCE)
        picture = gallery.get(order(f"x_{number}"))
        assert picture is not None
        told = gallery.unsent([picture])
        made.append(picture)
        if number >= 3:
            assert pictures.kitty_forget(made[number - 3].number) in told
    gallery.close()
    assert len({picture.number for picture in made}) == 5
    assert gallery.get(order("x_0")) is None


# -- lines ------------------------------------------------------------------------------------

NOTE = "前文\n\n1. 一项\n\n   $$\n   " + LOSS + "\n   $$\n\n后文 $x$\n"


def lines_with(picture: Picture | None, width: int = 60) -> list[tuple[int, Line]]:
    return list(with_pictures(lay_out(blocks_of(NOTE), width), lambda spot, size: picture))


def test_without_a_picture_the_lines_are_what_they_were() -> None:
    assert lines_with(None) == list(enumerate(lay_out(blocks_of(NOTE), 60)))


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 9])
def test_a_picture_takes_its_rows_and_has_the_formula_behind_it(rows: int) -> None:
    before = lay_out(blocks_of(NOTE), 60)
    place = next(i for i, line in enumerate(before) if line.spot)
    lines = lines_with(Picture(24, rows, "", 7, (0, 95, 135), 1))
    framed = [(origin, line) for origin, line in lines if line.picture]
    assert [line.row for _, line in framed] == list(range(rows))
    assert {origin for origin, _ in framed} == {place}
    assert "ℒ" in "".join(line.text for _, line in framed)
    assert [line for _, line in lines if not line.spot] == [x for x in before if not x.spot]
    spot = framed[0][1].spot
    assert spot is not None and all(line.width >= spot.lead + 24 for _, line in framed)


def test_the_cells_of_a_picture_survive_being_cut_anywhere() -> None:
    picture = Picture(24, 3, "", 0x01005F87, (0, 95, 135), 1)
    line = next(line for _, line in lines_with(picture) if line.row == 1)
    strip = overlaid(Strip([Segment(piece.text) for piece in line.pieces]), line)
    spot = line.spot
    assert spot is not None
    assert strip.cell_length == spot.lead + 24
    for cut in range(spot.lead, spot.lead + 24):
        text = strip.crop(cut, cut + 1).text
        assert text == pictures.kitty_cell(1, cut - spot.lead, 1)


def test_a_fence_of_mathematics_is_a_display_formula() -> None:
    text = "前\n\n```math\n\\frac{a}{b}\n```\n\n后\n"
    blocks = blocks_of(text)
    assert [block.kind for block in blocks] == ["paragraph", "mathematics", "paragraph"]
    lines = lay_out(blocks, 40)
    spot = next(line.spot for line in lines if line.spot)
    assert spot.latex.strip() == r"\frac{a}{b}" == text[spot.start : spot.end].strip()
    source = lay_out(blocks_of(text, show_source=True), 40, show_source=True)
    assert r"\frac{a}{b}" in "".join(line.text for line in source)


def test_source_that_was_asked_for_is_no_picture() -> None:
    lines = lay_out(blocks_of(NOTE, show_source=True), 60, show_source=True)
    assert not any(line.spot for line in lines)


# -- the program in a terminal that knows pictures -----------------------------------------------

KITTY = b"\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;20;10t\x1b[?62;c"
SIXEL = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;20;10t\x1b[?63;1;2;4;22c"
_PATIENT = (
    "import sys\nfrom notesqa.tui import terminal\nfrom notesqa.tui.__main__ import main\n"
    f"terminal._PATIENCE = {PATIENCE}\nsys.exit(main(sys.argv[1:]))\n"
)
_SPECIAL = re.compile(rb"\x1b[_PX^][^\x1b\x07]*\x1b\\|\x1b\][^\x1b\x07]*(?:\x07|\x1b\\)")
_HALF = re.compile(rb"\x1b(?:[_PX^\]][^\x1b\x07]*\x1b?)?$")


class Pictured(Terminal):
    """A terminal that answers `answers`, and puts what is not text aside."""

    def __init__(self, home: Path, answers: bytes) -> None:
        if answers:  # on a busy machine they may come later than the app waits for them
            self.program = ("-c", _PATIENT)
        self.answers = answers
        self.special: list[bytes] = []
        self.rest = b""
        super().__init__(home)
        self.feed = self.stream.feed
        self.stream.feed = self.sorted_out  # type: ignore[method-assign]

    def sorted_out(self, data: bytes) -> None:
        if terminal.QUESTION.encode() in self.raw and self.answers:
            self.child.send(self.answers)
            self.answers = b""
        data = self.rest + data
        half = _HALF.search(data)
        data, self.rest = (data[: half.start()], half[0]) if half else (data, b"")
        self.special += _SPECIAL.findall(data)
        # pyte takes the question after the version for text.
        self.feed(_SPECIAL.sub(b"", data).replace(b"\x1b[>q", b""))

    def settle(self) -> None:
        """Read until nothing has come for a while."""
        seen = -1
        while len(self.raw) != seen:
            seen = len(self.raw)
            for _ in range(6):
                self.read()

    @property
    def text(self) -> str:
        # In the middle of a frame half of a wide character may be there, which `display` minds.
        buffer, columns = self.screen.buffer, range(self.screen.columns)
        rows = ("".join(buffer[y][x].data for x in columns) for y in range(self.screen.lines))
        return "\n".join(row.rstrip() for row in rows)

    def placeholders(self) -> dict[tuple[int, int], tuple[int, int, int]]:
        """Id, row and column of the picture in each cell that has one."""
        found: dict[tuple[int, int], tuple[int, int, int]] = {}
        for y in range(self.screen.lines):
            for x in range(self.screen.columns):
                cell = self.screen.buffer[y][x]
                if cell.data.startswith(pictures.PLACEHOLDER) and len(cell.data) == 4:
                    row, column, family = (pictures.MARKS.index(mark) for mark in cell.data[1:])
                    found[y, x] = family << 24 | int(cell.fg, 16), row, column
        return found


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Pictured]]:
    (tmp_path / "corpus").mkdir()
    text = (
        "---\ntitle: 均方误差\n---\n\n均方误差是误差平方的平均：\n\n$$"
        + LOSS
        + "$$\n\n它处处可导。\n"
    )
    (tmp_path / "corpus" / "mse.md").write_text(text, encoding="utf-8")
    with Notes.open(Home(tmp_path), settings=Settings()) as notes:
        notes.index()
    for name in (
        "TMUX",
        "STY",
        "ZELLIJ",
        "TERM_PROGRAM",
        "LC_TERMINAL",
        "SSH_CONNECTION",
        "SSH_TTY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    made: list[Pictured] = []

    def start(answers: bytes, *, note: bool = True) -> Pictured:
        terminal = Pictured(tmp_path, answers)
        made.append(terminal)
        if note:
            terminal.says("1 篇", "提交 1")
            terminal.send(F4)
            terminal.says("均方误差")
            terminal.send(ENTER)
            terminal.says("它处处可导")
        return terminal

    yield start
    for started in made:
        started.close()


def test_in_kitty(reading: Callable[..., Pictured]) -> None:
    terminal = reading(KITTY)
    terminal.until(terminal.placeholders)
    ((number, (keys, png)),) = kitty_pictures(b"".join(terminal.special).decode()).items()
    columns, rows = int(keys["c"]), int(keys["r"])
    top, left = min(terminal.placeholders())
    grid = {
        (top + row, left + column): (number, row, column)
        for row in range(rows)
        for column in range(columns)
    }
    terminal.until(lambda: terminal.placeholders() == grid)
    with Image.open(io.BytesIO(png)) as image:
        assert image.size == (columns * 10, rows * 20)
    terminal.send("m")
    terminal.says(r"\frac{1}{n}")
    terminal.until(lambda: not terminal.placeholders())
    terminal.send("m")
    terminal.until(terminal.placeholders)
    terminal.send("\x10")  # the palette: what is behind it is dimmed, and so is text
    terminal.until(lambda: not terminal.placeholders())
    terminal.send("\x1b")
    terminal.until(terminal.placeholders)
    terminal.send("\x11")
    assert terminal.wait() == 0
    left_at = terminal.raw.rindex(b"\x1b[?1049l")
    assert pictures.kitty_forget(number).encode() in terminal.raw[:left_at]


def test_suspended_and_resumed_kitty_gets_its_pictures_again(
    reading: Callable[..., Pictured],
) -> None:
    terminal = reading(KITTY)
    terminal.until(terminal.placeholders)
    terminal.send("\x1a")
    terminal.until(lambda: b"\x1b[?1049l" in terminal.raw)
    terminal.suspended()
    before = len(terminal.special)
    os.kill(terminal.child.pid, signal.SIGCONT)
    terminal.until(lambda: kitty_pictures(b"".join(terminal.special[before:]).decode()))
    terminal.until(terminal.placeholders)


def test_with_sixels(reading: Callable[..., Pictured]) -> None:
    terminal = reading(SIXEL)
    terminal.until(lambda: any(item.startswith(b"\x1bP0;1;0q") for item in terminal.special))
    picture = next(item for item in terminal.special if item.startswith(b"\x1bP0;1;0q"))
    width, height, _, _ = sixel_pixels(picture.decode())
    place = re.findall(rb"\x1b\[(\d+);(\d+)H$", terminal.raw[: terminal.raw.index(picture)])
    y, x = int(place[0][0]) - 1, int(place[0][1]) - 1
    assert width % 10 == 0 and height % 20 == 0
    # It covers what was the formula's text, which was taken away, and nothing else.
    inside = [
        (row, column) for row in range(y, y + height // 20) for column in range(x, x + width // 10)
    ]
    cells = terminal.screen.buffer
    terminal.until(lambda: {cells[row][column].data for row, column in inside} == {" "})
    assert "∑" not in terminal.text and "它处处可导" in terminal.text
    assert not kitty_pictures(b"".join(terminal.special).decode())
    # Typing elsewhere draws nothing here, and so the picture needs not be put down again.
    terminal.send("/")
    terminal.settle()
    before = len(terminal.special)
    for typed in ("均", "均方", "均方误"):
        terminal.send(typed[-1])
        terminal.says(typed)
    terminal.settle()
    assert not any(item.startswith(b"\x1bP") for item in terminal.special[before:])
    terminal.send("\x0f")  # back to the note
    terminal.send("m")
    terminal.says(r"\frac{1}{n}")


@pytest.mark.parametrize("answers", [b"", b"\x1b[?62;22c"])
def test_where_nothing_is_answered_or_no_pictures_are_known(
    reading: Callable[..., Pictured], answers: bytes
) -> None:
    terminal = reading(answers)
    terminal.says("∑")
    assert not any(item.startswith((b"\x1b_", b"\x1bP", b"\x1b]1337")) for item in terminal.special)


def test_what_is_typed_before_the_app_is_there_is_not_lost(
    reading: Callable[..., Pictured],
) -> None:
    terminal = reading(b"\xe4\xbd\xa0" + KITTY[:5] + KITTY[5:] + b"ok", note=False)
    terminal.says("你ok")


def test_in_kitty_with_256_colours(
    reading: Callable[..., Pictured], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORTERM", "")
    terminal = reading(KITTY)
    terminal.until(lambda: kitty_pictures(b"".join(terminal.special).decode()))
    ((number, _),) = kitty_pictures(b"".join(terminal.special).decode()).items()
    # The colour's place in the palette is the low part of the id.
    terminal.until(lambda: f"38;5;{number & 0xFFFFFF};".encode() in terminal.raw)
    terminal.until(terminal.placeholders)
