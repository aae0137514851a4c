"""A line that asks two things is answered from both places."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.answering.parts import joined, of_each, parts_of, together
from notesqa.api import Notes
from notesqa.retrieval.query import Query, analyse
from notesqa.retrieval.terms import TermTable
from notesqa.text.segment import Segmenter

SEGMENTER, TERMS = Segmenter(), TermTable([])


def asked(text: str) -> Query:
    return analyse(text, SEGMENTER, TERMS)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("掩码率通常取多少？微调的学习率要小多少？", ["掩码率通常取多少", "微调的学习率要小多少"]),
        ("动量系数取多少；温度参数又取多少", ["动量系数取多少", "温度参数又取多少"]),
        ("步长之和发散是为了什么，Adam 的分母又起什么作用", ["步长之和发散是为了什么", "Adam 的分母又起什么作用"]),
        ("双下降是什么？峰值在什么时候出现？", ["双下降是什么", "双下降 峰值在什么时候出现"]),
        ("留出校准是什么，为什么要用另外的数据", ["留出校准是什么", "为什么要用另外的数据"]),
        ("迹估计是什么，能省多少次乘法", ["迹估计是什么", "迹估计 能省多少次乘法"]),
        ("分层抽样怎么分层？它能减小多少方差？", ["分层抽样怎么分层", "分层抽样能减小多少方差"]),
        ("批归一化是什么？", []),
        ("困惑度越高越好还是越低越好？怎么理解？", []),
        ("为什么要归一化，不归一化会怎样", []),
        ("？？；", []),
        ("", []),
        ("甲方法多少；乙方法多少；丙方法多少；丁方法多少", []),
    ],
)  # fmt: skip
def test_what_one_line_asks(question: str, parts: list[str]) -> None:
    assert [part.text for part in parts_of(question, asked)] == parts


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("跳表和 B 树的层数各取多少", ["跳表的层数取多少", "B 树的层数取多少"]),
        ("Alpha 與 Beta 分別是幾維？", ["Alpha是几维", "Beta是几维"]),
        ("编码器跟解码器各自做什么", ["编码器做什么", "解码器做什么"]),
        ("论文里推荐的切片大小和重叠各取多少", []),
        ("论文推荐切片大小和重叠各取多少", []),
        ("层数和宽度有什么区别", []),
        ("各取多少", []),
    ],
)  # fmt: skip
def test_what_is_asked_of_each_of_two(question: str, parts: list[str]) -> None:
    assert [part.text for part in of_each(question, asked)] == parts


@given(st.text(alphabet="学习率多少又，？;? a", max_size=30))
def test_parts_lose_nothing(question: str) -> None:
    parts = parts_of(question, asked)
    assert len(parts) != 1
    between = set("，,？;? ")
    if parts:
        assert {c for part in parts for c in part.text} - between == set(question) - between


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    (tmp_path / "corpus").mkdir()
    texts = {
        "mae": "# 掩码自编码器\n\n掩码自编码器把图像切成小块，掩码率取 75%，只编码看得见的小块。\n",
        "finetune": "# 微调\n\n微调的学习率一般比从头训练小一到两个数量级，否则旧的能力会被冲掉。\n",
        "other": "# 批归一化\n\n批归一化用小批的均值和方差规范每一层的输入，推理时用滑动平均。\n",
    }
    for name, text in texts.items():
        (tmp_path / "corpus" / f"{name}.md").write_text(text, encoding="utf-8")
    notes = Notes.open(tmp_path)
    notes.index()
    return notes


def test_both_places_are_quoted(notes: Notes) -> None:
    answer = notes.ask("掩码自编码器的掩码率取多少？微调的学习率要小多少？", llm=False)
    assert not answer.refused
    assert "75%" in answer.text
    assert "一到两个数量级" in answer.text
    assert {c.title for c in answer.citations} == {"掩码自编码器", "微调"}
    assert [c.n for c in answer.citations] == list(range(1, len(answer.citations) + 1))
    for sentence, citation in zip(answer.sentences, answer.citations, strict=True):
        assert sentence.citations == (citation.n,)
        text = notes.document(citation.document_id).text
        assert text[citation.start : citation.end] == citation.quote
    notes.close()


def test_the_best_passage_stays_first_and_none_comes_twice(notes: Notes) -> None:
    whole = notes.search("掩码率", k=5)
    found = [notes.search("学习率", k=5), notes.search("掩码率", k=5)]
    passages = together(whole, found, 4)
    assert passages[0].chunk_id == whole[0].chunk_id
    assert len({p.chunk_id for p in passages}) == len(passages) <= 4
    assert [p.rank for p in passages] == list(range(1, len(passages) + 1))
    notes.close()


def test_nothing_is_quoted_twice(notes: Notes) -> None:
    from notesqa.answering.extract import extract

    retriever = notes.retriever
    query = retriever.analyse("微调的学习率要小多少")
    passages = retriever.search(query.text)
    one = extract(query, passages, retriever.idf(query), retriever.embedder)
    assert joined([one, one], one).citations == joined([one], one).citations
    notes.close()


def test_what_the_notes_answer_in_part_is_said_to_be_nearest(notes: Notes) -> None:
    both = notes.ask("掩码自编码器的掩码率取多少？微调的学习率要小多少？", llm=False)
    half = notes.ask("掩码自编码器的掩码率取多少？红烧肉要炖几个小时？", llm=False)
    assert not both.nearest
    assert half.nearest
    assert not half.refused
    assert "75%" in half.text
    notes.close()


def test_each_of_two_is_looked_for_where_no_sentence_has_both(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    texts = {
        "alpha": "# Alphanet\n\nAlphanet 的输出特征有 160 维，由四块拼成。\n",
        "beta": "# Betanet\n\nBetanet 的输出特征有 512 维，归一化后使用。\n",
    }
    for name, text in texts.items():
        (tmp_path / "corpus" / f"{name}.md").write_text(text, encoding="utf-8")
    with Notes.open(tmp_path) as notes:
        notes.index()
        answer = notes.ask("Alphanet 和 Betanet 的特征各是几维", llm=False)
        said = "".join(citation.quote for citation in answer.citations)
        assert "160 维" in said and "512 维" in said and not answer.nearest
        doubtful = notes.ask("Alphanet 和 Gammanet 的特征各是几维", llm=False)
        assert doubtful.refused or doubtful.nearest
