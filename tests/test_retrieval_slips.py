"""Slips of the keyboard, everyday English and Taiwan's words find what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.api import Notes
from notesqa.retrieval import Retriever
from notesqa.retrieval.terms import builtin_terms, known_word, other_words
from notesqa.text.pinyin import homophones

NOTES = {
    "field.md": "# 感受野\n\n感受野是特征点在输入图像上能看到的区域大小，感受野随层数变大。\n",
    "upsampling.md": "# 上采样\n\n转置卷积放大特征图，并不是卷积的逆运算；边长翻倍。\n",
    "chain.md": "# 链式法则\n\nBackpropagation 从后往前求导，MambaOut 与 decoders 不用它。\n",
    "forest.md": "# 随机森林\n\n随机森林由许多决策树投票，树多了不会过拟合。\n",
    "longformer.md": "# Longformer\n\nLongformer 用滑动窗口加全局注意力，Transformer 的变体。\n",
    "collapse.md": "# 坍塌\n\n对比学习没有负样本时会坍塌，所有输入的输出都一样。\n",
    "hadoop.md": "# 数据倾斜\n\n数据倾斜指某个键特别多，Hadoop 的一个 reducer 内存不够。\n",
    "megaface.md": "# MegaFace\n\nMegaFace 是人脸识别的测试集，每个 layer 的维度不限，统计时 while 循环。\n",
    "fcos.md": "# FCOS\n\nFCOS 逐点回归四个距离，按大小分级。Sign 函数，Tari 与 Tria 两种。\n",
    "detector.md": "# 多尺度\n\n检测器把输入缩放成几种尺寸，分别检测人脸。\n",
}


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    home = tmp_path_factory.mktemp("slips")
    (home / "corpus").mkdir()
    for name, text in NOTES.items():
        (home / "corpus" / name).write_text(text, encoding="utf-8")
    with Notes.open(home) as notes:
        notes.index()
    return Retriever.open(home)


@pytest.mark.parametrize(
    ("asked", "meant", "source"),
    [
        ("感守野有多大", "感受野有多大", "field.md"),
        ("转制卷积是逆运算吗", "转置卷积是逆运算吗", "upsampling.md"),
        ("随即森林会怎样", "随机森林会怎样", "forest.md"),
        ("过你合怎么办", "过拟合怎么办", "forest.md"),
        ("坍踏是怎么回事", "坍塌是怎么回事", "collapse.md"),
        ("longfromer 用什么", "longformer 用什么", "longformer.md"),
        ("trasnformer 的变体", "transformer 的变体", "longformer.md"),
        ("hadop 的内存", "hadoop 的内存", "hadoop.md"),
        ("FCSO 怎么分级", "fcos 怎么分级", "fcos.md"),
        ("backprop 从哪里开始", "backpropagation 从哪里开始", "chain.md"),
    ],
)
def test_a_slip_finds_what_was_meant(
    retriever: Retriever, asked: str, meant: str, source: str
) -> None:
    assert retriever.analyse(asked).normalized == meant
    assert Path(retriever.search(asked, k=1)[0].source.split(":")[0]).name == source


@pytest.mark.parametrize(
    "asked",
    [
        "序列会变长吗",  # sounds like 边长, which the notes have
        "这几成是对的",  # like 集成, a term
        "红烧肉怎么做",
        "今天天气怎么样",
        "同事说不通",
        "hadoops reducers",
        "who came later",  # the notes have "layer"
        "how to clean a white shirt",  # and "while"
        "magface 是什么",  # and MegaFace
        "三百六十五天",
        "longformerxx 是什么",
        "mamba 是什么",  # and MambaOut
        "decode 是什么",  # and "decoders"
        "how to sing",  # and "sign"
        "cfos 是什么",  # the first letters are taken as right
        "trai 是什么",  # may be two of them
    ],
)
def test_what_is_no_slip_stays(retriever: Retriever, asked: str) -> None:
    assert retriever.analyse(asked).normalized == asked


@pytest.mark.parametrize(
    ("asked", "source"),
    [
        ("資料傾斜時記憶體不夠怎麼辦", "hadoop.md"),
        ("Which detectors rescale the input to several sizes?", "detector.md"),
        ("why do trees vote", "forest.md"),
    ],
)
def test_everyday_words_of_others_find_the_notes(
    retriever: Retriever, asked: str, source: str
) -> None:
    assert Path(retriever.search(asked, k=1)[0].source.split(":")[0]).name == source


def test_everyday_words_are_followed_from_english_to_chinese_only() -> None:
    assert "尺寸" in other_words("sizes")
    assert "缩放" in other_words("rescaling")
    assert other_words("studies") == other_words("study")
    assert known_word("later")
    assert not known_word("trasnformer")
    assert not other_words("尺寸")


def test_no_row_of_the_table_of_words_leads_to_itself() -> None:
    for word in ("资料", "杂讯", "记忆体", "size", "tree"):
        assert word not in other_words(word)
        assert all(other_words(word))


@given(st.sampled_from(sorted({zh for row in builtin_terms() for zh in row[0]})))
def test_who_sounds_like_me_is_sounded_like_by_me(character: str) -> None:
    for other in homophones(character):
        assert other != character
        assert character in homophones(other)


def test_homophones() -> None:
    assert "守" in homophones("受")
    assert "即" in homophones("机")
    assert "长" in homophones("涨")
    assert "长" in homophones("常")
    assert homophones("a") == homophones("") == homophones("𰻝") == ""
