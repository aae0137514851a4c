"""Sentences of a passage as they can be quoted: whole, with the lists and formulas they lead to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from notesqa.text.blocks import blocks
from notesqa.text.sentences import block_sentences, trimmed

MOST_CHARACTERS = 420
"""Of a quotation, and of the sentences of an answer together."""
_HEADING = re.compile(r"^\s*#{1,6}\s|^\s*\|?\s*:?-{3,}|^\s*(?:```|~~~)|^\s*!\[|^\s*-{3,}\s*$")
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)、．](?!\d)|[（(]\d+[)）]|[①-⑩])\s*")
_INTRODUCES = re.compile(r"(?:[:：]|如下|以下[^。]{0,12})\s*$")
# The heading of the paragraph that it begins, a sentence by itself: **为什么慢。** 每一步都……
_RUN_IN_HEADING = re.compile(
    r"\s*(?:[-*+]\s+|\d+[.)、．]\s*)?(?P<mark>\*\*|__)(?!\s)[^\n]{1,60}(?P=mark)"
)
_VERBATIM_OPENINGS = ("$", "\\[", "[", "```")
_DISPLAY = re.compile(r"\s*(?:\$\$|\\\[|\\begin\{)")
_DISPLAY_END = re.compile(r"(?:\$\$|\\\]|\\end\{\w+\*?\})[，,]?\s*$")
# What can stand before a display formula that does not belong to it: a sentence with its
# stop, a row of a table, code.
_WHOLE = re.compile(r"[。！？!?…；;.][”’」』】》）)\]\"'*_]*\s*$|\|\s*$|(?:```|~~~)\s*$")
_TAIL = re.compile(r"\s*(?:[，,、；;]|(?:其中|式中)(?!之|的|一)|where\b)")
# The heading of a feed's excerpt that lost its line: 概述 众所周知，……
_LOST_HEADING = re.compile(
    r"(?:概述|综述|概要|简介|引言|导言|导读|绪论|序言|前言|背景|研究背景|摘要|总结|小结|相关内容|相关工作|"
    r"补充知识|问题定义|写在前面|正文|是什么|从.{1,6}(?:入手|说起|谈起)|"
    r"(?:为什么|怎么做|怎么办)(?=[ \u3000]+[\u4e00-\u9fff]))"
    r"(?:与(?:背景|动机))?[ \u3000]+(?=[\w\"“《])"
)

# What a feed's excerpt has above its text, run into its first sentence: the paper's name and where
# it and its code are.
_ADDRESSES = re.compile(
    r"[^。！？!?；;]{0,120}?(?:(?:论文|代码|项目|原文|源码)(?:地址|链接|主页)\s*[:：]\s*"
    r"(?:\W?\s*(?:https?://|www\.|arxiv\.org|github\.com)[^\s，。；）)]*)?[ \u3000]*)+"
)
_HAN_LAST = re.compile(r"[\u3400-\u9fff]$")


@dataclass(frozen=True, slots=True)
class Span:
    """A sentence of a passage.

    Attributes:
        start, end: offsets into the passage's text.
        score: the linear model's, of `values`.
        worth: the score and what the sentence is worth alone; sentences are chosen by it.
        headed: stands under headings that ask the question.
    """

    passage: int
    start: int
    end: int
    values: tuple[float, ...]
    score: float
    worth: float
    headed: bool = False


def spans_of(text: str, title: str = "") -> list[tuple[int, int]]:
    """Sentences of a passage that can stand in an answer.

    Headings, rules and fence lines are left out; a line that introduces a list or
    a formula goes with what it introduces, a heading at the front of its paragraph with the
    sentence after it, and a sentence that a display formula completes goes on through the
    formula and through what says its letters. A table stands whole, or by its rows where it
    is long; its head alone says nothing.

    Args:
        title: of the note; an excerpt may begin with it, without a line of its own.
    """
    found: list[tuple[int, int]] = []
    pending: int | None = None
    run_in = False
    pieces = _pieces(text)
    for number, (start, end) in enumerate(pieces):
        piece = text[start:end]
        if _HEADING.match(piece) and not piece.strip().startswith("```"):
            pending = None
            continue
        if not piece.strip():
            continue
        following = text[slice(*pieces[number + 1])] if number + 1 < len(pieces) else ""
        if pending is not None:
            first = pending
            if end - first <= MOST_CHARACTERS:
                item = LIST_ITEM.match(piece) or piece.lstrip().startswith(_VERBATIM_OPENINGS)
                listed = bool(item) and bool(LIST_ITEM.match(text[end:].lstrip("\n")))
                leads = run_in and _INTRODUCES.search(piece.rstrip()) is not None
                run_in = False
                if listed or leads or _completed_by(piece, following):
                    continue
                found.append((first, end))
                pending = None
                continue
            found.append((first, start))
            pending = None
        run_in = _runs_in(text, start, end)
        if run_in or _INTRODUCES.search(piece.rstrip()) or _completed_by(piece, following):
            pending = start
            continue
        found.append((start, end))
    if pending is not None:
        found.append((pending, len(text)))
    return [_headless(text, title, *trimmed(text, s, e)) for s, e in found if text[s:e].strip()]


def _runs_in(text: str, start: int, end: int) -> bool:
    """Whether a sentence is the heading of the paragraph that it begins."""
    if not _RUN_IN_HEADING.fullmatch(text, start, end):
        return False
    line = text[end:].partition("\n")[0]
    return bool(line.strip()) and not text[text.rfind("\n", 0, start) + 1 : start].strip()


def _headless(text: str, title: str, start: int, end: int) -> tuple[int, int]:
    # A space after Chinese is no part of a sentence; after a Latin word it may be.
    if title and _HAN_LAST.search(title) and not text[:start].strip():
        begun = start + len(title)
        led = text.startswith(title, start) and text[begun : begun + 1].isspace()
        if led and text[begun:end].strip():
            start, end = trimmed(text, begun, end)
    if not text[:start].strip() and (addresses := _ADDRESSES.match(text, start, end)):
        start = addresses.end() if text[addresses.end() : end].strip() else start
    while heading := _LOST_HEADING.match(text, start, end):
        start = heading.end()
    return start, end


def _pieces(text: str) -> list[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    for block in blocks(text):
        if block.kind != "table":
            pieces.extend(block_sentences(text, block))
        elif block.end - block.start <= MOST_CHARACTERS:
            pieces.append(trimmed(text, block.start, block.end))
        else:
            # Below the head and the rule under it.
            pieces.extend(block_sentences(text, block)[2:])
    return pieces


def _completed_by(piece: str, following: str) -> bool:
    """Whether a piece is no whole sentence without the formula, or the tail, after it."""
    if _DISPLAY_END.search(piece):
        return bool(_TAIL.match(following))
    return bool(_DISPLAY.match(following)) and not _WHOLE.search(piece)
