"""Whether the corpus has changed since it was last looked at."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path


def signature(folder: Path) -> int:
    """A number that changes when a file below `folder` comes, goes or is written.

    The same in every process. Nothing is opened; what cannot be listed counts for nothing.
    """
    entries: list[tuple[str, int, int]] = []
    folders = [str(folder)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    stat = entry.stat()
                    entries.append((entry.path, stat.st_mtime_ns, stat.st_size))
    known = repr(sorted(entries)).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(known, digest_size=6).digest())
