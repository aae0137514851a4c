"""`notesqa doctor`: what works here, what does not, and what to do about it."""

from __future__ import annotations

import platform
import queue
import re
import shutil
import socket
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Literal, NoReturn

from notesqa.config import TuiSettings
from notesqa.errors import NotesqaError

if TYPE_CHECKING:
    from notesqa.config import Home, Settings

State = Literal["ok", "warning", "problem"]
_PACKAGES = (
    "faiss-gpu", "faiss-cpu", "jieba", "llama-cpp-python", "rjieba", "sentence-transformers",
    "sqlite-utils", "tantivy", "textual",
)  # fmt: skip
_PATIENCE = 2.0
_LOW_DISK_BYTES = 500 << 20
_SAMPLE = "卷积神经网络的感受野随层数增大而过拟合要靠正则化避免"
_MOST_WORDS = 200
_HAN = re.compile("[\u4e00-\u9fd5]")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    detail: str
    hint: str = ""


def diagnose(home: Home, settings: Settings) -> list[Check]:
    """Look at the machine, the packages, the home and its index; changes nothing."""
    return [
        Check(
            "python", "ok", f"{platform.python_version()} on {sys.platform} {platform.machine()}"
        ),
        *_packages(),
        *_home(home),
        _segmentation(home),
        *_index(home, settings),
        *_embedding(settings),
        *_reranker(settings),
        *_model(home, settings),
        *_screen(settings),
    ]


def _packages() -> Iterator[Check]:
    found = []
    missing = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    yield Check("packages", "ok", ", ".join(found))
    if "llama-cpp-python" in missing:
        yield Check(
            "llm", "warning", "llama-cpp-python is not installed; answers quote the notes",
            "pip install 'notesqa[llm]'",
        )  # fmt: skip
    from notesqa.engines.scan import gpus

    count = gpus()
    yield Check("gpu", "ok", f"{count} usable by FAISS" if count else "none; FAISS runs on the CPU")


def _home(home: Home) -> Iterator[Check]:
    if home.corpus.exists() and not home.corpus.is_dir():
        yield Check(
            "home", "problem", f"{home.corpus} is not a folder",
            "move it away: the notes are kept in that folder",
        )  # fmt: skip
    elif home.corpus.is_dir():
        yield Check("home", "ok", str(home.path))
    else:
        yield Check(
            "home", "warning", f"{home.path} has no corpus/", "add notes: notesqa index FILE…"
        )
    free = shutil.disk_usage(home.path).free
    state: State = "ok" if free > _LOW_DISK_BYTES else "warning"
    yield Check("disk", state, f"{free >> 20} MiB free", "" if state == "ok" else "free some space")


def _segmentation(home: Home) -> Check:
    """Whether words are cut as jieba cuts them, the user's own words included."""
    import jieba

    from notesqa.text.segment import Segmenter

    path = home.corpus / "userdict.txt"
    own = path if path.is_file() else None
    try:
        segmenter = Segmenter(own)
    except NotesqaError as error:
        return Check("segmenter", "problem", error.message, error.hint)
    oracle = jieba.Tokenizer()
    jieba.setLogLevel("ERROR")
    words: list[str] = []
    if own:
        oracle.load_userdict(str(own))
        words = [
            line.split()[0] for line in own.read_text("utf-8-sig").splitlines() if line.strip()
        ]
    differ = [
        sentence
        for sentence in (_SAMPLE, *(f"这里的{word}很重要" for word in words[:_MOST_WORDS]))
        if _HAN.sub("", sentence) == ""
        and oracle.lcut_for_search(sentence) != segmenter.words(sentence)
    ]
    if differ:
        return Check(
            "segmenter", "warning", f"cuts unlike jieba: {differ[0]}", "please report this"
        )
    return Check("segmenter", "ok", f"as jieba, with {len(words)} words of your own")


def _index(home: Home, settings: Settings) -> Iterator[Check]:
    from notesqa.catalog import CATALOG_FILE, Catalog

    if home.index.exists() and not home.index.is_dir():
        yield Check(
            "index", "problem", f"{home.index} is not a folder",
            "move it away: the index is kept in that folder",
        )  # fmt: skip
        return
    if not (home.index / CATALOG_FILE).is_file():
        yield Check("index", "warning", "there is none yet", "build it: notesqa index")
        return
    try:
        catalog = Catalog(home.index)
    except NotesqaError as error:
        yield Check("index", "problem", error.message, error.hint)
        return
    try:
        yield from _catalog(home, settings, catalog)
    except NotesqaError as error:
        yield Check("index", "problem", error.message, error.hint)
    finally:
        catalog.close()


