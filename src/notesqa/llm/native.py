"""llama.cpp through the plain C functions that llama-cpp-python binds.

Not through its class `Llama`: that one redirects the process's stdout and stderr while
it loads, which would swallow what a terminal UI draws meanwhile; it cannot be stopped
while it reads a prompt (abetlen/llama-cpp-python issues 599 and 733); it keeps a float
for every batch position and vocabulary entry; and it cuts pieces at 32 bytes.

Nothing here is safe for two threads at once; `LlamaCppChatModel` sees to that.
"""

from __future__ import annotations

import ctypes
import math
import sys
import threading
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notesqa.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INSTALL_HINT = "pip install 'notesqa[llm]', or use a server: [llm] base_url"
_MAGIC = b"GGUF"
_BATCH = 512
_LOG_LINES = 60
_log: deque[str] = deque(maxlen=_LOG_LINES)
_load_lock = threading.Lock()
_kept: list[Any] = []


@cache
def library() -> Any:
    """The module `llama_cpp.llama_cpp`, started and made quiet.

    Raises:
        ModelError: llama-cpp-python is not installed or does not start.
    """
    try:
        import llama_cpp.llama_cpp as lib
    except ImportError as error:
        raise ModelError("llama-cpp-python is not installed", INSTALL_HINT) from error
    except (OSError, RuntimeError, AttributeError) as error:
        raise ModelError(f"llama-cpp-python does not start: {error}", INSTALL_HINT) from error

    def keep(_level: int, text: bytes | None, _data: Any) -> None:
        if text:
            _log.append(text.decode("utf-8", "replace"))

    callback = lib.llama_log_callback(keep)
    _kept.append(callback)  # C holds no reference to it
    lib.llama_log_set(callback, ctypes.c_void_p(0))
    lib.llama_backend_init()
    return lib


