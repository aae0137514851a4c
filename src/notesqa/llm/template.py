"""From messages to a model's prompt, by the model's own chat template.

What the messages say is kept apart from what the template adds: a note that holds
`<|im_end|>` must not end the user's turn. So the template is rendered over stand-ins,
and only its own text may become special tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from notesqa.errors import ModelError
from notesqa.llm import Message

if TYPE_CHECKING:
    from jinja2 import Template

Pieces = list[tuple[str, bool]]
"""Texts in order; True for what the template wrote."""

_OPEN_THOUGHT = "<think>"


def pieces(template: str, messages: Sequence[Message], *, bos: str = "", eos: str = "") -> Pieces:
    """The prompt that `messages` become, in pieces.

    Args:
        template: Jinja, or empty for a model that brings none: then a plain dialogue.

    Raises:
        ModelError: the template fails.
    """
    if not template:
        return _plain(messages)
    key = secrets.token_hex(4)
    contents = [message.content for message in messages]
    stand_ins = [f"\u2983{key}:{i}\u2984" for i in range(len(messages))]
    rows = [{"role": m.role, "content": s} for m, s in zip(messages, stand_ins, strict=True)]
    rendered = _render(template, rows, bos, eos)
    if any(rendered.count(stand_in) != 1 for stand_in in stand_ins):
        # Some templates know no system message: its text goes with the user's.
        joined = _joined(messages)
        if len(joined) != len(messages):
            return pieces(template, joined, bos=bos, eos=eos)
        raise ModelError(
            "the model's chat template loses messages", "choose another model: notesqa model list"
        )
    found: Pieces = []
    rest = rendered
    for stand_in, content in zip(stand_ins, contents, strict=True):
        before, _, rest = rest.partition(stand_in)
        found.append((before, True))
        found.append((content, False))
    # Thinking is not shown and costs the reader time: where the template opens it, it
    # is closed at once.
    if rest.rstrip().endswith(_OPEN_THOUGHT):
        rest = f"{rest.rstrip()}\n\n</think>\n\n"
    found.append((rest, True))
    return [(text, own) for text, own in found if text]


def _joined(messages: Sequence[Message]) -> list[Message]:
    """The system message in front of the first one of the user's."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    if not system or not rest:
        return list(messages)
    return [Message(rest[0].role, f"{system}\n\n{rest[0].content}"), *rest[1:]]


def _plain(messages: Sequence[Message]) -> Pieces:
    """A dialogue in plain words, for models without a template."""
    names = {"system": "", "user": "User: ", "assistant": "Assistant: "}
    found: Pieces = []
    for message in messages:
        found.append((names[message.role], True))
        found.append((message.content, False))
        found.append(("\n\n", True))
    found.append(("Assistant:", True))
    return [(text, own) for text, own in found if text]


def _render(template: str, rows: list[dict[str, str]], bos: str, eos: str) -> str:
    from jinja2 import TemplateError

    try:
        return _compiled(template).render(
            messages=rows,
            add_generation_prompt=True,
            bos_token=bos,
            eos_token=eos,
            # Models that can answer with and without thinking are asked not to think.
            enable_thinking=False,
            tools=None,
            documents=None,
        )
    except _Refused as error:
        if rows[0]["role"] == "system" and len(rows) > 1:
            # "System role not supported": leave it out, which `pieces` notices.
            return _render(template, rows[1:], bos, eos)
        raise ModelError(
            f"the model's chat template refuses: {error}", "choose another: notesqa model list"
        ) from error
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ModelError(
            f"the model's chat template fails: {error}", "choose another: notesqa model list"
        ) from error


class _Refused(ValueError):  # noqa: N818 - what `raise_exception` of a template raises
    """A template calls `raise_exception`."""


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    from datetime import datetime

    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )

    def raise_exception(message: str) -> Any:
        raise _Refused(message)

    def strftime_now(pattern: str) -> str:
        return datetime.now().astimezone().strftime(pattern)

    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    try:
        return environment.from_string(template)
    except TemplateError as error:
        raise ModelError(
            f"the model's chat template is malformed: {error}",
            "choose another: notesqa model list",
        ) from error
