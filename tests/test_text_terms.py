"""Terms that a text defines in brackets, and where their Chinese names begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.text.terms import defined_terms


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("批归一化（Batch Normalization，BN）很常用。", ("批归一化", "Batch Normalization", "BN")),
        ("所谓有效感受野(Effective Receptive Field)更小。",
         ("有效感受野", "Effective Receptive Field", "")),
        ("误差由归一化流（Normalizing Flow）学出。", ("归一化流", "Normalizing Flow", "")),
        ("输入按分片（Split）读取。", ("分片", "Split", "")),
        ("训练初期学习率要预热（Warmup）。", ("预热", "Warmup", "")),
        ("所以因此要做反量化（Dequantization）。", ("反量化", "Dequantization", "")),
        ("靠血统（Lineage）恢复丢失的分区。", ("血统", "Lineage", "")),
        ("它不需要非极大值抑制（NMS）。", ("非极大值抑制", "", "NMS")),
        ("不同于半监督学习（Semi-Supervised Learning）。",
         ("半监督学习", "Semi-Supervised Learning", "")),
        ("用 $K$ 个原型（prototype）代表各簇。", ("原型", "prototype", "")),
        ("做 5 折交叉验证（cross validation）。", ("交叉验证", "cross validation", "")),
        ("所有级共用同一个检测头（head）。", ("检测头", "head", "")),
    ],
)  # fmt: skip
def test_what_stands_before_a_name_is_cut(text: str, row: tuple[str, str, str]) -> None:
    assert defined_terms(text) == [row]


@pytest.mark.parametrize(
    ("name", "english"),
    [
        ("名称节点", "NameNode"),
        ("对比学习", "Contrastive Learning"),
        ("被动学习", "Passive Learning"),
        ("等错误率", "Equal Error Rate"),
        ("加性耦合层", "Additive Coupling Layer"),
        ("去噪扩散隐式模型", "Denoising Diffusion Implicit Models"),
        ("自回归模型", "Autoregressive Model"),
        ("按叶生长", "Leaf-wise Growth"),
        ("多对一归一化", "Many-to-one Normalization"),
        ("傅里叶变换", "Fourier Transform"),
        ("分块", "tiling"),
        ("高斯误差线性单元", "Gaussian Error Linear Unit"),
        ("使用率", "Utilisation"),
    ],
)
def test_a_whole_name_stays_whole(name: str, english: str) -> None:
    assert defined_terms(f"{name}（{english}）如下。") == [(name, english, "")]
    assert defined_terms(f"这里的{name}（{english}）如下。") == [(name, english, "")]


def test_a_latin_word_of_the_english_name_belongs_to_the_chinese_one() -> None:
    assert defined_terms("先做 Platt 缩放（Platt scaling）。") == [
        ("Platt 缩放", "Platt scaling", "")
    ]
    assert defined_terms("KL 散度（Kullback-Leibler divergence）不对称。") == [
        ("KL 散度", "Kullback-Leibler divergence", "")
    ]
    assert defined_terms("ReLU 激活函数（activation function）。") == [
        ("激活函数", "activation function", "")
    ]


def test_the_text_tells_where_an_ambiguous_name_begins() -> None:
    alone = "这种分全局（global）与局部。"
    assert defined_terms(alone)[0][0] == "分全局"
    assert defined_terms(alone + "全局的那一档更准。")[0][0] == "全局"


def test_a_run_too_long_for_its_english_is_shortened_by_the_text_or_left_out() -> None:
    long = "验证误差连续若干轮（patience）没有下降就停。"
    assert defined_terms(long) == []
    told = "右下角两张热图（heatmap）。热图的峰值就是角点。"
    assert defined_terms(told) == [("热图", "heatmap", "")]


def test_an_abbreviation_after_its_english_name() -> None:
    assert defined_terms("We use Mean Average Precision (mAP) and Area Under Curve (AUC).") == [
        ("", "Area Under Curve", "AUC")
    ]


@given(st.text(alphabet="的按分一二全局模型学习AB（）() ,，", max_size=40))
def test_any_text_gives_rows_of_its_own_characters(text: str) -> None:
    for zh, en, abbr in defined_terms(text):
        assert en in text and abbr in text
        assert all(part in text for part in zh.split())