def _catalog(home: Home, settings: Settings, catalog: object) -> Iterator[Check]:
    from notesqa.catalog import Catalog
    from notesqa.engines import read_state
    from notesqa.indexing import pending, recipe

    if not isinstance(catalog, Catalog):
        return
    damage = catalog.check()
    if damage:
        yield Check(
            "catalog", "problem", f"{catalog.path} is damaged: {damage[0]}",
            "move it away and run: notesqa index --full",
        )  # fmt: skip
        return
    commit = catalog.commit()
    if commit is None:
        yield Check("catalog", "warning", "no commit yet", "build it: notesqa index")
        return
    yield Check("catalog", "ok", f"commit {commit.id}, {commit.documents} documents")
    if commit.recipe != recipe(settings):
        yield Check(
            "outdated", "warning", "made with other settings or by another version", "notesqa index"
        )
    for name in ("lexical", "vectors"):
        state = read_state(home.index / name)
        if state is None or state.catalog != catalog.identity:
            yield Check(name, "warning", "has to be built anew", "the next search does that")
        elif state.commit < commit.id:
            yield Check(
                name, "warning", f"is at commit {state.commit}", "the next search catches up"
            )
        else:
            yield Check(name, "ok", f"commit {state.commit}")
    waiting = pending(home, catalog)
    if waiting:
        count = len(waiting.added) + len(waiting.changed) + len(waiting.removed)
        yield Check("corpus", "warning", f"{count} files changed since", "notesqa index")
    unread = [p for p, s in catalog.file_stats().items() if s[2] is not None]
    if unread:
        yield Check("unread", "warning", f"{len(unread)} files: {unread[0]}", "notesqa status")
    for path, said in catalog.remarks()[:1]:
        yield Check("notes", "warning", f"{path}: {said}", "notesqa status tells all such")


def _embedding(settings: Settings) -> Iterator[Check]:
    model = settings.embedding.model
    if model == "builtin":
        yield Check("embedder", "ok", "built in")
    else:
        yield _fetched("embedder", model, "embedding.model", settings)


def _reranker(settings: Settings) -> Iterator[Check]:
    if settings.retrieval.reranker:
        yield _fetched("reranker", settings.retrieval.reranker, "retrieval.reranker", settings)


def _fetched(what: str, model: str, setting: str, settings: Settings) -> Check:
    """Whether a sentence-transformers model is here; it is not loaded, which takes long."""
    from notesqa.embedding.hub import NotFetched, locate

    try:
        locate(model, setting=setting)
    except NotFetched as error:
        if settings.embedding.allow_download:
            return Check(what, "warning", error.message, "it is downloaded when it is first needed")
        return Check(what, "problem", error.message, error.hint)
    except NotesqaError as error:
        return Check(what, "problem", error.message, error.hint)
    return Check(what, "ok", model)


def _model(home: Home, settings: Settings) -> Iterator[Check]:
    from notesqa.llm import look_at

    try:
        found = look_at(settings.llm, home)
    except NotesqaError as error:
        yield Check("model", "problem", error.message, error.hint)
        return
    if not found:
        yield Check("model", "ok", "none; answers quote the notes (see: notesqa model list)")
    elif settings.llm.base_url and (reason := _silence(settings.llm.base_url)):
        yield Check(
            "model", "warning", f"nobody answers at {settings.llm.base_url}: {reason}",
            "is it running? [llm] base_url",
        )  # fmt: skip
    else:
        yield Check("model", "ok", found)


def _silence(address: str) -> str:
    """Why a server does not take a connection; empty where it does. Nothing is sent to it."""
    url = urllib.parse.urlsplit(address)
    port = url.port or (443 if url.scheme == "https" else 80)
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def knock() -> None:
        try:
            with socket.create_connection((url.hostname or "", port), timeout=_PATIENCE):
                heard.put("")
        except (OSError, UnicodeError) as error:
            heard.put(getattr(error, "strerror", None) or str(error))

    # On a thread, since a name can take longer to be looked up than any timeout allows.
    threading.Thread(target=knock, name="notesqa-knock", daemon=True).start()
    try:
        return heard.get(timeout=_PATIENCE)
    except queue.Empty:
        return f"no answer within {_PATIENCE:.0f} s"


def _screen(settings: Settings) -> Iterator[Check]:
    """Whether the terminal UI would take its settings."""
    tui = settings.tui
    if tui.language and tui.language[:2].lower() not in ("zh", "en"):
        yield Check(
            "screen", "warning", f"tui.language {tui.language} is not spoken, English is",
            'write language = "zh" or "en"',
        )  # fmt: skip
    usual = TuiSettings()
    if (tui.theme, dict(tui.keys)) == (usual.theme, dict(usual.keys)):
        return
    from notesqa.tui.app import NotesApp

    try:
        NotesApp(_never, settings)
    except NotesqaError as error:
        yield Check("screen", "problem", error.message, error.hint)


def _never() -> NoReturn:
    raise AssertionError("the app is only made, not run")
