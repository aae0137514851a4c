"""Chat models got and kept: which are there, fetching, choosing, removing.

Nothing is fetched unless the user asks for it by name. What the hub says of a file comes
through huggingface_hub; the bytes are fetched here, since its own download begins anew
after an interruption (huggingface_hub 2.4 deletes what it had), which on a slow line
means never to get a large model.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.errors import Cancelled, ModelError
from notesqa.llm.native import check_file

if TYPE_CHECKING:
    import httpx

    from notesqa.config import Home, LlmSettings

WITHOUT_MODEL = "answers quote the notes; for composed ones: notesqa model list"
"""What a first run without a model says."""


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model that is known to fit this use.

    Attributes:
        name: what `notesqa model pull` takes.
        size: bytes of the file.
        sha256: of the file; another one is refused.
        memory: bytes of memory to have free: the file, its context, and some room.
    """

    name: str
    repository: str
    file: str
    size: int
    sha256: str
    licence: str
    memory: int
    remark: str


# The vendor's own repositories on the hub, all under Apache-2.0, Chinese and English.
# Names, sizes and checksums looked up on 2026-11-21 in the search tools' copies of public
# repositories, each pair of size and SHA-256 in at least two independent ones; nothing
# was downloaded. Smallest first. Qwen2.5-3B is left out: its licence is not open.
RECOMMENDED: tuple[Recommended, ...] = (
    Recommended(
        "qwen2.5-0.5b",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "qwen2.5-0.5b-instruct-q4_k_m.gguf",
        491_400_032,
        "74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db",
        "Apache-2.0",
        1_200_000_000,
        "to try it out; weak answers",
    ),
    Recommended(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "qwen2.5-1.5b-instruct-q4_k_m.gguf",
        1_117_320_736,
        "6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
        "Apache-2.0",
        2_200_000_000,
        "for 4 GB machines",
    ),
    Recommended(
        "qwen3-1.7b",
        "Qwen/Qwen3-1.7B-GGUF",
        "Qwen3-1.7B-Q8_0.gguf",
        1_834_426_016,
        "061b54daade076b5d3362dac252678d17da8c68f07560be70818cace6590cb1a",
        "Apache-2.0",
        3_600_000_000,
        "for 6 GB machines",
    ),
    Recommended(
        "qwen3-4b",
        "Qwen/Qwen3-4B-GGUF",
        "Qwen3-4B-Q4_K_M.gguf",
        2_497_280_256,
        "7485fe6f11af29433bc51cab58009521f205840f5b4ae3a32fa7f92e8534fdf5",
        "Apache-2.0",
        4_500_000_000,
        "for 8 GB machines; a good first choice",
    ),
    Recommended(
        "qwen3-8b",
        "Qwen/Qwen3-8B-GGUF",
        "Qwen3-8B-Q4_K_M.gguf",
        5_027_783_488,
        "d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785",
        "Apache-2.0",
        7_500_000_000,
        "for 16 GB machines or a GPU",
    ),
)

_PART = ".part"
_DISK_ROOM = 64 << 20
_PIECE = 1 << 20
_TRIES = 5
_PAUSE = 1.0
_STALL_SECONDS = 30.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


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


@dataclass(frozen=True, slots=True)
class Order:
    """What a `pull` will fetch; shown to the user before it begins.

    Attributes:
        size: bytes of the whole file.
        fetched: bytes that an earlier try left.
        free: bytes free on the disk where it goes.
        sha256: what the file must have, or empty where the hub does not say.
    """

    name: str
    repository: str
    file: str
    url: str
    path: Path
    size: int
    fetched: int
    free: int
    sha256: str

    @property
    def part(self) -> Path:
        """Where the bytes gather until all are there; of another version, another file."""
        return self.path.with_name(f"{self.path.name}.{self.sha256[:12] or self.size}{_PART}")


Progress = Callable[[int, int], None]
"""Called with bytes done and in all."""


def recommended(memory: int) -> Recommended:
    """The best recommended model for `memory` bytes; the smallest when none fits."""
    fitting = [m for m in RECOMMENDED if m.memory <= memory]
    return fitting[-1] if fitting else RECOMMENDED[0]


def kept(home: Home, settings: LlmSettings) -> list[KeptModel]:
    """The models that are there: those pulled, and the file that the settings name."""
    from notesqa.llm.llamacpp import locate

    used = locate(settings.model, home).absolute() if settings.model else None
    if settings.base_url:
        used = None
    found = [
        KeptModel(path.stem, path, path.stat().st_size, path.absolute() == used)
        for path in sorted(home.models.glob("*.gguf"))
    ]
    for path in sorted(home.models.glob(f"*{_PART}")):
        name = path.name.partition(".gguf")[0]
        found.append(KeptModel(name, path, path.stat().st_size, False, unfinished=True))
    if used is not None and used.is_file() and not any(m.path.absolute() == used for m in found):
        found.append(KeptModel(str(used), used, used.stat().st_size, True))
    return found


