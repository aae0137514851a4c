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
_CUT = re.compile(
    r".*(?:[的是为用叫称与和或即在对由把被及到从将了使以而让给向有个种类些此该其这那做求引入采用基于利用]|"
    r"称作|名为|所谓|通过|包括|例如|比如|属于|根据|作为)"
)
_KEEP = re.compile(r"^(?:有监督|无监督|自监督|半监督|对比|对抗|对数|对偶|对齐|个体|类别|类间|基于|使用)")


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
    if _KEEP.match(run) and len(run) <= 8:
        return run
    cut = _CUT.match(run)
    name = run[cut.end() :] if cut else run
    return name if 2 <= len(name) <= 10 else ""