class Engine:
    """A model with one context: tokens in, logits out."""

    def __init__(
        self, path: Path, *, context_tokens: int, threads: int, gpu_layers: int, kv_room: int
    ) -> None:
        """Load a model.

        Args:
            context_tokens: 0 takes the model's own, at most 8192 and what `kv_room` holds.
            gpu_layers: -1 for all that there is room for.
            kv_room: bytes that the cache of keys and values may take; 0 when unknown.

        Raises:
            ModelError: no model, damaged, unknown to this llama.cpp, or too large.
        """
        check_file(path)
        lib = self._lib = library()
        self.model: Any = None
        self.context: Any = None
        with _load_lock:
            _log.clear()
            self.model = self._load(path, gpu_layers)
            if not self.model:
                raise _load_error(path)
            if lib.llama_model_has_encoder(self.model) or not lib.llama_model_has_decoder(
                self.model
            ):
                self.free()
                raise ModelError(
                    f"{path.name} is no chat model: it does not only continue text",
                    "notesqa model list",
                )
            self.vocab = lib.llama_model_get_vocab(self.model)
            self.vocabulary = int(lib.llama_vocab_n_tokens(self.vocab))
            self.trained_context = int(lib.llama_model_n_ctx_train(self.model))
            self._abort = ctypes.create_string_buffer(2)
            self.context = self._open_context(path, context_tokens, threads, kv_room)
        self.context_tokens = int(lib.llama_n_ctx(self.context))
        self._memory = lib.llama_get_memory(self.context)
        self._held: list[int] = []
        self.add_bos = bool(lib.llama_vocab_get_add_bos(self.vocab))

    def _load(self, path: Path, gpu_layers: int) -> Any:
        lib = self._lib
        params = lib.llama_model_default_params()
        offload = bool(lib.llama_supports_gpu_offload()) and gpu_layers != 0
        params.n_gpu_layers = (0x7FFFFFFF if gpu_layers < 0 else gpu_layers) if offload else 0
        model = lib.llama_model_load_from_file(str(path).encode(), params)
        if not model and offload and gpu_layers < 0 and _out_of_memory():
            # All layers were our wish, not the user's: the CPU has room for them.
            params.n_gpu_layers = 0
            _log.clear()
            model = lib.llama_model_load_from_file(str(path).encode(), params)
        return model

    def _open_context(self, path: Path, wanted: int, threads: int, kv_room: int) -> Any:
        lib = self._lib
        size = wanted or _fitting_context(self.trained_context, self._kv_bytes(), kv_room)
        while True:
            params = lib.llama_context_default_params()
            params.n_ctx = size
            params.n_batch = params.n_ubatch = min(size, _BATCH)
            params.n_threads = params.n_threads_batch = threads
            params.no_perf = True
            # The C function `strlen` has the very shape of an abort callback: it says
            # "no" of an empty string and "yes" of another. A Python function here would
            # take the interpreter's lock for every operation of the graph.
            params.abort_callback = ctypes.cast(_strlen(), lib.ggml_abort_callback)
            params.abort_callback_data = ctypes.cast(self._abort, ctypes.c_void_p)
            try:
                context = lib.llama_init_from_model(self.model, params)
            except OSError:
                context = None
            if context:
                return context
            if wanted or size <= 1024:
                self.free()
                if _out_of_memory() or wanted:
                    raise ModelError(
                        f"there is no memory for a context of {size} tokens with {path.name}",
                        "lower context_tokens in [llm], or choose a smaller model",
                    )
                raise _load_error(path)
            size //= 2

    def _kv_bytes(self) -> int:
        """Bytes that keys and values of one token take in 16 bits."""
        lib, model = self._lib, self.model
        heads = max(1, int(lib.llama_model_n_head(model)))
        width = int(lib.llama_model_n_embd(model)) // heads * int(lib.llama_model_n_head_kv(model))
        return 2 * 2 * width * int(lib.llama_model_n_layer(model))

    def free(self) -> None:
        """Give the memory back; the engine is of no use then."""
        if self.context:
            self._lib.llama_free(self.context)
            self.context = None
        if self.model:
            self._lib.llama_model_free(self.model)
            self.model = None

    def abort(self, now: bool) -> None:
        """Whether the computation that goes on, or the next one, shall stop; any thread."""
        self._abort[0] = b"\x01" if now else b"\x00"

    # -- text and tokens ------------------------------------------------------------------

    def chat_template(self) -> str:
        """The model's own template in Jinja, or empty."""
        raw = self._lib.llama_model_chat_template(self.model, None)
        return raw.decode("utf-8", "replace") if raw else ""

    def special_text(self, which: str) -> str:
        """The text of the token that begins (`bos`) or ends (`eos`) a sequence, or empty."""
        token = int(getattr(self._lib, f"llama_vocab_{which}")(self.vocab))
        if token < 0:
            return ""
        text = self._lib.llama_vocab_get_text(self.vocab, token)
        return text.decode("utf-8", "replace") if text else ""

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Tokens of a text; names of special tokens in it count as such only if `special`."""
        raw = text.encode("utf-8", "replace")
        room = len(raw) + 8
        buffer = (ctypes.c_int32 * room)()
        count = int(
            self._lib.llama_tokenize(self.vocab, raw, len(raw), buffer, room, False, special)
        )
        if count < 0:
            buffer = (ctypes.c_int32 * -count)()
            count = int(
                self._lib.llama_tokenize(self.vocab, raw, len(raw), buffer, -count, False, special)
            )
        return list(buffer[: max(count, 0)])

    def bos(self) -> int:
        """The token that begins a sequence, or -1."""
        return int(self._lib.llama_vocab_bos(self.vocab))

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; special tokens stand for none."""
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = int(self._lib.llama_token_to_piece(self.vocab, token, buffer, size, 0, False))
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def ends(self, token: int) -> bool:
        """Whether a token ends the reply."""
        return bool(self._lib.llama_vocab_is_eog(self.vocab, token))

    # -- computing ------------------------------------------------------------------------

    def evaluate(self, prompt: Sequence[int]) -> bool:
        """Bring the context to `prompt`, reading only what it does not hold yet.

        Returns:
            False when `abort` stopped it; what was read stays of use.

        Raises:
            ModelError: the computation failed.
        """
        # The last token is read anew in any case: its logits are wanted.
        same = 0
        for ours, theirs in zip(self._held, prompt[:-1], strict=False):
            if ours != theirs:
                break
            same += 1
        self._keep(same)
        position = len(self._held)
        while position < len(prompt):
            part = list(prompt[position : position + _BATCH])
            if not self._decode(part):
                return False
            position += len(part)
        return True

    def advance(self, token: int) -> bool:
        """Read one more token. As `evaluate`."""
        return self._decode([token])

    def _keep(self, count: int) -> None:
        """Forget everything beyond the first `count` tokens."""
        if count == len(self._held):
            return
        # Recurrent models cannot forget in part: they begin anew.
        if not self._lib.llama_memory_seq_rm(self._memory, 0, count, -1):
            self._lib.llama_memory_clear(self._memory, True)
            count = 0
        del self._held[count:]

    def _decode(self, part: list[int]) -> bool:
        buffer = (ctypes.c_int32 * len(part))(*part)
        code = int(
            self._lib.llama_decode(self.context, self._lib.llama_batch_get_one(buffer, len(part)))
        )
        if code == 0:
            self._held.extend(part)
            return True
        # What part of the batch was read is not known: back to where it began.
        held = len(self._held)
        if not self._lib.llama_memory_seq_rm(self._memory, 0, held, -1):
            self._lib.llama_memory_clear(self._memory, True)
            self._held.clear()
        if code == 2:
            return False
        if code == 1:
            raise ModelError("the model's context is full", "raise context_tokens in [llm]")
        raise ModelError(
            f"the model failed while computing (llama.cpp code {code}){_last_line()}",
            "choose a smaller model or context; notesqa doctor",
        )

    def logits(self) -> NDArray[np.float32]:
        """Logits of the next token; a view that holds until the next computation."""
        import numpy as np

        raw = self._lib.llama_get_logits_ith(self.context, -1)
        if not raw:
            raise ModelError("the model gave no result", "ask again")
        values: NDArray[np.float32] = np.ctypeslib.as_array(raw, shape=(self.vocabulary,))
        return values


