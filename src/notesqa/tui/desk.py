"""Everything that takes time; what comes of it is told in messages.

The home is in another process (`notesqa.tui.remote`), which the threads here wait for:
they hold the interpreter, and with it the typing, for no longer than it takes to read
an answer. Nothing here knows a widget. The threads are daemons: leaving the app never
waits for a model or a rebuild, which keeps what it has finished.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from notesqa.errors import (
    Cancelled,
    CatalogError,
    ConfigError,
    CorpusError,
    ModelError,
    NotesqaError,
)
from notesqa.records import Answer, Document, Source, Turn
from notesqa.tui.queries import Query
from notesqa.tui.told import (
    AnswerDone,
    AnswerFound,
    AnswerSaved,
    AnswerText,
    ConversationReady,
    Conversations,
    DocumentReady,
    Failed,
    IndexCancelled,
    IndexDone,
    IndexProgress,
    Listed,
    ModelState,
    Noticed,
    Opened,
    Results,
    Told,
    Warmed,
)
from notesqa.tui.wording import Wording

if TYPE_CHECKING:
    from notesqa.config import Settings
    from notesqa.reports import ConversationInfo, IndexEvent
    from notesqa.tui.finding import Findings
    from notesqa.tui.flow import Section
    from notesqa.tui.note_text import NoteText
    from notesqa.tui.remote import Behind, Lost, RemoteNotes

_PIECE_SECONDS = 0.04
_WATCH_SECONDS = 3.0
_WATCH_SHARE = 50
_CHANGED_LOOKED_AT = 200
_Changed = tuple[tuple[int, ...], ...]
_SAMPLE = Document("", "", "$\\theta$\n\n```python\nx = 1\n```\n", "article", (Source("x", 1),))


@dataclass(frozen=True, slots=True)
class Request:
    """A question to answer."""

    number: int
    question: str
    llm: bool = True
    history: tuple[Turn, ...] = ()
    conversation_id: int | None = None


class Lane:
    """A thread that does one thing after another; or only the newest, when `latest`."""

    def __init__(self, name: str, *, latest: bool = False) -> None:
        self._name = name
        self._jobs: deque[Callable[[], None]] = deque(maxlen=1 if latest else None)
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Do `job` when it is its turn."""
        with self._condition:
            if self._closed:
                return
            self._jobs.append(job)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._work, name=f"notesqa-{self._name}", daemon=True
                )
                self._thread.start()
            self._condition.notify()

    def close(self) -> None:
        """Take no more jobs, and drop those that wait."""
        with self._condition:
            self._closed = True
            self._jobs.clear()
            self._condition.notify()

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._jobs and not self._closed:
                    self._condition.wait()
                if self._closed:
                    return
                job = self._jobs.popleft()
            job()


