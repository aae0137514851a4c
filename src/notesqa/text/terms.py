"""Term pairs that a text defines: 中文（English，ABBR） and its variants.

The pattern is the one that writers of technical Chinese keep to when they name a
thing for the first time. The left edge of the Chinese name is not marked: it is found
by words that cannot stand in a name, by how long a name its English makes likely, and
by what the text says elsewhere without what stands before it here.
"""

from __future__ import annotations

import re

from notesqa.text.segment import engine

_PAREN = re.compile(
    r"(?P<zh>[\u4e00-\u9fff]{2,16})\s?[（(]\s?(?P<en>[A-Za-z][A-Za-z0-9 .'+#/-]{1,60}?)"
    r"(?:\s?[，,、;；]\s?(?:简称|缩写为?|即|也称)?\s?(?P<abbr>[A-Z][A-Za-z0-9-]{0,11}))?\s?[）)]"
)
_LATIN = re.compile(
    r"(?P<en>[A-Z][A-Za-z]+(?:[ -][A-Za-z]+){1,6})\s?[（(](?P<abbr>[A-Z][A-Za-z0-9-]{1,11})[）)]"
)
_LATIN_BEFORE = re.compile(r"[A-Za-z][A-Za-z0-9-]*\s?$")
_COUNTED = re.compile(r"[A-Za-z0-9$)）]\s?$")
_ENGLISH_WORD = re.compile(r"[A-Za-z]+")

# What ends before a name begins. In characters, also where the cutter made a word of them
# that no dictionary has (学习|率要|预热); words only where they stand as such (名称 is whole).
_PARTING = "的是为用叫称与和或即把被将使而让给了就也由靠会要再只"
_PARTING_WORDS = frozenset(
    "按 称作 名为 叫做 记作 所谓 通过 包括 例如 比如 属于 根据 作为 一种 一个 这种 这个 其中 以及 引入 利用 采取 "
    "使用 采用 这 这类 那 该 此 其 每 每个 各 里 在 从 当 于 不是 没有 需要 不同于 不同 来自 源自 按照 依照 "
    "满足 做出 提出 失去 出现 发现 说明 表明 称为 得到 只有 只要 换成 化成 写成 变成 看成 当成 成 到 有 怎样 怎么 "
    "如何 单个 同一个 若干 一些 一小部分 一步 一次 因此 所以 但 若 如果 要做 做 来 拿 算 普通 中的 并 都 还 又 才 则 类 再接 可 可以 "
    "又称 也称 俗称 统称 简称 亦称 叫作 看作 当作 改用 沿用 选用 不用 常用 可用 借用 记为 即为 "
    "因为 由于 基本上 就是 也就是 类似 类似于 相当于 等价于 对应 对应于 关于 对于 至于 以 及".split()
)
# Where they begin a name (加性, 分层, 带权) they belong to it, unless the rest is known by itself.
_PERHAPS = frozenset("分做作加带配取拿算接设求学")
_MEASURES = frozenset("个种类层次步折位维条项张篇倍年月组块轮")
_LONGEST_NAME = 9


def defined_terms(text: str) -> list[tuple[str, str, str]]:
    """Chinese name, English name and abbreviation of each term that `text` defines.

    Parts that are not given are empty; each row once, in order. A name that goes on to
    the left in the English of its bracket has that word too: "Platt 缩放".
    """
    found: dict[tuple[str, str, str], None] = {}
    for match in _PAREN.finditer(text):
        en, abbr = match["en"].strip(), match["abbr"] or ""
        zh = _name(match["zh"], text[max(0, match.start() - 40) : match.start()], en, text)
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


def _name(run: str, before: str, english: str, text: str) -> str:
    """The name at the end of a run of Han characters, or nothing where it is unclear."""
    if run[0] in _MEASURES and _COUNTED.search(before):
        run, before = run[1:], ""
    name = _after_parting(run)
    if len(name) > 2 and name[0] in _PERHAPS and _stands_alone(name[1:], name, text):
        name = name[1:]
    # An abbreviation says nothing of how long a name is.
    words = 0 if english.isupper() else len(_ENGLISH_WORD.findall(english))
    if words and len(name) > 2 * words + 3:
        name = _shortened(name, text, words)
    if not 2 <= len(name) <= _LONGEST_NAME:
        return ""
    latin = _LATIN_BEFORE.search(before) if name == run else None
    return f"{latin[0].strip()} {name}" if latin and _part_of(latin[0].strip(), english) else name


def _after_parting(run: str) -> str:
    """What follows the last word that cannot stand in a name."""
    while True:
        place = cut = 0
        for word in (words := engine().cut(run, True)):
            place += len(word)
            if place == len(run) and len(words) > 1:
                break
            if word in _PARTING_WORDS or word in _PARTING:
                cut = place
            elif not engine().has_word(word):
                inside = max(word.rfind(char) for char in _PARTING)
                cut = place - len(word) + inside + 1 if inside >= 0 else cut
        # What is left may be cut otherwise than it was with the rest before it.
        if not cut:
            return run
        run = run[cut:]
        if len(run) < 2:
            return ""


def _stands_alone(part: str, whole: str, text: str) -> bool:
    """Whether a text has a part of a run elsewhere too, where the whole stands only once."""
    return text.count(whole) == 1 and text.count(part) > 1


def _shortened(name: str, text: str, words: int) -> str:
    """The longest end of a name that is too long which the text has elsewhere, or nothing.

    Args:
        words: of its English; a name has more characters than that.
    """
    place = 0
    for word in engine().cut(name, True):
        place += len(word)
        rest = name[place:]
        if len(rest) > words and len(rest) >= 2 and _stands_alone(rest, name, text):
            return rest
    return ""


def _part_of(latin: str, english: str) -> bool:
    """Whether a Latin word is one of an English name, or its first initials."""
    words = [word.lower() for word in _ENGLISH_WORD.findall(english)]
    initials = "".join(word[0] for word in words)
    return latin.lower() in words or (len(latin) > 1 and initials.startswith(latin.lower()))
