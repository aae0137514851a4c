"""A home, where everything lives, and the settings of its `notesqa.toml`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notesqa.errors import ConfigError

SETTINGS_FILE = "notesqa.toml"
_MAX_SETTINGS_BYTES = 1 << 20
_LEAST = {"chunking.tokens": 32, "retrieval.k": 1, "llm.max_answer_tokens": 1, "llm.gpu_layers": -1}
"""The smallest value of each number that is not 0."""
_MOST = {"retrieval.k": 1000, "llm.threads": 1024, "llm.context_tokens": 100_000_000}
_MOST_ELSE = 1_000_000
"""The greatest value of a number: beyond it memory or time run out before anything is seen."""
_CHOICES = {"tui.formulas": ("auto", "kitty", "iterm", "sixel", "unicode")}


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with `corpus/`, `index/`, `prompts/` and perhaps `notesqa.toml`."""

    path: Path

    @property
    def corpus(self) -> Path:
        """The notes."""
        return self.path / "corpus"

    @property
    def index(self) -> Path:
        """What is derived from the notes; may be deleted at any time."""
        return self.path / "index"

    @property
    def prompts(self) -> Path:
        """Prompt templates that the user has edited."""
        return self.path / "prompts"

    @property
    def models(self) -> Path:
        """Chat models that the user has pulled; shared by all homes."""
        return data_folder() / "models"

    @property
    def settings_file(self) -> Path:
        """`notesqa.toml`; need not exist."""
        return self.path / SETTINGS_FILE

    @classmethod
    def find(
        cls,
        home: str | os.PathLike[str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Home:
        """The home to use.

        In this order: `home`, the variable `NOTESQA_HOME`, the nearest parent of
        `cwd` that has a `corpus/` folder, the user's data folder (made if absent).

        Raises:
            ConfigError: a home was named and is missing or is no folder.
        """
        environ = os.environ if environ is None else environ
        if home is not None:
            return cls._named(os.fspath(home), "--home")
        if named := environ.get("NOTESQA_HOME"):
            return cls._named(named, "NOTESQA_HOME")
        for folder in _upwards(cwd):
            if (folder / "corpus").is_dir():
                return cls(folder)
        path = data_folder() / "home"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot make the home {path}: {error.strerror}", "name another with --home"
            ) from error
        return cls(path)

    @classmethod
    def _named(cls, named: str, origin: str) -> Home:
        if not named:
            raise ConfigError("the name of the home is empty", f"correct {origin}")
        try:
            path = Path(named).expanduser()
            if path.is_dir():
                path = path.resolve()
                str(path).encode()  # the engines take no other names
                return cls(path)
            there = path.exists()
        except UnicodeEncodeError as error:
            raise ConfigError(
                f"the home {named}: its path is not UTF-8", "rename it, or name another"
            ) from error
        except (OSError, RuntimeError, ValueError) as error:
            # RuntimeError: `~somebody` who is not known here.
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"the home {named}: {reason}", f"correct {origin}") from error
        if there:
            raise ConfigError(f"the home {path} is not a folder", f"correct {origin}")
        raise ConfigError(
            f"the home {path} does not exist",
            f"make it first (mkdir -p {path}) or correct {origin}",
        )


def _upwards(cwd: Path | None) -> tuple[Path, ...]:
    """The working folder and those above it; none when it has been deleted."""
    try:
        start = (cwd or Path.cwd()).resolve()
    except OSError:
        return ()
    return (start, *start.parents)


def data_folder() -> Path:
    """The user's data folder for notesqa (`NOTESQA_DATA` overrides it)."""
    if named := os.environ.get("NOTESQA_DATA"):
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("notesqa", appauthor=False))


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """`[embedding]`: `model` is `builtin` or a sentence-transformers name or path."""

    model: str = "builtin"
    query_prompt: str = ""
    passage_prompt: str = ""
    dimensions: int = 0
    batch_size: int = 0
    device: str = ""
    allow_download: bool = False


