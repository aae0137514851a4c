"""The command line's arguments, its help, and its exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from notesqa import __version__

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

OK, NOTHING, USAGE, FAILED, QUOTED, INTERRUPTED = 0, 1, 2, 3, 4, 130


_PROGRAM = "notesqa"


def complain(text: str) -> None:
    """Say what is wrong on stderr; where that finds no room, the exit code still tells."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Let what a stream still holds go nowhere, so that the exit does not try again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line rather than with the whole usage."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """A command names its own help when it does not know an option, not that of all."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown and self.prog != _PROGRAM:
            named = unknown[0].partition("=")[0]
            known = [option for option in self._option_string_actions if option.startswith("--")]
            said = f"unrecognized arguments: {' '.join(unknown)}"
            self.error(said + _nearest(named, known))
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # Where one name is near, it says more than all of them.
        known = action.choices
        if known is not None and value not in known and (near := _nearest(value, known)):
            raise argparse.ArgumentError(None, f"no {action.dest} {value}{near}")
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        complain(f"notesqa: {message} (see: {self.prog} --help)")
        raise SystemExit(USAGE)

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # The parent swallows what goes wrong here: the help, too, may find no room.
        (file or sys.stderr).write(message)
        sys.stdout.flush()


def _nearest(said: str, known: Iterable[str]) -> str:
    """The name that was meant, as a question; nothing where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(said, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value} is not between 1 and 1000")
    return value


def _port(text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from error
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 65535")
    return value


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date: write YYYY-MM-DD") from error


def _words(text: str) -> str:
    """An argument as UTF-8, also where the locale took its bytes for something else."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(
        prog=_PROGRAM,
        description="Ask your own machine-learning notes. Without a command: the terminal UI.",
        epilog="""examples:
  notesqa                                     open the terminal UI
  notesqa index ~/Downloads/transmission*.txt add transmissions, rebuild what changed
  notesqa ask "DDIM 为什么比 DDPM 快"          a cited answer, or: the notes do not say
  notesqa search "anchor free" -k 3           the passages themselves
  notesqa status                              what is indexed, what could not be read

exit codes: 0 done; 1 the notes do not say, or nothing found; 2 usage; 3 error;
4 the notes are quoted because the chat model fails; 130 interrupted""",
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
        sub.add_argument(
            "--after", type=_date, metavar="DATE", help="only notes of this day or later"
        )
        sub.add_argument(
            "--before", type=_date, metavar="DATE", help="only notes of this day or earlier"
        )

    ask = command(
        "ask",
        "answer a question from the notes, every sentence cited",
        '  notesqa ask "L1 正则化等价于什么先验?"\n'
        '  notesqa ask "what is a receptive field" --no-llm\n'
        '  notesqa ask "mAP 怎么算" --json | jq .answer\n'
        "  xclip -o | notesqa ask -",
    )
    ask.add_argument("question", type=_words, help="the question, in quotes; - reads it")
    ask.add_argument(
        "-k",
        type=_count,
        default=None,
        metavar="N",
        help="passages to answer from (retrieval.k of notesqa.toml, else 8)",
    )
    by = ask.add_mutually_exclusive_group()
    by.add_argument("--no-llm", action="store_true", help="quote the notes, without the model")
    by.add_argument(
        "--llm", action="store_true", help="an error where the model fails, rather than a quotation"
    )
    json_option(ask)

    search = command(
        "search",
        "find the passages that answer",
        '  notesqa search "感受野" -k 3\n'
        '  notesqa search "diffusion" --source "*.md" --after 2024-01-01\n'
        '  notesqa search "重参数" --explain',
    )
    search.add_argument("query", type=_words, help="question or keywords, in quotes; - reads them")
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
    serve.add_argument(
        "--port", type=_port, default=8765, metavar="PORT", help="port (8765); 0 takes a free one"
    )
    return parser


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, also checked for what does not go together; leaves with 2 where wrong."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.command == "model":
        if args.action == "list" and args.name:
            parser.error(f"model list takes no name, not {args.name!r}")
        if args.action != "list" and not args.name:
            parser.error(f"which model to {args.action}? notesqa model {args.action} NAME")
        if args.server_model and args.action != "use":
            parser.error("--server-model belongs to model use URL")
    return args


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
