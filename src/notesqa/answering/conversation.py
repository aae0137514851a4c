"""Follow-ups as questions that stand alone, and short titles for conversations.

Without a model by rules: what a pronoun or an ellipsis refers to is the subject of the
turn before. The rules act only where a question plainly leans on what came before; a
question that stands alone stays as it is, to the letter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from notesqa.answering.followups import ENDS, LEAD, PRONOUN, TURNS, by_rules, leans, subjects_of
from notesqa.answering.ordinals import counted, counts
from notesqa.errors import ModelError
from notesqa.records import Turn
from notesqa.text.normalize import normalize, simplified
from notesqa.text.script import mostly_english
from notesqa.text.terminal import clip, safe

if TYPE_CHECKING:
    import threading

    from notesqa.answering.prompting import Language, Prompts
    from notesqa.llm import ChatModel

_TITLE_CELLS = 40
_REWRITE_TOKENS = 96


def standalone(
    question: str,
    history: Sequence[Turn],
    model: ChatModel | None = None,
    prompts: Prompts | None = None,
    *,
    cancel: threading.Event | None = None,
) -> str:
    """The question in words that need nothing before it.

    Args:
        history: the turns before, oldest first.
        model, prompts: when given, the model words a question that leans on the turns
            before; its wording is used only if it keeps the question's own terms.

    Returns:
        `question` itself, unchanged, where it stands alone.
    """
    plain = simplified(question)  # as the rules are written
    if not history:
        return question
    turns = [replace(turn, question=simplified(turn.question)) for turn in history]
    item = counted(plain, turns)
    if item != plain or counts(plain):
        return "：".join(["和".join(subjects_of(turns)), item]).lstrip("：")
    if not leans(plain):
        return question
    subjects = subjects_of(turns, plain)
    ruled = by_rules(plain, subjects) if subjects else question
    if model is None or prompts is None:
        return ruled
    return _by_model(question, history, model, prompts, cancel) or ruled


# -- by the model ------------------------------------------------------------------------


def _by_model(
    question: str,
    history: Sequence[Turn],
    model: ChatModel,
    prompts: Prompts,
    cancel: threading.Event | None,
) -> str:
    """The model's wording, or nothing where it is not to be trusted."""
    from notesqa.answering.parsing import visible

    language: Language = "en" if mostly_english(question) else "zh"
    messages = prompts.rewrite(question, history[-TURNS:], language)
    if model.count_tokens(messages) + _REWRITE_TOKENS > model.context_tokens:
        messages = prompts.rewrite(question, history[-1:], language)
    try:
        written = "".join(model.stream(messages, max_tokens=_REWRITE_TOKENS, cancel=cancel))
    except ModelError:
        return ""
    lines = [line.strip() for line in visible(written).splitlines() if line.strip()]
    wording = safe(lines[0], newlines=False).strip("\"'“”「」 ") if lines else ""
    return wording if _keeps(wording, question, history) else ""


_HAN_RUN = re.compile(r"[\u4e00-\u9fff]{2,}")
_LATIN = re.compile(r"[A-Za-z][A-Za-z0-9+.#-]*|\d+(?:\.\d+)?")
_EMPTY = frozenset(
    "what how why does do is are was the of it its this that they them their these those about and or in on to a an "
    "with compare compared for which who when where so then but also can you me former latter both two".split()
)


def _keeps(wording: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether a rewriting keeps the question's terms and brings in none from nowhere."""
    if (
        not wording
        or len(wording) > 3 * len(question) + 80
        or mostly_english(wording) != mostly_english(question)
    ):
        return False
    new = normalize(wording)
    own = normalize(question)
    known = (
        own
        + " "
        + normalize(
            " ".join(
                f"{turn.question} {' '.join(s.text for s in turn.answer.sentences)}"
                for turn in history[-TURNS:]
            )
        )
    )
    words = {w for w in _LATIN.findall(own) if w not in _EMPTY}
    if any(word not in new for word in words):
        return False
    if any(
        word not in known and word not in _EMPTY
        for word in _LATIN.findall(new)
        if not word.isalpha() or not mostly_english(wording)
    ):
        return False
    stripped = PRONOUN.sub(" ", LEAD.sub("", own))
    stripped = re.sub(
        r"前者|后者|两者|二者|呢|吗|什么|怎么|如何|为什么|哪些|是|有|的|和|跟|与|比", " ", stripped
    )
    grams = {run[i : i + 2] for run in _HAN_RUN.findall(stripped) for i in range(len(run) - 1)}
    return not grams or sum(gram in new for gram in grams) >= 0.7 * len(grams)


# -- titles ------------------------------------------------------------------------------


def title(question: str, model: ChatModel | None = None, prompts: Prompts | None = None) -> str:
    """A short title for the conversation that begins with `question`; one line, never empty."""
    whole = safe(" ".join(question.split()), newlines=False)
    plain = whole.strip(ENDS) or whole or "…"
    if model is not None and prompts is not None:
        from notesqa.answering.parsing import visible

        language: Language = "en" if mostly_english(question) else "zh"
        try:
            pieces = model.stream(prompts.title(question, language), max_tokens=32)
            written = visible("".join(pieces))
        except ModelError:
            written = ""
        lines = [line.strip() for line in written.splitlines() if line.strip()]
        named = safe(lines[0], newlines=False).strip("\"'“”「」《》# " + ENDS) if lines else ""
        if 2 <= len(named) <= 60:
            return clip(named, _TITLE_CELLS)
    return clip(plain, _TITLE_CELLS)
