"""Passages: exact, complete, within the limit, and cut where a reader would cut."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.chunking import chunk
from notesqa.notes import read_file
from notesqa.records import Chunk, Document, Source
from notesqa.text.latex import protected_spans
from tests.patience import grows_with_the_length

LIMIT = 60


def count(text: str) -> int:
    """Han characters, words, and other signs: much like a tokenizer."""
    return len(re.findall(r"[\u3400-\u9fff]|[A-Za-z0-9]+|[^\w\s]", text))


def count_all(text: str) -> int:
    """A tokenizer that counts line ends too, so that parts do not add up to the whole."""
    return len(re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]", text))


def document(text: str, kind: str = "article", title: str = "题目") -> Document:
    return Document("d", title, text, kind, (Source("corpus/n.md"),))  # type: ignore[arg-type]


def cut(text: str, *, tokens: int = LIMIT, **kind: str) -> list[Chunk]:
    return chunk(document(text, **kind), count, tokens=tokens)


def texts(chunks: list[Chunk]) -> list[str]:
    return [c.text for c in chunks]


def check(doc: Document, chunks: list[Chunk], tokens: int) -> None:
    end = 0
    covered: set[int] = set()
    for i, c in enumerate(chunks):
        assert c.ordinal == i
        assert c.document_id == doc.id
        assert c.text == doc.text[c.start : c.end]
        assert c.text == c.text.strip() != ""
        assert end <= c.start
        assert c.tokens <= tokens
        covered.update(range(c.start, c.end))
        end = c.end
    assert all(doc.text[i].isspace() for i in range(len(doc.text)) if i not in covered)
    assert len({c.id for c in chunks}) == len(chunks)
    assert all(re.fullmatch("[0-9a-f]{16}", c.id) for c in chunks)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["# 一\n\n", "## 二\n", "### 三\n\n", "深度学习的模型很大。", "短。\n\n", "- 项目\n", "1. 第一\n", "  续行\n",
             "$x_i+y$", "$$\na=b\n$$\n\n", "```py\nx = 1\n\ny = 2\n```\n\n", "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
             "没有标点的长句" * 12, "a," * 50, "word " * 40, "x" * 150, "$" + "a+b" * 60 + "$", "\n\n", " ", "👩\u200d💻" * 30,
             "e\u0301" * 100, "主要优点：\n\n", "> 引用\n"]
        ),
        st.text(max_size=5),
    ),
    max_size=14,
).map("".join)  # fmt: skip


@given(
    PIECES, st.sampled_from([8, 20, LIMIT, 320]), st.sampled_from(["article", "text", "excerpt"])
)
def test_passages_are_exact_complete_and_within_the_limit(
    text: str, tokens: int, kind: str
) -> None:
    doc = document(text, kind)
    most = int(tokens * 1.25) if kind == "excerpt" else tokens
    check(doc, chunk(doc, count, tokens=tokens), most)


@given(PIECES)
def test_a_tokenizer_whose_parts_do_not_add_up(text: str) -> None:
    doc = document(text)
    check(doc, chunk(doc, count_all, tokens=40), 40)


@given(PIECES)
def test_the_same_document_is_cut_the_same(text: str) -> None:
    assert cut(text) == cut(text)


def test_ids_depend_on_document_place_and_text() -> None:
    a = chunk(document("一句话。"), count)[0]
    b = chunk(Document("e", "题目", "一句话。", "article", (Source("n.md"),)), count)[0]
    c = chunk(document("\n一句话。"), count)[0]
    assert len({a.id, b.id, c.id}) == 3


@pytest.mark.parametrize("text", ["", "  \n\n "])
def test_nothing_makes_no_passage(text: str) -> None:
    assert cut(text) == []


def test_a_limit_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="too short"):
        chunk(document("一"), count, tokens=7)


def test_an_excerpt_stays_whole() -> None:
    line = "残差连接让梯度直接流过，网络因此可以很深。" * 3
    assert LIMIT < count(line) <= LIMIT * 1.25
    assert texts(cut(line, kind="excerpt")) == [line]
    assert len(cut(line, kind="text")) > 1


SECTION = "这一节有足够多的内容可以独立成为一个段落，它讲的是一件事情，不必和别的小节放在一起。"


def test_sections_that_can_stand_alone_do() -> None:
    chunks = cut(f"## 甲\n\n{SECTION}\n\n## 乙\n\n{SECTION}", tokens=120)
    assert [c.heading for c in chunks] == [("甲",), ("乙",)]
    assert [c.text.split("\n")[0] for c in chunks] == ["## 甲", "## 乙"]


def test_small_sections_below_one_heading_are_joined() -> None:
    text = "## 优点\n\n### 快\n\n省时间。\n\n### 小\n\n省内存。\n\n### 稳\n\n不震荡。"
    (only,) = cut(text)
    assert only.text == text
    assert only.heading == ("优点",)


def test_headings_stand_above_what_follows_and_name_its_path() -> None:
    text = f"# 题目\n\n## 甲\n\n### 子\n\n{SECTION}\n\n{SECTION}\n\n## 乙\n\n{SECTION}"
    chunks = cut(text, tokens=50)
    assert chunks[0].text.startswith("# 题目\n\n## 甲\n\n### 子\n\n这一节")
    assert chunks[0].heading == ("甲", "子")
    assert chunks[1].heading == ("甲", "子")
    assert not chunks[1].text.startswith("#")
    assert chunks[-1].heading == ("乙",)


def test_no_passage_ends_in_a_heading() -> None:
    for tokens in range(30, 90, 7):
        for c in cut("\n\n".join(f"## 第{i}节\n\n{SECTION}" for i in range(6)), tokens=tokens)[:-1]:
            assert not c.text.split("\n")[-1].startswith("#")


def test_a_list_stays_with_the_line_that_introduces_it() -> None:
    text = f"{SECTION}\n\n主要优点：\n\n- 训练很快\n- 内存很省\n- 精度不降"
    chunks = cut(text, tokens=50)
    assert texts(chunks) == [SECTION, "主要优点：\n\n- 训练很快\n- 内存很省\n- 精度不降"]


def test_a_list_that_fits_is_not_cut_to_fill_the_passage_before() -> None:
    steps = "\n".join(f"{n}. 第{n}步把数据送进模型再看损失。" for n in range(1, 6))
    text = f"{SECTION}\n\n## 流程\n\n给定数据。\n\n{steps}\n\n{SECTION}"
    for tokens in range(95, 150, 3):
        assert any(steps in c.text for c in cut(text, tokens=tokens)), tokens


def test_a_formula_stays_with_the_sentence_that_leads_to_it() -> None:
    text = (
        f"{SECTION}\n\n于是损失可以写成\n\n$$\nL = \\sum_i (y_i - x_i)^2\n$$\n\n其中 $y_i$ 是标签。"
    )
    chunks = cut(text, tokens=60)
    assert chunks[-1].text.startswith("于是损失可以写成")


@pytest.mark.parametrize(
    "whole",
    [
        "```python\nfor i in range(3):\n\n    print(i)\n```",
        "| 名 | 值 |\n|---|---|\n| 甲 | 1 |\n| 乙 | 2 |",
        "$$\nx = \\frac{1}{2}\\qquad\ny = 3\n$$",
    ],
)
def test_what_fits_is_not_cut(whole: str) -> None:
    chunks = cut(f"{SECTION}\n\n{whole}\n\n{SECTION}", tokens=50)
    assert any(whole in c.text for c in chunks)


def test_a_long_paragraph_is_cut_at_sentences() -> None:
    text = "".join(f"这是第{i}句话，它不长也不短。" for i in range(20))
    for c in cut(text, tokens=40):
        assert c.text.endswith("。")


def test_a_long_sentence_is_cut_at_clauses() -> None:
    text = "，".join("这是一个没有句号的分句" for _ in range(20))
    for c in cut(text, tokens=40)[:-1]:
        assert c.text.endswith("，")


def test_words_formulas_and_emoji_are_not_cut() -> None:
    text = (
        "梯度下降" * 10 + " ".join(f"$\\alpha_{{{i}}} + b$" for i in range(20)) + "👩\u200d💻" * 20
    )
    chunks = cut(text, tokens=30)
    borders = {c.start for c in chunks} | {c.end for c in chunks}
    for start, end in protected_spans(text):
        assert not any(start < border < end for border in borders)
    assert not any(text[b - 1] == "\u200d" or text[b : b + 1] == "\u200d" for b in borders if b)


def test_the_projects_own_notes() -> None:
    """Passages of the corpus: none tiny, most of a good size, sections kept together."""
    sizes: list[int] = []
    whole = total = 0
    for path in sorted((Path(__file__).parents[1] / "corpus").glob("*.md")):
        (doc,) = read_file(path, f"corpus/{path.name}").documents
        chunks = chunk(doc, count, tokens=320)
        check(doc, chunks, 320)
        sizes.extend(c.tokens for c in chunks)
        for section in re.split(r"(?m)^(?=## )", doc.text):
            if count(section) <= 320:
                total += 1
                whole += any(section.strip() in c.text for c in chunks)
    assert min(sizes) >= 20
    assert 150 <= sum(sizes) / len(sizes) <= 300
    assert whole / total > 0.9


@pytest.mark.parametrize(
    "piece",
    [
        "深度学习的模型，",
        "a",
        "word ",
        "- a\n",
        "短行\n",
        "# a\n",
        "段落。\n\n",
        "$",
        "| a ",
        "\\[ ",
        "e\u0301",
        "，",
    ],
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    def once(number: int) -> None:
        chunks = chunk(document(piece * number, "text"), lambda s: (len(s) + 1) // 2)
        assert max(c.tokens for c in chunks) <= 320

    grows_with_the_length(once, 120_000 // len(piece))
