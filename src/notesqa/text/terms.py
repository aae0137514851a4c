"""Term pairs that a text defines: 中文（English，ABBR） and its variants.

The pattern is the one that writers of technical Chinese keep to when they name a
thing for the first time; the left edge of the Chinese name is not marked, so it is
cut at words that cannot begin a name.
"""

from __future__ import annotations

import re

_PAREN = re.compile(
    r"(?P<zh>[\u4e00-\u9fff]{2,16})\s?[（(]\s?(?P<en>[A-Za-z][A-Za-z0-9 .'+#/-]{1,60}?)"
    r"(?:\s?[，,、;；]\s?(?:简称|缩写为?|即|也称)?\s?(?P<abbr>[A-Z][A-Za-z0-9-]{0,11}))?\s?[）)]"
)
_LATIN = re.compile(
    r"(?P<en>[A-Z][A-Za-z]+(?:[ -][A-Za-z]+){1,6})\s?[（(](?P<abbr>[A-Z][A-Za-z0-9-]{1,11})[）)]"
)
# Only what can hardly stand inside a name: 对比学习, 有效感受野 and 向量机 must stay whole.
_CUT = re.compile(
    r".*(?:[的是为用叫称与和或即把被将使而让给了就也]|"
    r"称作|名为|所谓|通过|包括|例如|比如|属于|根据|作为|一种|一个|这种|这个|其中|以及|引入|利用|采取)"
)
_LONGEST_NAME = 9


def defined_terms(text: str) -> list[tuple[str, str, str]]:
    """Chinese name, English name and abbreviation of each term that `text` defines.

    Parts that are not given are empty; each row once, in order.
    """
    found: dict[tuple[str, str, str], None] = {}
    for match in _PAREN.finditer(text):
        zh = _name(match["zh"])
        en, abbr = match["en"].strip(), match["abbr"] or ""
        if not zh:
            continue
        if en.isupper() and " " not in en and not abbr:
            en, abbr = "", en
        found[(zh, en, abbr)] = None
    for match in _LATIN.finditer(text):
        initials = "".join(part[0] for part in re.split(r"[ -]", match["en"]) if part)
        abbr = match["abbr"]
        # Only a bracket that abbreviates what stands before it.
        if abbr.lower()[0] == initials.lower()[0] and len(abbr) <= len(initials) + 2:
            found[("", match["en"], abbr)] = None
    return list(found)


def _name(run: str) -> str:
    """The name at the end of a run of Han characters, or nothing where it is unclear."""
    cut = _CUT.match(run)
    name = run[cut.end() :] if cut else run
    return name if 2 <= len(name) <= _LONGEST_NAME else ""
