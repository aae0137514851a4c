"""A GGUF chat model in this process."""

from __future__ import annotations

import codecs
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.errors import ModelError
from notesqa.llm import Message
from notesqa.llm.machine import available_memory, physical_cores, total_memory
from notesqa.llm.native import Engine, Grammar
from notesqa.llm.template import pieces

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from notesqa.config import Home, LlmSettings

_POLL = 0.05
_TOP = 40
_SEED = 20240607


class LlamaCppChatModel:
    """Any GGUF chat model that llama.cpp knows, with its own chat template.

    May be used from several threads: one generation at a time, others wait. What the
    context already holds of a prompt is not read again.
    """

    def __init__(self, settings: LlmSettings, home: Home | None = None) -> None:
        """Load the file that `settings.model` names: a path, or a name in `home.models`.

        Raises:
            ModelError: it is not there, damaged, unknown, or too large for the machine.
        """
        path = locate(settings.model, home)
        if path.is_file():
            _check_size(path)
        self._engine = Engine(
            path,
            context_tokens=settings.context_tokens,
            threads=settings.threads or physical_cores(),
            gpu_layers=settings.gpu_layers,
            kv_room=available_memory() // 2,
        )
        self._name = path.stem
        self._template = self._engine.chat_template()
        self._turn = threading.Lock()
        # Held for every call into C, so that `close` never frees what is in use; a
        # generation that waits to be read holds only its turn.
        self._native = threading.Lock()
        self._closed = threading.Event()
        self._finalizer = weakref.finalize(self, self._engine.free)

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self._name

    @property
    def context_tokens(self) -> int:
        """Room for prompt and reply together."""
        return self._engine.context_tokens

    @property
    def supports_grammar(self) -> bool:
        """Always."""
        return True

    @property
    def has_template(self) -> bool:
        """Whether the model brings a chat template; without one it gets a plain dialogue."""
        return bool(self._template)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the prompt that `messages` become."""
        return len(self._prompt(messages))

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        with self._native:
            self._check_open()
            engine = self._engine
            bos = engine.special_text("bos")
            found: list[int] = []
            for text, own in pieces(
                self._template, messages, bos=bos, eos=engine.special_text("eos")
            ):
                found.extend(engine.tokenize(text, special=own))
            first = engine.bos()
            if engine.add_bos and first >= 0 and found[:1] != [first]:
                found.insert(0, first)
            return found

    def stream(
        self,
        messages: Sequence[Message],
        *,
        grammar: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Iterator[str]:
        """The reply in pieces of whole characters; see `ChatModel.stream`.

        Raises:
            ModelError: the prompt leaves no room for a reply, the grammar is refused, the
                computation fails, or the model is closed meanwhile.
        """
        if not self._wait_for_turn(cancel):
            return
        done = threading.Event()
        try:
            # The watcher lives as long as this generation: it lets C see the user's wish.
            self._engine.abort(False)
            watcher = threading.Thread(
                target=self._watch, args=(cancel, done), name="notesqa-cancel", daemon=True
            )
            watcher.start()
            yield from self._generate(messages, grammar, max_tokens, temperature, cancel)
        finally:
            done.set()
            self._turn.release()

    def _wait_for_turn(self, cancel: threading.Event | None) -> bool:
        while True:
            self._check_open()
            if cancel is not None and cancel.is_set():
                return False
            if self._turn.acquire(timeout=_POLL):
                return True

    def _watch(self, cancel: threading.Event | None, done: threading.Event) -> None:
        while not done.is_set():
            stopped = cancel.wait(_POLL) if cancel is not None else done.wait(_POLL)
            if (stopped and not done.is_set()) or self._closed.is_set():
                self._engine.abort(True)
                return

    def _generate(
        self,
        messages: Sequence[Message],
        grammar: str | None,
        max_tokens: int,
        temperature: float,
        cancel: threading.Event | None,
    ) -> Iterator[str]:
        prompt = self._prompt(messages)
        room = self.context_tokens - len(prompt)
        if room < 1:
            raise ModelError(
                f"the prompt of {len(prompt)} tokens does not fit the model's context"
                f" of {self.context_tokens}",
                "ask with fewer passages (-k), or raise context_tokens in [llm]",
            )
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        picker = _Picker(temperature)
        rules: Grammar | None = None
        try:
            with self._native:
                self._check_open()
                if grammar is not None:
                    rules = Grammar(self._engine, grammar)
                going = self._engine.evaluate(prompt)
            for left in range(min(max_tokens, room), 0, -1):
                if not going or (cancel is not None and cancel.is_set()):
                    break
                with self._native:
                    self._check_open()
                    token = picker.pick(self._engine.logits(), rules)
                    if token < 0 or self._engine.ends(token):
                        break
                    piece = self._engine.piece(token)
                    if rules is not None:
                        rules.accept(token)
                    going = left == 1 or self._engine.advance(token)
                if text := decoder.decode(piece):
                    yield text
        finally:
            # Bytes of half a character that are left in the decoder are never shown.
            if rules is not None:
                rules.free()
        self._check_open()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ModelError("the model was closed", "ask again")

    def close(self) -> None:
        """Free the model; a generation that goes on ends with a `ModelError`."""
        self._closed.set()
        self._engine.abort(True)
        with self._native:
            self._finalizer()


class _Picker:
    """Chooses the next token: the likeliest, or at random among the likely ones."""

    def __init__(self, temperature: float) -> None:
        import numpy as np

        self._temperature = temperature
        self._random = np.random.default_rng(_SEED)

    def pick(self, logits: NDArray[np.float32], rules: Grammar | None) -> int:
        """The token, or -1 when the grammar allows none.

        The grammar is asked about the one token first: looking through the whole
        vocabulary costs a hundred times as much and is seldom needed.
        """
        token = self._choose(logits)
        if rules is None or (token >= 0 and rules.allows(token)):
            return token
        return self._choose(rules.masked(logits))

    def _choose(self, logits: NDArray[np.float32]) -> int:
        import numpy as np

        best = int(np.argmax(logits))
        if not np.isfinite(logits[best]):
            return -1
        if self._temperature <= 0:
            return best
        top = np.argpartition(logits, -min(_TOP, len(logits)))[-min(_TOP, len(logits)) :]
        scaled = (logits[top] - logits[best]).astype(np.float64) / self._temperature
        weights = np.exp(scaled)
        return int(self._random.choice(top, p=weights / weights.sum()))


def locate(model: str, home: Home | None) -> Path:
    """The file that `[llm] model` names: a path from here or the home, or a pulled model.

    Raises:
        ModelError: no file can have that name.
    """
    try:
        return _located(model, home)
    except (OSError, RuntimeError, ValueError) as error:
        # RuntimeError: `~somebody` who is not known here.
        raise ModelError(f"the model {model} is not there", "notesqa model list") from error


def _located(model: str, home: Home | None) -> Path:
    if "\0" in model:
        raise ValueError("a name with a NUL")
    path = Path(model).expanduser()
    if path.exists() or path.is_absolute() or home is None:
        return path
    for folder in (home.path, home.models):
        for name in (model, f"{model}.gguf"):
            if (folder / name).is_file():
                return folder / name
    return path


def _check_size(path: Path) -> None:
    size, memory = path.stat().st_size, total_memory()
    if memory and size > memory:
        raise ModelError(
            f"{path.name} takes {size / 1e9:.1f} GB; this machine has {memory / 1e9:.1f} GB",
            "choose a smaller model: notesqa model list",
        )
