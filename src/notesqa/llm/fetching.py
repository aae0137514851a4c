"""Fetching a chat model from the hub, because the user asked for it by name.

What the hub says of a file comes through huggingface_hub; the bytes are fetched here,
since its own download begins anew after an interruption (huggingface_hub 2.4 deletes
what it had), which on a slow line means never to get a large model.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.errors import Cancelled, ModelError
from notesqa.llm.native import check_file
from notesqa.llm.recommended import RECOMMENDED

if TYPE_CHECKING:
    import httpx

    from notesqa.config import Home

PART = ".part"
_DISK_ROOM = 64 << 20
_PIECE = 1 << 20
_TRIES = 5
_PAUSE = 1.0
_STALL_SECONDS = 30.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


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
        return self.path.with_name(f"{self.path.name}.{self.sha256[:12] or self.size}{PART}")


Progress = Callable[[int, int], None]
"""Called with bytes done and in all."""


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
    found = Order(
        name=known.name if known else Path(file).stem,
        repository=repository,
        file=file,
        url=url,
        path=folder_path / Path(file).name,
        size=size,
        fetched=0,
        free=shutil.disk_usage(folder_path).free,
        sha256=sha256,
    )
    found = replace(found, fetched=min(_size(found.part), size))
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
