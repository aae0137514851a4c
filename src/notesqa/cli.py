"""The command line: its commands and their exit codes.

stdout is data, stderr is everything else. Exit codes: 0 done, 1 the notes do not
say (ask) or nothing was found (search), 2 usage, 3 an error with one line and a
hint, 4 the notes are quoted because the chat model fails (ask), 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from notesqa.cli_arguments import (
    FAILED,
    INTERRUPTED,
    NOTHING,
    OK,
    QUOTED,
    USAGE,
    complain,
    drop,
    parse,
)
from notesqa.cli_output import (
    answer_record,
    one_line,
    passage_record,
    print_answer,
    print_json,
    print_passage,
    print_report,
    print_status,
    report_record,
    status_record,
)
from notesqa.config import Home, Settings
from notesqa.errors import Cancelled, ModelError, NotesqaError

if TYPE_CHECKING:
    from notesqa.api import Notes
    from notesqa.records import Answer
    from notesqa.reports import IndexEvent, IndexReport


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    _ready_streams()
    try:
        args = parse(argv)
        run = _COMMANDS[args.command]
        home = Home.find(args.home)
        code = run(args, home, Settings.load(home))
        # Here, where a reader that has gone is still told from an error.
        sys.stdout.flush()
        return code
    except Cancelled as stop:
        _say_error(stop)
        return INTERRUPTED
    except NotesqaError as error:
        _say_error(error)
        return FAILED
    except KeyboardInterrupt:
        print("notesqa: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has what it wanted (head, less): that is no error of ours.
        _drop_output()
        return OK
    except OSError as error:
        # What is not mapped where it enters is the output itself: a full disk, say.
        _drop_output()
        place = f"{error.filename}: " if error.filename else "cannot go on: "
        _say_error(NotesqaError(f"{place}{error.strerror or error}"))
        return FAILED


def _ready_streams() -> None:
    # Closed ones (`>&-`) are none at all to Python: what is said to them goes nowhere, and
    # nothing comes from them.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    # A Chinese answer must come out whole whatever the locale says.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that the exit does not try again."""
    drop(sys.stdout)


def _say_error(error: NotesqaError) -> None:
    hint = f"\n  hint: {one_line(error.hint)}" if error.hint else ""
    complain(f"notesqa: {one_line(error.message)}{hint}")


def _open(home: Home, settings: Settings) -> Notes:
    from notesqa.api import Notes

    return Notes.open(home, settings=settings)


# -- terminal UI -----------------------------------------------------------------------