@dataclass(frozen=True, slots=True)
class ChunkingSettings:
    """`[chunking]`: sizes in tokens of the embedder."""

    tokens: int = 320


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """`[retrieval]`: `reranker` is a CrossEncoder's name or path, or empty."""

    k: int = 8
    reranker: str = ""


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """`[llm]`: `model` is a GGUF file; with `base_url` it is the server's model name."""

    model: str = ""
    base_url: str = ""
    context_tokens: int = 0
    threads: int = 0
    gpu_layers: int = -1
    max_answer_tokens: int = 768
    temperature: float = 0.0
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class TuiSettings:
    """`[tui]`: theme name, language (`zh`, `en` or by the locale), `[tui.keys]`: action to key.

    `formulas` says how display formulas are shown: as pictures where the terminal is
    found to take them, as pictures by one protocol in any case, or in Unicode.
    """

    theme: str = "transmission-dark"
    language: str = ""
    formulas: str = "auto"
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `notesqa.toml` can say."""

    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    chunking: ChunkingSettings = field(default_factory=ChunkingSettings)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    tui: TuiSettings = field(default_factory=TuiSettings)

    @classmethod
    def load(cls, home: Home) -> Settings:
        """Read the home's `notesqa.toml`, or the defaults where there is none.

        Raises:
            ConfigError: unreadable, no TOML, or an unknown key or a value of the
                wrong type; the nearest known key is offered.
        """
        path = home.settings_file
        try:
            if not path.exists():
                if path.is_symlink():
                    raise ConfigError(
                        f"{path} is a link that leads nowhere", "correct or remove it"
                    )
                return cls()
            if not path.is_file() and not path.is_dir():
                # A pipe or a device might be read for ever.
                raise ConfigError(f"{path} is not a regular file", "write the settings into one")
            if path.stat().st_size > _MAX_SETTINGS_BYTES:
                raise ConfigError(f"{path} is too large for a settings file", "see the README")
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise ConfigError(
                f"cannot read {path}: {error.strerror}", "check its rights"
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8", "save it as UTF-8") from error
        settings: Settings = _build(cls, _parsed(text, path), "", path)
        return settings


def _parsed(text: str, path: Path) -> Mapping[str, Any]:
    import tomllib  # most homes have no settings file

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct that line") from error


def _build(cls: type[Any], raw: Mapping[str, Any], prefix: str, path: Path) -> Any:
    known = {f.name: f for f in dataclasses.fields(cls)}
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key not in known:
            import difflib

            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            offer = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"{path}: unknown key {prefix}{key}", offer)
        default = _default(known[key])
        if dataclasses.is_dataclass(default):
            if not isinstance(value, Mapping):
                raise ConfigError(f"{path}: {prefix}{key} must be a table", f"write [{key}]")
            values[key] = _build(type(default), value, f"{prefix}{key}.", path)
        else:
            values[key] = _checked(default, value, f"{prefix}{key}", path)
    return cls(**values)


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return f.default


def _checked(default: Any, value: Any, name: str, path: Path) -> Any:
    if isinstance(default, Mapping):
        if isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values()):
            return dict(value)
        raise ConfigError(f"{path}: {name} must map names to strings", 'write e.g. ask = "ctrl+g"')
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        kind = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
        raise ConfigError(f"{path}: {name} must be {kind[type(default)]}", f"it is {value!r}")
    if (known := _CHOICES.get(name)) and value not in known:
        raise ConfigError(f"{path}: {name} must be one of {', '.join(known)}", f"it is {value!r}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = _LEAST.get(name, 0)
        if not value >= least:  # nor is "not a number"
            raise ConfigError(f"{path}: {name} must be at least {least}", f"it is {value!r}")
        most = _MOST.get(name, _MOST_ELSE)
        if value > most:
            raise ConfigError(f"{path}: {name} must be at most {most}", f"it is {value!r}")
    return value
