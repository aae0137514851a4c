"""The OpenAI-compatible backend, against a real server and a scripted one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from notesqa.config import Home, LlmSettings
from notesqa.errors import ModelError
from notesqa.llm import Message, open_chat_model
from notesqa.llm import openai as backend
from notesqa.llm.openai import OpenAIChatModel
from tests.patience import PATIENCE, until
from tests.tiny_gguf import write_model

CHAT = [Message("system", "你是助手。"), Message("user", "什么是扩散模型？")]
Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers as the test's script says; keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        if callable(self.server.props):
            self.server.props(self)
        elif self.path == "/props" and self.server.props is not None:
            self.reply(200, self.server.props)
        else:
            self.reply(404, {"error": "no"})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length))
        self.server.asked.append((self.path, dict(self.headers), body))
        self.server.script(self)

    def reply(self, code: int, value: Any, headers: dict[str, str] | None = None) -> None:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(raw)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def say(self, text: str, reason: str | None = None) -> None:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
        self.raw(f"data: {json.dumps({'choices': [choice]})}\n\n")

    def raw(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def end(self) -> None:
        self.say("", "stop")
        self.raw("data: [DONE]\n\n")

    def say_nothing(self) -> None:
        """Until the client cuts the connection; where it never does, the server does."""
        self.connection.settimeout(PATIENCE)
        with suppress(TimeoutError):
            if self.connection.recv(1) == b"":
                self.server.cut.set()

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """The scripted server."""

    daemon_threads = True

    def __init__(self, script: Script, props: dict[str, Any] | Script | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.props = props
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.cut = threading.Event()  # the client has cut a connection

    def handle_error(self, *_: Any) -> None:
        self.cut.set()  # while something was being said


@contextmanager
def serving(
    script: Script, props: dict[str, Any] | Script | None = None, **settings: Any
) -> Iterator[tuple[Server, OpenAIChatModel]]:
    server = Server(script, props)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    model = OpenAIChatModel(LlmSettings(base_url=url, model="m", **settings), environ={})
    try:
        yield server, model
    finally:
        model.close()
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_FIRST_PAUSE", 0.02)


def ok(handler: Handler) -> None:
    handler.begin()
    for piece in ("扩散", "模型", "[1]。"):
        handler.say(piece)
    handler.end()


def test_streams_and_sends_what_it_should() -> None:
    with serving(ok) as (server, model):
        assert list(model.stream(CHAT, max_tokens=7, temperature=0.5, grammar="root ::= [a]")) == [
            "扩散",
            "模型",
            "[1]。",
        ]
        path, headers, body = server.asked[0]
    assert path == "/v1/chat/completions"
    assert body["model"] == "m"
    assert body["max_tokens"] == 7
    assert body["messages"][1] == {"role": "user", "content": "什么是扩散模型？"}
    assert "Authorization" not in headers
    assert "grammar" not in body, "only llama.cpp's server is sent a grammar"
    assert model.context_tokens == 8192


def test_a_llama_cpp_server_is_known_and_sent_the_grammar() -> None:
    with serving(ok, {"default_generation_settings": {"n_ctx": 2048}}) as (server, model):
        assert model.supports_grammar
        assert model.context_tokens == 2048
        list(model.stream(CHAT, grammar="root ::= [a]"))
        assert server.asked[0][2]["grammar"] == "root ::= [a]"


def dripping(handler: Handler) -> None:
    """A byte now and then, for ever: no single read waits for long."""
    handler.begin()
    with suppress(OSError):
        while not handler.server.cut.wait(0.05):
            handler.raw(" ")
    handler.server.cut.set()


def flooding(handler: Handler, text: str = " ") -> None:
    handler.begin()
    handler.raw(text)
    with suppress(OSError):
        while True:
            handler.raw(" " * 65536)
    handler.server.cut.set()


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize("props", [dripping, Handler.say_nothing])
def test_a_server_that_never_ends_to_tell_of_itself_is_given_up(
    monkeypatch: pytest.MonkeyPatch, props: Script
) -> None:
    monkeypatch.setattr(backend, "_PROBE_SECONDS", 0.3)
    with serving(ok, props) as (server, model):
        assert model.context_tokens == 8192
        assert not model.supports_grammar
        assert server.cut.wait(PATIENCE), "it was not cut"
        assert "".join(model.stream(CHAT)) == "扩散模型[1]。"


@pytest.mark.timeout(2 * PATIENCE)
def test_a_server_that_tells_too_much_of_itself_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_PROBE_SECONDS", 3600.0)
    with serving(ok, flooding) as (server, model):
        assert not model.supports_grammar
        assert server.cut.wait(PATIENCE), "it was not cut"


@pytest.mark.timeout(2 * PATIENCE)
def test_cancel_while_the_server_is_asked_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_PROBE_SECONDS", 3600.0)
    cancel = threading.Event()

    def silent(handler: Handler) -> None:
        cancel.set()
        handler.say_nothing()

    with serving(ok, silent) as (server, model):
        assert list(model.stream(CHAT, grammar="root ::= [a]", cancel=cancel)) == []
        assert server.cut.wait(PATIENCE), "it was not cut"
        assert server.asked == []
        server.props = {"default_generation_settings": {"n_ctx": 2048}}
        assert model.supports_grammar, "what was not heard out is asked again"


@pytest.mark.timeout(2 * PATIENCE)
@pytest.mark.parametrize("line", ["很长的话没有引用。" * 10, "a", "x" * 100_000])
def test_a_server_that_heeds_no_limit_is_cut(line: str) -> None:
    def endless(handler: Handler) -> None:
        handler.begin()
        with suppress(OSError):
            while True:
                handler.say(line)
        handler.server.cut.set()

    with serving(endless) as (server, model):
        said = "".join(model.stream(CHAT, max_tokens=100))
        assert 600 <= len(said) <= 3000
        assert server.cut.wait(PATIENCE), "it was not cut"

    whole = {"choices": [{"message": {"content": line * 5000}, "finish_reason": "stop"}]}
    with serving(lambda handler: handler.reply(200, whole)) as (_, model):
        if len(line) < 1000:
            assert 600 <= len("".join(model.stream(CHAT, max_tokens=100))) <= 3000
        else:
            with pytest.raises(ModelError, match="more than 4 MiB"):
                list(model.stream(CHAT, max_tokens=100))


@pytest.mark.timeout(2 * PATIENCE)
def test_a_line_without_end_is_an_error() -> None:
    def endless(handler: Handler) -> None:
        flooding(handler, "data: ")

    with serving(endless) as (_, model), pytest.raises(ModelError, match="a line of more than"):
        list(model.stream(CHAT))


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "text/plain", ""])
def test_the_page_of_a_proxy_is_no_reply(kind: str) -> None:
    def page(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        handler.raw("<!doctype html>\n<html>登录</html>")

    with serving(page) as (server, model):
        with pytest.raises(ModelError, match="the server sent no JSON: '<!doctype") as caught:
            list(model.stream(CHAT))
        assert "OpenAI-compatible" in caught.value.hint
        assert len(server.asked) == 1


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way_and_are_cut_anywhere(ends: str) -> None:
    def script(handler: Handler) -> None:
        handler.begin()
        event = {"choices": [{"delta": {"content": "扩散"}}]}
        text = f": 注{ends}{ends}data: {json.dumps(event, ensure_ascii=False)}{ends}{ends}" * 2
        for byte in f"{text}data: [DONE]{ends}".encode():
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()

    with serving(script) as (_, model):
        assert "".join(model.stream(CHAT)) == "扩散扩散"


@pytest.mark.parametrize("name", ["NOTESQA_API_KEY", "OPENAI_API_KEY"])
def test_the_key_comes_from_the_environment(name: str) -> None:
    with serving(ok) as (server, plain):
        url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        model = OpenAIChatModel(LlmSettings(base_url=url), environ={name: "secret"})
        list(model.stream(CHAT))
        model.close()
        headers = server.asked[0][1]
        assert headers["Authorization"] == "Bearer secret"
        assert "model" not in server.asked[0][2]
        assert plain.name == "m"
        assert model.name == f"127.0.0.1:{server.server_address[1]}"


def test_a_server_that_does_not_stream() -> None:
    def whole(handler: Handler) -> None:
        handler.reply(
            200, {"choices": [{"message": {"content": "整句[1]"}, "finish_reason": "stop"}]}
        )

    with serving(whole) as (_, model):
        assert list(model.stream(CHAT)) == ["整句[1]"]


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_what_passes_is_retried(code: int) -> None:
    def script(handler: Handler) -> None:
        if len(handler.server.asked) < 3:
            handler.reply(code, {"error": {"message": "busy"}}, {"Retry-After": "0.01"})
        else:
            ok(handler)

    with serving(script) as (server, model):
        assert "".join(model.stream(CHAT)) == "扩散模型[1]。"
        assert len(server.asked) == 3


def test_what_does_not_pass_is_an_error_after_some_tries() -> None:
    with serving(lambda h: h.reply(500, {"error": {"message": "out of memory"}})) as (
        server,
        model,
    ):
        with pytest.raises(ModelError, match=r"500.*out of memory"):
            list(model.stream(CHAT))
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("code", "word", "hint"),
    [
        (401, "key", "NOTESQA_API_KEY"),
        (404, "model", "base_url"),
        (400, "refuses", "context_tokens"),
        (302, "elsewhere", "base_url"),
        (418, "418", "log"),
    ],
)
def test_refusals_are_told_apart_and_not_retried(code: int, word: str, hint: str) -> None:
    with serving(lambda h: h.reply(code, {"error": {"message": "so"}})) as (server, model):
        with pytest.raises(ModelError, match=word) as caught:
            list(model.stream(CHAT))
        assert hint in caught.value.hint
        assert len(server.asked) == 1


def test_a_stall_is_an_error() -> None:
    def stall(handler: Handler) -> None:
        handler.begin()
        handler.say("扩")
        handler.say_nothing()

    with serving(stall, timeout_seconds=0.3) as (server, model):
        with pytest.raises(ModelError, match="silent") as caught:
            list(model.stream(CHAT))
        assert "timeout_seconds" in caught.value.hint
        assert server.cut.wait(PATIENCE)


def test_a_reply_that_is_cut_off_is_an_error_and_not_retried() -> None:
    def cut(handler: Handler) -> None:
        handler.begin()
        handler.say("扩散")

    with serving(cut) as (server, model):
        pieces = []
        with pytest.raises(ModelError, match="cut"):
            for piece in model.stream(CHAT):
                pieces.append(piece)
        assert pieces == ["扩散"]
        assert len(server.asked) == 1


def test_a_reset_before_the_first_token_is_retried() -> None:
    def reset(handler: Handler) -> None:
        if len(handler.server.asked) < 2:
            handler.connection.close()
            handler.close_connection = True
        else:
            ok(handler)

    with serving(reset) as (server, model):
        assert "".join(model.stream(CHAT)) == "扩散模型[1]。"
        assert len(server.asked) == 2


@pytest.mark.parametrize("line", ["data: {broken\n\n", "data: [1, 2]\n\n", "data: \n\n"])
def test_bad_json_is_an_error(line: str) -> None:
    def bad(handler: Handler) -> None:
        handler.begin()
        handler.raw(line)
        handler.end()

    with serving(bad) as (_, model), pytest.raises(ModelError, match="server sent"):
        list(model.stream(CHAT))


def test_an_error_in_the_stream_is_an_error() -> None:
    def failed(handler: Handler) -> None:
        handler.begin()
        handler.raw(': comment\n\ndata: {"error": {"message": "kv full"}}\n\n')

    with serving(failed) as (_, model), pytest.raises(ModelError, match="kv full"):
        list(model.stream(CHAT))


@pytest.mark.parametrize(
    "event", ['{"choices": []}', '{"choices": [{"delta": null}]}', '{"usage": {}}']
)
def test_events_without_text_are_passed_over(event: str) -> None:
    def script(handler: Handler) -> None:
        handler.begin()
        handler.raw(f"data: {event}\n\n")
        handler.say("好")
        handler.end()

    with serving(script) as (_, model):
        assert "".join(model.stream(CHAT)) == "好"


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    model = OpenAIChatModel(LlmSettings(base_url=f"http://127.0.0.1:{port}"), environ={})
    with pytest.raises(ModelError, match="cannot reach") as caught:
        list(model.stream(CHAT))
    assert "running" in caught.value.hint
    assert not model.supports_grammar
    model.close()


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://x/v1",
        "http://",
        "http://a b/",
        "::",
        "http://x:0",
        "http://x:99999",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ModelError, match="address"):
        OpenAIChatModel(LlmSettings(base_url=url), environ={})


@pytest.mark.parametrize("moment", ["before", "within"])
def test_cancel_cuts_the_connection_at_once(moment: str) -> None:
    cancel = threading.Event()
    soon = threading.Timer(0.2, cancel.set)

    def silent(handler: Handler) -> None:
        if moment == "within":
            handler.begin()
            handler.say("扩")
        else:
            soon.start()  # while the prompt is being read
        handler.say_nothing()

    with serving(silent) as (server, model):
        pieces = []
        for piece in model.stream(CHAT, cancel=cancel):
            pieces.append(piece)
            soon.start()
        assert pieces == (["扩"] if moment == "within" else [])
        assert server.cut.wait(PATIENCE), "it was not cut"
        server.script = ok
        assert "".join(model.stream(CHAT)) == "扩散模型[1]。"


@pytest.mark.timeout(2 * PATIENCE)
def test_cancel_during_the_pause_between_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "_LONGEST_PAUSE", 3600.0)
    cancel = threading.Event()

    def busy(handler: Handler) -> None:
        handler.reply(503, {}, {"Retry-After": "3600"})
        threading.Timer(0.2, cancel.set).start()

    with serving(busy) as (server, model):
        assert list(model.stream(CHAT, cancel=cancel)) == []
        assert len(server.asked) == 1


def test_two_askers_at_once() -> None:
    def echo(handler: Handler) -> None:
        handler.begin()
        for _ in range(5):
            handler.say(f"{handler.headers['Content-Length']} ")
            time.sleep(0.01)
        handler.end()

    with serving(echo) as (_, model):
        replies: list[str] = ["", ""]

        def ask(i: int) -> None:
            replies[i] = "".join(model.stream([Message("user", "x" * (i + 1) * 50)]))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert all(len(set(reply.split())) == 1 for reply in replies)
        assert replies[0] != replies[1]


# -- the real thing ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """llama-cpp-python's own server with the tiny model on a free port."""
    pytest.importorskip("uvicorn")
    pytest.importorskip("sse_starlette")
    pytest.importorskip("starlette_context")
    pytest.importorskip("pydantic_settings")
    path = write_model(tmp_path_factory.mktemp("served") / "tiny.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = path.with_suffix(".log")
    with log.open("w") as out:
        command = [sys.executable, "-m", "llama_cpp.server", "--model", str(path)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--n_ctx", "1024"]
        process = subprocess.Popen(
            [*command, "--n_threads", "1", "--n_threads_batch", "1"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        url = f"http://127.0.0.1:{port}/v1"
        try:

            def ready() -> bool:
                assert process.poll() is None, Path(log).read_text()
                try:
                    return httpx.get(f"{url}/models", trust_env=False).status_code == 200
                except httpx.HTTPError:
                    return False

            until(ready)
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE)


def test_a_real_llama_cpp_server(llama_server: str, tmp_path: Path) -> None:
    settings = LlmSettings(base_url=llama_server, model="tiny", context_tokens=1024)
    model = open_chat_model(settings, Home(tmp_path))
    assert isinstance(model, OpenAIChatModel)
    pieces = list(model.stream(CHAT, max_tokens=12))
    assert len(pieces) > 2
    assert pieces == list(model.stream(CHAT, max_tokens=12))
    cancel = threading.Event()
    some = []
    for piece in model.stream(CHAT, max_tokens=400, cancel=cancel):
        some.append(piece)
        if len(some) == 3:
            cancel.set()
    assert len(some) == 3
    assert list(model.stream(CHAT, max_tokens=12)) == pieces
    with pytest.raises(ModelError) as caught:
        list(model.stream([Message("user", "长" * 2000)]))
    assert caught.value.hint
    model.close()