class Grammar:
    """A GBNF grammar in the state that the reply so far has brought it to."""

    def __init__(self, engine: Engine, text: str) -> None:
        """Parse a grammar.

        Raises:
            ModelError: llama.cpp does not accept it.
        """
        self._lib = engine._lib
        self._size = engine.vocabulary
        with _load_lock:
            self._sampler = self._lib.llama_sampler_init_grammar(
                engine.vocab, text.encode(), b"root"
            )
        if not self._sampler:
            raise ModelError(f"llama.cpp refuses the grammar{_last_line()}", "report this")

    def free(self) -> None:
        """Give the memory back."""
        if self._sampler:
            self._lib.llama_sampler_free(self._sampler)
            self._sampler = None

    def allows(self, token: int) -> bool:
        """Whether the reply may go on with `token`."""
        one = (self._lib.llama_token_data * 1)()
        one[0].id, one[0].logit, one[0].p = token, 1.0, 0.0
        self._apply(one, 1)
        return not math.isinf(one[0].logit)

    def masked(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the logits with minus infinity for all that it forbids."""
        import numpy as np

        kind = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        row = np.zeros(self._size, dtype=kind)
        row["id"] = np.arange(self._size, dtype=np.int32)
        row["logit"] = logits
        self._apply((self._lib.llama_token_data * self._size).from_buffer(row), self._size)
        masked: NDArray[np.float32] = row["logit"].copy()
        return masked

    def _apply(self, data: Any, size: int) -> None:
        array = self._lib.llama_token_data_array()
        array.data = ctypes.cast(data, ctypes.POINTER(self._lib.llama_token_data))
        array.size, array.selected, array.sorted = size, -1, False
        self._lib.llama_sampler_apply(self._sampler, ctypes.byref(array))

    def accept(self, token: int) -> None:
        """Go on with a token that it allows. Of any other, C++ would end the process."""
        self._lib.llama_sampler_accept(self._sampler, token)


@cache
def _strlen() -> Any:
    return ctypes.CDLL("msvcrt" if sys.platform == "win32" else None).strlen


def _fitting_context(trained: int, per_token: int, room: int) -> int:
    """A context within the model's training, eight thousand tokens, and the memory."""
    size = min(trained or 8192, 8192)
    if room and per_token:
        size = min(size, max(1024, room // per_token))
    return max(256, size // 256 * 256) if size >= 256 else size


def check_file(path: Path) -> None:
    """Refuse what is no GGUF file before llama.cpp sees it.

    Raises:
        ModelError: missing, unreadable, or another format.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError as error:
        raise ModelError(f"the model {path} is not there", "notesqa model list") from error
    except IsADirectoryError as error:
        raise ModelError(f"{path} is a folder", "name the .gguf file in it") from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check its rights") from error
    if head != _MAGIC:
        raise ModelError(
            f"{path.name} is no GGUF file", "chat models must be GGUF; see: notesqa model list"
        )


def _load_error(path: Path) -> ModelError:
    said = "".join(_log)
    if "unknown model architecture" in said:
        kind = said.partition("unknown model architecture:")[2].strip().split("\n")[0].strip(" '")
        return ModelError(
            f"this llama.cpp does not know the architecture {kind!r} of {path.name}",
            "update it: pip install -U llama-cpp-python; or choose another model",
        )
    if _out_of_memory():
        return ModelError(
            f"there is no memory for {path.name} ({_gigabytes(path.stat().st_size)})",
            "choose a smaller model: notesqa model list",
        )
    if any(
        w in said
        for w in (
            "file bounds",
            "corrupted or incomplete",
            "failed to read",
            "unexpectedly reached",
        )
    ):
        return ModelError(
            f"{path.name} is damaged or cut short", "fetch it again: notesqa model pull NAME"
        )
    return ModelError(
        f"llama.cpp cannot load {path.name}{_last_line()}", "choose another: notesqa model list"
    )


def _out_of_memory() -> bool:
    said = "".join(_log).lower()
    words = (
        "failed to allocate",
        "unable to allocate",
        "out of memory",
        "outofdevicememory",
        "bad_alloc",
    )
    return any(word in said for word in words)


def _last_line() -> str:
    lines = [line.strip() for line in "".join(_log).splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
