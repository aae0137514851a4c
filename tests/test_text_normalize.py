"""One spelling for many: what must meet, and what must not change."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.text.normalize import _JOINING, fold, normalize, normalize_all
from tests.patience import steps

MIXED = st.text(
    st.one_of(
        st.sampled_from(
            "深度學習瞭解覆盖。，：“”（）ＡＢ１２gpt-–—𝑝𝜆λéïﬁ①㈱ｶﾞ가각\u0301\u3099\u200b\u202e\t\n"
        ),
        st.characters(),
    ),
    max_size=40,
)


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("ＧＰＴ－４", "gpt-4"),
        ("anchor‑free", "anchor-free"),
        ("Bézier", "bezier"),
        ("𝑝_1 = 𝑝_2", "p_1 = p_2"),
        ("𝜆", "λ"),
        ("機器學習的損失函數", "机器学习的损失函数"),
        ("過擬合與正則化", "过拟合与正则化"),
        ("我瞭解", "我了解"),
        ("答覆", "答复"),
        ("什麼是後驗機率", "什么是后验机率"),
        ("“引号”与‘单引号’", "\"引号\"与'单引号'"),
        ("全角，标点：有", "全角,标点:有"),
        ("soft\u00admax zero\u200bwidth", "softmax zerowidth"),
        ("a\u202eb", "ab"),
        ("ｶﾞｳｽ", "ガウス"),
    ],
)
def test_spellings_meet(written: str, same: str) -> None:
    assert normalize(written) == same
    assert normalize(same) == same


@pytest.mark.parametrize("text", ["著名的方法", "瞭望塔", "覆盖率", "沈阳", "慰藉", "が と カ"])
def test_what_is_right_already_stays(text: str) -> None:
    assert normalize(text) == text


@given(st.lists(MIXED, max_size=6))
def test_many_texts_become_what_each_becomes_alone(texts: list[str]) -> None:
    assert normalize_all(texts) == [normalize(text) for text in texts]


def test_a_text_is_normalized_by_itself_among_others() -> None:
    # A mark that would join the end of the text before, and characters that look around.
    texts = ["e", "\u0301a", "望", "瞭", "望", "", "ｶ", "ﾞ", "\ud800"]
    assert normalize_all(texts) == [normalize(text) for text in texts]


@given(MIXED)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@given(MIXED)
def test_fold_gives_the_same_text_and_where_it_comes_from(text: str) -> None:
    folded, at = fold(text)
    assert folded == normalize(text)
    assert len(at) == len(folded) + 1
    assert at[-1] == len(text)
    assert at == sorted(at)


@given(st.text(st.sampled_from("深學ＡbλＧﬁé，。 "), max_size=12), st.integers(0, 11))
def test_a_folded_character_comes_from_where_the_offsets_say(text: str, i: int) -> None:
    folded, at = fold(text)
    if i < len(folded):
        # A ligature becomes two characters of one origin: take the whole of it.
        end = next(j for j in range(i + 1, len(at)) if at[j] > at[i])
        begin = at.index(at[i])
        assert normalize(text[at[i] : at[end]]) == folded[begin:end]


def test_characters_that_join_the_one_before_are_all_known() -> None:
    """The list is derived from Unicode: every second half of a composition that is no
    combining mark."""
    joining = set()
    for code in range(0x110000):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            second = chr(int(parts[1], 16))
            whole = chr(int(parts[0], 16)) + second
            if not unicodedata.combining(second) and unicodedata.normalize("NFC", whole) == chr(
                code
            ):
                joining.add(second)
    assert {c for c in joining if not _JOINING.match(c)} == set()


def test_nothing_in_python_is_done_for_each_character() -> None:
    text = "批归一化（Batch Normalization）對隱藏層做標準化，ＧＰＴ－４。\n"
    normalize(text)
    few, many = (steps(lambda n=n: normalize(text * n)) for n in (10, 1000))  # type: ignore[misc]
    assert few == many
