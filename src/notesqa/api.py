"""`Notes`: a home as a whole, for the terminal UI, the command line and Python.

Opening costs next to nothing; catalog, engines, embedder and chat model are opened
when they are first needed. Every method may be called from any thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from notesqa.config import Home, Settings
from notesqa.errors import ConfigError, CorpusError, NotesqaError
from notesqa.records import Answer, Citation, Document, Passage, Sentence, Turn
from notesqa.reports import ConversationInfo, DocumentInfo, IndexEvent, IndexReport, Pending

if TYPE_CHECKING:
    from notesqa.answering import Answerer, AnswerEvent
    from notesqa.answering.prompting import Prompts
    from notesqa.catalog import Catalog
    from notesqa.llm import ChatModel
    from notesqa.retrieval import Retriever
    from notesqa.retrieval.retriever import Sources
    from notesqa.text.segment import Segmenter


@dataclass(frozen=True, slots=True)
class Status:
    """What the index of a home holds.

    Attributes:
        commit: number of the latest commit; 0 when there is no index yet.
        unread: source and reason of every file that could not be read.
        followers: by engine, the commit that it has reached, and its device.
        pending: files that a rebuild would take in.
        remarks: source of every file in which something is wrong that was read all the same,
            and what.
        outdated: a rebuild would make everything anew, as settings or version have changed.
    """

    home: str
    files: int
    documents: int
    duplicates: int
    chunks: int
    commit: int
    embedder: str
    unread: tuple[tuple[str, str], ...]
    followers: Mapping[str, Mapping[str, Any]]
    pending: Pending
    remarks: tuple[tuple[str, str], ...] = ()
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class SavedTurn:
    """A turn of a kept conversation.

    Attributes:
        asked_at: ISO 8601, UTC.
        answer: exactly as it was, with the cited text of then.
        changed: numbers of citations whose note no longer holds the quote there.
    """

    asked_at: str
    answer: Answer
    changed: tuple[int, ...]


class Notes:
    """One home: index it, search it, ask it. A context manager.

    Prefer `Notes.open`.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        """Nothing is opened yet."""
        self.home = home
        self.settings = settings
        self._lock = threading.RLock()
        self._model_lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._retriever: Retriever | None = None
        self._answerer: Answerer | None = None
        self._model: ChatModel | None = None
        self._model_loaded = False
        self._prompts: Prompts | None = None

    @classmethod
    def open(
        cls, home: str | os.PathLike[str] | Home | None = None, *, settings: Settings | None = None
    ) -> Notes:
        """Open a home (see `Home.find`); cheap.

        Raises:
            ConfigError: the home or its `notesqa.toml` is wrong.
        """
        found = home if isinstance(home, Home) else Home.find(home)
        return cls(found, settings or Settings.load(found))

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything that is open."""
        with self._model_lock:
            if self._model is not None:
                self._model.close()
            self._model, self._model_loaded = None, False
        with self._lock:
            self._forget_index()

    def _forget_index(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
        self._catalog = self._retriever = self._answerer = None

    # -- parts --------------------------------------------------------------------

    def _open_catalog(self, *, write: bool = False) -> Catalog:
        with self._lock:
            if self._catalog is not None and self._catalog.is_gone:
                # The index may be deleted at any time, also under an open program.
                self._forget_index()
            if self._catalog is None:
                from notesqa.catalog import Catalog

                self._catalog = Catalog(self.home.index, write=write)
            return self._catalog

    @property
    def retriever(self) -> Retriever:
        """The retriever over this home.

        Raises:
            CatalogError: there is no index yet.
        """
        with self._lock:
            catalog = self._open_catalog()
            if self._retriever is None:
                from notesqa.retrieval import Retriever

                self._retriever = Retriever(self.home, self.settings, catalog)
            return self._retriever

    def _open_answerer(self) -> Answerer:
        with self._lock:
            retriever = self.retriever
            if self._answerer is None:
                from notesqa.answering import Answerer

                self._answerer = Answerer(
                    retriever, self.settings.llm, self.chat_model, self._open_prompts
                )
            return self._answerer

    def _open_prompts(self) -> Prompts:
        with self._lock:
            if self._prompts is None:
                from notesqa.answering.prompting import load_prompts

                self._prompts = load_prompts(self.home)
            return self._prompts

    def chat_model(self) -> ChatModel | None:
        """The chat model that the settings name, loaded at the first call; else None.

        Raises:
            ModelError: it cannot be loaded.
        """
        with self._model_lock:
            if not self._model_loaded:
                from notesqa.llm import open_chat_model

                self._model = open_chat_model(self.settings.llm, self.home)
                self._model_loaded = True
            return self._model

    def use_settings(self, settings: Settings) -> None:
        """Go on with other settings; what depends on them is opened anew when needed."""
        with self._model_lock:
            if self._model is not None and settings.llm != self.settings.llm:
                self._model.close()
            if settings.llm != self.settings.llm:
                self._model, self._model_loaded = None, False
        with self._lock:
            if (settings.embedding, settings.retrieval) != (
                self.settings.embedding,
                self.settings.retrieval,
            ):
                self._retriever = None
            self._answerer = None
            self.settings = settings

    # -- indexing ---------------------------------------------------------------------

    def index(
        self,
        paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        *,
        full: bool = False,
        on_event: Callable[[IndexEvent], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> IndexReport:
        """Add `paths` to the corpus, if any, then bring the index up to it.

        Args:
            paths: files and folders, or a single one.
            full: read and chunk everything anew.
            on_event: called with the progress, from this thread.
            cancel: when set, the work stops soon and can be resumed.

        Raises:
            Cancelled: by `cancel`.
            CorpusError: the folder of the notes is gone.
            NotesqaError: the index cannot be written, or the embedder not opened.
                Files that cannot be read are reported, not raised.
        """
        from notesqa.indexing import add_paths, rebuild, rebuild_lock

        if not self.home.path.is_dir():
            # Or it would be made again, and empty: a disk may only be away for a while.
            raise ConfigError(
                f"the home {self.home.path} does not exist", "make it first, or open another"
            )
        # A string is a sequence, too: of paths of one letter.
        several = [paths] if isinstance(paths, str | bytes | os.PathLike) else paths
        named = [_path(path) for path in several]
        with rebuild_lock(self.home.index):
            left_out: Counter[str] = Counter()
            added = add_paths(self.home, named, left_out)
            catalog = self._open_catalog(write=True)
            self.retriever.reload_dictionary()
            other_words = self._other_words(self.retriever.segmenter)
            report = rebuild(
                self.home,
                self.settings,
                catalog,
                self.retriever.embedder,
                self.retriever.followers,
                full=full,
                copied=added.copied,
                failed=added.failed,
                displaced=added.displaced,
                left_out=left_out,
                on_event=on_event,
                cancel=cancel,
            )
        return replace(report, dictionary=other_words)

    def _other_words(self, segmenter: Segmenter) -> bool:
        """Whether the word index was made with another dictionary than there is now."""
        from notesqa.engines import read_state

        state = read_state(self.home.index / "lexical")
        return state is not None and not state.recipe.endswith(segmenter.dictionary)

    def _with_dictionary(
        self, waiting: Pending, unread: tuple[tuple[str, str], ...]
    ) -> tuple[Pending, tuple[tuple[str, str], ...]]:
        """What waits and what cannot be read, the user's dictionary included."""
        from notesqa.indexing import USERDICT
        from notesqa.text.segment import Segmenter

        path = self.home.corpus / USERDICT
        named = path.relative_to(self.home.path).as_posix()
        try:
            if self._other_words(Segmenter(path if path.is_file() else None)):
                waiting = replace(waiting, changed=(*waiting.changed, named))
        except CorpusError as error:
            unread = (*unread, (named, str(error)))
        return waiting, unread

    def status(self) -> Status:
        """What the index holds, and what a rebuild would change."""
        from notesqa.catalog import CATALOG_FILE
        from notesqa.indexing import pending, recipe

        if not (self.home.index / CATALOG_FILE).is_file():
            waiting = pending(self.home, None)
            return Status(str(self.home.path), 0, 0, 0, 0, 0, "", (), {}, waiting)
        catalog = self._open_catalog()
        commit = catalog.commit()
        waiting = pending(self.home, catalog)
        if commit is None:
            return Status(str(self.home.path), 0, 0, 0, 0, 0, "", (), {}, waiting or Pending())
        unread = tuple((p, s[2]) for p, s in catalog.file_stats().items() if s[2] is not None)
        waiting, unread = self._with_dictionary(waiting, unread)
        return Status(
            home=str(self.home.path),
            files=commit.files,
            documents=commit.documents,
            duplicates=commit.duplicates,
            chunks=commit.chunks,
            commit=commit.id,
            embedder=commit.embedder,
            unread=unread,
            followers=self._followers(commit.chunks),
            pending=waiting,
            remarks=catalog.remarks(),
            outdated=commit.recipe != recipe(self.settings),
        )

    def is_indexed(self) -> bool:
        """Whether there is a commit to search.

        Raises:
            CatalogError: there is an index that cannot be read.
        """
        from notesqa.catalog import CATALOG_FILE

        if not (self.home.index / CATALOG_FILE).is_file():
            return False
        return self._open_catalog().commit() is not None

    def signature(self) -> int:
        """A number that changes with the files of the corpus, and with the index.

        Another process may bring it up to date.
        """
        from notesqa.notes.watching import signature

        commit = 0
        with contextlib.suppress(NotesqaError):
            # Damage is told where the index is used.
            if self.is_indexed() and (latest := self._open_catalog().commit()) is not None:
                commit = latest.id
        return hash((signature(self.home.corpus), commit))

    def _followers(self, chunks: int) -> dict[str, dict[str, Any]]:
        from notesqa.engines import MOST_LOOKED_AT, gpu_driver, read_state

        states = {name: read_state(self.home.index / name) for name in ("lexical", "vectors")}
        found: dict[str, dict[str, Any]] = {
            name: {"commit": state.commit if state else 0} for name, state in states.items()
        }
        found["vectors"]["device"] = "cpu"
        if chunks > MOST_LOOKED_AT and gpu_driver():
            from notesqa.engines.scan import gpus

            found["vectors"]["device"] = "cuda:0" if gpus() else "cpu"
        return found

    # -- searching and asking ---------------------------------------------------------------

    def search(
        self,
        query: str,
        k: int | None = None,
        *,
        sources: Sources = (),
        tags: Sequence[str] = (),
        after: str | date | None = None,
        before: str | date | None = None,
    ) -> list[Passage]:
        """See `Retriever.search`."""
        return self.retriever.search(
            query, k, sources=sources, tags=tags, after=after, before=before
        )

    def newest(
        self,
        k: int | None = None,
        *,
        sources: Sources = (),
        tags: Sequence[str] = (),
        after: str | date | None = None,
        before: str | date | None = None,
    ) -> list[Passage]:
        """See `Retriever.newest`."""
        return self.retriever.newest(k, sources=sources, tags=tags, after=after, before=before)

    def words(self, text: str) -> list[str]:
        """The words of a query as the search cuts them, for marking them in what it finds."""
        return self.retriever.segmenter.words(text)

    def document(self, document_id: str) -> Document:
        """See `Retriever.document`."""
        return self._open_catalog().document(document_id)

    def documents(self) -> list[DocumentInfo]:
        """Every document, without its text, by title."""
        return self._open_catalog().documents()

    def ask(
        self,
        question: str,
        *,
        k: int | None = None,
        llm: bool = True,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """The answer to a question, or an honest refusal.

        Args:
            k: how many passages it may rest on; the settings' `retrieval.k` where None.
            llm: False answers without the chat model.
            history: the turns before.

        Raises:
            NotesqaError: there is no index, `k` is no whole number of at least 1, or the
                model fails.
        """
        answerer = self._open_answerer()
        return answerer.ask(_text(question), k=self.retriever.how_many(k), llm=llm, history=history)

    def stream(
        self,
        question: str,
        *,
        k: int | None = None,
        llm: bool = True,
        history: Sequence[Turn] = (),
        cancel: threading.Event | None = None,
    ) -> Iterator[AnswerEvent]:
        """The same in the making; see `Answerer.stream`."""
        answerer = self._open_answerer()
        k = self.retriever.how_many(k)
        return answerer.stream(_text(question), k=k, llm=llm, history=history, cancel=cancel)

    # -- conversations ----------------------------------------------------------------------

    def conversations(self, query: str = "") -> list[ConversationInfo]:
        """Kept conversations, latest first; with `query` those that hold it."""
        return self._open_catalog().conversations(query)

    def conversation(self, conversation_id: int) -> list[SavedTurn]:
        """The turns of a conversation as they were, and what has changed since."""
        catalog = self._open_catalog()
        live = catalog.live_documents()
        turns = []
        for asked_at, raw in catalog.turns(conversation_id):
            answer = answer_from_json(raw)
            changed = tuple(
                c.n
                for c in answer.citations
                if c.document_id not in live
                or catalog.text(live[c.document_id].pk)[c.start : c.end] != c.quote
            )
            turns.append(SavedTurn(asked_at, answer, changed))
        return turns

    def save_turn(self, conversation_id: int | None, answer: Answer) -> int:
        """Keep a turn; None begins a conversation. Returns the conversation's id."""
        from notesqa.answering.conversation import title

        return self._open_catalog(write=True).add_turn(
            conversation_id, title(answer.question), answer.question, answer_to_json(answer)
        )

    def name_conversation(self, conversation_id: int, question: str) -> None:
        """Let the chat model, where one is loaded, give a conversation a short title."""
        with self._model_lock:
            model = self._model
        if model is None:
            return
        from notesqa.answering.conversation import title

        named = title(question, model, self._open_prompts())
        self.rename_conversation(conversation_id, named)

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        """Give a conversation another title."""
        self._open_catalog(write=True).rename_conversation(conversation_id, title)

    def delete_conversation(self, conversation_id: int) -> None:
        """Delete a conversation; `restore_conversation` takes it back."""
        self._open_catalog(write=True).mark_conversation(conversation_id, deleted=True)

    def restore_conversation(self, conversation_id: int) -> None:
        """Undo `delete_conversation`."""
        self._open_catalog(write=True).mark_conversation(conversation_id, deleted=False)


def _path(path: object) -> str:
    if not isinstance(path, str | bytes | os.PathLike):
        raise NotesqaError(f"a path must be text, not {path!r}", "name a file or a folder")
    return os.fsdecode(path)


def _text(question: str) -> str:
    if not isinstance(question, str):
        raise NotesqaError(f"the question must be text, not {question!r}", "write it in quotes")
    return question


def answer_to_json(answer: Answer) -> str:
    """An answer as JSON that `answer_from_json` reads back equal."""
    return json.dumps(asdict(answer), ensure_ascii=False)


def answer_from_json(raw: str) -> Answer:
    """The inverse of `answer_to_json`."""
    return _answer(json.loads(raw))


def _answer(data: Mapping[str, Any]) -> Answer:
    fields = dict(data)
    fields["sentences"] = tuple(
        Sentence(**{**s, "citations": tuple(s["citations"])}) for s in data["sentences"]
    )
    fields["citations"] = tuple(Citation(**c) for c in data["citations"])
    fields["passages"] = tuple(
        Passage(**{**p, "tags": tuple(p.get("tags", ()))}) for p in data["passages"]
    )
    if data.get("alternative"):
        fields["alternative"] = _answer(data["alternative"])
    return Answer(**fields)
