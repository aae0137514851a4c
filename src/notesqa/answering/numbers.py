"""Questions that ask for a number or a date, and what in a sentence may be it."""

from __future__ import annotations

import re

from notesqa.answering.quoting import without_marker
from notesqa.retrieval.query import Query

# What a number that answers looks like, by what is asked: a year is no accuracy.
_YEAR = re.compile(r"(?:1[89]|20)\d\d(?!\d)|\d+\s?月")
_RATE = re.compile(r"\d\s?%|(?<!\d)0\.\d|百分之|\d\s?个百分点")
_ASKS_RATE = re.compile(
    r"(?<!学习)率|精度|百分|比例|占比|accuracy|percent|ratio|rate\b|precision|recall"
)
# The digit of a name, of an index or of a list's item is none: GPT-2, L1, x_0. What
# something equals may be a formula.
_ONE = re.compile(r"(?<![十百千万第])一[个种类项条步次层]")
_NUMBER = re.compile(
    r"(?<![\d.a-z_])(?<![a-z]-)(?<!_\{)(?!(?:1[89]|20)\d\d年?(?!\d))\d"
    r"|[一二三四五六七八九十百千万亿两]+[个种倍次层步类维类项条]"
)
# Who asks how many layers is not told how many steps.
_COUNTS = re.compile(r"(?:几|多少)([层倍步维次种类])")
_OF_OTHERS = 0.6
# What a formula says is a number to who knows its letters.
_ONLY_FORMULA = 0.5
# "When does it not converge" asks for a condition.
_CAME = (
    r"发明|提出|发布|发表|诞生|推出|开源|问世|成立|出[来的]|invented|proposed|introduced|"
    r"released|published|created"
)
_ASKS_DATE = re.compile(
    r"哪一?年|何年|哪一?天|几月|几号|年代|what year|"
    rf"(?:什么时候|什么时间|何时|^when\b).{{0,30}}?(?:{_CAME})|(?:{_CAME}).{{0,6}}(?:什么时候|什么时间|何时)"
)
_ASKS_COST = re.compile(r"复杂度|\bcomplexity\b")
_COST = re.compile(
    r"\bo\s*\(|\\mathcal\{o\}|(?:线性|平方|常数|指数)(?:级|时间|复杂度)|复杂度(?:是|为|从|降|与|不)"
)


def asks_number(query: Query) -> bool:
    """Whether a number or a date is asked for."""
    if query.kind == "when":
        return _ASKS_DATE.search(query.normalized) is not None
    return query.kind == "number"


def meets_number(query: Query, text: str) -> float:
    """How well a sentence meets a question for a number: 1 of the kind asked for, 0 none."""
    if query.kind == "when":
        return 1.0 if asks_number(query) and _YEAR.search(text) else 0.0
    if _ASKS_COST.search(query.normalized):
        return 1.0 if _COST.search(text) else 0.0
    if query.kind != "number":
        return 0.0
    if _ASKS_RATE.search(query.normalized):
        return 1.0 if _RATE.search(text) else 0.3 if _NUMBER.search(text) else 0.0
    # "A head of its own" counts nothing.
    own = _ONE.sub("", without_marker(text))
    counted = _COUNTS.search(query.normalized)
    if counted and re.search(rf"[\d一二三四五六七八九十百千万亿两]\s?{counted[1]}", own):
        return 1.0
    least = _OF_OTHERS if counted else 1.0
    return least if _NUMBER.search(own) else _ONLY_FORMULA if "=" in own else 0.0
