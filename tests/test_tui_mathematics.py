"""LaTeX in the cells of a terminal: what it looks like, and that it never breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from notesqa.text.latex import formulas
from notesqa.tui.mathematics import UnrenderableError, display, fitted, inline, parses

CORPUS = Path(__file__).parent.parent / "corpus"

INLINE = {
    r"q(x_{t-1}\mid x_t, x_0)": "q(xₜ₋₁ | xₜ, x₀)",
    r"\lambda\|w\|_2^2": "λ‖w‖₂²",
    r"\frac{a}{b+c}": "a/(b + c)",
    r"\frac{a+b}{c}": "(a + b)/c",
    r"\frac12": "1/2",
    r"-\log\frac{p}{q}": "−log (p/q)",
    r"\sqrt{1-\bar\alpha_t}\,\varepsilon": "√(1 − ᾱₜ)ε",
    r"\sqrt[3]{x}": "∛x",
    r"\mathbb{E}_{z\sim q}[f(z)]": "𝔼_(z∼q)[f(z)]",
    r"x^\top y": "xᵀy",
    r"f'(x)": "f′(x)",
    r"f''^2": "f′′²",
    r"\hat y_i": "ŷᵢ",
    r"\operatorname{softmax}(z)_i": "softmax(z)ᵢ",
    r"\arg\max_\theta L": "arg max_θ L",
    r"a \ne b, c \le d": "a ≠ b, c ≤ d",
    r"\text{若 } x>0": "若 x > 0",
    r"\{1,\dots,T\}": "{1, …, T}",
    r"|w|": "|w|",
    r"p(w)=-1": "p(w) = −1",
    r"50\%": "50%",
    r"x \notin A": "x ∉ A",
    r"\left.\frac{df}{dx}\right|_{x=0}": "df/(dx)|ₓ₌₀",
    r"\binom{n}{k}": "(n, k)",
    r"\mathbf{x}": "𝐱",
    r"\boldsymbol{\theta}": "𝛉",
    r"\begin{pmatrix}a&b\\c&d\end{pmatrix}": "(a, b; c, d)",
}


@pytest.mark.parametrize(("latex", "shown"), INLINE.items())
def test_inline(latex: str, shown: str) -> None:
    assert inline(latex) == shown


DISPLAY = {
    r"\frac{a}{b+c}": """
   a
───────
 b + c
""",
    r"\sum_{i=1}^n x_i": """
 n
 ∑  xᵢ
i=1
""",
    r"\sqrt{\frac{a}{b}}+1": """
 ┌────
 │  a
 │ ─── + 1
√│  b
""",
    r"x=\begin{cases}1 & y>0\\ 0 & \text{否则}\\ 2 & z\end{cases}": """
    ⎧ 1  y > 0
x = ⎨ 0  否则
    ⎩ 2  z
""",
    r"A=\begin{bmatrix}1&2\\3&4\end{bmatrix}": """
A = ⎡ 1  2 ⎤
    ⎣ 3  4 ⎦
""",
    r"\begin{aligned}a&=b\\cc&=d\end{aligned}": """
 a = b
cc = d
""",
    r"\max_\theta f": """
max f
 θ
""",
    r"\underbrace{a+b}_{n}": """
a + b
╰─┬─╯
  n
""",
}


@pytest.mark.parametrize(("latex", "shown"), DISPLAY.items())
def test_display(latex: str, shown: str) -> None:
    lines = [line.rstrip() for line in display(latex)]
    wanted = shown.strip("\n").split("\n")
    assert lines == wanted


def test_every_formula_of_the_corpus_is_drawn_within_a_page() -> None:
    seen = 0
    for path in sorted(CORPUS.glob("*.md")):
        for formula in formulas(path.read_text(encoding="utf-8")):
            seen += 1
            assert parses(formula.body), f"{path.name}: {formula.body}"
            lines = display(formula.body)
            assert len({cell_len(line) for line in lines}) == 1, formula.body
            if formula.display:
                assert fitted(formula.body, 100), f"{path.name}: {formula.body}"
    assert seen > 500


@pytest.mark.parametrize(
    "latex",
    [
        r"\unknown{x}",
        "{x",
        "x}",
        r"\frac{a}",
        r"a_b_c",
        r"\left( x",
        r"\begin{cases} x",
        r"\begin{tikzpicture}\end{tikzpicture}",
        r"\begin{matrix}a\end{cases}",
        "\\",
        r"\sqrt" * 500,
        "{" * 500 + "}" * 500,
        r"\text{" * 300 + "$" + "}" * 300,
        "x" * 9000,
    ],
)
def test_what_cannot_be_drawn_says_so(latex: str) -> None:
    with pytest.raises(UnrenderableError):
        inline(latex)
    assert not parses(latex)


_PARTS = st.sampled_from(
    [
        *("x", "y_i", "^2", "_", "^", "{", "}", "&", "\\\\", "+", "=", "|", "(", ")", "'", " "),
        *("\\frac", "\\sqrt", "\\sum", "\\left(", "\\right)", "\\text{中}", "\\hat", "\\mathbb"),
        *("\\begin{cases}", "\\end{cases}", "\\alpha", "\\limits", "\\not", "\\,", "1", "否"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PARTS, max_size=24).map("".join))
def test_it_is_drawn_squarely_or_refused(latex: str) -> None:
    try:
        flat = inline(latex)
        lines = display(latex)
    except UnrenderableError:
        return
    assert "\n" not in flat
    assert len({cell_len(line) for line in lines}) == 1
    assert "\\frac" not in flat
    for width in (10, 30):
        fit = fitted(latex, width)
        assert all(cell_len(line) <= width for line in fit)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_drawn_or_refused(latex: str) -> None:
    try:
        display(latex)
        inline(latex)
    except UnrenderableError:
        pass
