"""The home in a process of its own: `python -m notesqa.tui.backstage`.

Loading engines, searching, answering and rebuilding hold the interpreter for up to
0.4 s at a time; in another one than the app's they never hold up a key. The app writes
calls to this process's standard input and reads what comes of them from its standard
output, a message a line (`notesqa.tui.wire`):

    {"home": path, "settings": {…}}                     first, to this process
    {"id": 1, "call": "search", "given": {…}}           a call; several may be under way
    {"id": 1, "stop": true}                             it is wanted no more
    {"id": 1, "part": …}  {"id": 1, "done": …}          from this process
    {"id": 1, "error": [kind, message, hint]}           instead of "done"

It ends when its standard input does: when the app is left, and when it is killed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from notesqa.api import SavedTurn, Status
from notesqa.config import Home, Settings
from notesqa.errors import CorpusError, NotesqaError
from notesqa.records import Answer, Document, Turn
from notesqa.reports import (
    ConversationInfo,
    DocumentInfo,
    IndexEvent,
    IndexReport,
    LoadedModel,
)
from notesqa.tui import wire
from notesqa.tui.finding import Findings, find
from notesqa.tui.queries import Query

if TYPE_CHECKING:
    from notesqa.api import Notes

# What may be called, and the record that it gives. All but `find` are methods of `Notes`.
READING: Mapping[str, Any] = {
    "status": Status,
    "signature": int,
    "find": Findings,
    "document": Document,
    "documents": list[DocumentInfo],
    "conversations": list[ConversationInfo],
    "conversation": list[SavedTurn],
}
WRITING: Mapping[str, Any] = {
    "save_turn": int,
    "name_conversation": None,
    "rename_conversation": None,
    "delete_conversation": None,
    "restore_conversation": None,
}
WORKING: Mapping[str, Any] = {
    "stream": None,
    "index": IndexReport,
    "chat_model": LoadedModel | None,
    "use_settings": None,
}
RESULTS = {**READING, **WRITING, **WORKING}
_RECORDS_GIVEN: Mapping[str, Any] = {
    "answer": Answer,
    "history": tuple[Turn, ...],
    "line": Query,
    "settings": Settings,
}
_PART = 200
"""A list comes in parts of so many, so that reading it holds up nothing either."""
_PACE_SECONDS = 0.1
_SAVING_SECONDS = 5.0
_REBUILD_NICENESS = 10


def paced(hear: Callable[[IndexEvent], None]) -> Callable[[IndexEvent], None]:
    """`hear` for a few events a second only, the first and last of each stage among them."""
    told = 0.0
    stage = ""

    def on_event(event: IndexEvent) -> None:
        nonlocal told, stage
        now = time.monotonic()
        last = event.done == event.total > 0
        if event.stage == stage and now - told < _PACE_SECONDS and not last:
            return
        told, stage = now, event.stage
        hear(event)

    return on_event


class Backstage:
    """Does what is called for, each call in a thread of its own."""

    def __init__(self, notes: Notes, outgoing: BinaryIO) -> None:
        """`outgoing` is where everything is told."""
        self._notes = notes
        self._outgoing = outgoing
        self._telling = threading.Lock()
        self._stops: dict[int, threading.Event] = {}
        self._saving: set[threading.Thread] = set()

    def hear(self, message: Mapping[str, Any]) -> None:
        """Begin a call, or stop one."""
        number = message["id"]
        if message.get("stop"):
            if (stop := self._stops.get(number)) is not None:
                stop.set()
            return
        call = message["call"]
        if call not in RESULTS:
            raise ValueError(f"no call {call}")
        self._stops[number] = threading.Event()
        given = {
            name: wire.unpack(_RECORDS_GIVEN[name], value) if name in _RECORDS_GIVEN else value
            for name, value in message["given"].items()
        }
        thread = threading.Thread(
            target=self._do, args=(number, call, given), name=f"notesqa-{call}", daemon=True
        )
        if call in WRITING:
            self._saving = {other for other in self._saving if other.is_alive()} | {thread}
        thread.start()

    def end(self) -> None:
        """Nobody listens any more: stop everything, once what is being saved is saved."""
        for stop in list(self._stops.values()):
            stop.set()
        for thread in self._saving:
            thread.join(_SAVING_SECONDS)

    def _do(self, number: int, call: str, given: dict[str, Any]) -> None:
        try:
            result = self._result(number, call, given)
        except NotesqaError as error:
            self._tell(number, error=[type(error).__name__, error.message, error.hint])
        except OSError as error:
            self._tell(number, error=[CorpusError.__name__, str(error), ""])
        except BaseException as error:
            # A fault of ours: the app shows it, and goes on.
            told = f"{type(error).__name__}: {error}"
            self._tell(number, error=[NotesqaError.__name__, told, "please report this"])
            raise
        else:
            if isinstance(result, list):
                for start in range(0, len(result), _PART):
                    self._tell(number, part=result[start : start + _PART])
                result = []
            self._tell(number, done=result)
        finally:
            self._stops.pop(number, None)

    def _result(self, number: int, call: str, given: dict[str, Any]) -> Any:
        notes = self._notes
        if call == "stream":
            for event in notes.stream(**given, cancel=self._stops[number]):
                self._tell(number, part=[type(event).__name__, event])
            return None
        if call == "index":
            _give_way()
            given["paths"] = [Path(path) for path in given["paths"]]
            hear = paced(lambda event: self._tell(number, part=event))
            return notes.index(**given, on_event=hear, cancel=self._stops[number]).brief()
        if call == "chat_model":
            from notesqa.llm import has_template

            model = notes.chat_model()
            if model is None:
                return None
            return LoadedModel(model.name, model.context_tokens, has_template(model))
        if call == "find":
            return find(notes, given["line"], given["k"])
        return getattr(notes, call)(**given)

    def _tell(self, number: int, **told: Any) -> None:
        raw = wire.line({"id": number, **told})
        try:
            with self._telling:
                self._outgoing.write(raw)
                self._outgoing.flush()
        except BrokenPipeError:
            pass  # nobody listens any more: the end of the input follows


def _give_way() -> None:
    """Let typing, searching and answering come before what this thread does."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _REBUILD_NICENESS)


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes to the app, and nothing in their place: what a library prints goes nowhere."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return incoming, outgoing


def main() -> None:
    """Serve until the input ends."""
    incoming, outgoing = _own_pipes()
    # A search gives way to nobody for longer than a rebuild beside it has to.
    sys.setswitchinterval(0.001)
    if first := incoming.readline():
        from notesqa.api import Notes

        told = wire.read(first)
        settings = wire.unpack(Settings, told["settings"])
        stage = Backstage(Notes(Home(Path(told["home"])), settings), outgoing)
        for raw in incoming:
            stage.hear(wire.read(raw))
        stage.end()
    # Without ado: threads that still work have nothing that an interruption would lose.
    os._exit(0)


if __name__ == "__main__":
    main()
