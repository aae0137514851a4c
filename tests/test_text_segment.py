"""Words and grams: jieba is the oracle for Han, and spellings of one name meet."""

from __future__ import annotations

from pathlib import Path

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notesqa.errors import CorpusError
from notesqa.text.segment import Segmenter

HAN_TEXTS = [
    "批归一化对每个小批量的激活值做标准化",
    "感受野是卷积神经网络每一层输出的特征图上的像素点在输入图像上映射的区域大小",
    "随机梯度下降在非凸问题上也常常能找到足够好的解",
    "注意力机制的计算量随序列长度平方增长",
    "他来到了网易杭研大厦研究生命起源",
    "期望最大化算法交替地求期望和极大化似然函数",
    "知识蒸馏让小模型模仿大模型的输出分布",
    "变分自编码器与标准化流都能显式地写出似然的下界或者似然本身",
]
COMMON_HAN = "".join(sorted(set("".join(HAN_TEXTS)) | set("的一是不了在人有我他这中大来上国")))


@pytest.fixture(scope="module")
def oracle() -> jieba.Tokenizer:
    jieba.setLogLevel(60)
    tokenizer = jieba.Tokenizer()
    tokenizer.initialize()
    return tokenizer


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter()


@pytest.mark.parametrize("text", HAN_TEXTS)
def test_han_is_cut_as_jieba_cuts_it(
    text: str, segmenter: Segmenter, oracle: jieba.Tokenizer
) -> None:
    assert segmenter.words(text) == oracle.lcut_for_search(text)


@given(st.text(st.sampled_from(COMMON_HAN), min_size=1, max_size=25))
@settings(max_examples=200, deadline=None)
def test_any_han_run_is_cut_as_jieba_cuts_it(text: str) -> None:
    assert Segmenter().words(text) == jieba.lcut_for_search(text)


def test_the_users_words_count_in_both(tmp_path: Path) -> None:
    userdict = tmp_path / "userdict.txt"
    userdict.write_text("感受野 1000 n\n加性耦合层\n注意力稀释 5\n重参数 n\n", encoding="utf-8-sig")
    oracle = jieba.Tokenizer()
    oracle.initialize()
    oracle.load_userdict(str(userdict))
    segmenter = Segmenter(userdict)
    for text in ("感受野的大小", "加性耦合层是可逆的", "注意力稀释使权重均匀", "重参数技巧"):
        assert segmenter.words(text) == oracle.lcut_for_search(text)
    assert "感受野" in segmenter.words("感受野的大小")
    assert "加性耦合层" in segmenter.words("加性耦合层是可逆的")


def test_two_dictionaries_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("蓝弧砚池 9000\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("弧砚池桐 9000\n", encoding="utf-8")
    a, b, none = Segmenter(tmp_path / "a.txt"), Segmenter(tmp_path / "b.txt"), Segmenter()
    text = "蓝弧砚池桐"
    assert "蓝弧砚池" in a.words(text)
    assert "蓝弧砚池" not in b.words(text)
    assert "弧砚池桐" in b.words(text)
    assert not {"蓝弧砚池", "弧砚池桐"} & set(none.words(text))
    assert len({a.recipe, b.recipe, none.recipe}) == 3


def test_a_word_of_both_scripts_is_found_whole(tmp_path: Path) -> None:
    (tmp_path / "d.txt").write_text("F1值 100 n\nk均值\n", encoding="utf-8")
    words = Segmenter(tmp_path / "d.txt").words("用F1值评价，再用K均值聚类")
    assert "f1值" in words
    assert "k均值" in words


def test_dictionaries_that_cannot_be_read(tmp_path: Path) -> None:
    assert Segmenter(tmp_path / "absent.txt").recipe == Segmenter().recipe
    (tmp_path / "gb.txt").write_bytes("感受野".encode("gb18030"))
    with pytest.raises(CorpusError, match="not UTF-8"):
        Segmenter(tmp_path / "gb.txt")
    with pytest.raises(CorpusError):
        Segmenter(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("GPT-4", ["gpt4", "gpt", "4"]),
        ("gpt4", ["gpt4", "gpt"]),
        ("YOLO v1", ["yolo", "v1"]),
        ("YOLOv1", ["yolov1", "yolo", "v1"]),
        ("conv1", ["conv1", "conv"]),
        ("word2vec", ["word2vec"]),
        ("C++ 与 C#", ["c++", "c", "与", "c#", "c"]),
        ("flows queries losses bias", ["flows", "flow", "queries", "query", "losses", "loss", "bias"]),
        ("1×1 和 64 x 64", ["1x1", "和", "64x64"]),
        ("1,000 与 97.35%", ["1000", "与", "97.35"]),
        ("x_i", ["x_i"]),
        ("Newton's", ["newton"]),
        ("F1", ["f1"]),
        ("λ \\lambda 𝜆", ["lambda"] * 3),
        (r"\frac{\partial L}{\partial w_i}", ["l", "w_i"]),
        ("[公式] [Math]", []),
        ("Bézier", ["bezier"]),
        ("カーネル法", ["カーネル", "法"]),
        ("", []),
        ("——！？", []),
    ],
)  # fmt: skip
def test_what_is_not_han(text: str, words: list[str], segmenter: Segmenter) -> None:
    assert segmenter.words(text) == words


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("GPT-4", "gpt4"),
        ("GPT 4", "gpt4"),
        ("GPT 4", "GPT-4"),
        ("YOLO v1", "YOLOv1"),
        ("anchor free", "Anchorfree"),
        ("anchor-free", "Anchorfree"),
        ("Expectation-Maximum", "ExpectationMaximum"),
        ("Bézier", "bezier"),
        ("U-Net", "Unet"),
        ("top-1", "top 1"),
        ("ResNet 50", "resnet50"),
        ("cross-entropy", "cross_entropy"),
        ("λ", r"\lambda"),
        ("flow", "flows"),
        ("3×3", "3x3"),
        ("損失函數", "损失函数"),
    ],
)
def test_two_spellings_meet(a: str, b: str, segmenter: Segmenter) -> None:
    words = set(segmenter.words(a)) & set(segmenter.words(b))
    grams = set(segmenter.grams(a)) & set(segmenter.grams(b))
    assert words | grams


def test_an_unbroken_name_meets_its_parts_as_one(segmenter: Segmenter) -> None:
    for spelling in ("anchor free", "anchor-free", "Anchorfree"):
        assert "anchorfree" in segmenter.grams(f"一种 {spelling} 的方法")


def test_grams_are_bigrams_of_han_runs(segmenter: Segmenter) -> None:
    assert segmenter.grams("感受野，大") == ["感受", "受野", "大"]


@given(
    st.text(
        st.one_of(st.sampled_from("深度学習GPT-4._'+#\\λ1×,[]公式 "), st.characters()), max_size=40
    )
)
@settings(deadline=None)
def test_tokens_are_never_empty_nor_hold_spaces(text: str) -> None:
    """The search engine takes them in joined by spaces."""
    segmenter = Segmenter()
    for token in (*segmenter.words(text), *segmenter.grams(text)):
        assert token
        assert not any(c.isspace() for c in token)


def test_the_words_keep_the_order_of_the_text(segmenter: Segmenter) -> None:
    assert segmenter.words("首先 BN，然后卷积，最后 ReLU") == [
        "首先", "bn", "然后", "卷积", "最后", "relu",
    ]  # fmt: skip
