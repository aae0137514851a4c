"""A chat model behind an OpenAI-compatible server: llama.cpp, Ollama, vLLM and others.

Only the server that the user named is spoken to. The key comes from the environment
(`NOTESQA_API_KEY`, else `OPENAI_API_KEY`), never from a file.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from notesqa.errors import ModelError
from notesqa.llm import Message
from notesqa.llm.replies import HINT, KEY_VARIABLES, Passing, cut_off, reply, whole

if TYPE_CHECKING:
    import httpx

    from notesqa.config import LlmSettings

_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_CONNECT_SECONDS = 10.0
_PROBE_SECONDS = 3.0
_DEFAULT_CONTEXT = 8192
_POLL = 0.05


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
        allowed = url.port is None or 0 < url.port < 1 << 16
        named = url.host and not re.search(r"[\s%]", url.host)
        if url.scheme not in ("http", "https") or not named or not allowed:
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

    def _probed(self, wish: _Wish | None = None) -> dict[str, Any]:
        """What llama.cpp's server says of itself; empty for another one.

        Whatever the server does, it takes no longer than the probe may, and ends by `wish`.
        """
        wish = wish or _Wish(None, self._closed)
        with self._probe_lock:
            if self._props is None:
                found = self._properties(wish)
                if wish.is_set():
                    return found  # it may not have been heard out
                self._props = found
            return self._props

    def _properties(self, wish: _Wish) -> dict[str, Any]:
        url = f"{self._base.removesuffix('/v1')}/props"
        events: _Events = queue.SimpleQueue()
        request = _Request(
            self._client,
            self._client.build_request("GET", url, timeout=_PROBE_SECONDS),
            lambda response: iter([whole(response)] if response.status_code == 200 else ()),
            events,
        )
        request.start()
        try:
            value = json.loads("".join(_received(events, wish, _PROBE_SECONDS)))
        except (ModelError, ValueError, RecursionError):
            return {}
        finally:
            request.stop()
        known = isinstance(value, dict) and "default_generation_settings" in value
        return value if known else {}

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

        A server that does not keep to `max_tokens` is cut off some way beyond it.
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
        wish = _Wish(cancel, self._closed)
        if grammar is not None and self._probed(wish):
            body["grammar"] = grammar
            body["cache_prompt"] = True
            body["chat_template_kwargs"] = {"enable_thinking": False}
        for attempt in range(_ATTEMPTS):
            if wish.is_set():
                return
            events: _Events = queue.SimpleQueue()
            request = _Request(
                self._client,
                self._client.build_request(
                    "POST",
                    f"{self._base}/chat/completions",
                    json=body,
                    headers={"Accept": "text/event-stream"},
                ),
                lambda response: reply(response, max_tokens),
                events,
            )
            request.start()
            started = False
            try:
                for piece in _received(events, wish):
                    started = True
                    yield piece
                return
            except Passing as error:
                if started or attempt == _ATTEMPTS - 1:
                    raise ModelError(error.message, error.hint) from error
                if not wish.pause(min(_LONGEST_PAUSE, error.pause or _pause(attempt))):
                    return
            finally:
                request.stop()
        return

    def close(self) -> None:
        """Close the connections; replies that go on end."""
        self._closed.set()
        self._client.close()


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


_Events = queue.SimpleQueue[str | BaseException | None]


def _received(events: _Events, wish: _Wish, seconds: float = math.inf) -> Iterator[str]:
    """What comes, up to its end, the wish to stop, or the end of the time."""
    end = time.monotonic() + seconds
    while not wish.is_set() and time.monotonic() < end:
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
        request: httpx.Request,
        read: Callable[[httpx.Response], Iterator[str]],
        events: _Events,
    ) -> None:
        super().__init__(name="notesqa-request", daemon=True)
        self._client = client
        self._request = request
        self._read = read
        self._events = events
        self._stopped = threading.Event()
        self._socket: Any = None
        request.extensions["trace"] = self._trace

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
            self._events.put(ModelError(f"the server's reply broke off: {error}", HINT))

    def _exchange(self) -> None:
        response = self._client.send(self._request, stream=True)
        try:
            for piece in self._read(response):
                if self._stopped.is_set():
                    return
                self._events.put(piece)
        finally:
            response.close()

    def _trace(self, name: str, info: Mapping[str, Any]) -> None:
        """Learn the socket, so that `stop` can shut it whatever the thread waits for."""
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            stream = info.get("return_value")
            self._socket = stream.get_extra_info("socket") if stream is not None else None
            if self._stopped.is_set():
                self.stop()  # it had no socket yet

    def _mapped(self, error: httpx.HTTPError) -> ModelError:
        import httpx

        host = str(self._request.url.copy_with(path="/"))
        if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
            return Passing(
                f"cannot reach the model server at {host}", "is it running? [llm] base_url"
            )
        if isinstance(error, httpx.TimeoutException):
            return ModelError(
                f"the model server at {host} has been silent for too long",
                "raise timeout_seconds in [llm], or look at the server",
            )
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
            return cut_off()
        return ModelError(f"the request to {host} failed: {error}", HINT)


def _pause(attempt: int) -> float:
    """Growing pauses with some chance in them, so that many askers do not return at once."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt) * random.uniform(0.75, 1.25))


def _bad_address(text: str) -> ModelError:
    return ModelError(
        f"{text!r} is no address of a server", 'write e.g. base_url = "http://localhost:8080/v1"'
    )
