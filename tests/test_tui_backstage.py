"""The home in a process of its own: the same as in this one, and what ends when."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notesqa.answering.events import Delta, Finished, Found
from notesqa.api import Notes, Status
from notesqa.config import Home, LlmSettings, Settings, TuiSettings
from notesqa.errors import Cancelled, CatalogError, ModelError, NotesqaError
from notesqa.records import Answer, Citation, Document, Passage, Sentence, Source, Turn
from notesqa.reports import IndexEvent, Pending
from notesqa.tui import wire
from notesqa.tui.backstage import READING, RESULTS, WRITING, paced
from notesqa.tui.desk import Desk
from notesqa.tui.finding import find
from notesqa.tui.queries import Query
from notesqa.tui.remote import Lost, RemoteNotes, _Life
from notesqa.tui.told import Failed, ModelState, Told, Warmed
from notesqa.tui.wording import choose
from tests.conftest import NOTES
from tests.fakes import ROOT, write_notes
from tests.patience import PATIENCE, until
from tests.tiny_gguf import CHAT_TEMPLATE, write_model

QUESTION = "Dropout 测试时怎么做?"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    write_notes(tmp_path, NOTES)
    return Home(tmp_path)


@pytest.fixture
def remote(home: Home) -> Iterator[RemoteNotes]:
    made = RemoteNotes(home, Settings())
    yield made
    made.close()


def gone(process: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


# -- what is told ------------------------------------------------------------------------

TEXTS = st.text(st.characters(), max_size=20)
ANSWERS = st.builds(
    Answer,
    question=TEXTS,
    sentences=st.lists(
        st.builds(Sentence, TEXTS, st.lists(st.integers(1, 9)).map(tuple)), max_size=3
    ).map(tuple),
    citations=st.lists(
        st.builds(Citation, *[st.integers(1, 9), *[TEXTS] * 5], st.integers(0), st.integers(0)),
        max_size=3,
    ).map(tuple),
    refused=st.booleans(),
    engine=TEXTS,
    seconds=st.dictionaries(TEXTS, st.floats(0, 9)),
    confidence=st.none() | st.floats(0, 1),
    passages=st.lists(
        st.builds(
            Passage,
            *[st.integers(1, 9), st.floats(-9, 9), *[TEXTS] * 6, st.integers(0), st.integers(0)],
            scores=st.dictionaries(TEXTS, st.floats(-9, 9)),
        ),
        max_size=2,
    ).map(tuple),
)


@given(ANSWERS, ANSWERS)
def test_any_answer_travels(answer: Answer, other: Answer) -> None:
    sent = dataclasses.replace(answer, alternative=other)
    raw = wire.line({"id": 1, "done": sent})
    assert raw.endswith(b"\n") and raw.count(b"\n") == 1
    assert wire.unpack(Answer, wire.read(raw)["done"]) == sent


def test_every_record_that_is_told_or_given_can_be_read() -> None:
    settings = Settings(llm=LlmSettings(model="a.gguf"), tui=TuiSettings(keys={"ask": "f2"}))
    status = Status(
        "home", 1, 1, 0, 3, 1, "e", (("a", "b"),), {"lexical": {"commit": 1}}, Pending(("x",))
    )
    document = Document("a", "b", "\ud800", "article", (Source("c", 2),), None, ("d",))
    kinds: list[tuple[Any, Any]] = [
        (Settings, settings),
        (Status, status),
        (Document, document),
        (tuple[Turn, ...], (Turn("q", Answer("q", (), (), True, "e")),)),
    ]
    for kind, value in kinds:
        assert wire.unpack(kind, wire.read(wire.line({"x": value}))["x"]) == value


def test_only_what_is_known_travels() -> None:
    with pytest.raises(TypeError):
        wire.line({"x": object()})
    with pytest.raises(ValueError, match="not a message"):
        wire.read(b"[1]\n")


def test_a_rebuild_tells_a_few_events_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[IndexEvent] = []
    ticks = (n / 100 for n in itertools.count(100))
    monkeypatch.setattr(
        "notesqa.tui.backstage.time", SimpleNamespace(monotonic=lambda: next(ticks))
    )
    hear = paced(heard.append)
    for n in range(1000):
        hear(IndexEvent("read", n, 0, "a note"))
    for n in range(1, 1001):
        hear(IndexEvent("embed", n, 1000))
    assert heard[0] == IndexEvent("read", 0, 0, "a note")
    assert IndexEvent("embed", 1, 1000) in heard and heard[-1] == IndexEvent("embed", 1000, 1000)
    assert 150 < len(heard) < 250, "ten of a hundred"


# -- the same as in this process ----------------------------------------------------------


def test_everything_is_as_in_this_process(remote: RemoteNotes, home: Home) -> None:
    heard: list[str] = []
    report = remote.index(on_event=lambda event: heard.append(event.stage))
    assert report.changed and report.documents and heard[0] == "scan" and "follow" in heard
    with Notes.open(home, settings=Settings()) as notes:
        assert remote.status() == notes.status()
        assert remote.signature() == notes.signature()
        assert remote.documents() == notes.documents()
        found = remote.find(Query(QUESTION), 5)
        assert found == find(notes, Query(QUESTION), 5)
        assert list(found.passages) == notes.search(QUESTION, 5) != []
        assert len(found.shown) == len(found.passages) and "dropout" in found.words
        assert remote.find(Query(QUESTION, sources=("nowhere*",)), 5).passages == ()
        first = found.passages[0].document_id
        assert remote.document(first) == notes.document(first)
        events = list(remote.stream(QUESTION))
        assert [type(event) for event in events][:1] == [Found]
        assert any(isinstance(event, Delta) for event in events)
        assert isinstance(events[-1], Finished)
        answer = events[-1].answer
        again = notes.ask(QUESTION)
        assert dataclasses.replace(answer, seconds={}) == dataclasses.replace(again, seconds={})
        kept = remote.save_turn(None, answer)
        remote.name_conversation(kept, QUESTION)
        remote.rename_conversation(kept, "改名")
        assert remote.conversations("改名") == notes.conversations("改名") != []
        assert remote.conversation(kept) == notes.conversation(kept)
        remote.delete_conversation(kept)
        assert remote.conversations() == []
        remote.restore_conversation(kept)
        assert notes.conversations() != []


def test_a_long_list_comes_whole_and_in_order(tmp_path: Path) -> None:
    write_notes(tmp_path, {f"{n:03}.md": f"# 第 {n} 篇\n\n第 {n} 篇讲动量。\n" for n in range(450)})
    remote = RemoteNotes(Home(tmp_path), Settings())
    try:
        remote.index()
        with Notes.open(Home(tmp_path), settings=Settings()) as notes:
            assert remote.documents() == notes.documents()
    finally:
        remote.close()


def test_errors_come_as_what_they_are(remote: RemoteNotes) -> None:
    with pytest.raises(CatalogError, match="notesqa index"):
        remote.find(Query("x"), 5)
    remote.use_settings(Settings(llm=LlmSettings(model="nowhere.gguf")))
    with pytest.raises(ModelError, match="nowhere"):
        remote.chat_model()
    remote.use_settings(Settings())
    assert remote.chat_model() is None


def test_a_rebuild_is_cancelled(tmp_path: Path) -> None:
    write_notes(tmp_path, {f"{n}.md": f"# 第 {n} 篇\n\n" + "讲动量。" * 300 for n in range(900)})
    remote = RemoteNotes(Home(tmp_path), Settings())
    cancel = threading.Event()
    try:
        with pytest.raises(Cancelled):
            remote.index(on_event=lambda _: cancel.set(), cancel=cancel)
        assert remote.status().commit == 0
    finally:
        remote.close()


@pytest.mark.parametrize("template", [None, CHAT_TEMPLATE])
def test_the_desk_tells_whether_the_model_has_a_template(
    home: Home, tmp_path: Path, template: str | None
) -> None:
    pytest.importorskip("llama_cpp")
    model = write_model(tmp_path / "plain.gguf", template=template)
    settings = Settings(llm=LlmSettings(model=str(model), threads=1))
    told: list[Told] = []
    desk = Desk(lambda: RemoteNotes(home, settings), told.append, choose("zh"))
    try:
        desk.open()
        until(lambda: any(isinstance(m, ModelState) and not m.loading for m in told))
        states = [m for m in told if isinstance(m, ModelState) and not m.loading]
        assert [(m.name, m.has_template) for m in states] == [("plain", template is not None)]
    finally:
        desk.close()


def test_an_answer_is_stopped(home: Home, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    model = write_model(tmp_path / "random.gguf", width=64, layers=2)
    settings = Settings(llm=LlmSettings(model=str(model), max_answer_tokens=4000))
    remote = RemoteNotes(home, settings)
    cancel = threading.Event()
    try:
        remote.index()
        loaded = remote.chat_model()
        assert loaded is not None and loaded.context_tokens > 0
        last: object = None
        for event in remote.stream(QUESTION, cancel=cancel):
            last = event
            if isinstance(event, Delta):
                cancel.set()
        assert isinstance(last, Finished) and last.answer.stopped
    finally:
        remote.close()


def test_every_call_is_a_method_on_both_sides() -> None:
    for name in set(RESULTS) - {"find"}:
        assert callable(getattr(Notes, name)) and callable(getattr(RemoteNotes, name))
    assert not set(READING) & set(WRITING)


def test_the_app_side_imports_no_engine() -> None:
    code = (
        "import sys, notesqa.tui.app, notesqa.tui.remote, notesqa.tui.note_text\n"
        "from notesqa.tui.app import _other_screens\n_other_screens()\n"
        "print([m for m in ('numpy', 'faiss', 'tantivy', 'sqlite3', 'rjieba', 'llama_cpp')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.stdout.strip() == "[]", done.stderr


# -- its life ------------------------------------------------------------------------------


@pytest.mark.parametrize("unheard", [0.0, 0.5], ids=["heard", "unheard"])
def test_a_killed_process_is_started_anew(
    remote: RemoteNotes, monkeypatch: pytest.MonkeyPatch, unheard: float
) -> None:
    """Also when its end is told only later, to a listener that gets no turn."""
    remote.index()
    found = remote.find(Query(QUESTION), 5)
    first = remote.process_id
    assert first is not None
    wait = subprocess.Popen.wait

    def late(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if process.pid == first and timeout is None:
            time.sleep(unheard)
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", late)
    os.kill(first, signal.SIGKILL)
    assert remote.find(Query(QUESTION), 5) == found
    assert remote.process_id != first


def test_what_was_under_way_when_it_was_killed_says_so(
    remote: RemoteNotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.index()
    events = remote.stream(QUESTION)
    assert isinstance(next(events), Found)
    process = remote.process_id
    assert process is not None
    os.kill(process, signal.SIGSTOP)
    send = _Life._send

    def and_kill(life: _Life, message: Mapping[str, Any]) -> None:
        send(life, message)
        if message.get("call") == "rename_conversation":
            os.kill(process, signal.SIGKILL)

    monkeypatch.setattr(_Life, "_send", and_kill)
    with pytest.raises(Lost, match="SIGKILL"):
        remote.rename_conversation(1, "x")
    assert [type(e) for e in remote.stream(QUESTION)][-1] is Finished


def test_closed_it_ends_and_is_started_no_more(remote: RemoteNotes) -> None:
    remote.status()
    process = remote.process_id
    assert process is not None
    remote.close()
    until(lambda: gone(process))
    with pytest.raises(NotesqaError, match="closed"):
        remote.status()


_PARENT = """
import sys, time
from pathlib import Path
from notesqa.config import Home, Settings
from notesqa.tui.remote import RemoteNotes
remote = RemoteNotes(Home(Path(sys.argv[1])), Settings())
remote.status()
print(remote.process_id, flush=True)
time.sleep(600)
"""


def test_it_dies_with_the_app_that_is_killed(home: Home) -> None:
    app = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(home.path)], stdout=subprocess.PIPE, text=True
    )
    assert app.stdout is not None
    with app.stdout:
        process = int(app.stdout.readline())
        assert not gone(process)
        app.kill()
        app.wait()
        until(lambda: gone(process))


def test_what_is_being_saved_when_the_app_is_killed_is_saved(home: Home) -> None:
    with Notes.open(home, settings=Settings()) as notes:
        notes.index()
        answer = notes.ask(QUESTION)
    # Nobody is kept waiting for long by what is being saved, but a busy machine needs its time.
    code = (
        "from notesqa.tui import backstage\n"
        f"backstage._SAVING_SECONDS = {PATIENCE}\nbackstage.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    first = {"home": str(home.path), "settings": Settings()}
    call = {
        "id": 1,
        "call": "save_turn",
        "given": {"conversation_id": None, "answer": answer},
    }
    process.communicate(wire.line(first) + wire.line(call), timeout=PATIENCE)
    assert process.returncode == 0
    with Notes.open(home, settings=Settings()) as notes:
        assert notes.conversation(notes.conversations()[0].id)[0].answer == answer


def test_what_a_library_prints_is_no_message(home: Home) -> None:
    code = (
        "import os, sys\nfrom notesqa.tui import backstage\nfrom notesqa import api\n"
        "old = api.Notes.status\n"
        "def loud(self):\n    print('loud', flush=True); os.write(1, b'louder\\n')\n"
        "    assert sys.stdin.read() == ''\n    return old(self)\n"
        "api.Notes.status = loud\nbackstage.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(wire.line({"home": str(home.path), "settings": Settings()}))
    process.stdin.write(wire.line({"id": 1, "call": "status", "given": {}}))
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["done"]["commit"] == 0
    rest, _ = process.communicate(timeout=PATIENCE)
    assert rest == b""


def test_the_desk_says_that_it_was_lost_and_loads_it_again(
    remote: RemoteNotes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notesqa.tui.remote._SHORT_LIFE_SECONDS", 0.0)
    remote.index()
    told: list[Told] = []
    desk = Desk(lambda: remote, told.append, choose("zh"))
    try:
        desk.open()
        until(lambda: any(isinstance(m, Warmed) for m in told))
        told.clear()
        assert remote.process_id is not None
        os.kill(remote.process_id, signal.SIGKILL)
        until(lambda: any(isinstance(m, Warmed) for m in told))
        failed = [m.error for m in told if isinstance(m, Failed)]
        assert [type(error) for error in failed] == [Lost]
    finally:
        desk.close()


def test_the_report_of_a_first_index_names_no_more_than_a_person_reads(tmp_path: Path) -> None:
    write_notes(tmp_path, {f"n{n}.md": f"# 第{n}篇\n\n内容各不相同 {n}。" for n in range(230)})
    remote = RemoteNotes(Home(tmp_path), Settings())
    try:
        report = remote.index([])
    finally:
        remote.close()
    assert report.added == 230
    assert len(report.new_titles) == 201
    assert report.new_titles[-1] == "… 30 more"
