"""The command line: arguments, exit codes, and what is printed.

stdout is data, stderr is everything else. Exit codes: 0 done, 1 the notes do not
say (ask) or nothing was found (search), 2 usage, 3 an error with one line and a
hint, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from notesqa import __version__
from notesqa.config import Home, Settings
from notesqa.errors import Cancelled, NotesqaError

if TYPE_CHECKING:
    from notesqa.api import Notes, Status
    from notesqa.records import Answer, Citation, Passage
    from notesqa.reports import IndexEvent, IndexReport

OK, NOTHING, USAGE, FAILED, INTERRUPTED = 0, 1, 2, 3, 130


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line rather than with the whole usage."""

    def error(self, message: str) -> NoReturn:
        print(f"notesqa: {message} (see: {self.prog} --help)", file=sys.stderr)
        raise SystemExit(USAGE)


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value} is not between 1 and 1000")
    return value


def _words(text: str) -> str:
    """An argument as UTF-8, also where the locale took its bytes for something else."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="notesqa",
        description="Ask your own machine-learning notes. Without a command: the terminal UI.",
        epilog="""examples:
  notesqa                                     open the terminal UI
  notesqa index ~/Downloads/transmission*.txt add transmissions, rebuild what changed
  notesqa ask "DDIM 为什么比 DDPM 快"          a cited answer, or: the notes do not say
  notesqa search "anchor free" -k 3           the passages themselves
  notesqa status                              what is indexed, what could not be read

