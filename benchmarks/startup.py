"""How long notesqa takes to start: as an import, for its help, and for one search.

    python -m benchmarks.startup [--home HOME] [--runs 7]

Every figure is the median over new processes, the disk cache warm. Without `--home`
the notes of the repository are indexed in a folder of their own first.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, processes
from benchmarks.figures import table

RUNS = 7
TOP = 8
QUERY = "anchor free 与 anchor based 有什么区别"
UNWANTED = ("torch", "faiss", "llama_cpp", "textual", "transformers")
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|(\s*)(\S+)")


@contextmanager
def built_home(corpus: Path) -> Iterator[Path]:
    """A home with a copy of the notes in `corpus`, indexed."""
    with tempfile.TemporaryDirectory(prefix="notesqa-startup-") as folder:
        shutil.copytree(corpus, Path(folder) / "corpus")
        processes.run([*processes.notesqa(), "index", "--home", folder, "--quiet"])
        yield Path(folder)


def import_times(code: str) -> list[tuple[str, float, float]]:
    """Module, own and whole milliseconds of every import that `code` makes, slowest first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True
    )
    found = [
        (match[4], int(match[1]) / 1000, int(match[2]) / 1000)
        for match in map(_IMPORT.match, done.stderr.splitlines())
        if match
    ]
    return sorted(found, key=lambda entry: -entry[1])


def loaded(code: str) -> list[str]:
    """Those of `UNWANTED` that are loaded once `code` has run."""
    check = f"{code}\nimport sys; print(*[m for m in {UNWANTED!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def report(home: Path, runs: int) -> str:
    """The measurement of one home as Markdown."""
    python = [sys.executable, "-c"]
    command = processes.notesqa()
    search = f"from notesqa import Retriever\nRetriever.open({str(home)!r}).search({QUERY!r})"
    cases = {
        "`python -c pass`": [*python, "pass"],
        "`import notesqa`": [*python, "import notesqa"],
        "`notesqa --help`": [*command, "--help"],
        "`notesqa status`": [*command, "status", "--home", str(home)],
        "`notesqa search`": [*command, "search", QUERY, "--home", str(home)],
        "`Retriever.open(home).search(…)`": [*python, search],
    }
    rows = []
    for name, line in cases.items():
        done = processes.several(line, runs)
        seconds = sorted(r.seconds for r in done)
        rows.append(
            [name, f"{processes.median_seconds(done):.3f}", f"{seconds[0]:.3f}",
             f"{seconds[-1]:.3f}", f"{max(r.megabytes for r in done):.0f}"]
        )  # fmt: skip
    parts = [
        machine.describe(),
        f"New processes, {runs} each:",
        table(["", "median s", "least s", "most s", "peak MB"], rows),
    ]
    for name, code in (("import notesqa", "import notesqa"), ("a search", search)):
        heavy = loaded(code) or ["none"]
        parts.append(
            f"Slowest imports of {name} (own milliseconds; of {', '.join(UNWANTED)} it loads"
            f" {', '.join(heavy)}):"
        )
        slowest = [[m, f"{own:.1f}", f"{whole:.1f}"] for m, own, whole in import_times(code)[:TOP]]
        parts.append(table(["module", "own ms", "with what it imports"], slowest))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description="How long notesqa takes to start."
    )
    parser.add_argument("--home", type=Path, help="a home that is indexed already")
    parser.add_argument("--runs", type=int, default=RUNS)
    args = parser.parse_args(arguments)
    if args.home:
        print(report(args.home, args.runs))
        return 0
    with built_home(machine.ROOT / "corpus") as home:
        print(report(home, args.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
