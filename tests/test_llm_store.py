"""Models got and kept: a local server that speaks the hub's protocol, and the settings file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notesqa.config import Home, LlmSettings, Settings
from notesqa.errors import Cancelled, ConfigError, ModelError
from notesqa.llm import fetching, store
from notesqa.llm.gguf import BLOCKS, check_whole
from notesqa.llm.llamacpp import LlamaCppChatModel
from notesqa.llm.settings_file import set_values
from tests.patience import PATIENCE
from tests.tiny_gguf import write_model

REPOSITORY, FILE = "someone/tiny-GGUF", "tiny-q8.gguf"
NAME = f"{REPOSITORY}/{FILE}"


class Hub(ThreadingHTTPServer):
    """Resolves one file, redirects to its storage, and fails as told."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.size = len(content)
        self.cuts: list[int] = []  # bytes after which each coming reply is cut
        self.fails: list[int] = []  # status codes of the coming replies
        self.ranges: list[str] = []
        self.tokens: list[str] = []
        self.ignore_range = False
        self.held_at = 1 << 40  # bytes after which a reply waits for `go_on`
        self.go_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        pass


class HubHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        if self.path != f"/{REPOSITORY}/resolve/main/{FILE}":
            self.send_response(404)
            kind = "EntryNotFound" if REPOSITORY in self.path else "RepoNotFound"
            self.send_header("X-Error-Code", kind)
        else:
            self.send_response(302)
            self.send_header(
                "Location", f"{self.server.url.replace('127.0.0.1', 'localhost')}/blob"
            )
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("X-Linked-Etag", f'"{self.server.sha256}"')
            self.send_header("X-Linked-Size", str(self.server.size))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        hub = self.server
        hub.ranges.append(self.headers.get("Range", ""))
        hub.tokens.append(self.headers.get("Authorization", ""))
        if hub.fails and (code := hub.fails.pop(0)):
            self.send_response(code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if hub.ignore_range:
            start = 0
        if start >= len(hub.content):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            end = len(hub.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(hub.content)}")
        self.send_header("Content-Length", str(len(hub.content) - start))
        self.end_headers()
        cut = hub.cuts.pop(0) if hub.cuts else len(hub.content)
        body = hub.content[start : start + cut]
        for i in range(0, len(body), 1 << 16):
            if i >= hub.held_at:
                hub.go_on.wait(PATIENCE)
            self.wfile.write(body[i : i + (1 << 16)])
        if cut < len(hub.content) - start:
            self.close_connection = True
            self.connection.close()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_model(tmp_path_factory.mktemp("hub") / FILE).read_bytes()


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_model(tmp_path_factory.mktemp("tiny") / "m.gguf").read_bytes()


@pytest.fixture
def hub(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub(content)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(fetching, "_PAUSE", 0.01)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("NOTESQA_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return Home(tmp_path)


def test_pulls_shows_and_loads(hub: Hub, home: Home) -> None:
    wanted = store.order(NAME, home)
    assert (wanted.size, wanted.sha256, wanted.fetched) == (hub.size, hub.sha256, 0)
    assert wanted.free > wanted.size
    steps: list[tuple[int, int]] = []
    path = store.pull(wanted, lambda done, total: steps.append((done, total)))
    assert path.read_bytes() == hub.content
    assert steps[-1] == (hub.size, hub.size)
    assert steps == sorted(steps)
    model = LlamaCppChatModel(LlmSettings(model=str(path), threads=1))
    model.close()
    assert [m.name for m in store.kept(home, LlmSettings())] == ["tiny-q8"]
    count = len(hub.ranges)
    assert store.pull(store.order(NAME, home)) == path
    assert len(hub.ranges) == count, "it is not fetched twice"


def test_a_cut_connection_is_gone_on_from(hub: Hub, home: Home) -> None:
    hub.cuts = [100_000, 200_000]
    path = store.pull(store.order(NAME, home))
    assert path.read_bytes() == hub.content
    assert hub.ranges == ["", "bytes=100000-", "bytes=300000-"]


def test_another_process_goes_on_where_the_first_was_killed(hub: Hub, home: Home) -> None:
    hub.held_at = hub.size // 2
    script = (
        "import sys\nfrom pathlib import Path\nfrom notesqa.config import Home\n"
        "from notesqa.llm import store\n"
        "order = store.order(sys.argv[2], Home(Path(sys.argv[1])))\n"
        "store.pull(order, lambda d, t: print(d, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(home.path), NAME],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    assert process.stdout is not None
    for _ in range(3):
        assert int(process.stdout.readline()) > 0
    process.kill()
    process.wait()
    process.stdout.close()
    hub.go_on.set()
    wanted = store.order(NAME, home)
    assert 0 < wanted.fetched < wanted.size
    assert [m.unfinished for m in store.kept(home, LlmSettings())] == [True]
    assert store.pull(wanted).read_bytes() == hub.content
    assert hub.ranges[-1] == f"bytes={wanted.fetched}-"


def test_a_server_without_ranges_sends_the_whole_again(hub: Hub, home: Home) -> None:
    hub.cuts, hub.ignore_range = [100_000], True
    assert store.pull(store.order(NAME, home)).read_bytes() == hub.content


def test_a_wrong_checksum_is_refused_and_nothing_kept(hub: Hub, home: Home) -> None:
    hub.content = hub.content[:-1] + bytes([hub.content[-1] ^ 1])
    wanted = store.order(NAME, home)
    with pytest.raises(ModelError, match="checksum"):
        store.pull(wanted)
    assert list(home.models.iterdir()) == []


def test_what_is_no_model_is_refused(hub: Hub, home: Home) -> None:
    hub.content = b"<html>" * 1000
    hub.size, hub.sha256 = len(hub.content), hashlib.sha256(hub.content).hexdigest()
    with pytest.raises(ModelError, match="no GGUF"):
        store.pull(store.order(NAME, home))
    assert list(home.models.iterdir()) == []


def test_trouble_that_passes_and_trouble_that_stays(hub: Hub, home: Home) -> None:
    hub.fails = [503, 429]
    assert store.pull(store.order(NAME, home)).is_file()
    store.remove("tiny-q8", home, LlmSettings())
    hub.fails = [500] * 9
    with pytest.raises(ModelError, match="500") as caught:
        store.pull(store.order(NAME, home))
    assert "goes on" in caught.value.hint
    hub.fails = [403]
    with pytest.raises(ModelError, match="403"):
        store.pull(store.order(NAME, home))


def test_cancelling_keeps_what_was_fetched(hub: Hub, home: Home) -> None:
    cancel = threading.Event()

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            cancel.set()

    with pytest.raises(Cancelled):
        store.pull(store.order(NAME, home), stop, cancel)
    wanted = store.order(NAME, home)
    assert wanted.fetched > wanted.size // 2
    assert store.pull(wanted).read_bytes() == hub.content


def test_more_than_the_disk_holds_is_refused_before_it_begins(hub: Hub, home: Home) -> None:
    hub.size = 1 << 60
    with pytest.raises(ModelError, match="free") as caught:
        store.order(NAME, home)
    assert "NOTESQA_DATA" in caught.value.hint
    assert hub.ranges == []


def test_the_disk_fills_up_meanwhile(hub: Hub, home: Home) -> None:
    wanted = store.order(NAME, home)
    wanted.part.symlink_to("/dev/full")  # the kernel's own "no space left on device"
    with pytest.raises(ModelError, match="disk is full"):
        store.pull(wanted)
    wanted.part.unlink()
    assert store.pull(wanted).read_bytes() == hub.content


def test_the_token_goes_to_the_hub_only(hub: Hub, home: Home, monkeypatch: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    store.pull(store.order(NAME, home))
    assert hub.tokens == [""], "the storage is another host"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("nothing-7b", "recommended"),
        ("a/b", "recommended"),
        ("a/b/../../c.gguf", "recommended"),
        (f"{REPOSITORY}/absent.gguf", "no "),
        ("nobody/none/x.gguf", "no "),
    ],
)
def test_names_that_are_unknown(hub: Hub, home: Home, name: str, word: str) -> None:
    with pytest.raises(ModelError, match=word) as caught:
        store.order(name, home)
    assert caught.value.hint


def test_no_connection(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="reach the hub") as caught:
        store.order("qwen3-4b", home)
    assert "model use" in caught.value.hint


def test_another_file_than_the_recommended_one_is_refused(
    hub: Hub, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = store.Recommended("tiny", REPOSITORY, FILE, hub.size, "0" * 64, "MIT", 1, "")
    monkeypatch.setattr(fetching, "RECOMMENDED", (entry,))
    with pytest.raises(ModelError, match="not the one"):
        store.order("tiny", home)


def test_the_table_is_sound() -> None:
    assert len({m.name for m in store.RECOMMENDED}) == len(store.RECOMMENDED) >= 4
    for model in store.RECOMMENDED:
        assert model.licence == "Apache-2.0"
        assert model.memory > model.size
        assert len(model.sha256) == 64
    sizes = [m.memory for m in store.RECOMMENDED]
    assert sizes == sorted(sizes)
    assert store.recommended(10**12) == store.RECOMMENDED[-1]
    assert store.recommended(0) == store.RECOMMENDED[0]
    assert store.recommended(5 * 10**9).name == "qwen3-4b"


# -- choosing -------------------------------------------------------------------------------


def test_use_writes_what_settings_read(home: Home, content: bytes) -> None:
    home.models.mkdir(parents=True)
    path = home.models / "kept.gguf"
    path.write_bytes(content)
    home.settings_file.write_text(
        '# mine\n[tui]\ntheme = "x"  # dark\n\n[llm] # the model\n'
        "threads = 2\nmodel = 'old'   # was this\n[retrieval]\nk = 4\n"
    )
    assert store.use("kept", home) == str(path)
    text = home.settings_file.read_text()
    assert Settings.load(home).llm.model == str(path)
    assert Settings.load(home).llm.threads == 2
    for kept in ("# mine", "# dark", "# the model", "   # was this", "[retrieval]\nk = 4"):
        assert kept in text
    assert [m.in_use for m in store.kept(home, Settings.load(home).llm)] == [True]
    store.use("http://localhost:8080/v1", home, server_model="m")
    assert Settings.load(home).llm.base_url == "http://localhost:8080/v1"
    assert Settings.load(home).llm.model == "m"
    store.use(str(path), home)
    assert Settings.load(home).llm.base_url == ""
    assert store.remove("kept", home, Settings.load(home).llm) == (path,)
    assert Settings.load(home).llm.model == ""
    assert "# mine" in home.settings_file.read_text()


@pytest.mark.parametrize("url", ["ftp://x", "ws://127.0.0.1:1/v1", "http://"])
def test_use_refuses_addresses_of_other_kinds(home: Home, url: str) -> None:
    with pytest.raises(ModelError, match="no address of a server"):
        store.use(url, home)


def test_use_refuses_what_is_damaged(home: Home, tmp_path: Path) -> None:
    data = write_model(tmp_path / "whole.gguf").read_bytes()
    path = tmp_path / "damaged.gguf"
    for size in (4, 10, 100, len(data) // 3, len(data) * 2 // 3):
        path.write_bytes(data[:size])
        with pytest.raises(ModelError, match="damaged or cut short"):
            store.use(str(path), home)
    assert not home.settings_file.exists()


@given(
    place=st.integers(0, 4000), patch=st.binary(min_size=1, max_size=12), cut=st.integers(0, 4000)
)
def test_a_header_of_any_bytes_is_whole_or_one_clear_error(
    tiny_model: bytes, place: int, patch: bytes, cut: int
) -> None:
    import tempfile

    data = bytearray(tiny_model)
    data[place : place + len(patch)] = patch
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.gguf"
        path.write_bytes(data[: len(data) - cut])
        with suppress(ModelError):
            check_whole(path)


def test_the_sizes_of_tensors_are_those_of_the_format() -> None:
    known = {int(kind): tuple(size) for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert known | BLOCKS == known
    assert BLOCKS.keys() >= {0, 1, 2, 8, 12, 14, 30}


def test_use_refuses_what_is_not_there(home: Home, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not here yet") as caught:
        store.use("qwen3-4b", home)
    assert "pull qwen3-4b" in caught.value.hint
    (tmp_path / "a.gguf").write_text("text")
    with pytest.raises(ModelError, match="no GGUF"):
        store.use(str(tmp_path / "a.gguf"), home)
    assert not home.settings_file.exists()


def test_remove_touches_nothing_outside(home: Home, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF")
    home.models.mkdir(parents=True)
    for name in (str(own), "../own", "own", ""):
        with pytest.raises(ModelError):
            store.remove(name, home, LlmSettings(model=str(own)))
    assert own.exists()


@pytest.mark.parametrize(
    "text", ["llm = {model = 'a'}\n", "llm.model = 'a'\n", "[llm]\nmodel = '''\na'''\n"]
)
def test_what_cannot_be_edited_by_lines_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notesqa.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        set_values(path, "llm", {"model": "b"})
    assert "model" in caught.value.hint
    assert path.read_text() == text


def test_a_malformed_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notesqa.toml"
    path.write_text("[llm\n")
    with pytest.raises(ConfigError, match="TOML"):
        set_values(path, "llm", {"model": "b"})
    assert path.read_text() == "[llm\n"


_lines = st.sampled_from(
    ["", "# 注释", "[tui]", 'theme = "a#b"', "[chunking]", "tokens = 3", "[llm]", "threads = 1  # two",
     'model = "x"', "model = 'C:\\x' # c", "[tui.keys]", 'ask = "q"', "  temperature = 0.5"]
)  # fmt: skip


@example([], "\x7f", False)
@example(["[llm]", 'model = "a"'], "a\u2028b\x85", True)
@given(st.lists(_lines, max_size=12), st.text(min_size=1, max_size=20), st.booleans())
def test_only_the_one_value_changes(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], value: str, windows: bool
) -> None:
    text = ("\r\n" if windows else "\n").join(lines)
    try:
        before = tomllib.loads(text)
        value.encode()
    except (tomllib.TOMLDecodeError, UnicodeEncodeError):
        return
    path = tmp_path_factory.mktemp("toml") / "notesqa.toml"
    path.write_text(text, newline="")
    set_values(path, "llm", {"model": value})
    after = tomllib.loads(path.read_bytes().decode())
    assert after.pop("llm") == {**before.pop("llm", {}), "model": value}
    assert {k: v for k, v in after.items() if v} == {k: v for k, v in before.items() if v}
    written = path.read_bytes().decode()
    kept = [line for line in lines if "model" not in line and line]
    assert [line for line in written.splitlines() if line in kept][: len(kept)] == kept
