"""A chat model behind an OpenAI-compatible server: llama.cpp, Ollama, vLLM and others.

Only the server that the user named is spoken to. The key comes from the environment
(`NOTESQA_API_KEY`, else `OPENAI_API_KEY`), never from a file.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import random
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from notesqa.errors import ModelError
from notesqa.llm import Message

if TYPE_CHECKING:
    import httpx

    from notesqa.config import LlmSettings

KEY_VARIABLES = ("NOTESQA_API_KEY", "OPENAI_API_KEY")
_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_CONNECT_SECONDS = 10.0
_PROBE_SECONDS = 5.0
_DEFAULT_CONTEXT = 8192
_POLL = 0.05
_MOST_LINE = 1 << 20
_RETRIED = frozenset((408, 409, 425, 429, 500, 502, 503, 504))


class OpenAIChatModel:
    """A model on a server. May be used from several threads at once.

    Whether the server obeys grammars is found out by asking: llama.cpp answers at
    `/props`, and only it is sent one.
    """

    def __init__(self, settings: LlmSettings, *, environ: Mapping[str, str] | None = None) -> None:
        """Nothing is sent yet.

        Raises:
            ModelError: `base_url` is no http(s) address.
        """
        import httpx

        environ = os.environ if environ is None else environ
        try:
            url = httpx.URL(settings.base_url.rstrip("/"))
        except (httpx.InvalidURL, ValueError) as error:
            raise _bad_address(settings.base_url) from error
        if url.scheme not in ("http", "https") or not url.host or re.search(r"[\s%]", url.host):
            raise _bad_address(settings.base_url)
        self._base = str(url) if url.path.rstrip("/") else f"{url}/v1".replace("//v1", "/v1")
        self._host = url.netloc.decode("ascii")
        self._settings = settings
        key = next((environ[name] for name in KEY_VARIABLES if environ.get(name)), "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(settings.timeout_seconds, connect=_CONNECT_SECONDS),
            # Proxies are for the world outside; a key must not reach one by accident.
            trust_env=url.host not in ("localhost", "127.0.0.1", "::1"),
            follow_redirects=False,
            # A connection of its own for each request: `stop` must know the socket.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._closed = threading.Event()
        self._probe_lock = threading.Lock()
        self._props: dict[str, Any] | None = None
        self._model = settings.model

    @property
    def name(self) -> str:
        """The model's name on the server, or the server's."""
        return self._model or self._host

    @property
    def context_tokens(self) -> int:
        """As set, else as llama.cpp reports it, else 8192."""
        if self._settings.context_tokens:
            return self._settings.context_tokens
        generation = self._probed().get("default_generation_settings")
        reported = generation.get("n_ctx") if isinstance(generation, dict) else None
        return reported if isinstance(reported, int) and reported > 0 else _DEFAULT_CONTEXT

    @property
    def supports_grammar(self) -> bool:
        """Whether the server is llama.cpp's own."""
        return bool(self._probed())

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate from above, as servers do not say: about 1 a Han character, 3 letters."""
        total = 8
        for message in messages:
            wide = sum(char > "\u2e7f" for char in message.content)
            total += 8 + wide + (len(message.content) - wide) // 3 + wide // 8
        return total

    def _probed(self) -> dict[str, Any]:
        """What llama.cpp's server says of itself; empty for another one."""
        import httpx

        with self._probe_lock:
            if self._props is None:
                root = self._base.removesuffix("/v1")
                self._props = {}
                try:
                    reply = self._client.get(f"{root}/props", timeout=_PROBE_SECONDS)
                    value = reply.json() if reply.status_code == 200 else {}
                except (httpx.HTTPError, ValueError):
                    value = {}
                if isinstance(value, dict) and "default_generation_settings" in value:
                    self._props = value
            return self._props

    # -- asking -----------------------------------------------------------------------------

    def stream(
        self,
        messages: Sequence[Message],
        *,
        grammar: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Iterator[str]:
        """The reply as it comes; see `ChatModel.stream`.

        Refusals for the moment (429, 5xx, no connection) are retried with growing
        pauses as long as nothing of the reply has come.

        Raises:
            ModelError: the server cannot be reached, refuses, stalls, or cuts the reply.
        """
        body: dict[str, Any] = {
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": True,
        }
        if self._model:
            body["model"] = self._model
        if grammar is not None and self.supports_grammar:
            body["grammar"] = grammar
            body["cache_prompt"] = True
            body["chat_template_kwargs"] = {"enable_thinking": False}
        wish = _Wish(cancel, self._closed)
        for attempt in range(_ATTEMPTS):
            if wish.is_set():
                return
            events: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()
            request = _Request(self._client, f"{self._base}/chat/completions", body, events)
            request.start()
            started = False
            try:
                for piece in _received(events, wish):
                    started = True
                    yield piece
                return
            except _Passing as error:
                if started or attempt == _ATTEMPTS - 1:
                    raise ModelError(error.message, error.hint) from error
                if not wish.pause(error.pause or _pause(attempt)):
                    return
            finally:
                request.stop()
        return

    def close(self) -> None:
        """Close the connections; replies that go on end."""
        self._closed.set()
        self._client.close()


class _Passing(ModelError):  # noqa: N818 - what another try may get past
    """A failure that another try may get past.

    Attributes:
        pause: seconds that the server asks to wait, or 0.
    """

    def __init__(self, message: str, hint: str, pause: float = 0.0) -> None:
        super().__init__(message, hint)
        self.pause = pause


class _Wish:
    """The user's wish to stop, or the model's end."""

    def __init__(self, cancel: threading.Event | None, closed: threading.Event) -> None:
        self._cancel = cancel
        self._closed = closed

    def is_set(self) -> bool:
        return self._closed.is_set() or (self._cancel is not None and self._cancel.is_set())

    def pause(self, seconds: float) -> bool:
        """Wait; False when the wish came meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.is_set():
                return False
            time.sleep(min(_POLL, left))
        return not self.is_set()


def _received(events: queue.SimpleQueue[str | BaseException | None], wish: _Wish) -> Iterator[str]:
    while not wish.is_set():
        try:
            event = events.get(timeout=_POLL)
        except queue.Empty:
            continue
        if event is None:
            return
        if isinstance(event, BaseException):
            raise event
        yield event


class _Request(threading.Thread):
    """One request on a thread of its own, so that a wait for the server can be cut short."""

    def __init__(
        self,
        client: httpx.Client,
        url: str,
        body: Mapping[str, Any],
        events: queue.SimpleQueue[str | BaseException | None],
    ) -> None:
        super().__init__(name="notesqa-request", daemon=True)
        self._client = client
        self._url = url
        self._body = body
        self._events = events
        self._stopped = threading.Event()
        self._socket: Any = None

    def stop(self) -> None:
        """Cut the connection, also in the middle of a wait for the server."""
        import socket

        self._stopped.set()
        raw = self._socket
        if raw is not None:
            with contextlib.suppress(OSError):  # closed already
                raw.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Send the request and pass on what comes, an error included."""
        import httpx

        try:
            self._exchange()
            self._events.put(None)
        except ModelError as error:
            self._events.put(error)
        except httpx.HTTPError as error:
            self._events.put(self._mapped(error))
        except (httpx.StreamError, httpx.InvalidURL, RuntimeError, ValueError) as error:
            self._events.put(ModelError(f"the server's reply broke off: {error}", _HINT))

    def _exchange(self) -> None:
        request = self._client.build_request(
            "POST",
            self._url,
            json=self._body,
            headers={"Accept": "text/event-stream"},
            extensions={"trace": self._trace},
        )
        response = self._client.send(request, stream=True)
        try:
            if response.status_code != 200:
                response.read()
                raise _status_error(response, self._url)
            kind = response.headers.get("content-type", "")
            if "json" in kind and "stream" not in kind:
                # A server that does not stream answers in one piece.
                response.read()
                self._whole(response.text)
                return
            self._lines(response)
        finally:
            response.close()

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Learn the socket, so that `stop` can shut it whatever the thread waits for."""
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            stream = info.get("return_value")
            self._socket = stream.get_extra_info("socket") if stream is not None else None

    def _lines(self, response: httpx.Response) -> None:
        """Server-sent events (WHATWG HTML, 9.2): `data:` lines up to `[DONE]`."""
        finished = False
        for line in response.iter_lines():
            if self._stopped.is_set():
                return
            if len(line) > _MOST_LINE:
                raise ModelError("the server sent a line of more than 1 MiB", _HINT)
            field, _, value = line.partition(":")
            if field != "data":
                continue
            value = value.strip()
            if value == "[DONE]":
                return
            event = _decoded(value)
            _raise_for(event)
            text, reason = _text_of(event, "delta")
            finished = finished or bool(reason)
            if text:
                self._events.put(text)
        if not finished:
            raise _Passing("the server cut the reply off", "ask again; look at the server's log")

    def _whole(self, text: str) -> None:
        event = _decoded(text)
        _raise_for(event)
        said, _ = _text_of(event, "message")
        if said:
            self._events.put(said)

    def _mapped(self, error: httpx.HTTPError) -> ModelError:
        import httpx

        host = str(httpx.URL(self._url).copy_with(path="/"))
        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return _Passing(
                f"cannot reach the model server at {host}", "is it running? [llm] base_url"
            )
        if isinstance(error, httpx.TimeoutException):
            return ModelError(
                f"the model server at {host} has been silent for too long",
                "raise timeout_seconds in [llm], or look at the server",
            )
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            return _Passing("the server cut the reply off", "ask again; look at the server's log")
        return ModelError(f"the request to {host} failed: {error}", _HINT)


_HINT = "is [llm] base_url an OpenAI-compatible server?"


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ModelError(f"the server sent no JSON: {text[:80]!r}", _HINT) from error
    if not isinstance(value, dict):
        raise ModelError(f"the server sent something else than an object: {text[:80]!r}", _HINT)
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


def _status_error(response: httpx.Response, url: str) -> ModelError:
    code = response.status_code
    said = _said(response)
    if code in (401, 403):
        return ModelError(
            f"the server refuses the key ({code}){said}",
            f"set {KEY_VARIABLES[0]} in the environment",
        )
    if code == 404:
        return ModelError(
            f"{url} is not there, or the server has no such model (404){said}",
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
        return _Passing(message, "try again later; look at the server's log", _wait_asked(response))
    return ModelError(message, "look at the server's log")


def _said(response: httpx.Response) -> str:
    try:
        value = json.loads(response.text)
        error = value.get("error", value.get("message", value.get("detail")))
        text = error.get("message") if isinstance(error, dict) else error
    except (ValueError, AttributeError):
        return ""
    return f": {' '.join(str(text).split())[:200]}" if text else ""


def _wait_asked(response: httpx.Response) -> float:
    try:
        return min(_LONGEST_PAUSE, max(0.0, float(response.headers.get("retry-after", ""))))
    except ValueError:
        return 0.0


def _pause(attempt: int) -> float:
    """Growing pauses with some chance in them, so that many askers do not return at once."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * random.uniform(0.75, 1.25))


def _bad_address(text: str) -> ModelError:
    return ModelError(
        f"{text!r} is no address of a server", 'write e.g. base_url = "http://localhost:8080/v1"'
    )
