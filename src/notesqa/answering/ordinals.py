"""第二个办法呢: an item of the list that the answer before quoted, by its number."""

from __future__ import annotations

import re
from collections.abc import Sequence

from notesqa.answering.quoting import shown
from notesqa.records import Turn
from notesqa.text.blocks import item_marker

_DIGITS = {char: value for value, char in enumerate("一二三四五六七八九十", 1)}
# What is counted may be named; what else follows makes it the first of something else: 第一个版本.
_ORDINAL = re.compile(
    r"(?:那|那么)?(?:第(?P<number>[一二三四五六七八九十]|[1-9])|(?P<last>最后一))(?:个|种|条|点|类|项|招)"
    r"(?:方法|办法|做法|方案|思路|问题|原因|缺点|优点|局限|对策|改进|操作|因素|技巧|情况)?"
    r"(?=$|[的是为会能有和跟与比里呢吗要怎如具到在对用做解可不,，。?？ ])"
)
_BRACKETS = re.compile(r"[（(][^（(）)]*[）)]")
# What an item is called ends where it begins to be told about.
_HEAD_ENDS = re.compile(r"[：:，,。；;]")
_LONGEST_HEAD = 40
_LONGEST_QUESTION = 30
_FEWEST = 2
_TURNS = 3


def counted(question: str, history: Sequence[Turn]) -> str:
    """The question with the name of the item that it counts to; itself where it counts to none.

    The list may have been quoted a few turns ago: 第二个呢 is followed by 那第三个呢.

    Args:
        question: in simplified characters.
    """
    found = _ORDINAL.search(question)
    if found is None or len(question) > _LONGEST_QUESTION:
        return question
    for turn in reversed(history[-_TURNS:]):
        items = _items(turn)
        number = len(items) if found["last"] else _value(found["number"])
        if len(items) >= _FEWEST and 0 < number <= len(items):
            return question[: found.start()] + items[number - 1] + question[found.end() :]
    return question


def counts(question: str) -> bool:
    """Whether a question begins with the number of something that it does not name."""
    return _ORDINAL.match(question) is not None


def _value(number: str) -> int:
    return _DIGITS[number] if number in _DIGITS else int(number)


def _items(turn: Turn) -> list[str]:
    """What the items of the list in an answer are called; nothing where one of them has no name."""
    listed = [
        (citation.document_id, line)
        for citation in turn.answer.citations
        for line in citation.quote.splitlines()
        if item_marker(line)[0]
    ]
    if len({document for document, _ in listed}) != 1:
        return []
    plain = [_BRACKETS.sub("", shown(line)) for _, line in listed]
    heads = [_HEAD_ENDS.split(line, maxsplit=1)[0].strip() for line in plain]
    return heads if all(0 < len(head) <= _LONGEST_HEAD for head in heads) else []
