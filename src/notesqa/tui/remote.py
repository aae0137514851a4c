"""`Notes` as the app sees them: in another process, which is started and watched over here.

The methods are those of `notesqa.api.Notes`, as far as the terminal UI asks for them, and
do the same; each may be called from any thread, and waits for what comes of it. Where
the process has died, what only reads is called again in a new one; anything else raises.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import notesqa.errors
from notesqa.answering.events import AnswerEvent, Delta, Finished, Found
from notesqa.errors import NotesqaError
from notesqa.reports import IndexEvent
from notesqa.tui import wire
from notesqa.tui.backstage import READING, RESULTS

if TYPE_CHECKING:
    from notesqa.api import Notes, SavedTurn, Status
    from notesqa.config import Home, Settings
    from notesqa.records import Answer, Document, Turn
    from notesqa.reports import ConversationInfo, DocumentInfo, IndexReport, LoadedModel
    from notesqa.tui.finding import Findings
    from notesqa.tui.queries import Query

_EVENTS = {kind.__name__: kind for kind in (Found, Delta, Finished)}
_ENDING_SECONDS = 5.0
_POLL_SECONDS = 0.05
_SHORT_LIFE_SECONDS = 10.0


class Lost(NotesqaError):  # noqa: N818 - a state of affairs
    """The process has ended without being told to."""


class RemoteNotes:
    """A home in a process of its own.

    Attributes:
        when_lost: called, in some thread, when the process has died; it is started anew
            with the next call. Not called when it dies soon after its start.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        """Nothing is started before the first call."""
        self.home = home
        self.settings = settings
        self.when_lost: Callable[[Lost], None] | None = None
        self._lock = threading.Lock()
        self._life: _Life | None = None
        self._closed = False

    def close(self) -> None:
        """Let the process end, and whatever it is doing with it."""
        with self._lock:
            self._closed = True
            if self._life is not None:
                self._life.close()

    @property
    def process_id(self) -> int | None:
        """The number of the process, where it has been started."""
        return self._life.process.pid if self._life is not None else None

    def _alive(self) -> _Life:
        with self._lock:
            if self._closed:
                raise Lost("the home is closed")
            if self._life is None or self._life.lost is not None:
                self._life = _Life(self.home, self.settings, self._hear_lost)
            return self._life

    def _hear_lost(self, life: _Life) -> None:
        if self._closed or self.when_lost is None or life.lost is None:
            return
        if time.monotonic() - life.began >= _SHORT_LIFE_SECONDS:
            self.when_lost(life.lost)

    def _ask(self, call: str, **given: Any) -> Any:
        try:
            return self._alive().ask(call, given)
        except Lost:
            if call not in READING or self._closed:
                raise
            return self._alive().ask(call, given)

    # -- indexing ---------------------------------------------------------------------

    def index(
        self,
        paths: Sequence[str | os.PathLike[str]] = (),
        *,
        full: bool = False,
        on_event: Callable[[IndexEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> IndexReport:
        """See `Notes.index`; `on_event` hears a few events a second."""

        def hear(part: Any) -> None:
            if on_event is not None:
                on_event(wire.unpack(IndexEvent, part))

        given = {"paths": [os.fspath(path) for path in paths], "full": full}
        return cast("IndexReport", self._alive().ask("index", given, hear, cancel))

    def status(self) -> Status:
        """See `Notes.status`."""
        return cast("Status", self._ask("status"))

    def signature(self) -> int:
        """See `Notes.signature`."""
        return cast("int", self._ask("signature"))

    # -- searching and asking -----------------------------------------------------------

    def find(self, query: Query, k: int) -> Findings:
        """See `notesqa.tui.finding.find`."""
        return cast("Findings", self._ask("find", line=query, k=k))

    def document(self, document_id: str) -> Document:
        """See `Notes.document`."""
        return cast("Document", self._ask("document", document_id=document_id))

    def documents(self) -> list[DocumentInfo]:
        """See `Notes.documents`."""
        return cast("list[DocumentInfo]", self._ask("documents"))

    def stream(
        self,
        question: str,
        *,
        k: int = 8,
        llm: bool = True,
        history: Sequence[Turn] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[AnswerEvent]:
        """See `Notes.stream`."""
        given = {"question": question, "k": k, "llm": llm, "history": history}
        for message in self._alive().messages("stream", given, cancel):
            if "part" in message:
                name, event = message["part"]
                yield wire.unpack(_EVENTS[name], event)

    def chat_model(self) -> LoadedModel | None:
        """The chat model of the settings, loaded at the first call; what there is to know of it.

        Raises:
            ModelError: it cannot be loaded.
        """
        return cast("LoadedModel | None", self._ask("chat_model"))

    def use_settings(self, settings: Settings) -> None:
        """See `Notes.use_settings`."""
        self.settings = settings
        self._ask("use_settings", settings=settings)

    # -- conversations ------------------------------------------------------------------

    def conversations(self, query: str = "") -> list[ConversationInfo]:
        """See `Notes.conversations`."""
        return cast("list[ConversationInfo]", self._ask("conversations", query=query))

    def conversation(self, conversation_id: int) -> list[SavedTurn]:
        """See `Notes.conversation`."""
        return cast("list[SavedTurn]", self._ask("conversation", conversation_id=conversation_id))

    def save_turn(self, conversation_id: int | None, answer: Answer) -> int:
        """See `Notes.save_turn`."""
        return cast("int", self._ask("save_turn", conversation_id=conversation_id, answer=answer))

    def name_conversation(self, conversation_id: int, question: str) -> None:
        """See `Notes.name_conversation`."""
        self._ask("name_conversation", conversation_id=conversation_id, question=question)

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        """See `Notes.rename_conversation`."""
        self._ask("rename_conversation", conversation_id=conversation_id, title=title)

    def delete_conversation(self, conversation_id: int) -> None:
        """See `Notes.delete_conversation`."""
        self._ask("delete_conversation", conversation_id=conversation_id)

    def restore_conversation(self, conversation_id: int) -> None:
        """See `Notes.restore_conversation`."""
        self._ask("restore_conversation", conversation_id=conversation_id)


if TYPE_CHECKING:
    Behind = Notes | RemoteNotes
    """The notes behind the app, in this process or in one of their own."""


class _Life:
    """One process, from its start to its end.

    Attributes:
        lost: how it ended, once it has.
    """

    def __init__(self, home: Home, settings: Settings, hear_lost: Callable[[_Life], None]) -> None:
        self.began = time.monotonic()
        self.lost: Lost | None = None
        self._hear_lost = hear_lost
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Mapping[str, Any] | None]] = {}
        self._lock = threading.Lock()
        try:
            # A session of its own: neither Ctrl+C nor the loss of the terminal is for it,
            # and it can write to no terminal. -P: no module of the working folder is ours.
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "notesqa.tui.backstage"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise NotesqaError(
                f"no process can be started for the home: {error.strerror}",
                "close other programs and try again",
            ) from error
        self._listening = threading.Thread(target=self._listen, name="notesqa-listen", daemon=True)
        self._listening.start()
        with contextlib.suppress(Lost):
            self._send({"home": os.path.abspath(home.path), "settings": settings})  # noqa: PTH100

    def ask(
        self,
        call: str,
        given: Mapping[str, Any],
        hear: Callable[[Any], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Any:
        """What comes of a call; `hear` is told of parts on the way.

        Raises:
            NotesqaError: as it was raised there; `Lost` when the process is no more.
        """
        parts: list[Any] = []
        done: Any = None
        for message in self.messages(call, given, cancel):
            if "done" in message:
                done = message["done"]
            elif hear is not None:
                hear(message["part"])
            else:
                parts += wire.unpack(RESULTS[call], message["part"])
        return parts if isinstance(done, list) else wire.unpack(RESULTS[call], done)

    def messages(
        self, call: str, given: Mapping[str, Any], cancel: threading.Event | None = None
    ) -> Iterator[Mapping[str, Any]]:
        """Everything that is told of a call, to its end; see `ask` for what is raised."""
        number = next(self._numbers)
        told: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            if self.lost is not None:
                raise self.lost
            self._waiting[number] = told
        ended = False
        try:
            self._send({"id": number, "call": call, "given": given})
            while not ended:
                message = self._next(number, told, cancel)
                if message is None:
                    raise self.lost or Lost("the process behind the app has ended")
                ended = "part" not in message
                if "error" in message:
                    raise _error(*message["error"])
                yield message
        finally:
            self._waiting.pop(number, None)
            if not ended and self.lost is None:
                with contextlib.suppress(Lost):
                    self._send({"id": number, "stop": True})

    def _next(
        self,
        number: int,
        told: queue.SimpleQueue[Mapping[str, Any] | None],
        cancel: threading.Event | None,
    ) -> Mapping[str, Any] | None:
        stopped = False
        while True:
            if cancel is not None and cancel.is_set() and not stopped:
                stopped = True
                self._send({"id": number, "stop": True})
            try:
                return told.get(timeout=_POLL_SECONDS if cancel and not stopped else None)
            except queue.Empty:
                continue

    def _send(self, message: Mapping[str, Any]) -> None:
        raw = wire.line(message)
        stdin = self.process.stdin
        assert stdin is not None
        try:
            with self._lock:
                stdin.write(raw)
                stdin.flush()
        except ValueError:  # it is closed, by us
            raise self.lost or Lost("the process behind the app has ended") from None
        except OSError:
            # How it ended is known once nothing more is to be heard.
            if threading.current_thread() is not self._listening:
                self._listening.join(_ENDING_SECONDS)
            raise self.lost or Lost("the process behind the app has ended") from None

    def _listen(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        with stdout:
            for raw in stdout:
                message = wire.read(raw)
                if (told := self._waiting.get(message["id"])) is not None:
                    told.put(message)
        code = self.process.wait()
        with self._lock:
            self.lost = Lost(
                f"the process that searches and answers has ended ({_ending(code)})",
                "it is started anew; try again",
            )
            waiting = list(self._waiting.values())
        for told in waiting:
            told.put(None)
        self._hear_lost(self)

    def close(self) -> None:
        """Let it end."""
        with contextlib.suppress(OSError), self._lock:
            assert self.process.stdin is not None
            self.process.stdin.close()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def _error(kind: str, message: str, hint: str) -> NotesqaError:
    known = getattr(notesqa.errors, kind, None)
    if isinstance(known, type) and issubclass(known, NotesqaError):
        return known(message, hint)
    return NotesqaError(message, hint)
