"""The extractive composer: sentences of the notes that answer, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.answering.extract import (
    SENTENCE_FEATURES,
    extract,
    score_sentences,
    sentence_weights,
)
from notesqa.answering.quoting import shown
from notesqa.answering.spans import spans_of
from notesqa.api import Notes
from notesqa.records import Passage
from notesqa.retrieval.query import Query, analyse
from notesqa.retrieval.terms import TermTable
from notesqa.text.segment import Segmenter
from tests.fakes import BigramEmbedder

SEGMENTER = Segmenter()
TERMS = TermTable(())


def ask(question: str) -> tuple[Query, dict[str, float]]:
    query = analyse(question, SEGMENTER, TERMS)
    return query, dict.fromkeys(query.words, 2.0)


def passage(text: str, rank: int = 1, title: str = "题", start: int = 0) -> Passage:
    return Passage(
        rank, 3.0 - rank, f"c{rank}", f"d{rank}", title, f"corpus/{rank}.md:1", "", text,
        start, start + len(text),
    )  # fmt: skip


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in spans_of(text)]


# -- sentences that can stand in an answer ---------------------------------------------------------


def test_headings_and_rules_are_no_sentences() -> None:
    assert pieces("## 标题\n\n第一句。第二句。\n\n---\n\n第三句。") == [
        "第一句。",
        "第二句。",
        "第三句。",
    ]


def test_what_introduces_a_list_goes_with_it() -> None:
    text = "它有三个优点：\n- 快\n- 省\n- 稳\n\n另外很老。"
    first, *rest = pieces(text)
    assert first.startswith("它有三个优点：")
    assert all(item in first for item in ("快", "省", "稳"))
    assert rest == ["另外很老。"]


def test_a_decimal_is_no_item_of_a_list() -> None:
    text = "- 划分按 0.8:0.2。\n- 种子要固定。\n\n误差是：\n\n0.3 以下算好。"
    found = [text[start:end] for start, end in spans_of(text)]
    assert found[:2] == ["- 划分按 0.8:0.2。", "- 种子要固定。"]


def test_what_introduces_a_formula_goes_with_it() -> None:
    text = "损失定义为：\n\n$$\nL = -\\log p\n$$\n\n它总是正的。"
    first, *rest = pieces(text)
    assert "损失定义为" in first
    assert "\\log p" in first
    assert rest == ["它总是正的。"]


def test_a_heading_at_the_front_of_its_paragraph_goes_with_what_it_heads() -> None:
    text = "**预取会落空。** 访问没有规律时，取来的块用不上。换成随机读就明显。"
    assert pieces(text) == [
        "**预取会落空。** 访问没有规律时，取来的块用不上。",
        "换成随机读就明显。",
    ]
    assert pieces("- **写放大。** 一页改一字也要整页写。") == [
        "- **写放大。** 一页改一字也要整页写。"
    ]
    assert pieces("**先分组。** 办法有两种：\n\n- 按时间\n- 按大小")[0].endswith("- 按大小")


def test_a_sentence_in_bold_elsewhere_stands_for_itself() -> None:
    assert pieces("一页 4 KB，**不能改。** 块由页组成。")[1] == "块由页组成。"
    assert pieces("**整段都是重点。**\n\n下一段。") == ["**整段都是重点。**", "下一段。"]


@pytest.mark.parametrize(
    "formula", ["$$\n\\epsilon \\le 1\n$$", "$$ \\epsilon \\le 1 $$", "\\[\n\\epsilon \\le 1\n\\]"]
)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_sentence_without_an_end_runs_on_through_its_formula(formula: str, gap: str) -> None:
    text = f"证明很短。训练误差满足{gap}{formula}\n\n优势越大，下降越快。"
    assert pieces(text) == ["证明很短。", f"训练误差满足{gap}{formula}", "优势越大，下降越快。"]


@pytest.mark.parametrize(
    "tail", ["，其中 $s$ 为步长。", "其中 $s$ 为步长。", "where $s$ is the stride."]
)
@pytest.mark.parametrize("gap", ["", "\n", "\n\n"])
def test_what_a_formula_means_by_its_letters_goes_with_it(tail: str, gap: str) -> None:
    text = f"输出尺寸为\n\n$$\nh = w / s\n$$\n{gap}{tail}\n\n另一句。"
    assert pieces(text) == [text.removesuffix("\n\n另一句。"), "另一句。"]
    assert pieces(text.replace("尺寸为", "尺寸为："))[0].endswith(tail)


def test_a_sentence_that_has_ended_leaves_the_formula_after_it_alone() -> None:
    text = "先验取负对数。\n\n$$\n-\\log p\n$$\n\n相加就得到系数。"
    assert pieces(text) == ["先验取负对数。", "$$\n-\\log p\n$$", "相加就得到系数。"]


def test_only_a_display_formula_completes_a_sentence() -> None:
    assert pieces("没有句号的一行\n\n$x$ 是标量。") == ["没有句号的一行", "$x$ 是标量。"]
    assert pieces("## 定义\n\n$$\nx\n$$") == ["$$\nx\n$$"]
    assert pieces(f"{TABLE}\n\n$$\nx\n$$") == [TABLE, "$$\nx\n$$"]


TABLE = "| 参数 | 默认值 |\n|---|---:|\n| eta | 0.3 |\n| depth | 6 |"


def test_a_table_is_quoted_whole_with_what_introduces_it() -> None:
    assert pieces(f"甲。\n\n{TABLE}\n\n乙。") == ["甲。", TABLE, "乙。"]
    assert pieces(f"参数如下：\n\n{TABLE}") == [f"参数如下：\n\n{TABLE}"]


def test_a_long_table_is_quoted_by_its_rows() -> None:
    rows = [f"| 参数 {n} | {'长' * 40} |" for n in range(20)]
    text = "\n".join(["参数如下：", "", "| 参数 | 值 |", "|---|---|", *rows, "", "甲。"])
    assert pieces(text)[1:] == [*rows[1:], "甲。"]
    assert pieces(text)[0].endswith(rows[0]), "with what introduces it"
    assert "| 参数 | 值 |" not in pieces(text)


def test_a_formula_too_long_to_quote_is_left_out() -> None:
    formula = "$$\n" + "x + " * 200 + "x\n$$"
    assert pieces(f"误差满足\n\n{formula}")[0] == "误差满足"


@given(
    st.lists(
        st.sampled_from(
            ["一句话。", "## 标题", "列表如下：", "- 项", "1. 项", "$$\nx\n$$", "```\ncode\n```",
             "误差满足", "，其中 $x$ 为", "---", "| a | b |", "|---|---|", "", "  缩进。", "公式 $a.b$。", "长" * 500, "😀", "以下："]
        ),
        max_size=12,
    ).map("\n".join)
)  # fmt: skip
def test_spans_are_in_order_apart_and_never_empty(text: str) -> None:
    last = 0
    for start, end in spans_of(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end


@pytest.mark.parametrize(
    ("quote", "said"),
    [
        ("- **重点**是这个", "重点是这个"),
        ("3. 第三步", "第三步"),
        ("> 引用 [链接](http://x.y)", "引用 链接"),
        ("2 * 3 ** 4 是代码", "2 * 3 ** 4 是代码"),
        ("3.14 是圆周率", "3.14 是圆周率"),
        ("![图](a.png) 之后", "![图](a.png) 之后"),
        ("$a**b**c$ 不动", "$a**b**c$ 不动"),
        ("代码 `x[0](y)` 与 **粗**", "代码 `x[0](y)` 与 粗"),
        ("$$\na**b**c\n$$ 与 **粗 $x$ 体**", "$$\na**b**c\n$$ 与 粗 $x$ 体"),
        ("\\(f**g**h\\)", "\\(f**g**h\\)"),
    ],
)
def test_what_is_shown_of_a_quote(quote: str, said: str) -> None:
    assert shown(quote) == said


def test_of_an_english_question_the_sentence_after_the_name_can_be_chosen() -> None:
    query, idf = ask("Why does label smoothing hurt distillation?")
    text = "有一种技巧。标签平滑（Label Smoothing）把目标改软。它抹掉了类间的相似度。后来又有别的。无关的话。"
    spans = score_sentences(query, [passage(text)], idf, None, sentence_weights())
    best, second = (text[s.start : s.end] for s in spans[:2])
    assert best.startswith("标签平滑")
    assert second == "它抹掉了类间的相似度。"


def test_a_list_item_has_a_topic_of_its_own() -> None:
    query, idf = ask("Why does label smoothing hurt distillation?")
    text = "- 标签平滑（Label Smoothing）把目标改软。\n- 早停看验证误差。"
    spans = score_sentences(query, [passage(text)], idf, None, sentence_weights())
    values = {
        text[s.start : s.end]: dict(zip(SENTENCE_FEATURES, s.values, strict=True)) for s in spans
    }
    assert values["- 早停看验证误差。"]["gram_coverage"] == 0.0


# -- choosing ------------------------------------------------------------------------------------


def test_the_sentence_that_answers_is_chosen_wherever_it_stands() -> None:
    query, idf = ask("动量系数常用多少?")
    text = "优化器有很多种。很多人喜欢用它。常用的动量系数是 0.9。天气很好。"
    found = extract(query, [passage("无关的话题。" * 3, 1), passage(text, 2)], idf, None)
    assert "常用的动量系数是 0.9。" in [s.text for s in found.sentences]
    assert not any("天气" in s.text for s in found.sentences)


def test_quotes_carry_offsets_into_the_document() -> None:
    document = "前面有别的内容。" * 5 + "感受野是输出像素能看到的输入区域。后面。"
    start = document.index("感受野")
    query, idf = ask("什么是感受野?")
    found = extract(query, [passage(document[start:], start=start)], idf, BigramEmbedder())
    for citation in found.citations:
        assert document[citation.start : citation.end] == citation.quote
    assert found.citations[0].quote == "感受野是输出像素能看到的输入区域。"


def test_a_citation_names_the_line_of_its_quote() -> None:
    query, idf = ask("什么是感受野?")
    text = "前面有别的内容。\n\n又一段。\n\n感受野是输出像素能看到的输入区域。"
    found = extract(query, [passage(text)], idf, None)
    assert [(c.quote[:3], c.source) for c in found.citations] == [("感受野", "corpus/1.md:5")]


def test_the_order_is_that_of_the_note() -> None:
    query, idf = ask("训练有哪些步骤?")
    text = "训练的第一步是数据。训练的第二步是模型。训练的第三步是评估。"
    found = extract(query, [passage(text)], idf, None)
    starts = [c.start for c in found.citations]
    assert starts == sorted(starts)
    assert len(starts) > 1


def test_the_same_thing_is_not_said_twice() -> None:
    query, idf = ask("什么是感受野?")
    sentence = "感受野是输出上一个像素能看到的输入区域的大小。"
    found = extract(query, [passage(sentence, n) for n in (1, 2, 3)], idf, None)
    assert [s.text for s in found.sentences] == [sentence]


def test_a_comparison_may_rest_on_two_places() -> None:
    one, other = "甲模型只有三层，训练起来很快。", "乙模型的参数多得多，精度更高。"
    query, idf = ask("甲模型和乙模型有什么区别?")
    texts = (f"天气很好。\n\n{one}", f"今天是晴天。\n\n{other}", "无关。")
    passages = [passage(text, n) for n, text in enumerate(texts, 1)]
    found = extract(query, passages, idf, BigramEmbedder())
    assert [s.text for s in found.sentences] == [one, other]


def test_nothing_to_choose_from() -> None:
    query, idf = ask("什么是感受野?")
    assert extract(query, [], idf, None).sentences == ()
    assert extract(query, [passage("## 只有标题")], idf, None).best == ()


def test_an_answer_stays_readable() -> None:
    query, idf = ask("有哪些方法?")
    text = "".join(f"方法{n}是很长的一种方法，{'细' * 90}。" for n in range(30))
    found = extract(query, [passage(text)], idf, None)
    assert 1 <= len(found.sentences) <= 4
    assert sum(len(s.text) for s in found.sentences) <= 440


@given(st.text(max_size=30), st.lists(st.text(max_size=80), max_size=3))
def test_any_question_over_any_text(question: str, texts: list[str]) -> None:
    query, idf = ask(question)
    passages = [passage(text, n) for n, text in enumerate(texts, 1)]
    found = extract(query, passages, idf, BigramEmbedder())
    assert [n for s in found.sentences for n in s.citations] == [c.n for c in found.citations]
    for citation in found.citations:
        text = texts[int(citation.chunk_id[1:]) - 1]
        assert text[citation.start : citation.end] == citation.quote


def test_every_weight_belongs_to_a_feature() -> None:
    assert sentence_weights().keys() <= set(SENTENCE_FEATURES)
    query, idf = ask("动量系数常用多少?")
    spans = score_sentences(query, [passage("动量 0.9。别的。")], idf, None, sentence_weights())
    for span in spans:
        values = dict(zip(SENTENCE_FEATURES, span.values, strict=True))
        assert span.score == pytest.approx(
            sum(sentence_weights().get(name, 0.0) * value for name, value in values.items())
        )


def test_what_helps_is_quoted_from_the_sentence_after_the_one_that_names_the_trouble(
    tmp_path: Path,
) -> None:
    (tmp_path / "corpus").mkdir()
    note = (
        "# 微调\n\n微调从预训练的权重出发。\n\n## 常见事故\n\n"
        "- 灾难性遗忘：学习率太大，原来的能力被冲掉。可以减小学习率，或者混入旧数据。\n"
        "- 输入尺寸与预训练时不一致，特征会整体偏移。\n"
    )
    (tmp_path / "corpus" / "finetune.md").write_text(note, encoding="utf-8")
    with Notes.open(tmp_path) as notes:
        notes.index()
        answer = notes.ask("灾难性遗忘怎么缓解？", llm=False)
    assert not answer.refused
    assert "混入旧数据" in answer.text
    assert "整体偏移" not in answer.text


def test_who_asks_for_a_formula_gets_the_one_that_is_set_apart(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    note = (
        "# 分裂增益\n\n"
        "分裂增益的样子是一条曲线，分裂增益为负就不切。分裂增益大的切分先做。"
        "分裂增益的式子由二阶展开得到。分裂增益的式子里有惩罚项。\n\n"
        "设左右两边的梯度和为 $a$ 与 $b$，于是有\n\n$$\nG=\\tfrac12(a^2+b^2)-\\gamma\n$$\n\n"
        "实现上先长到最大深度，再剪掉分裂增益为负的叶子。\n"
    )
    (tmp_path / "corpus" / "gain.md").write_text(note, encoding="utf-8")
    with Notes.open(tmp_path) as notes:
        notes.index()
        answer = notes.ask("分裂增益的式子是什么样的", llm=False)
    assert r"\tfrac12(a^2+b^2)-\gamma" in answer.text
