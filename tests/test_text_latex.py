"""Formulas: where they are, and that two ways of writing one say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.text.latex import formula_tokens, formulas, protected_spans
from tests.patience import grows_with_the_length

PIECES = st.lists(
    st.sampled_from(
        ["$", "$$", r"\(", r"\)", r"\[", r"\]", "`", "```\n", "\n", "\n\n", "x_i", " 是 ", "\\",
         r"\$", r"\begin{align}", r"\end{align}", "5", "深度"]
    ),
    max_size=25,
).map("".join)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "bodies"),
    [
        ("设 $x_i$ 为 $n$ 维", ["x_i", "n"]),
        ("$$\nL = \\frac{1}{2}\n$$", ["\nL = \\frac{1}{2}\n"]),
        (r"\(a+b\) 与 \[c\]", ["a+b", "c"]),
        (r"\begin{align}a&=b\\c&=d\end{align}", [r"\begin{align}a&=b\\c&=d\end{align}"]),
        ("价格 $5 到 $10 之间", []),
        ("花了 $5，省了$3", []),
        (r"转义的 \$ 不是 \$ 公式", []),
        ("`$x$` 与\n```\n$y$\n```\n外面 $z$", ["z"]),
        ("没有结束的 $x 和下一段\n\n$y$", ["y"]),
        ("$ x = 1 $ 带空格", [" x = 1 "]),
        (r"\[ a \\] b \]", [r" a \\] b "]),
        ("没有公式", []),
    ],
)
def test_where_formulas_are(text: str, bodies: list[str]) -> None:
    assert [f.body for f in formulas(text)] == bodies


def test_offsets_take_in_the_delimiters() -> None:
    text = r"前 $a$ 中 \[b\] 后 $$c$$"
    assert [text[f.start : f.end] for f in formulas(text)] == ["$a$", r"\[b\]", "$$c$$"]
    assert [f.display for f in formulas(text)] == [False, True, True]


@given(PIECES)
def test_spans_are_in_order_and_apart(text: str) -> None:
    end = 0
    for start, stop in protected_spans(text):
        assert end <= start < stop <= len(text)
        end = stop
    for formula in formulas(text):
        assert formula.body in text[formula.start : formula.end]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\lambda \|w\|_2^2", "𝜆||w||_{2}^{2}"),
        (r"\left(\frac{a}{b}\right)", r"(\dfrac{a}{b})"),
        (r"\mathbf{x}_i \le \mathbf y", "x_i ≤ y"),
        (r"\mathrm{softmax}(z)", r"\text{softmax}\,(z)"),
        (r"\varepsilon \to 0", "ε → 0"),
        (r"\sum_{i=1}^{n} x_i", "∑_{i=1}^n x_i"),
        (r"a\ne b", r"a \neq b"),
        (r"\begin{aligned} a &= b \\ c &= d\end{aligned}", "a=b c=d"),
        (r"f'(x)", r"f^\prime(x)".replace("^", "")),
        (r"\frac12", r"\frac{1}{2}"),
    ],
)
def test_two_ways_of_writing_say_the_same(a: str, b: str) -> None:
    assert formula_tokens(a) == formula_tokens(b)
    assert formula_tokens(a)


def test_what_differs_differs() -> None:
    assert formula_tokens("x^2") != formula_tokens("x_2")
    assert formula_tokens(r"\frac{a}{b}") != formula_tokens(r"\frac{b}{a}")
    assert formula_tokens("X") != formula_tokens("x")


@given(st.text(st.sampled_from("\\{}frac lambda_^$|12xλ𝜆&~' "), max_size=40))
def test_broken_formulas_do_no_harm(body: str) -> None:
    for token in formula_tokens(body):
        assert token
        assert not token.isspace()


@pytest.mark.parametrize("piece", ["$", "$x ", r"\( ", r"\[", "`", "$$ ", "{", "``x"])
def test_time_grows_with_the_length_alone(piece: str) -> None:
    grows_with_the_length(lambda n: protected_spans(piece * n), 200_000)
