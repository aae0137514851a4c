"""A process of its own for the tests: rebuild or search a home with the fake embedder.

python -m tests.rebuild HOME [kill-after N | search QUERY]
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from unittest import mock

from notesqa.api import Notes
from notesqa.config import Home, Settings
from notesqa.errors import NotesqaError
from tests.fakes import BigramEmbedder


def main(home: str, action: str = "", value: str = "") -> int:
    embedder = BigramEmbedder()

    def before_batch(done: int) -> None:
        if action == "kill-after" and done >= int(value):
            os.kill(os.getpid(), signal.SIGKILL)

    embedder.before_batch = before_batch
    fake = mock.patch("notesqa.retrieval.retriever.open_embedder", lambda _settings: embedder)
    with fake, Notes(Home(Path(home)), Settings()) as notes:
        try:
            if action == "search":
                for passage in notes.search(value):
                    print("found", passage.source)
                return 0
            report = notes.index()
        except NotesqaError as error:
            print(error)
            return 3
        print("documents", report.documents)
        for source, reason in report.unread:
            print(f"unread {source}: {reason}")
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main(*sys.argv[1:]))
