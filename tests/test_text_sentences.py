"""Sentences and blocks: where a reader would pause, with exact offsets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.text.blocks import blocks
from notesqa.text.latex import protected_spans
from notesqa.text.sentences import sentences
from tests.patience import grows_with_the_length


def cut(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("先算损失。再求梯度！好吗？", ["先算损失。", "再求梯度！", "好吗？"]),
        ("准确率为 97.35%，优于基线。", ["准确率为 97.35%，优于基线。"]),
        ("见 Fig. 3 和 Eq. (2)。", ["见 Fig. 3 和 Eq. (2)。"]),
        ("He K, Zhang X, et al. proposed it. We use it.",
         ["He K, Zhang X, et al. proposed it.", "We use it."]),
        ("We use e.g. Adam, i.e. the default. It works.",
         ["We use e.g. Adam, i.e. the default.", "It works."]),
        ("由 I. Goodfellow 提出。", ["由 I. Goodfellow 提出。"]),
        ("“对吗？”他问。", ["“对吗？”", "他问。"]),
        ("代码在 https://a.b/c.d?e=f! 可见。", ["代码在 https://a.b/c.d?e=f! 可见。"]),
        ("设 $a. b! c$ 成立。然后", ["设 $a. b! c$ 成立。", "然后"]),
        ("1. 从头开始。2. 再来", ["1. 从头开始。", "2. 再来"]),
        ("步骤如下: 1. 采样; 2. 训练; 3. 评估", ["步骤如下:", "1. 采样;", "2. 训练;", "3. 评估"]),
        ("学习率的范围是 0.1:0.9。下一步", ["学习率的范围是 0.1:0.9。", "下一步"]),
        ("分三步：1.采样；2.训练", ["分三步：", "1.采样；", "2.训练"]),
        ("就这样……他走了", ["就这样……他走了"]),
        ("末尾被截断...", ["末尾被截断..."]),
        ("数列 x_1,...,x_n 收敛。", ["数列 x_1,...,x_n 收敛。"]),
        ("使用 torch.nn 的 v1.5 版。", ["使用 torch.nn 的 v1.5 版。"]),
        ("用半角句点. 也要断开. 对吧", ["用半角句点.", "也要断开.", "对吧"]),
        ("", []),
        (" \n ", []),
    ],
)  # fmt: skip
def test_where_sentences_end(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_blocks_end_sentences() -> None:
    text = "# 标题\n第一段没有句号\n\n- 项目一\n- 项目二。还有\n\n$$\na. b\n$$\n\n| 甲 | 乙 |\n|---|---|\n| 1. | 2 |\n"
    assert cut(text) == [
        "# 标题", "第一段没有句号", "- 项目一", "- 项目二。", "还有", "$$\na. b\n$$",
        "| 甲 | 乙 |", "|---|---|", "| 1. | 2 |",
    ]  # fmt: skip


def test_lines_of_plain_text_are_sentences_but_wrapped_lines_are_not() -> None:
    assert cut("第一点\n第二点") == ["第一点", "第二点"]
    wrapped = (
        "The gradient of the loss with respect to the weights is computed by\n"
        "backpropagation, layer by layer."
    )
    assert cut(wrapped) == [wrapped]


def test_code_is_one_sentence() -> None:
    code = "```python\nx = 1.\n# why? because!\n\nprint(x)\n```"
    assert cut(f"如下。\n\n{code}\n\n完。") == ["如下。", code, "完。"]


ANY = st.lists(
    st.one_of(
        st.sampled_from(
            ["。", "！", "?", ". ", "...", "…", "\n", "\n\n", "# ", "- ", "1. ", "$x. y$", "$$\na\n$$", "`a. b`",
             "```\n", "| a | b |\n|--|--|\n", "https://a.b/c ", "et al. ", "3.5", "深度学习", "Model ", "；", "“", "”", "---\n",
             "> ", "  ", "===\n", "\\[", "\\]"]
        ),
        st.text(max_size=3),
    ),
    max_size=20,
).map("".join)  # fmt: skip


@given(ANY)
def test_sentences_cover_everything_in_order(text: str) -> None:
    covered: set[int] = set()
    end = 0
    for start, stop in sentences(text):
        assert end <= start < stop
        assert not text[start].isspace()
        assert not text[stop - 1].isspace()
        covered.update(range(start, stop))
        end = stop
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


@given(ANY)
def test_blocks_cover_everything_in_order(text: str) -> None:
    covered: set[int] = set()
    end = 0
    for block in blocks(text):
        assert end <= block.start < block.end
        covered.update(range(block.start, block.end))
        end = block.end
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)


@given(
    st.lists(st.sampled_from(["设 $a. b$ 为", "$c! d$", "`e. f`", "深度。", "It is. "]), max_size=8)
)
def test_formulas_are_never_cut(parts: list[str]) -> None:
    text = "".join(parts)
    borders = {edge for span in sentences(text) for edge in span}
    for start, end in protected_spans(text):
        assert not any(start < edge < end for edge in borders)


def test_kinds_of_blocks() -> None:
    text = (
        "# 大标题\n\n标题二\n---\n\n引言。\n\n##没有空格\n\n1. 一\n   续行\n2、二\n\n> 引用\n\n```py\n# 不是标题\n```\n\n"
        "$$\nx\n$$\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n***\n#标签不是标题"
    )
    found = blocks(text)
    assert [b.kind for b in found] == [
        "heading", "heading", "paragraph", "heading", "item", "item", "quote", "fence", "formula",
        "table", "rule", "paragraph",
    ]  # fmt: skip
    assert [(b.level, b.title) for b in found if b.kind == "heading"] == [
        (1, "大标题"), (2, "标题二"), (2, "没有空格"),
    ]  # fmt: skip
    assert text[found[4].start : found[4].end] == "1. 一\n   续行"


def test_an_item_keeps_what_is_indented_below_it() -> None:
    text = "- 第一\n\n  还是第一\n\n- 第二"
    assert [text[b.start : b.end] for b in blocks(text)] == ["- 第一\n\n  还是第一", "- 第二"]


def test_headings_lose_their_marks() -> None:
    text = "## **注意力** 与 `softmax` ([论文](http://a.b/c)) ##"
    assert blocks(text)[0].title == "注意力 与 softmax (论文)"


@pytest.mark.parametrize(
    "piece",
    ["深度学习。", "a", "a\n", "- a\n", "$x$ ", "| a ", "1. ", "# a\n\n", "“", "\n", ". ", " "],
)
def test_time_grows_with_the_length_alone(piece: str) -> None:
    grows_with_the_length(lambda n: sentences(piece * n), 400_000 // len(piece))