class Desk:
    """The one place that talks to `Notes`."""

    def __init__(
        self, factory: Callable[[], Behind], post: Callable[[Told], object], wording: Wording
    ) -> None:
        """`post` must be safe to call from any thread."""
        self._wording = wording
        self._shown: dict[str, NoteText] = {}
        self._factory = factory
        self._send = post
        self._notes: Behind | None = None
        self._apart: RemoteNotes | None = None
        self._opening = threading.Lock()
        self._lanes = {
            "ask": Lane("ask"),
            "search": Lane("search", latest=True),
            "index": Lane("index"),
            "desk": Lane("desk"),
            "list": Lane("list", latest=True),
            **{
                f"document {who}": Lane(who, latest=True)
                for who in ("cite", "search", "read", "look")
            },
            "watch": Lane("watch"),
        }
        self._stop_answer = threading.Event()
        self._stop_index = threading.Event()
        self._closed = threading.Event()
        self._indexing = False

    # -- lanes -------------------------------------------------------------------

    @property
    def notes(self) -> Behind:
        """The open home. May take a moment at the first call."""
        with self._opening:
            if self._notes is None:
                self._notes = self._factory()
                # Not before: the first paint waits for no more modules than it needs.
                from notesqa.tui.remote import RemoteNotes

                if isinstance(self._notes, RemoteNotes):
                    self._apart = self._notes
                    self._apart.when_lost = self._start_anew
            return self._notes

    def post(self, message: Told) -> None:
        """Tell the app, unless it is gone."""
        if not self._closed.is_set():
            self._send(message)

    def _do(self, lane: str, where: str, job: Callable[[], None], number: int = 0) -> None:
        def run() -> None:
            try:
                job()
            except NotesqaError as error:
                self.post(Failed(where, error, number))
            except OSError as error:
                self.post(Failed(where, CorpusError(str(error)), number))
            except BaseException as error:
                # A fault of ours: shown, and raised for the log; the lane starts anew.
                told = NotesqaError(f"{type(error).__name__}: {error}", "please report this")
                self.post(Failed(where, told, number))
                raise

        self._lanes[lane].submit(run)

    def close(self) -> None:
        """Stop what can be stopped, and close the home if nothing holds it."""
        self._closed.set()
        self._stop_answer.set()
        self._stop_index.set()
        for lane in self._lanes.values():
            lane.close()
        if self._apart is not None:
            self._apart.close()

    # -- opening -----------------------------------------------------------------

    def open(self) -> None:
        """Open the home, then load the engines and the model behind."""

        def status() -> None:
            self.post(Opened(self.notes.status()))
            # Only now, lest loading the engines keep the status waiting.
            self._load()
            self._do("watch", "watch", self._watch)

        self._do("desk", "open", status)

    def _load(self) -> None:
        self._do("search", "open", self._warm)
        self._do("ask", "model", self._load_model)

    def _warm(self) -> None:
        began = time.perf_counter()
        try:
            self._find(Query("0"), 1)
        except CatalogError:
            return  # no index yet: there is nothing to warm
        self.post(Warmed(time.perf_counter() - began))
        # What the first note would otherwise wait for: parser, symbols, colours.
        from notesqa.tui.note_text import NoteText

        NoteText(_SAMPLE, self._wording).section.fit(80)

    def _start_anew(self, lost: Lost) -> None:
        """The process behind has died: say so, and have another one as ready as it was."""
        self.post(Failed("open", lost))
        self._load()

    def _load_model(self) -> None:
        llm = self.notes.settings.llm
        if not (llm.model or llm.base_url):
            self.post(ModelState(""))
            return
        server = urlsplit(llm.base_url).netloc or llm.base_url
        self.post(ModelState(llm.model or server, loading=True))
        try:
            model = self.notes.chat_model()
        except NotesqaError:
            self.post(ModelState(""))
            raise
        if model is None:
            self.post(ModelState(""))
        else:
            from notesqa.llm import has_template

            known, room = has_template(model), model.context_tokens
            self.post(ModelState(model.name, context_tokens=room, has_template=known))

    def use(self, settings: Settings) -> None:
        """Go on with other settings."""

        def change() -> None:
            self.notes.use_settings(settings)
            self._load_model()

        self._do("ask", "model", change)

    def keep(self, file: Path, table: str, values: Mapping[str, str]) -> None:
        """Keep choices in the settings file, where that can be written; else say so."""

        def job() -> None:
            from notesqa.llm.settings_file import set_values

            try:
                set_values(file, table, values)
            except ConfigError as error:
                here_only = ConfigError(error.message, self._wording("for_this_session"))
                self.post(Failed("settings", here_only))

        self._do("desk", "settings", job)

    def status(self) -> None:
        """Tell the status anew."""
        self._do("desk", "open", lambda: self.post(Opened(self.notes.status())))

    # -- searching and asking ------------------------------------------------------

    def search(
        self, number: int, query: Query, k: int, lay_out: Callable[[Findings], list[Section]]
    ) -> None:
        """Search; a search that has not begun when the next one comes is dropped.

        `lay_out` makes of what was found what is shown, in a thread, so that no key waits.
        """

        def job() -> None:
            began = time.perf_counter()
            found = self._find(query, k)
            seconds = time.perf_counter() - began
            self.post(Results(number, query, found, seconds, lay_out(found)))

        self._do("search", "search", job, number)

    def _find(self, query: Query, k: int) -> Findings:
        from notesqa.tui.finding import find
        from notesqa.tui.remote import RemoteNotes

        notes = self.notes
        return notes.find(query, k) if isinstance(notes, RemoteNotes) else find(notes, query, k)

    def ask(self, request: Request, k: int) -> None:
        """Answer a question, told piece by piece, and keep it."""
        cancel = threading.Event()
        self._stop_answer = cancel

        def job() -> None:
            try:
                self._answer(request, k, cancel)
            except ModelError as error:
                if not request.llm or cancel.is_set():
                    raise
                self._quote_instead(request, k, cancel, error)

        self._do("ask", "ask", job, request.number)

    def _answer(self, request: Request, k: int, cancel: threading.Event) -> None:
        # Imported here: they come with the engines, which the first paint does not wait for.
        from notesqa.answering.events import Delta, Finished, Found

        text = ""
        told = 0.0
        answer: Answer | None = None
        events = self.notes.stream(
            request.question, k=k, llm=request.llm, history=request.history, cancel=cancel
        )
        for event in events:
            if isinstance(event, Found):
                self.post(AnswerFound(request.number, event.question, event.passages))
            elif isinstance(event, Delta):
                text += event.text
                if (now := time.monotonic()) - told >= _PIECE_SECONDS:
                    told = now
                    self.post(AnswerText(request.number, text))
            elif isinstance(event, Finished):
                answer = event.answer
        if answer is None:
            raise Cancelled("the answer was stopped")
        self.post(AnswerDone(request.number, answer))
        saved = self.notes.save_turn(request.conversation_id, answer)
        self.post(AnswerSaved(request.number, saved))
        # A model that was not to answer, or could not, is not waited for either.
        if request.conversation_id is None and request.llm:
            self.notes.name_conversation(saved, request.question)

    def _quote_instead(
        self, request: Request, k: int, cancel: threading.Event, error: ModelError
    ) -> None:
        """The model fails: say so, and answer without it, for which nothing is missing."""
        from notesqa.tui.faults import error_told

        told = error_told(error, self._wording)
        hint = " · ".join(part for part in (told.hint, self._wording("quoted_instead")) if part)
        self.post(AnswerText(request.number, ""))
        self.post(Failed("model", ModelError(told.message, hint), request.number))
        self._answer(replace(request, llm=False), k, cancel)

    def stop_answer(self) -> None:
        """Stop the answer in the making."""
        self._stop_answer.set()

    # -- documents and conversations -------------------------------------------------

    def document(self, document_id: str, purpose: str, width: int, number: int = 0) -> None:
        """Fetch a document, and lay it out for `width`; only the newest for each who asks."""
        who = purpose.partition(":")[0]

        def job() -> None:
            from notesqa.tui.note_text import NoteText

            document = self.notes.document(document_id)
            note = self._shown.get(who)
            if note is None or note.document != document:
                note = self._shown[who] = NoteText(document, self._wording)
                note.section.fit(width)
            self.post(DocumentReady(purpose, note, number))

        self._do(f"document {who}", "document", job, number)

    def documents(self) -> None:
        """Fetch the list of documents."""

        def job() -> None:
            found = self.notes.documents()
            tags = {tag for info in found for tag in info.tags}
            files = {source.rpartition(":")[0] or source for i in found for source in i.sources}
            self.post(Listed(found, sorted(tags), sorted(files)))

        self._do("desk", "documents", job)

    def conversations(self, query: str) -> None:
        """Fetch the kept conversations that hold `query`."""

        def job() -> None:
            self.post(Conversations(query, self.notes.conversations(query)))

        self._do("list", "history", job)

    def conversation(self, conversation_id: int, purpose: str) -> None:
        """Fetch the turns of a conversation."""

        def job() -> None:
            turns = self.notes.conversation(conversation_id)
            self.post(ConversationReady(conversation_id, turns, purpose))

        self._do("desk", "history", job)

    def change_conversation(self, change: Callable[[Behind], None], query: str) -> None:
        """Rename, delete or restore one, then list them anew."""

        def job() -> None:
            change(self.notes)
            self.post(Conversations(query, self.notes.conversations(query)))

        self._do("desk", "history", job)

    # -- rebuilding ------------------------------------------------------------------

    @property
    def indexing(self) -> bool:
        """Whether a rebuild is running."""
        return self._indexing

    def index(self, paths: Sequence[Path] = ()) -> None:
        """Bring the index up to the corpus, with the notes below `paths` added to it."""
        self._stop_index = cancel = threading.Event()
        self._indexing = True

        def job() -> None:
            try:
                self._rebuild(paths, cancel)
            except Cancelled:
                self.post(IndexCancelled())
            finally:
                self._indexing = False

        self._do("index", "index", job)

    def _rebuild(self, paths: Sequence[Path], cancel: threading.Event) -> None:
        stage = ""
        began = time.monotonic()

        def on_event(event: IndexEvent) -> None:
            nonlocal stage, began
            now = time.monotonic()
            if event.stage != stage:
                stage, began = event.stage, now
            left = None
            if event.total and event.done and now - began > 1:
                left = (now - began) / event.done * (event.total - event.done)
            self.post(IndexProgress(event, left))

        before = self._changed_conversations()
        report = self.notes.index(tuple(paths), on_event=on_event, cancel=cancel)
        after = self._changed_conversations() if report.changed else {}
        # What had changed before was told then.
        changed = [
            info
            for info, what in after.values()
            if info.id not in before or before[info.id][1] != what
        ]
        self.post(IndexDone(report, changed, self.notes.status()))

    def _changed_conversations(self) -> dict[int, tuple[ConversationInfo, _Changed]]:
        """Of the latest conversations those that cite what has changed, each with what."""
        try:
            latest = self.notes.conversations("")[:_CHANGED_LOOKED_AT]
        except CatalogError:
            return {}  # there is no index yet, nor a conversation
        found = {}
        for info in latest:
            changed = tuple(turn.changed for turn in self.notes.conversation(info.id))
            if any(changed):
                found[info.id] = info, changed
        return found

    def cancel_index(self) -> None:
        """Cancel the rebuild."""
        self._stop_index.set()

    # -- watching --------------------------------------------------------------------

    def _watch(self) -> None:
        """Look at the corpus every few seconds; tell when something came or changed.

        A large corpus is looked at less often, so that looking stays a small part.
        """
        from notesqa.tui.remote import Lost

        known = self.notes.signature()
        pause = _WATCH_SECONDS
        while not self._closed.wait(pause):
            began = time.monotonic()
            try:
                found = self.notes.signature()
            except Lost:
                continue  # another process is started by the next look
            pause = max(_WATCH_SECONDS, _WATCH_SHARE * (time.monotonic() - began))
            if found == known or self._indexing:
                continue
            known = found
            self.post(Noticed(self.notes.status()))
