"""What a chat server sends back: read within limits, its errors named.

A server is not trusted to keep to what it was asked for: neither lines nor replies may
grow without end, and what is no reply at all is told from one that broke off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from notesqa.errors import ModelError

if TYPE_CHECKING:
    import httpx

KEY_VARIABLES = ("NOTESQA_API_KEY", "OPENAI_API_KEY")
HINT = "is [llm] base_url an OpenAI-compatible server?"
_MOST_LINE = 1 << 20
_MOST_WHOLE = 4 << 20
_RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))
# Four letters or one or two Han characters a token are common; what is far beyond was not
# kept within the limit that was asked for.
_CHARACTERS_A_TOKEN = 6
_SLACK = 500
_FIELDS = frozenset(("", "data", "event", "id", "retry"))
_LINE_END = re.compile(r"\r\n|\n|\r")


class Passing(ModelError):  # noqa: N818 - what another try may get past
    """A failure that another try may get past.

    Attributes:
        pause: seconds that the server asks to wait, or 0.
    """

    def __init__(self, message: str, hint: str, pause: float = 0.0) -> None:
        super().__init__(message, hint)
        self.pause = pause


def cut_off() -> Passing:
    """A reply that ended before its end."""
    return Passing("the server cut the reply off", "ask again; look at the server's log")


def reply(response: httpx.Response, max_tokens: int) -> Iterator[str]:
    """The text of a chat reply as it comes.

    Args:
        max_tokens: what the server was asked to keep to; far beyond it the reply ends.

    Raises:
        ModelError: the server refuses, fails, or sends something else than a reply.
    """
    if response.status_code != 200:
        raise _status_error(response)
    room = max_tokens * _CHARACTERS_A_TOKEN + _SLACK
    kind = response.headers.get("content-type", "")
    if "json" in kind and "stream" not in kind:
        # A server that does not stream answers in one piece.
        event = _decoded(whole(response))
        _raise_for(event)
        said = iter((_text_of(event, "message")[0],))
    else:
        said = _events(response, strict="event-stream" not in kind)
    for text in said:
        if text:
            yield text[:room]
        room -= len(text)
        if room <= 0:
            return


def whole(response: httpx.Response) -> str:
    """All of a reply that comes in one piece.

    Raises:
        ModelError: it is far too long.
    """
    parts: list[bytes] = []
    size = 0
    for part in response.iter_bytes():
        size += len(part)
        if size > _MOST_WHOLE:
            raise ModelError(f"the server sent more than {_MOST_WHOLE >> 20} MiB", HINT)
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def _events(response: httpx.Response, *, strict: bool) -> Iterator[str]:
    """The texts of server-sent events (WHATWG HTML, 9.2): `data:` lines up to `[DONE]`.

    Args:
        strict: the server does not call them such; anything else is an error.
    """
    finished = False
    for line in _lines(response):
        field, _, value = line.partition(":")
        if strict and field not in _FIELDS:
            # The page of a proxy, say.
            raise ModelError(f"the server sent no JSON: {line.strip()[:80]!r}", HINT)
        if field != "data":
            continue
        value = value.strip()
        if value == "[DONE]":
            return
        event = _decoded(value)
        _raise_for(event)
        text, reason = _text_of(event, "delta")
        finished = finished or bool(reason)
        yield text
    if not finished:
        raise cut_off()


def _lines(response: httpx.Response) -> Iterator[str]:
    rest = ""
    for text in response.iter_text():
        # A line end that comes in two halves makes an empty line, which says nothing.
        *lines, rest = _LINE_END.split(rest + text)
        if any(len(line) > _MOST_LINE for line in (*lines, rest)):
            raise ModelError("the server sent a line of more than 1 MiB", HINT)
        yield from lines
    if rest:
        yield rest


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the server sent no JSON: {text[:80]!r}", HINT) from error
    if not isinstance(value, dict):
        raise ModelError(f"the server sent something else than an object: {text[:80]!r}", HINT)
    return value


def _raise_for(event: Mapping[str, Any]) -> None:
    if error := event.get("error"):
        said = error.get("message", error) if isinstance(error, dict) else error
        raise ModelError(f"the server failed: {str(said)[:200]}", "look at the server's log")


def _text_of(event: Mapping[str, Any], part: str) -> tuple[str, str]:
    """The text of an event, and why the reply ended if it did; thinking is left out."""
    choices = event.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return "", ""
    inner = choices[0].get(part)
    text = inner.get("content") if isinstance(inner, dict) else None
    return text if isinstance(text, str) else "", str(choices[0].get("finish_reason") or "")


def _status_error(response: httpx.Response) -> ModelError:
    code = response.status_code
    said = _said(whole(response))
    if code in (401, 403):
        return ModelError(
            f"the server refuses the key ({code}){said}",
            f"set {KEY_VARIABLES[0]} in the environment",
        )
    if code == 404:
        return ModelError(
            f"{response.url} is not there, or the server has no such model (404){said}",
            "check base_url and model in [llm]",
        )
    if 300 <= code < 400:
        return ModelError(f"the server sends elsewhere ({code})", "correct [llm] base_url")
    if code in (400, 413, 422):
        return ModelError(
            f"the server refuses the request ({code}){said}",
            "set context_tokens in [llm] to what the server has",
        )
    message = f"the server failed ({code}){said}"
    if code == 429:
        message = f"the server has too much to do (429){said}"
    if code in _RETRIED:
        return Passing(message, "try again later; look at the server's log", _wait_asked(response))
    return ModelError(message, "look at the server's log")


def _said(text: str) -> str:
    try:
        value = json.loads(text)
        error = value.get("error", value.get("message", value.get("detail")))
        said = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError, RecursionError):
        return ""
    return f": {' '.join(str(said).split())[:200]}" if said else ""


def _wait_asked(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return 0.0