exit codes: 0 done; 1 the notes do not say, or nothing found; 2 usage; 3 error; 130 interrupted""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"notesqa {__version__}")
    _global_options(parser, default=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, summary: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _global_options(sub, default=argparse.SUPPRESS)
        return sub

    def json_option(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--json", action="store_true", help="print JSON")

    def filters(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--source", action="append", default=[], metavar="GLOB", help="only these files"
        )
        sub.add_argument(
            "--tag", action="append", default=[], metavar="TAG", help="only notes with this tag"
        )
        sub.add_argument("--after", metavar="DATE", help="only notes of this day or later")
        sub.add_argument("--before", metavar="DATE", help="only notes of this day or earlier")

    ask = command(
        "ask",
        "answer a question from the notes, every sentence cited",
        '  notesqa ask "L1 正则化等价于什么先验?"\n'
        '  notesqa ask "what is a receptive field" --no-llm\n'
        '  notesqa ask "mAP 怎么算" --json | jq .answer',
    )
    ask.add_argument("question", type=_words, help="the question, in quotes")
    ask.add_argument(
        "-k",
        type=_count,
        default=None,
        metavar="N",
        help="passages to answer from (retrieval.k of notesqa.toml, else 8)",
    )
    ask.add_argument("--no-llm", action="store_true", help="quote the notes, without the model")
    json_option(ask)

    search = command(
        "search",
        "find the passages that answer",
        '  notesqa search "感受野" -k 3\n'
        '  notesqa search "diffusion" --source "*.md" --after 2024-01-01\n'
        '  notesqa search "重参数" --explain',
    )
    search.add_argument("query", type=_words, help="question or keywords, in quotes")
    search.add_argument(
        "-k",
        type=_count,
        default=None,
        metavar="N",
        help="how many passages (retrieval.k of notesqa.toml, else 8)",
    )
    search.add_argument("--explain", action="store_true", help="show what makes up each score")
    filters(search)
    json_option(search)

    index = command(
        "index",
        "add notes, if any are named, and rebuild what changed",
        "  notesqa index\n  notesqa index ~/transmissions/*.txt notes/\n  notesqa index --full",
    )
    index.add_argument("paths", nargs="*", metavar="PATH", help="files or folders to copy in")
    index.add_argument("--full", action="store_true", help="read and chunk everything anew")
    json_option(index)

    json_option(command("status", "say what the index holds", "  notesqa status --json"))
    json_option(command("doctor", "check the installation and the index", "  notesqa doctor"))

    evaluate = command(
        "eval",
        "measure retrieval, answers and refusals on question files",
        "  notesqa eval benchmarks/questions/*.jsonl\n  notesqa eval mine.jsonl --json",
    )
    evaluate.add_argument("files", nargs="+", metavar="FILE.jsonl")
    evaluate.add_argument("--llm", action="store_true", help="answer with the chat model")
    json_option(evaluate)

    model = command(
        "model",
        "list, choose, fetch or remove chat models",
        "  notesqa model list\n"
        "  notesqa model pull qwen3-4b\n"
        "  notesqa model use ~/models/some-instruct.gguf\n"
        "  notesqa model remove qwen3-4b",
    )
    model.add_argument("action", choices=["list", "use", "pull", "remove"])
    model.add_argument("name", nargs="?", help="a name of the list, a GGUF file, or a server's URL")
    model.add_argument("--server-model", default="", help="with a URL: the model's name there")
    json_option(model)

    serve = command(
        "serve", "show the terminal UI in a browser, on this machine only", "  notesqa serve"
    )
    serve.add_argument("--port", type=int, default=8765, metavar="PORT", help="port (8765)")
    return parser


def _global_options(parser: argparse.ArgumentParser, *, default: Any) -> None:
    parser.add_argument(
        "--home", default=default, metavar="DIR", help="folder with corpus/ and index/"
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        default=default if default is argparse.SUPPRESS else False,
        help="no progress and no remarks",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    # A Chinese answer must come out whole whatever the locale says.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    args = _parser().parse_args(argv)
    run = _COMMANDS[args.command]
    try:
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


def _drop_output() -> None:
    """Let what is still buffered go nowhere, so that the exit does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say_error(error: NotesqaError) -> None:
    print(f"notesqa: {_one_line(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  hint: {_one_line(error.hint)}", file=sys.stderr)


def _one_line(text: str) -> str:
    from notesqa.text.terminal import safe

    return " ".join(safe(text, newlines=False).split())


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


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


def _ask(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.answering import Delta, Finished, Found

    cancel = threading.Event()
    live = sys.stdout.isatty() and not args.json
    with _open(home, settings) as notes:
        _first_index(notes, args)
        uses_model = bool(settings.llm.model or settings.llm.base_url) and not args.no_llm
        previous = signal.signal(signal.SIGINT, _stopper(cancel)) if uses_model else None
        answer = None
        try:
            for event in notes.stream(args.question, k=args.k, llm=not args.no_llm, cancel=cancel):
                if isinstance(event, Found) and uses_model and not args.quiet:
                    _remark_on_model(notes)
                elif isinstance(event, Delta) and live and uses_model:
                    print(_shown(event.text), end="", flush=True)
                elif isinstance(event, Finished):
                    answer = event.answer
        finally:
            if previous is not None:
                signal.signal(signal.SIGINT, previous)
        if answer is None:
            raise NotesqaError("the answer did not come to its end", "ask again")
        if args.json:
            _print_json(answer_record(answer))
        else:
            if live and uses_model and not answer.refused:
                print("\n")
                _print_citations(answer)
            else:
                _print_answer(answer)
            if not args.quiet and not uses_model and not args.no_llm and live:
                print(
                    "(quoted from the notes; for a composed answer: notesqa model list)",
                    file=sys.stderr,
                )
    if answer.stopped:
        return INTERRUPTED
    return NOTHING if answer.refused else OK


def _remark_on_model(notes: Notes) -> None:
    """Say on stderr what the user should know of the chat model, which is loaded by now."""
    from notesqa.llm import remark

    model = notes.chat_model()
    if model is not None and (said := remark(model)):
        print(f"notesqa: {_one_line(said)}", file=sys.stderr)


def answer_record(answer: Answer) -> dict[str, Any]:
    """An answer as `ask --json` prints it."""
    record: dict[str, Any] = {
        "question": answer.question,
        "answer": answer.text,
        "refused": answer.refused,
        "engine": answer.engine,
        "nearest": answer.nearest,
        "confidence": answer.confidence,
        "stopped": answer.stopped,
        "unsupported": answer.unsupported,
        "sentences": [
            {
                "text": s.text,
                "citations": list(s.citations),
                "supported": s.supported,
                **({"reason": s.reason} if s.reason else {}),
            }
            for s in answer.sentences
        ],
        "citations": [_citation_record(c) for c in answer.citations],
        "seconds": dict(answer.seconds),
    }
    if answer.alternative is not None:
        record["alternative"] = answer_record(answer.alternative)
    return record


def _citation_record(citation: Citation) -> dict[str, Any]:
    return {
        "n": citation.n,
        "chunk_id": citation.chunk_id,
        "document_id": citation.document_id,
        "title": citation.title,
        "source": citation.source,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
    }


def _print_answer(answer: Answer) -> None:
    from notesqa.records import with_marks
    from notesqa.text.script import mostly_english

    if answer.nearest:
        english = mostly_english(answer.question)
        print(
            "The notes may not answer this; nearest:"
            if english
            else "笔记未必回答了这个问题，最接近的是："
        )
    apart = False
    for number, sentence in enumerate(answer.sentences):
        said = with_marks(sentence.text, "".join(f"[{n}]" for n in sentence.citations))
        if number and (apart or "\n" in said):
            print()
        apart = "\n" in said
        _print_wrapped(said)
        if not sentence.supported:
            _print_wrapped(f"⚠ {sentence.reason}", indent=2)
    _print_citations(answer)
    if answer.alternative is not None:
        print("\n—— quoted from the notes ——")
        _print_answer(answer.alternative)


def _print_citations(answer: Answer) -> None:
    if answer.stopped:
        print("(stopped)")
    if not answer.citations:
        return
    print()
    for citation in answer.citations:
        _print_wrapped(f"[{citation.n}] {citation.title} · {citation.source}")
        if answer.engine != "extractive":
            _print_wrapped(" ".join(citation.quote.split()), indent=4)


def _shown(text: str) -> str:
    from notesqa.text.terminal import safe

    return safe(text)


def _print_wrapped(text: str, indent: int = 0) -> None:
    """Print text safely; on a terminal wrapped to its width, as Chinese is."""
    text = _shown(text)
    if not sys.stdout.isatty():
        print(" " * indent + text)
        return
    from notesqa.tui.flow import Piece, wrap

    columns = shutil.get_terminal_size().columns
    head = [Piece(" " * indent)] if indent else []
    for row in text.split("\n"):
        for line in wrap([Piece(row)], columns, first=head, rest=head):
            print(line.text)


# -- search -----------------------------------------------------------------------------


def _search(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    with _open(home, settings) as notes:
        _first_index(notes, args)
        passages = notes.search(
            args.query,
            args.k,
            sources=args.source,
            tags=args.tag,
            after=args.after,
            before=args.before,
        )
        if args.json:
            _print_json([passage_record(p) for p in passages])
        else:
            for passage in passages:
                _print_passage(passage, args.query, notes, explain=args.explain)
    if not passages and not args.json and not args.quiet:
        print("nothing found", file=sys.stderr)
    return OK if passages else NOTHING


def passage_record(passage: Passage) -> dict[str, Any]:
    """A passage as `search --json` prints it."""
    return {
        "rank": passage.rank,
        "score": round(passage.score, 6),
        "chunk_id": passage.chunk_id,
        "document_id": passage.document_id,
        "title": passage.title,
        "source": passage.source,
        "heading": passage.heading,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "scores": {name: round(value, 4) for name, value in passage.scores.items()},
    }


def _print_passage(passage: Passage, query: str, notes: Notes, *, explain: bool) -> None:
    title = " › ".join(part for part in (passage.title, passage.heading) if part)
    if not sys.stdout.isatty():
        text = " ".join(passage.text.split())
        print(
            _one_line(f"{passage.rank}. {title}")
            + f"  [{passage.score:.2f}] {_one_line(passage.source)}"
        )
        print(f"   {_one_line(text)}")
    else:
        from rich.console import Console
        from rich.padding import Padding
        from rich.text import Text

        from notesqa.text.match import highlights

        console = Console(highlight=False)
        head = Text(f"{passage.rank}. {_shown(title)}", style="bold")
        head.append(f"  {passage.score:.2f} · {_one_line(passage.source)}", style="dim")
        console.print(head)
        safe_text = _shown(passage.text)
        body = Text(safe_text)
        for start, end in highlights(safe_text, query, notes.retriever.segmenter):
            body.stylize("bold yellow", start, end)
        console.print(Padding(body, (0, 0, 1, 3)))
    if explain:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in passage.scores.items() if value)
        print(f"   ({parts})")


# -- index ------------------------------------------------------------------------------


def _index(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    if not home.corpus.is_dir() and not args.paths:
        raise NotesqaError(
            f"there is no corpus in {home.path}",
            "add notes: notesqa index FILE…, or name the home: --home DIR",
        )
    with _open(home, settings) as notes:
        report = _rebuild(notes, args, args.paths, full=args.full)
        if args.json:
            _print_json(asdict(report))
        elif not args.quiet:
            _print_report(report)
    if report.failed:
        return FAILED
    return OK


def _first_index(notes: Notes, args: argparse.Namespace) -> None:
    """Build the index where there is none yet and there are notes to build it from."""
    from notesqa.catalog import CATALOG_FILE

    if (notes.home.index / CATALOG_FILE).is_file():
        return
    if not notes.home.corpus.is_dir() or not any(notes.home.corpus.iterdir()):
        raise NotesqaError(
            f"there are no notes in {notes.home.corpus}", "add some: notesqa index FILE…"
        )
    _rebuild(notes, args, ())


def _rebuild(
    notes: Notes, args: argparse.Namespace, paths: Sequence[str], *, full: bool = False
) -> IndexReport:
    cancel = threading.Event()
    previous = signal.signal(signal.SIGINT, _stopper(cancel))
    try:
        if sys.stderr.isatty() and not args.quiet:
            return _with_progress(notes, paths, full=full, cancel=cancel)
        return notes.index(paths, full=full, cancel=cancel)
    finally:
        signal.signal(signal.SIGINT, previous)


def _stopper(cancel: threading.Event) -> Callable[[int, FrameType | None], None]:
    """Ctrl-C ends the work at its next step; a second one ends it where it is."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if cancel.is_set():
            raise KeyboardInterrupt
        cancel.set()

    return stop


_STAGES = {
    "scan": "reading notes",
    "read": "cutting passages",
    "embed": "embedding",
    "commit": "committing",
    "follow": "indexing",
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


def _print_report(report: IndexReport) -> None:
    if report.copied:
        print(f"added to the corpus: {len(report.copied)} file{'s' * (len(report.copied) > 1)}")
    if report.changed:
        parts = [
            f"{count} {word}"
            for count, word in (
                (report.added, "new"),
                (report.updated, "changed"),
                (report.removed, "gone"),
            )
            if count
        ]
        print(
            f"commit {report.commit}: {', '.join(parts) or 'rebuilt'};"
            f" {report.documents} documents, {report.chunks} passages,"
            f" {report.duplicates} duplicates, {report.seconds:.1f} s"
        )
        for old, title in report.replaced:
            print(_one_line(f"“{title}” is whole now and replaces the excerpt “{old}”"))
    else:
        print(
            f"nothing changed: {report.files} files, {report.documents} documents,"
            f" {report.chunks} passages (commit {report.commit})"
        )
    for source, reason in report.unread:
        print(f"notesqa: not read: {_one_line(source)}: {_one_line(reason)}", file=sys.stderr)
    for path, reason in report.failed:
        print(f"notesqa: not added: {_one_line(path)}: {_one_line(reason)}", file=sys.stderr)


# -- status and doctor --------------------------------------------------------------------


def _status(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    with _open(home, settings) as notes:
        status = notes.status()
    if args.json:
        _print_json(status_record(status))
        return OK
    rows = [
        ("home", status.home),
        ("files", str(status.files)),
        ("documents", f"{status.documents} ({status.duplicates} duplicates)"),
        ("passages", str(status.chunks)),
        ("commit", str(status.commit) if status.commit else "none yet: run notesqa index"),
        ("embedder", status.embedder or "-"),
    ]
    for name, state in status.followers.items():
        device = f" on {state['device']}" if "device" in state else ""
        rows.append((name, f"commit {state['commit']}{device}"))
    waiting = status.pending
    if waiting:
        rows.append(
            (
                "waiting",
                f"{len(waiting.added)} new, {len(waiting.changed)} changed,"
                f" {len(waiting.removed)} gone: run notesqa index",
            )
        )
    for name, value in rows:
        print(f"{name:<10} {_one_line(value)}")
    for source, reason in status.unread:
        print(f"{'unread':<10} {_one_line(source)}: {_one_line(reason)}")
    return OK


def status_record(status: Status) -> dict[str, Any]:
    """A status as `status --json` prints it."""
    return {
        "home": status.home,
        "files": status.files,
        "documents": status.documents,
        "duplicates": status.duplicates,
        "chunks": status.chunks,
        "commit": status.commit,
        "embedder": status.embedder,
        "unread": [{"source": source, "reason": reason} for source, reason in status.unread],
        "followers": {name: dict(state) for name, state in status.followers.items()},
        "pending": {
            "added": list(status.pending.added),
            "changed": list(status.pending.changed),
            "removed": list(status.pending.removed),
        },
    }


def _doctor(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.diagnosis import diagnose

    checks = diagnose(home, settings)
    if args.json:
        _print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            mark = {"ok": "ok ", "warning": "?  ", "problem": "!! "}[check.state]
            print(f"{mark} {check.name:<12} {_one_line(check.detail)}")
            if check.hint:
                print(f"    hint: {_one_line(check.hint)}")
    return FAILED if any(check.state == "problem" for check in checks) else OK


# -- eval ------------------------------------------------------------------------------------


def _eval(args: argparse.Namespace, home: Home, settings: Settings) -> int:
    from notesqa.evaluation import evaluate, load_questions, table

    questions = load_questions(args.files)
    with _open(home, settings) as notes:
        _first_index(notes, args)
        report = evaluate(notes, questions, llm=args.llm, progress=_ticker(args, "asked"))
    if args.json:
        _print_json(report.record())
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
