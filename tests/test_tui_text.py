"""Notes as lines: nothing lost, nothing broken, every character knows its place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from notesqa.records import Answer, Citation, Paragraph, Passage, Sentence, paragraphs
from notesqa.text.latex import formulas
from notesqa.text.terminal import safe
from notesqa.tui import export, flow, queries
from notesqa.tui.answers import Exchange, answer_blocks, exchange_lines
from notesqa.tui.flow import NO_PLACE, Line, Piece, fold, wrap
from notesqa.tui.inks import INKS
from notesqa.tui.layout import lay_out
from notesqa.tui.markdown import blocks_of, outline, plain_text
from notesqa.tui.results import snippet
from notesqa.tui.wording import Wording, choose
from tests.patience import grows_with_the_length
from tests.quoting import note, quoting
from tests.tui_fake import DDIM, DEEPFACE, HOSTILE, L1, OVERFITTING

CORPUS = Path(__file__).parent.parent / "corpus"
NOT_FIRST = set("，。、；：？！）》」』】”’")
NOT_LAST = set("（《「『【“‘")


def shown(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


# -- wrapping -----------------------------------------------------------------------

_TEXT = st.text(alphabet="ab1 中文，。（）“”-—、éx̂", max_size=80)


@settings(max_examples=300, deadline=None)
@given(_TEXT, st.integers(8, 40))
def test_wrapping_keeps_every_character_in_place(text: str, width: int) -> None:
    lines = wrap([Piece(text, "", 0, len(text))], width)
    assert all(line.width <= width for line in lines)
    kept = [(p.start, p.text) for line in lines for p in line.pieces]
    for start, part in kept:
        assert text[start : start + len(part)] == part
    assert "".join(part for _, part in kept).replace(" ", "") == text.replace(" ", "")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(_TEXT, st.sampled_from(["", "strong"]), st.booleans()), max_size=4),
    st.integers(8, 90),
)
def test_what_fits_on_a_line_is_as_if_it_had_been_broken_up(
    parts: list[tuple[str, str, bool]], width: int
) -> None:
    pieces = [Piece(text, style, solid=solid) for text, style, solid in parts]

    def cells(lines: list[Line]) -> list[list[tuple[str, str]]]:
        return [[(c, piece.style) for piece in line.pieces for c in piece.text] for line in lines]

    at_once = cells(wrap(pieces, width, first=[Piece("› ")], rest=[Piece("  ")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow, "_on_one_line", lambda *_: None)
        assert cells(wrap(pieces, width, first=[Piece("› ")], rest=[Piece("  ")])) == at_once


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="中文字，。（）“”、", max_size=60), st.integers(16, 40))
def test_no_line_begins_with_a_closing_mark(text: str, width: int) -> None:
    # A run of marks longer than a line has to break somewhere.
    if any(len(run) > 5 for run in _runs(text)):
        return
    for line in wrap([Piece(text)], width)[1:]:
        assert line.text[:1] not in NOT_FIRST


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab1 中文字，。（）“”、-é🙂", max_size=90), st.integers(16, 40))
def test_folding_loses_nothing_and_keeps_marks_and_words_where_they_belong(
    text: str, width: int
) -> None:
    rows, rest = [], text
    while rest:
        row, left = fold(rest, width)
        assert len(left) < len(rest) and cell_len(row) <= width
        rows.append(row)
        rest = left
    assert "".join(rows).replace(" ", "") == text.replace(" ", "")
    if any(len(run) > 5 for run in _runs(text)):
        return
    for above, row in pairwise(rows):
        assert row[:1] not in NOT_FIRST and above[-1:] not in NOT_LAST


def test_a_line_does_not_begin_with_a_mark_that_stood_behind_a_space() -> None:
    assert fold("11、、中 、、、）", 16)[1] == "中 、、、）"
    assert fold("1、、、中、（ 1）", 16)[1] == "（ 1）"


def test_a_word_is_cut_only_where_it_is_longer_than_the_line() -> None:
    text = "批归一化（Batch Normalization）与 Dropout 都让训练更稳，见 https://example.org/a/very/long/path"
    for width in range(20, 60):
        rows, rest = [], text
        while rest:
            row, rest = fold(rest, width)
            rows.append(row)
        for word in ("Batch", "Normalization", "Dropout"):
            assert any(word in row for row in rows), (width, rows)


def test_a_chip_stays_with_its_sentence() -> None:
    sentence = Sentence("把权重看成随机变量，正则化就等价于先验。", (1, 2), supported=False)
    for width in range(12, 60):
        lines = lay_out(answer_blocks([Paragraph((sentence,))], {1, 2}, "x"), width)
        assert not any(line.text.startswith(("[", "⚠")) for line in lines), width


def test_code_is_cut_between_words_and_goes_on_below_its_indentation() -> None:
    code = "def f():\n    return maximum(absolute(weight) - threshold, 0.0) * sign_of(weight)\n"
    words = ("return", "maximum", "absolute", "weight", "threshold", "0.0", "sign_of")
    for width in range(30, 70):
        lines = lay_out(blocks_of(f"```python\n{code}```"), width)
        rows = [line.text for line in lines]
        assert all(line.width <= width for line in lines)
        for word in words:
            assert any(word in row for row in rows), (width, rows)
        assert all(row.startswith("↪      ") for row in rows[2:])
        kept = "".join(row.lstrip("↪ ").rstrip() for row in rows)
        assert kept.replace(" ", "") == "".join(code.split())


def _runs(text: str) -> list[str]:
    runs = [""]
    for char in text:
        runs[-1] += char
        if char in "中文字":
            runs.append("")
    return runs


def test_a_formula_is_never_broken() -> None:
    text = "我们把它写成 $q(x_{t-1}\\mid x_t, x_0)=a+b$ 的样子，然后继续。"
    for width in range(24, 60):
        lines = lay_out(blocks_of(text), width)
        assert any("q(xₜ₋₁ | xₜ, x₀) = a + b" in line.text for line in lines)


def test_a_display_formula_that_is_too_wide_breaks_before_a_relation_or_shows_its_source() -> None:
    text = "$$x=a+b+c+d+e+f+g+h+i+j\\qquad y=\\frac{\\text{一个很长的分子分子分子}}{b}$$"
    wide, narrow, tiny = (shown(lay_out(blocks_of(text), width)) for width in (100, 50, 14))
    assert "────" in wide and "y" in wide.split("\n")[1]
    assert "────" in narrow and all(cell_len(row) <= 50 for row in narrow.split("\n"))
    assert "\\frac" in tiny


# -- places -------------------------------------------------------------------------

TEXTS = {"l1": L1, "overfitting": OVERFITTING, "ddim": DDIM, "deepface": DEEPFACE}


def _corpus() -> list[str]:
    return [p.read_text(encoding="utf-8") for p in sorted(CORPUS.glob("*.md"))[:12]]


@pytest.mark.parametrize("markdown", [True, False])
def test_what_is_shown_stands_at_its_place(markdown: bool) -> None:
    for text in [*TEXTS.values(), HOSTILE, *_corpus()]:
        for line in lay_out(blocks_of(text, markdown=markdown), 60):
            for piece in line.pieces:
                if piece.exact and not piece.solid:
                    assert safe(text[piece.start : piece.end], newlines=False) == piece.text


def test_every_letter_of_a_note_is_shown_somewhere() -> None:
    for text in [*TEXTS.values(), *_corpus()]:
        covered = bytearray(len(text))
        for line in lay_out(blocks_of(text), 70):
            for piece in line.pieces:
                if piece.start != NO_PLACE:
                    covered[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
        inside = bytearray(len(text))
        for formula in formulas(text):
            inside[formula.start : formula.end] = b"\1" * (formula.end - formula.start)
        missed = [
            i
            for i, char in enumerate(text)
            if "\u4e00" <= char <= "\u9fff" and not covered[i] and not inside[i]
        ]
        around = [text[max(0, i - 10) : i + 10] for i in missed[:3]]
        assert not missed, around


def test_a_cited_span_is_found_on_a_line() -> None:
    for quote in ("L1 正则化等价于拉普拉斯先验", "早停", "坐标下降", "max(abs(w)", "拉普拉斯 | 是"):
        text = L1 if quote in L1 else OVERFITTING
        start = text.index(quote)
        lines = lay_out(blocks_of(text), 50)
        end = start + len(quote)
        assert any(
            p.start != NO_PLACE and p.start < end and p.end > start
            for line in lines
            for p in line.pieces
        ), quote


def test_a_note_is_rendered() -> None:
    text = shown(lay_out(blocks_of(L1), 70))
    assert "**" not in text and "```" not in text and "](" not in text
    assert "▌ 贝叶斯角度" in text
    assert "• 坐标下降" in text
    assert "Lasso │ λ‖w‖₁" in text
    assert "  1. 更多的数据。" not in shown(lay_out(blocks_of(OVERFITTING), 70))
    assert "1. 更多的数据。" in shown(lay_out(blocks_of(OVERFITTING), 70))
    assert "▎ 过拟合不是模型太大" in shown(lay_out(blocks_of(OVERFITTING), 70))
    assert [h.text for h in outline(blocks_of(L1))] == ["贝叶斯角度", "稀疏性"]


def test_source_of_formulas_on_demand() -> None:
    blocks = blocks_of(L1, show_source=True)
    assert "\\frac{1}{2b}" in shown(lay_out(blocks, 70, show_source=True))


def test_only_known_styles_are_used() -> None:
    used = {
        name
        for text in [*TEXTS.values(), HOSTILE, *_corpus()]
        for line in lay_out(blocks_of(text), 60)
        for piece in line.pieces
        for name in piece.style.split()
    }
    assert used <= set(INKS)
    assert {"heading-2", "formula", "code-block", "strong", "link"} <= used


# -- hostile text ---------------------------------------------------------------------


def _harmless(text: str) -> bool:
    bad = {chr(c) for c in (*range(32), *range(127, 160)) if c != 10}
    bad |= set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff")
    return not bad & set(text)


@pytest.mark.parametrize("width", [20, 78, 160])
@pytest.mark.parametrize("markdown", [True, False])
def test_hostile_text_changes_nothing_but_itself(width: int, markdown: bool) -> None:
    lines = lay_out(blocks_of(HOSTILE, markdown=markdown), width)
    assert all(line.width <= width for line in lines)
    assert _harmless(shown(lines))
    assert "[bold red]标记[/]" in shown(lines).replace("\n", "")
    assert "[@click=app.quit]点我[/]" in shown(lines).replace("\n", "")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.integers(12, 60))
def test_any_text_is_laid_out_within_its_width(text: str, width: int) -> None:
    lines = lay_out(blocks_of(text), width)
    assert _harmless(shown(lines))
    # A list nested deeper than the pane is wide cannot be kept within it.
    if text.count(">") + text.count("-") + text.count("+") + text.count("*") < 3:
        assert all(line.width <= width for line in lines)
    assert plain_text(text).count("\n") == 0


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        ("[", 40_000),
        ("**a ", 20_000),
        ("`", 800_000),
        ("> ", 12_000),
        ("a", 400_000),
        ("$x", 32_000),
    ],
    ids=["brackets", "stars", "ticks", "quotes", "one word", "dollars"],
)
def test_a_text_made_to_be_slow_is_not(piece: str, times: int) -> None:
    grows_with_the_length(lambda n: lay_out(blocks_of(piece * n + "a"), 80), times)


def test_an_answer_cannot_style_or_link_itself() -> None:
    evil = "[red]红[/] \x1b[2J [1](cite:1:9) ```\nunclosed"
    citation = Citation(1, "c", "d", "[b]题[/b]\x1b[0m", "corpus/\u202ea.md:1", "x", 0, 1)
    answer = Answer(
        "问\x07", (Sentence(evil, (1, 7), False, "\x1b]52;c;x\x07"),), (citation,), False, "m"
    )
    exchange = Exchange(1, "问\x07题", state="done", answer=answer)
    lines = exchange_lines(exchange, 60, Wording("zh"))
    assert _harmless(shown(lines))
    links = {p.link for line in lines for p in line.pieces if p.link}
    assert not any(link.startswith("cite:1:9") for link in links)
    assert "cite:1:1" in links and "cite:1:7" not in links
    assert "⚠" in shown(lines)


ITEMS = (
    "- 回归时不能外推：叶子输出是训练标签的平均，预测值不会超出训练集标签的范围。",
    "- 模型体积大，几百棵深树占内存，线上预测慢。",
)


def answered(answer: Answer, width: int) -> list[str]:
    """The lines of an answer, without its question and its citations."""
    exchange = Exchange(1, answer.question, state="done", answer=answer)
    rows = [line.text for line in exchange_lines(exchange, width, Wording("zh"))]
    return rows[2 : rows.index("", 2) if "" in rows[2:] else None]


@pytest.mark.parametrize("width", [24, 38, 60, 100])
def test_each_item_of_a_quoted_list_begins_a_line_and_hangs_below_its_marker(width: int) -> None:
    document = note("\n".join(ITEMS))
    rows = answered(quoting(*((document, item) for item in ITEMS)), width)
    heads = [n for n, row in enumerate(rows) if row.startswith("  • ")]
    assert len(heads) == 2 and heads[0] == 0
    for number, item in enumerate(ITEMS):
        own = rows[heads[number] : [*heads, len(rows)][number + 1]]
        assert all(row.startswith("    ") and row[4] != " " for row in own[1:])
        assert all(cell_len(row) <= width for row in own)
        assert "".join(row[4:] for row in own) == f"{item[2:]}[{number + 1}]"


def test_a_wide_marker_hangs_by_its_width() -> None:
    items = ("（1）" + "快" * 20 + "。", "（2）省。")
    document = note("\n".join(items))
    rows = answered(quoting(*((document, item) for item in items)), 30)
    assert [row[: row.index("快")] for row in rows[:2]] == ["  （1）", " " * 7]
    assert rows[-1] == "  （2）省。[2]"


def test_a_table_in_an_item_stands_below_its_text() -> None:
    items = ("- 快：\n\n  | 法 | 秒 |\n  |---|---|\n  | 甲 | 1 |", "- 省。")
    document = note("\n".join(items))
    lines = lay_out(
        answer_blocks(paragraphs(quoting(*((document, i) for i in items))), (1, 2), "x"), 40
    )
    assert [line.text.rstrip() for line in lines] == [
        "• 快：",
        "",
        "   法 │ 秒",
        "  ────┼────",
        "   甲 │ 1",
        "  [1]",
        "• 省。[2]",
    ]


def cited(*places: tuple[str, str, int]) -> Answer:
    """An answer that cites sections of notes: note, section, line."""
    chunks = list(dict.fromkeys(places))
    passages = tuple(
        Passage(
            n, 1.0, f"c{n}", note, note.upper(), f"corpus/deep/{note}.md:{line}", section, "", 0, 1
        )
        for n, (note, section, line) in enumerate(chunks)
    )
    citations = tuple(
        Citation(n, p.chunk_id, p.document_id, p.title, p.source, "", 0, 1)
        for n, p in enumerate((passages[chunks.index(place)] for place in places), 1)
    )
    sentence = Sentence("一句。", tuple(c.n for c in citations))
    return Answer("问", (sentence,), citations, False, "extractive", {}, passages=passages)


def rows_cited(answer: Answer, cells: int, *changed: int) -> list[str]:
    asked = Exchange(7, "问", state="done", answer=answer, changed=changed)
    rows = [line.text for line in exchange_lines(asked, cells, Wording("zh"))]
    assert all(cell_len(row) <= cells for row in rows)
    at = rows.index("  引用")
    return [" ".join(row.split()) for row in rows[at + 1 : rows.index("", at)]]


def test_citations_of_one_place_share_a_row_and_name_their_section() -> None:
    places = [("gan", "", 3), ("gan", "", 3), ("gan", "训练 › 技巧", 9), ("vae", "下界", 5)]
    answer = cited(*places, places[0])
    assert rows_cited(answer, 50) == [
        "[1][2] GAN corpus/deep/gan.md:3",
        "[3] › 训练 › 技巧 corpus/deep/gan.md:9",
        "[4] VAE › 下界 corpus/deep/vae.md:5",
        "[5] GAN corpus/deep/gan.md:3",
    ]
    lines = exchange_lines(Exchange(7, "问", state="done", answer=answer), 50, Wording("zh"))
    links = [(p.text, p.link) for line in lines for p in line.pieces if p.style == "entry"]
    assert links[:3] == [("[1]", "cite:7:1"), ("[2]", "cite:7:2"), (" GAN", "cite:7:1")]


def test_of_a_long_path_the_file_and_line_are_left_and_then_its_end() -> None:
    answer = cited(("gan", "训练", 3))
    assert rows_cited(answer, 32) == ["[1] GAN › 训练 gan.md:3"]
    long = "generative_adversarial"
    assert rows_cited(cited((long, "训练 › 技巧与坑", 30)), 48) == [
        "[1] GENERATIVE_ADVERSARIAL › 训练 ›… 第 30 行"
    ]
    (row,) = rows_cited(cited((long, "", 30)), 46)
    assert row.endswith(" …versarial.md:30")


def test_a_note_that_has_changed_is_told_and_its_section_is_not() -> None:
    assert rows_cited(cited(("gan", "训练", 3), ("gan", "训练", 3)), 50, 2) == [
        "[1] GAN › 训练 corpus/deep/gan.md:3",
        "[2] GAN ⚠ 笔记已改动 corpus/deep/gan.md:3",
    ]


WIDE = (
    "| 模型 | 主干网络 | 分辨率 | mAP@0.5 | 参数量 | FLOPs | 延迟 | 训练数据 | 备注 |\n"
    "|---|---|---:|---:|---:|---:|---:|---|---|\n"
    "| YOLOv5-s | CSPDarknet | 640 | 56.8 | 7.2 | 16.5 | 6.4 | COCO 2017 | 量化损失小 |\n"
    "| FCOS | ResNet-101 | 800 | 60.7 | 51.0 | 320 | 96 |  | 看 $L_{cls}$ |\n"
)


@pytest.mark.parametrize("width", [24, 51, 80])
def test_a_table_that_does_not_fit_is_told_row_by_row(width: int) -> None:
    """No cell is cut off, and every value stands beside the name of its column."""
    lines = lay_out(blocks_of(WIDE), width)
    assert all(line.width <= width for line in lines)
    rows = [line.text.rstrip() for line in lines]
    assert rows[:3] == ["YOLOv5-s", "  主干网络  CSPDarknet", "  分辨率    640"]
    assert "  备注      量化损失小" in rows and "  备注      看 L_cls" in rows
    fcos = rows.index("FCOS")
    assert rows[fcos - 1] == "" and not any("训练数据" in row for row in rows[fcos:])
    # A quotation of a cell is marked where it stands.
    at = WIDE.index("量化损失小")
    assert any(p.start <= at < p.end for line in lines for p in line.pieces)


def test_the_head_alone_of_a_table_that_does_not_fit_is_a_list() -> None:
    lines = lay_out(blocks_of("\n".join(WIDE.splitlines()[:2])), 40)
    assert [line.text for line in lines][:3] == ["模型", "主干网络", "分辨率"]


def test_a_table_that_fits_when_its_words_do_is_one() -> None:
    lines = lay_out(blocks_of(WIDE), 110)
    assert all(line.width <= 110 for line in lines)
    assert "│ 备注" in lines[0].text and "YOLOv5-s " in lines[2].text


def test_a_model_that_writes_a_list_is_seen_to_write_it() -> None:
    exchange = Exchange(1, "问", state="writing", text="有二：\n- 快。[1]\n- 省。[2]")
    rows = [line.text.strip() for line in exchange_lines(exchange, 40, Wording("zh"))]
    assert rows[2:6] == ["有二：", "", "• 快。[1]", "• 省。[2]"]


# -- searching, exporting, words --------------------------------------------------------


def test_filters_are_read_as_they_are_typed() -> None:
    query = queries.parse('DDIM tag:扩散 source:ddim after:2024 before:2024-02 tag:"两 词"')
    assert query.text == "DDIM"
    assert query.tags == ("扩散", "两 词")
    assert query.sources == ("*ddim*",)
    assert (query.after, query.before) == ("2024-01-01", "2024-02-29")
    assert queries.parse("a tag:").tags == ()
    assert queries.parse("a after:soon").bad_date == "soon"
    assert queries.parse("http://x.y").text == "http://x.y"


def test_filters_are_completed() -> None:
    assert queries.complete("x ta", [], []) == "x tag:"
    assert queries.complete("x tag:扩", ["扩散模型", "先验"], []) == "x tag:扩散模型"
    assert queries.complete("tag:a", ["a b"], []) == 'tag:"a b"'
    assert queries.complete("x", ["y"], []) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=50), st.lists(st.text(min_size=1, max_size=3), max_size=4))
def test_matches_are_where_they_say(text: str, words: list[str]) -> None:
    last = 0
    for start, end in queries.matches(text, words):
        assert last <= start < end <= len(text)
        assert text[start:end].lower() in {w.lower() for w in words}
        last = end


def test_a_snippet_holds_the_match_and_fits() -> None:
    text = "前文。" * 100 + "拉普拉斯先验" + "后文。" * 100
    rows = snippet(text, ["拉普拉斯"], 40, 2)
    assert any("拉普拉斯" in row for row in rows)
    assert all(cell_len(row) <= 40 for row in rows) and len(rows) == 2


def test_a_snippet_begins_with_the_sentence_of_the_match() -> None:
    text = "前面的话很长，" * 10 + "先验决定形状。拉普拉斯先验给出稀疏的解。" + "后文。" * 9
    assert snippet(text, ["拉普拉斯"], 40, 2)[0].startswith("…拉普拉斯先验给出")
    words = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    assert snippet(words, ["thirteen"], 20, 2)[0] == "…thirteen fourteen"


def test_a_sentence_after_a_formula_begins_a_line_of_its_own() -> None:
    sentences = (
        Sentence("训练误差满足\n\n$$\nx\n$$", (1,)),
        Sentence("它会衰减。", (2,)),
        Sentence("很快。", (3,)),
    )
    rows = [
        "".join(p.text for p in line.pieces).strip()
        for line in lay_out(answer_blocks([Paragraph(sentences)], {1, 2, 3}, "x"), 60)
    ]
    assert rows[-3:] == ["[1]", "", "它会衰减。[2]很快。[3]"]


def test_an_exported_formula_keeps_its_closing_line(tmp_path: Path) -> None:
    citation = Citation(1, "c", "d", "题", "corpus/a.md:3", "引文", 0, 1)
    sentences = (Sentence("误差满足\n\n$$\nx\n$$", (1,)), Sentence("它会衰减。", (1,)))
    answer = Answer("问", sentences, (citation,), False, "extractive")
    text = export.export(tmp_path, "题", [answer]).read_text(encoding="utf-8")
    assert "误差满足\n\n$$\nx\n$$\n[^1]\n\n它会衰减。[^1]\n" in text


def test_a_footnote_is_no_row_of_the_table_above_it(tmp_path: Path) -> None:
    citation = Citation(1, "c", "d", "题", "corpus/a.md:3", "引文", 0, 1)
    sentences = (Sentence("| 层 | 尺寸 |\n|---|---|\n| pool5 | 7 |", (1,)),)
    answer = Answer("问", sentences, (citation,), False, "extractive")
    text = export.export(tmp_path, "题", [answer]).read_text(encoding="utf-8")
    assert "| pool5 | 7 |\n\n[^1]\n" in text


def test_an_exported_list_is_a_list(tmp_path: Path) -> None:
    document = note("\n".join(ITEMS))
    answer = quoting(*((document, item) for item in ITEMS))
    text = export.export(tmp_path, "题", [answer]).read_text(encoding="utf-8")
    assert f"\n\n{ITEMS[0]}[^1]\n{ITEMS[1]}[^2]\n\n[^1]: " in text


def test_export_numbers_its_footnotes_over_all_answers(tmp_path: Path) -> None:
    def answer(n: int) -> Answer:
        citation = Citation(1, "c", "d", f"题{n}", "corpus/a.md:3", f"引文{n}\n第二行", 0, 1)
        return Answer(f"问{n}", (Sentence(f"答{n}。", (1,)),), (citation,), False, "extractive")

    path = export.export(tmp_path, "关于/先验: 的问题", [answer(1), answer(2)])
    text = path.read_text(encoding="utf-8")
    assert path.parent == tmp_path and "/" not in path.name
    assert "答1。[^1]" in text and "答2。[^2]" in text
    assert "[^2]: 题2, `corpus/a.md:3`: “引文2 第二行”" in text
    assert export.export(tmp_path, "关于/先验: 的问题", []) != path


def test_every_word_exists_in_both_languages() -> None:
    zh, en = Wording("zh"), Wording("en")
    for key in zh.keys():  # noqa: SIM118 - no mapping
        assert zh(key) and en(key)
    assert choose("", {"LANG": "en_US.UTF-8"}).language == "en"
    assert choose("", {"LANG": "zh_CN.UTF-8"}).language == "zh"
    assert choose("", {"LANG": "C.UTF-8"}).language == "zh"
    assert choose("en", {"LANG": "zh_CN.UTF-8"}).language == "en"
