"""Finding a sentence-transformers model: a folder, or a name on the Hugging Face hub.

Nothing is downloaded unless allowed, and nothing is loaded that could run code of the
model's own: weights are safetensors only, and every module comes from sentence-transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from notesqa.errors import EmbeddingError

_OWNER = "sentence-transformers"
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
_NOT_FILES = ("onnx/*", "openvino/*", "*.onnx", "coreml/*")
_UNSAFE = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.pt", "model.ckpt")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.vocab")
_OWN_MODULES = "sentence_transformers."
_READ_AT_ONCE = 1 << 20


class NotFetched(EmbeddingError):  # noqa: N818 - what a download may mend
    """A model of the hub that is not on this machine."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model on this machine.

    Attributes:
        name: as the settings name it.
        path: the folder with its files.
        version: a hash of the files, or the hub's commit.
    """

    name: str
    path: Path
    version: str


def find_model(name: str, *, allow_download: bool = False, setting: str) -> ModelFolder:
    """The folder of the model `name`, downloaded first where that is allowed and needed.

    Args:
        name: a folder (absolute, `~…`, or relative to the working folder), or
            `owner/model` on the hub; a name without owner is one of sentence-transformers.
        setting: the setting that names it, for the hint of an error.

    Raises:
        EmbeddingError: not here (and not allowed to be downloaded), not reachable, its
            weights are not safetensors, or it needs code of its own.
    """
    path, own = locate(name, allow_download=allow_download, setting=setting)
    return ModelFolder(name, path, _hash(path) if own else path.name[:12])


def locate(name: str, *, allow_download: bool = False, setting: str) -> tuple[Path, bool]:
    """The folder of a model, and whether it is the user's own rather than the hub's.

    As `find_model`, but quick: its files are not read.
    """
    if not name.strip():
        raise EmbeddingError(f"{setting} is empty", "name a model or its folder there")
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:
        # RuntimeError: `~somebody` who is not known here.
        raise EmbeddingError(f"there is no model folder {name}", f"correct {setting}") from error
    if is_folder:
        # An absolute path or one with a home sign; a hub name never begins so.
        _check(name, path, setting)
        return path, True
    if is_file:
        raise EmbeddingError(
            f"{name} is a file, not a model's folder", f"set {setting} to the folder that holds it"
        )
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1 or "\\" in name:
        raise EmbeddingError(f"there is no model folder {name}", f"correct {setting}")
    path = _from_hub(name if "/" in name else f"{_OWNER}/{name}", allow_download, setting)
    _check(name, path, setting)
    return path, False


def quiet() -> None:
    """Keep transformers from drawing its progress bars over the terminal."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]


def _from_hub(name: str, allow_download: bool, setting: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    # The transport's base error: that of requests, httpx or a successor, by version.
    transport_error: type[Exception] = HfHubHTTPError.__mro__[1]
    offline = bool(os.environ.get("HF_HUB_OFFLINE"))
    try:
        found = snapshot_download(
            name,
            local_files_only=not allow_download,
            allow_patterns=list(_FILES),
            ignore_patterns=list(_NOT_FILES),
        )
    except FileNotFoundError as error:
        if allow_download and not offline:
            raise EmbeddingError(
                f"the model {name} could not be downloaded: the hub is not reachable",
                "check the network, or copy the model here and name its folder",
            ) from error
        hint = (
            "unset HF_HUB_OFFLINE to download it, or name a folder"
            if allow_download
            else f"set embedding.allow_download = true to fetch it once, or set {setting} to a folder"
        )
        raise NotFetched(f"the model {name} is not on this machine", hint) from error
    except (OSError, ValueError, transport_error) as error:
        raise EmbeddingError(
            f"the model {name} cannot be fetched: {_first_line(error)}",
            f"check the name in {setting}",
        ) from error
    return Path(found)


def _check(name: str, path: Path, setting: str) -> None:
    """Refuse what could run code of the model's own, before anything is loaded."""
    if not (path / "config.json").is_file() and not (path / "modules.json").is_file():
        raise EmbeddingError(
            f"{name} holds no sentence-transformers model",
            f"set {setting} to a folder with a modules.json or config.json",
        )
    folders = [path]
    modules_file = path / "modules.json"
    if modules_file.is_file():
        for kind, below in _modules(name, modules_file):
            if not kind.startswith(_OWN_MODULES):
                raise EmbeddingError(
                    f"{name} needs code of its own ({kind}), which notesqa never runs",
                    "choose a model made of sentence-transformers modules",
                )
            folders.append((path / below).resolve())
    # Without one, transformers makes up a tokenizer that knows no word, and says nothing.
    if not any(any(folder.glob(pattern)) for folder in folders for pattern in _TOKENIZERS):
        raise EmbeddingError(f"{name} lacks its tokenizer", "fetch the model again")
    for folder in folders:
        if any((folder / file).exists() for file in _UNSAFE) and not any(
            folder.glob("*.safetensors")
        ):
            raise EmbeddingError(
                f"{name} keeps weights as a pickle, which can run code",
                "choose a model with .safetensors files, or convert it",
            )


def _modules(name: str, path: Path) -> list[tuple[str, str]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        modules = [(str(row["type"]), str(row["path"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EmbeddingError(f"{name}: modules.json is damaged", "fetch the model again") from error
    root = path.parent.resolve()
    for _, folder in modules:
        # A hub's snapshot links its files elsewhere, but never its folders.
        if not (root / folder).resolve().is_relative_to(root):
            raise EmbeddingError(f"{name}: modules.json leads out of its folder", "do not use it")
    return modules


def _hash(path: Path) -> str:
    """A hash of everything in the folder that decides the vectors."""
    digest = hashlib.blake2b(digest_size=6)
    files = sorted(
        f for pattern in _FILES for f in path.rglob(pattern) if f.is_file() and f.name[0] != "."
    )
    try:
        for file in files:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
            with file.open("rb") as content:
                while block := content.read(_READ_AT_ONCE):
                    digest.update(block)
    except OSError as error:
        raise EmbeddingError(
            f"cannot read {error.filename}: {error.strerror}", "check it"
        ) from error
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