def _tui(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print(
            "notesqa: the terminal UI needs a terminal\n"
            '  hint: ask from a script with: notesqa ask "…"',
            file=sys.stderr,
        )
        return USAGE
    from notesqa.tui import run

    return run(home, settings)


def _serve(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.tui import serve

    return serve(home, settings, port=args.port)


# -- ask -------------------------------------------------------------------------------


def _given(text: str) -> str:
    """A question or query: of `-` what comes in, its lines as one."""
    if text != "-":
        return text
    raw = sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read().encode()
    return " ".join(raw.decode("utf-8", "replace").split())


def _ask(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    args.question = _given(args.question)
    cancel = threading.Event()
    live = sys.stdout.isatty() and not args.json
    chosen = bool(settings.llm.model or settings.llm.base_url)
    if args.llm and not chosen:
        raise NotesqaError("no chat model is chosen", "see: notesqa model list")
    uses_model = chosen and not args.no_llm
    quoted_instead = False
    with _open(home, settings) as notes:
        _first_index(notes, args)
        with _stoppable(cancel) if uses_model else nullcontext():
            try:
                answer = _answer(notes, args, cancel, llm=uses_model, live=live)
            except ModelError as error:
                if args.llm or cancel.is_set():
                    raise
                # Quoting needs no model. Which of the two it is tells the exit code, too.
                hint = "; ".join(filter(None, (error.hint, _QUOTED)))
                _say_error(ModelError(error.message, hint))
                uses_model, quoted_instead = False, True
                answer = _answer(notes, args, cancel, llm=False, live=live)
        if args.json:
            print_json(answer_record(answer))
        else:
            print_answer(answer)
            if not args.quiet and not chosen and not args.no_llm and live:
                print(
                    "(quoted from the notes; for a composed answer: notesqa model list)",
                    file=sys.stderr,
                )
    if answer.stopped:
        return INTERRUPTED
    if answer.refused:
        return NOTHING
    return QUOTED if quoted_instead else OK


_QUOTED = "the answer is quoted from the notes instead"


def _answer(
    notes: Notes, args: argparse.Namespace, cancel: threading.Event, *, llm: bool, live: bool
) -> Answer:
    """The whole answer; what a model writes is shown as it comes, where it is seen `live`.

    Raises:
        NotesqaError: as `Notes.stream`.
    """
    from notesqa.answering import Delta, Finished, Found
    from notesqa.cli_terminal import Draft

    llm_settings = notes.settings.llm
    models = [llm_settings.model] if llm and not llm_settings.base_url else []
    with Draft(seen=live and llm) as draft, ExitStack() as until_found:
        until_found.enter_context(_loading(args, notes.settings, *models))
        for event in notes.stream(args.question, k=args.k, llm=llm, cancel=cancel):
            if isinstance(event, Found):
                until_found.close()
                if llm and not args.quiet:
                    _remark_on_model(notes)
                    # A model on a slow machine reads for long before it writes.
                    draft.wait("waiting for the chat model … (Ctrl-C quotes the notes)")
            elif isinstance(event, Delta):
                draft.add(event.text)
            elif isinstance(event, Finished):
                return event.answer
    raise NotesqaError("the answer did not come to its end", "ask again")


@contextmanager
def _loading(args: argparse.Namespace, settings: Settings, *models: str) -> Iterator[None]:
    """Say on a terminal which models are loaded, for as long as nothing else is to be seen."""
    names = [settings.embedding.model, *models]
    named = ", ".join(one_line(name) for name in names if name not in ("", "builtin"))
    if not named or args.quiet or not sys.stderr.isatty():
        yield
        return
    print(f"loading {named} …", end="", file=sys.stderr, flush=True)
    try:
        yield
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _remark_on_model(notes: Notes) -> None:
    """Say on stderr what the user should know of the chat model, which is loaded by now."""
    from notesqa.llm import remark

    model = notes.chat_model()
    if model is not None and (said := remark(model)):
        print(f"notesqa: {one_line(said)}", file=sys.stderr)


# -- search -----------------------------------------------------------------------------


def _search(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    args.query = _given(args.query)
    if not args.query.strip():
        raise NotesqaError("the query is empty", 'look for something: notesqa search "…"')
    with _open(home, settings) as notes:
        _first_index(notes, args)
        with _loading(args, settings):
            passages = notes.search(
                args.query,
                args.k,
                sources=args.source,
                tags=args.tag,
                after=args.after,
                before=args.before,
            )
        if args.json:
            print_json([passage_record(p) for p in passages])
        else:
            for passage in passages:
                print_passage(passage, args.query, notes, explain=args.explain)
    if not passages and not args.json and not args.quiet:
        print("nothing found", file=sys.stderr)
    return OK if passages else NOTHING


# -- index ------------------------------------------------------------------------------


def _check_corpus(home: Home) -> None:
    """Tell a file where the folder of the notes should be.

    Raises:
        NotesqaError: there is one.
    """
    if home.corpus.exists() and not home.corpus.is_dir():
        raise NotesqaError(
            f"{home.corpus} is not a folder", "move it away: the notes are kept in that folder"
        )


def _index(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    _check_corpus(home)
    if not home.corpus.is_dir() and not args.paths:
        raise NotesqaError(
            f"there is no corpus in {home.path}",
            "add notes: notesqa index FILE…, or name the home: --home DIR",
        )
    with _open(home, settings) as notes:
        report = _rebuild(notes, args, args.paths, full=args.full)
        if args.json:
            print_json(report_record(report))
        elif not args.quiet:
            print_report(report)
    if report.failed:
        return FAILED
    return OK


def _first_index(notes: Notes, args: argparse.Namespace) -> None:
    """Build the index where there is none yet and there are notes to build it from."""
    if notes.is_indexed():
        return
    _check_corpus(notes.home)
    if not notes.home.corpus.is_dir() or not any(notes.home.corpus.iterdir()):
        raise NotesqaError(
            f"there are no notes in {notes.home.corpus}", "add some: notesqa index FILE…"
        )
    _rebuild(notes, args, ())


def _rebuild(
    notes: Notes, args: argparse.Namespace, paths: Sequence[str], *, full: bool = False
) -> IndexReport:
    cancel = threading.Event()
    with _stoppable(cancel):
        if sys.stderr.isatty() and not args.quiet:
            return _with_progress(notes, paths, full=full, cancel=cancel)
        return notes.index(paths, full=full, cancel=cancel)


@contextmanager
def _stoppable(cancel: threading.Event) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the work at its next step; a second one ends it where it is."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Who started us with one of them ignored (nohup, a script's background) wants it ignored.
    mine = [n for n, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, before[number])


_STAGES = {
    "scan": "reading notes",
    "read": "cutting passages",
    "embed": "embedding",
    "commit": "committing",
    "follow": "indexing",
    "tidy": "giving back space",
}


def _with_progress(
    notes: Notes, paths: Sequence[str], *, full: bool, cancel: threading.Event
) -> IndexReport:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(_STAGES["scan"], total=None)

        def show(event: IndexEvent) -> None:
            bar.update(
                task,
                description=_STAGES[event.stage],
                completed=event.done,
                total=event.total or None,
            )

        return notes.index(paths, full=full, on_event=show, cancel=cancel)


# -- status and doctor --------------------------------------------------------------------


def _status(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    with _open(home, settings) as notes:
        status = notes.status()
    if args.json:
        print_json(status_record(status))
    else:
        print_status(status)
    return OK


def _doctor(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.diagnosis import diagnose

    checks = diagnose(home, settings)
    if args.json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            mark = {"ok": "ok ", "warning": "?  ", "problem": "!! "}[check.state]
            print(f"{mark} {check.name:<12} {one_line(check.detail)}")
            if check.hint:
                print(f"    hint: {one_line(check.hint)}")
    return FAILED if any(check.state == "problem" for check in checks) else OK


# -- eval ------------------------------------------------------------------------------------


def _eval(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.evaluation import evaluate, load_questions, table

    questions = load_questions(args.files)
    with _open(home, settings) as notes:
        _first_index(notes, args)
        report = evaluate(notes, questions, llm=args.llm, progress=_ticker(args, "asked"))
    if args.json:
        print_json(report.record())
    else:
        print(table(report))
    return OK


def _ticker(args: argparse.Namespace, word: str) -> Callable[[int, int], None] | None:
    if args.quiet or not sys.stderr.isatty():
        return None

    def tick(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        print(f"\r{word} {done} of {total}", end=end, file=sys.stderr, flush=True)

    return tick


# -- model -----------------------------------------------------------------------------------


def _model(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.cli_models import run_model_command

    return run_model_command(args, home, settings)


_COMMANDS: dict[str | None, Callable[[argparse.Namespace, Home, Settings], int]] = {
    None: _tui,
    "ask": _ask,
    "search": _search,
    "index": _index,
    "status": _status,
    "doctor": _doctor,
    "eval": _eval,
    "model": _model,
    "serve": _serve,
}


if __name__ == "__main__":
    sys.exit(main())