# -- fetching -----------------------------------------------------------------------------


def order(name: str, home: Home) -> Order:
    """Ask the hub about a model.

    Args:
        name: of a recommended one, or `OWNER/REPOSITORY/FILE.gguf`.

    Raises:
        ModelError: unknown name, no connection, no such file, or not enough disk.
    """
    known = next((m for m in RECOMMENDED if m.name == name.lower()), None)
    if known:
        repository, file = known.repository, known.file
    else:
        owner, _, rest = name.partition("/")
        folder, _, file = rest.partition("/")
        repository = f"{owner}/{folder}"
        if not (owner and folder and file.endswith(".gguf")) or ".." in name or "\\" in name:
            raise ModelError(
                f"no recommended model is called {name!r}",
                "see: notesqa model list; or name OWNER/REPOSITORY/FILE.gguf",
            )
    url, size, etag = _asked(repository, file)
    sha256 = etag if _SHA256.fullmatch(etag) else ""
    if known and sha256 and sha256 != known.sha256:
        raise ModelError(
            f"{file} on the hub is not the one that is recommended (another checksum)",
            f"if you trust it: notesqa model pull {repository}/{file}",
        )
    sha256 = sha256 or (known.sha256 if known else "")
    folder_path = home.models
    _make(folder_path)
    path = folder_path / Path(file).name
    found = Order(
        known.name if known else path.stem, repository, file, url, path, size, 0,
        shutil.disk_usage(folder_path).free, sha256,
    )  # fmt: skip
    if found.part.is_file():
        found = Order(
            found.name, repository, file, url, path, size,
            min(found.part.stat().st_size, size), found.free, sha256,
        )  # fmt: skip
    missing = size - found.fetched
    if missing + _DISK_ROOM > found.free:
        raise ModelError(
            f"{file} needs {_shown(missing)} on the disk; {_shown(found.free)} are free",
            f"make room under {folder_path}, or set NOTESQA_DATA to another disk",
        )
    return found


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot make {folder}: {error.strerror}", "set NOTESQA_DATA to another folder"
        ) from error


