"""In the browser: closed to everyone else, and a real question asked in Chromium."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from notesqa.api import Notes
from notesqa.config import Home, Settings
from notesqa.errors import ConfigError
from tests.patience import PATIENCE
from tests.test_tui_terminal import NOTES

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")

from aiohttp.test_utils import TestClient, TestServer  # noqa: E402

from notesqa.tui.serving import NotesServer, serve  # noqa: E402

CHROMIUM = next(
    (
        found
        for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
        if (found := shutil.which(name))
    ),
    None,
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Any]:
    port = free_port()
    server = NotesServer(Home(tmp_path), port, "the-secret")
    test_server = TestServer(await server._make_app(), host="127.0.0.1", port=port)
    jar = aiohttp.CookieJar(unsafe=True)
    async with TestClient(test_server, cookie_jar=jar) as made:
        yield made


async def test_nothing_is_told_without_the_secret(client: Any) -> None:
    for path in ("/", "/ws", "/static/js/textual.js", "/download/x", "/?token=guess", "/?token="):
        response = await client.get(path, allow_redirects=False)
        assert response.status == 403, path
        assert "textual" not in await response.text()


async def test_the_secret_becomes_a_cookie_and_leaves_the_address(client: Any) -> None:
    response = await client.get("/?token=the-secret", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "the-secret" not in cookie
    page = await client.get("/")
    assert page.status == 200
    text = await page.text()
    assert "textual-terminal" in text and "googleapis" not in text and "the-secret" not in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    script = await client.get("/static/js/textual.js")
    assert script.status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}],
    ids=["another host name", "another origin", "a sandboxed page"],
)
async def test_pages_from_elsewhere_get_nothing(client: Any, headers: dict[str, str]) -> None:
    await client.get("/?token=the-secret")
    for path in ("/", "/ws", "/?token=the-secret"):
        response = await client.get(path, headers=headers, allow_redirects=False)
        assert response.status == 403, path


async def test_the_websocket_wants_an_origin(client: Any) -> None:
    await client.get("/?token=the-secret")
    assert (await client.get("/ws")).status == 403


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="cannot be used"):
            serve(Home(tmp_path), Settings(), taken.getsockname()[1])
    with pytest.raises(ConfigError, match="port 99999 cannot be used"):
        serve(Home(tmp_path), Settings(), 99999)


@pytest.mark.parametrize("wanted", ["0", None], ids=["any port", "a port"])
def test_the_address_that_is_printed_is_the_one_that_answers(
    tmp_path: Path, wanted: str | None
) -> None:
    (tmp_path / "corpus").mkdir()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "notesqa", "--home", tmp_path, "serve"),
            *("--port", wanted or str(free_port())),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = process.stderr.readline().split()[1]
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as page:
            assert page.status == 200
    except urllib.error.HTTPError as error:
        # It wants the cookie that it has just set, which this client does not keep.
        assert error.code == 403
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert "Traceback" not in process.stderr.read()


# -- Chromium -------------------------------------------------------------------------------


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    home = tmp_path / "home"
    (home / "corpus").mkdir(parents=True)
    for name, text in NOTES.items():
        (home / "corpus" / name).write_text(text, encoding="utf-8")
    with Notes.open(Home(home), settings=Settings()) as notes:
        notes.index()
    code = (
        "import sys; from pathlib import Path; from notesqa.config import Home, Settings;"
        "from notesqa.tui import serve; serve(Home(Path(sys.argv[1])), Settings(), int(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(home), str(free_port())],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NOTESQA_DATA": str(tmp_path / "data"), "LANG": "zh_CN.UTF-8"},
    )
    assert process.stderr is not None
    address = process.stderr.readline().split()[1]
    yield home, address
    process.terminate()
    process.wait(PATIENCE)


class Page:
    """A page of a headless Chromium, through its DevTools protocol."""

    def __init__(self, socket_: Any) -> None:
        self._socket = socket_
        self._number = 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(timeout=PATIENCE)).data)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    async def evaluate(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")

    async def picture(self) -> bytes:
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


async def eventually(condition: Callable[[], Awaitable[object]], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.1)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
async def test_a_real_question_in_chromium(served: tuple[Path, str], tmp_path: Path) -> None:
    home, address = served
    profile = tmp_path / "profile"
    browser = subprocess.Popen(
        [
            str(CHROMIUM),
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}"),
            *("--window-size=1100,760", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"

        async def started() -> bool:
            return port_file.exists() and "\n" in port_file.read_text()

        await eventually(started)
        port = port_file.read_text().split()[0]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as response:
                target = next(t for t in await response.json() if t["type"] == "page")
            async with session.ws_connect(
                target["webSocketDebuggerUrl"], max_msg_size=0
            ) as socket_:
                page = Page(socket_)
                await _ask_in(page, address, home)
    finally:
        browser.terminate()
        browser.wait(PATIENCE)


async def _ask_in(page: Page, address: str, home: Path) -> None:
    for domain in ("Page", "Network", "Log", "Runtime"):
        await page.call(f"{domain}.enable")
    await page.call("Page.navigate", url=address)

    async def ready() -> object:
        return await page.evaluate(
            "document.body && document.body.className.includes('first-byte')"
        )

    await eventually(ready)
    for kind in ("mousePressed", "mouseReleased"):
        await page.call(
            "Input.dispatchMouseEvent", type=kind, x=300, y=557, button="left", clickCount=1
        )
    before = await page.picture()
    await page.call("Input.insertText", text="随机失活等价于什么")
    for kind in ("keyDown", "keyUp"):
        await page.call(
            "Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r",
            windowsVirtualKeyCode=13,
        )  # fmt: skip
    if folder := os.environ.get("NOTESQA_PICTURES"):
        Path(folder, "browser-asking.png").write_bytes(await page.picture())

    async def answered() -> bool:
        with Notes.open(Home(home), settings=Settings()) as notes:
            kept = notes.conversations()
            return bool(kept) and "集成" in notes.conversation(kept[0].id)[0].answer.text

    await eventually(answered)

    async def shown() -> bool:
        after = await page.picture()
        if folder := os.environ.get("NOTESQA_PICTURES"):
            Path(folder, "browser.png").write_bytes(after)
        return after != before

    await eventually(shown)
    assert await page.evaluate("location.search") == ""
    asked = {
        event["params"]["request"]["url"].split("/")[2]
        for event in page.events
        if event.get("method") == "Network.requestWillBeSent"
        and event["params"]["request"]["url"].startswith("http")
    }
    assert asked == {address.split("/")[2]}
    blocked = [e for e in page.events if e.get("method") == "Log.entryAdded"]
    assert not [e for e in blocked if "Content Security" in e["params"]["entry"]["text"]]
