"""`notesqa model`: chat models listed, fetched, chosen and removed."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from notesqa.llm.machine import available_memory
from notesqa.llm.store import (
    RECOMMENDED,
    Order,
    kept,
    order,
    pull,
    recommended,
    remove,
    use,
)

if TYPE_CHECKING:
    from notesqa.config import Home, Settings


def run_model_command(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    """Carry out `notesqa model ACTION [NAME]`; returns the exit code.

    Raises:
        ModelError: as the store does.
    """
    if args.action == "list":
        _list(args, home, settings)
        return 0
    if args.action == "use":
        _say(args, {"in_use": use(args.name, home, server_model=args.server_model)}, "in use: {}")
    elif args.action == "remove":
        gone = [str(path) for path in remove(args.name, home, settings.llm)]
        _say(args, {"removed": gone}, "removed: {}")
    else:
        _pull(args, home)
    return 0


def _say(args: argparse.Namespace, record: dict[str, Any], words: str) -> None:
    if args.json:
        print(json.dumps(record, ensure_ascii=False, indent=2))
    else:
        for value in record.values():
            print(words.format(", ".join(value) if isinstance(value, list) else value))


def _list(args: argparse.Namespace, home: Home, settings: Settings) -> None:
    models = kept(home, settings.llm)
    memory = available_memory()
    if args.json:
        record = {
            "kept": [{**asdict(m), "path": str(m.path)} for m in models],
            "server": settings.llm.base_url,
            "recommended": [asdict(m) for m in RECOMMENDED],
            "fits": recommended(memory).name,
        }
        print(json.dumps(record, ensure_ascii=False, indent=2))
        return
    if settings.llm.base_url:
        print(f"in use: {settings.llm.model or 'the server’s model'} at {settings.llm.base_url}")
    if models:
        print("here:")
        for model in models:
            mark = "*" if model.in_use else " "
            state = "  (unfinished: pull it again to go on)" if model.unfinished else ""
            print(f" {mark} {model.name}  {_size(model.size)}{state}")
    else:
        print("here: none yet; answers quote the notes")
    fits = recommended(memory).name
    print(f"\nrecommended ({_size(memory)} of memory free here: {fits}):")
    for wanted in RECOMMENDED:
        mark = ">" if wanted.name == fits else " "
        print(
            f" {mark} {wanted.name:<14} {_size(wanted.size):>9}, needs {_size(wanted.memory):>9}"
            f"  {wanted.licence}  {wanted.remark}"
        )
    print("\nfetch and choose one:  notesqa model pull NAME && notesqa model use NAME")
    print("a file or a server:    notesqa model use FILE.gguf | http://127.0.0.1:8080/v1")


def _pull(args: argparse.Namespace, home: Home) -> None:
    wanted = order(args.name, home)
    if not args.quiet:
        print(
            f"{wanted.repository}/{wanted.file}: {_size(wanted.size)}"
            + (f", {_size(wanted.fetched)} are here already" if wanted.fetched else "")
            + f"; {_size(wanted.free)} free",
            file=sys.stderr,
        )
    cancel = threading.Event()
    previous = signal.signal(signal.SIGINT, lambda *_: cancel.set())
    try:
        path = _with_progress(wanted, cancel) if _live(args) else pull(wanted, cancel=cancel)
    finally:
        signal.signal(signal.SIGINT, previous)
    _say(args, {"path": str(path)}, "{}")
    if not args.quiet:
        print(f"use it: notesqa model use {wanted.name}", file=sys.stderr)


def _live(args: argparse.Namespace) -> bool:
    return sys.stderr.isatty() and not args.quiet


def _with_progress(wanted: Order, cancel: threading.Event) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with Progress(
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=wanted.size, completed=wanted.fetched)
        return pull(
            wanted, lambda done, total: bar.update(task, completed=done, total=total), cancel
        )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