def _asked(repository: str, file: str) -> tuple[str, int, str]:
    """Address, size and checksum of a file, from the hub."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
    )

    # Whichever HTTP library it uses, errors of the connection share this base.
    connection_error: type[BaseException] = HfHubHTTPError.__bases__[0]
    # The environment is asked anew: huggingface_hub reads it only when it is imported.
    endpoint = (os.environ.get("HF_ENDPOINT") or "").rstrip("/") or None
    try:
        url = hf_hub_url(repository, file, endpoint=endpoint)
        found = get_hf_file_metadata(url, endpoint=endpoint)
    except OfflineModeIsEnabled as error:
        raise ModelError("HF_HUB_OFFLINE forbids the hub", "unset it to pull a model") from error
    except HFValidationError as error:
        raise ModelError(
            f"{repository!r} is no name of a repository", "OWNER/REPOSITORY"
        ) from error
    except GatedRepoError as error:
        raise ModelError(
            f"{repository} is given only to those who agree to its terms",
            "agree on the hub and set HF_TOKEN, or choose another model",
        ) from error
    except (RepositoryNotFoundError, RemoteEntryNotFoundError) as error:
        raise ModelError(
            f"the hub has no {repository}/{file}", "check the name; see: notesqa model list"
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(f"the hub refuses: {error}", "try again later") from error
    except (connection_error, OSError) as error:
        raise ModelError(
            f"cannot reach the hub: {error}",
            "check the connection; a mirror: HF_ENDPOINT; without one: notesqa model use FILE",
        ) from error
    if not found.size:
        raise ModelError(f"the hub does not say how large {file} is", "try another mirror")
    return found.location, found.size, found.etag or ""


def pull(
    wanted: Order, on_progress: Progress | None = None, cancel: threading.Event | None = None
) -> Path:
    """Fetch a model; what an interruption left is gone on from.

    Raises:
        Cancelled: by `cancel`; what was fetched is kept.
        ModelError: the connection fails for good, the checksum is wrong, the disk is full.
    """
    there = wanted.path.is_file() and wanted.path.stat().st_size == wanted.size
    if there and wanted.sha256 in ("", _hashed(wanted.path, None, cancel)):
        return wanted.path
    try:
        _fetch(wanted, on_progress, cancel)
        _check(wanted, cancel)
        wanted.part.replace(wanted.path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise ModelError(
                f"the disk is full: {wanted.file} needs {_shown(wanted.size)}",
                "make room and pull again: it goes on where it stopped",
            ) from error
        raise ModelError(
            f"cannot write {wanted.path}: {error.strerror or error}", "check its rights"
        ) from error
    return wanted.path


def _fetch(wanted: Order, on_progress: Progress | None, cancel: threading.Event | None) -> None:
    import httpx

    timeout = httpx.Timeout(_STALL_SECONDS, connect=10.0)
    fruitless = 0
    with httpx.Client(timeout=timeout, follow_redirects=True) as client:
        while True:
            before = _size(wanted.part)
            if before >= wanted.size:
                return
            try:
                _fetch_once(client, wanted, before, on_progress, cancel)
                if _size(wanted.part) >= wanted.size:
                    return
                reason = "the connection was cut"
            except httpx.HTTPStatusError as error:
                code = error.response.status_code
                if code < 500 and code not in (408, 425, 429):
                    raise ModelError(
                        f"the hub refuses the file ({code})", "pull again: the address may be old"
                    ) from error
                reason = f"the hub failed ({code})"
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            fruitless = 0 if _size(wanted.part) > before else fruitless + 1
            if fruitless >= _TRIES:
                raise ModelError(
                    f"{wanted.file} cannot be fetched: {reason}",
                    "pull again: it goes on where it stopped",
                )
            _pause(_PAUSE * 2**fruitless, cancel)


def _fetch_once(
    client: httpx.Client,
    wanted: Order,
    start: int,
    on_progress: Progress | None,
    cancel: threading.Event | None,
) -> None:
    headers = {"Accept-Encoding": "identity", **_credentials(wanted.url)}
    if start:
        headers["Range"] = f"bytes={start}-"
    with client.stream("GET", wanted.url, headers=headers) as response:
        if response.status_code == 416:
            wanted.part.unlink()  # it holds more than there is: begin anew
            return
        response.raise_for_status()
        resumed = response.status_code == 206 and response.headers.get(
            "content-range", ""
        ).startswith(f"bytes {start}-")
        done = start if resumed else 0
        with wanted.part.open("ab" if resumed else "wb") as file:
            # As it comes: what a buffer still held when the line is cut would be lost.
            for piece in response.iter_raw():
                _stop_if(cancel)
                if done + len(piece) > wanted.size:
                    raise ModelError(
                        f"the hub sends more than {wanted.file} should hold", "try another mirror"
                    )
                file.write(piece)
                done += len(piece)
                if on_progress is not None:
                    on_progress(done, wanted.size)
            file.flush()
            os.fsync(file.fileno())


def _credentials(url: str) -> dict[str, str]:
    """The user's token for the hub itself, never for the servers it sends to."""
    import httpx
    from huggingface_hub import constants, get_token

    endpoint = httpx.URL(os.environ.get("HF_ENDPOINT") or constants.ENDPOINT)
    token = get_token()
    if token and httpx.URL(url).host == endpoint.host:
        return {"Authorization": f"Bearer {token}"}
    return {}


def _check(wanted: Order, cancel: threading.Event | None) -> None:
    if wanted.sha256 and _hashed(wanted.part, wanted.size, cancel) != wanted.sha256:
        wanted.part.unlink()
        raise ModelError(
            f"{wanted.file} arrived damaged (wrong checksum) and was deleted",
            "pull again, or from another mirror: HF_ENDPOINT",
        )
    try:
        check_file(wanted.part)
    except ModelError as error:
        wanted.part.unlink()
        raise ModelError(f"{wanted.file} is no GGUF file", "choose another file") from error


def _hashed(path: Path, size: int | None, cancel: threading.Event | None) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            _stop_if(cancel)
            digest.update(piece)
    return digest.hexdigest() if size is None or path.stat().st_size == size else ""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise Cancelled("stopped; what was fetched is kept", "pull again to go on")


def _pause(seconds: float, cancel: threading.Event | None) -> None:
    if cancel is None:
        time.sleep(seconds)
    else:
        cancel.wait(seconds)
    _stop_if(cancel)


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


# -- choosing and removing ----------------------------------------------------------------


def use(target: str, home: Home, *, server_model: str = "") -> str:
    """Set `[llm] model` or `base_url` in the home's settings.

    Args:
        target: a kept model's name, a GGUF file, or the URL of a server.
        server_model: with a URL, the model's name there.

    Returns:
        What is in use now, for people.

    Raises:
        ModelError: there is no such model.
        ConfigError: the settings file cannot be edited.
    """
    from notesqa.llm.llamacpp import locate
    from notesqa.llm.settings_file import set_values

    if re.match(r"https?://", target):
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
    check_file(path)
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
            path.name.startswith(f"{stem}.gguf.") and path.suffix == _PART
        ):
            yield path
