"""Chat models got and kept: which are there, choosing one, removing one."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.errors import ModelError
from notesqa.llm.fetching import PART, Order, Progress, order, pull
from notesqa.llm.gguf import check_whole
from notesqa.llm.recommended import RECOMMENDED, Recommended, recommended

if TYPE_CHECKING:
    from notesqa.config import Home, LlmSettings

__all__ = [
    "RECOMMENDED",
    "WITHOUT_MODEL",
    "KeptModel",
    "Order",
    "Progress",
    "Recommended",
    "kept",
    "order",
    "pull",
    "recommended",
    "remove",
    "use",
]

WITHOUT_MODEL = "answers quote the notes; for composed ones: notesqa model list"
"""What a first run without a model says."""


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model file that is there.

    Attributes:
        name: what `use` and `remove` take.
        in_use: the settings name it.
        unfinished: only part of it has been fetched; `pull` goes on.
    """

    name: str
    path: Path
    size: int
    in_use: bool
    unfinished: bool = False


def kept(home: Home, settings: LlmSettings) -> list[KeptModel]:
    """The models that are there: those pulled, and the file that the settings name."""
    from notesqa.llm.llamacpp import locate

    used = None
    if settings.model and not settings.base_url:
        with contextlib.suppress(ModelError):  # the list is where to go from there
            used = locate(settings.model, home).absolute()
    found = [
        KeptModel(path.stem, path, path.stat().st_size, path.absolute() == used)
        for path in sorted(home.models.glob("*.gguf"))
    ]
    for path in sorted(home.models.glob(f"*{PART}")):
        name = path.name.partition(".gguf")[0]
        found.append(KeptModel(name, path, path.stat().st_size, False, unfinished=True))
    if used is not None and used.is_file() and not any(m.path.absolute() == used for m in found):
        found.append(KeptModel(str(used), used, used.stat().st_size, True))
    return found


def use(target: str, home: Home, *, server_model: str = "") -> str:
    """Set `[llm] model` or `base_url` in the home's settings.

    Args:
        target: a kept model's name, a GGUF file, or the URL of a server.
        server_model: with a URL, the model's name there.

    Returns:
        What is in use now, for people.

    Raises:
        ModelError: there is no such model, it is damaged, or the URL is no server's.
        ConfigError: the settings file cannot be edited.
    """
    from notesqa.llm.llamacpp import locate
    from notesqa.llm.settings_file import set_values

    if re.match(r"[a-z][a-z0-9+.-]+://", target, re.IGNORECASE):
        from notesqa.config import LlmSettings
        from notesqa.llm.openai import OpenAIChatModel

        OpenAIChatModel(LlmSettings(base_url=target)).close()
        set_values(home.settings_file, "llm", {"base_url": target, "model": server_model})
        return f"{server_model or 'the server’s model'} at {target}"
    path = locate(target, home)
    named = next((m for m in RECOMMENDED if m.name == target.lower()), None)
    if named and not path.is_file():
        path = home.models / named.file
        if not path.is_file():
            raise ModelError(f"{target} is not here yet", f"notesqa model pull {target}")
    check_whole(path)
    path = path.absolute()
    set_values(home.settings_file, "llm", {"base_url": "", "model": str(path)})
    return str(path)


def remove(name: str, home: Home, settings: LlmSettings) -> tuple[Path, ...]:
    """Delete a pulled model, unfinished parts included; a home that used it goes without.

    Raises:
        ModelError: no pulled model has this name; files elsewhere are the user's own.
    """
    from notesqa.llm.settings_file import set_values

    file = next((m.file for m in RECOMMENDED if m.name == name.lower()), None)
    stem = Path(file).stem if file else name.removesuffix(".gguf")
    gone = tuple(_removable(home.models, stem))
    if not gone:
        raise ModelError(
            f"no pulled model is called {name!r}",
            "see: notesqa model list; files elsewhere are yours to delete",
        )
    used = any(m.in_use and m.path in gone for m in kept(home, settings))
    for path in gone:
        try:
            path.unlink()
        except OSError as error:
            raise ModelError(
                f"cannot delete {path}: {error.strerror}", "check its rights"
            ) from error
    if used:
        set_values(home.settings_file, "llm", {"model": ""})
    return gone


def _removable(folder: Path, stem: str) -> Iterator[Path]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name == f"{stem}.gguf" or (
            path.name.startswith(f"{stem}.gguf.") and path.suffix == PART
        ):
            yield path
