"""A large home: how long it takes to build, to follow one change, and to search.

    python -m benchmarks.scale [--chunks 100000] [--data ../shared/data/train]
                               [--home HOME] [--profile]

The notes are written as Markdown files of a few sections: from `text.jsonl.gz` in
`--data` where that is given, shuffled sentences of it once it is used up, and else
sentences of random words, drawn as often as they stand in the notes of the repository.
Questions are those of `benchmarks/questions/`. `--home` keeps the home, or measures one
that is there already.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks import ablation, machine, processes
from benchmarks.figures import table
from notesqa import Notes
from notesqa.text.segment import Segmenter
from notesqa.text.sentences import sentences

if TYPE_CHECKING:
    from notesqa.reports import IndexEvent
    from notesqa.retrieval import Retriever

QUESTIONS = machine.ROOT / "benchmarks" / "questions"
SECTIONS_A_NOTE = 6
ASKED = 200
COLD_RUNS = 5
NEAREST = 30
EVERY = ("*.md",)
_SEED = 5
_CALIBRATE = 400
_STEP = 150


# -- the notes -------------------------------------------------------------------------


Section = tuple[str, str]
"""A heading and the text below it."""


def written_sections(data: Path) -> Iterator[Section]:
    """The training text, then sections made of its sentences in random order, for ever."""
    random_ = random.Random(_SEED)
    kept: list[str] = []
    with gzip.open(data / "text.jsonl.gz", "rt", encoding="utf-8") as stream:
        for line in stream:
            row = json.loads(line)
            text = row["text"].strip()
            if text:
                yield row["heading"] or row["title"], text
                if random_.random() < 0.1:
                    kept += [text[a:b].strip() for a, b in sentences(text)]
    for number in itertools.count():
        chosen = random_.sample(kept, 12)
        yield (
            f"{chosen[0][:12]} {number}",
            "\n\n".join("".join(chosen[i : i + 4]) for i in range(0, 12, 4)),
        )


def random_sections(corpus: Path) -> Iterator[Section]:
    """Sections of random words with the frequencies of the notes in `corpus`, for ever."""
    random_ = random.Random(_SEED)
    segmenter = Segmenter()
    counts: Counter[str] = Counter()
    for path in sorted(corpus.glob("**/*.md")):
        counts.update(segmenter.words(path.read_text(encoding="utf-8")))
    words, weights = zip(*counts.items(), strict=True)
    cumulative = list(itertools.accumulate(weights))

    def spoken(length: int) -> str:
        chosen = random_.choices(words, cum_weights=cumulative, k=length)
        # Latin words stay apart; Han words run on, as they do in a note.
        parts = [f" {w} " if w.isascii() else w for w in chosen]
        return "".join(parts).replace("  ", " ").strip()

    for number in itertools.count():
        body = "\n\n".join(
            "".join(spoken(random_.randint(8, 28)) + "。" for _ in range(random_.randint(2, 5)))
            for _ in range(random_.randint(1, 4))
        )
        yield f"{spoken(3)} {number}", body


def write_notes(corpus: Path, sections: Iterator[Section], count: int) -> float:
    """Write `count` sections as notes below `corpus`; returns their megabytes."""
    corpus.mkdir(parents=True, exist_ok=True)
    size = 0.0
    for number, first in enumerate(range(0, count, SECTIONS_A_NOTE)):
        part = list(itertools.islice(sections, min(SECTIONS_A_NOTE, count - first)))
        # Numbered titles: two notes of one title are told apart as a user would do it.
        text = f"# {part[0][0].strip()} {number}\n\n" + "\n\n".join(
            f"## {heading.strip()}\n\n{body}" for heading, body in part
        )
        folder = corpus / f"{number // 500:03d}"
        folder.mkdir(exist_ok=True)
        data = f"{text}\n".encode("utf-8", "replace")
        size += (folder / f"{number:06d}.md").write_bytes(data)
    return size / 1e6


def sections_for(chunks: int, make: Callable[[], Iterator[Section]], step: int) -> int:
    """How many sections make about that many chunks, judged by indexing every `step`th."""
    few = min(_CALIBRATE, chunks)
    with tempfile.TemporaryDirectory(prefix="notesqa-scale-") as folder:
        spread = itertools.islice(make(), 0, few * step, step)
        write_notes(Path(folder) / "corpus", spread, few)
        with Notes.open(folder) as notes:
            made = notes.index().chunks
    return max(1, round(chunks * few / max(1, made)))


# -- building and following --------------------------------------------------------------


class Stages:
    """How long a rebuild was in each stage, from its events."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def __call__(self, event: IndexEvent) -> None:
        now = time.perf_counter()
        name = f"follow: {event.detail}" if event.stage == "follow" else event.stage
        self.seconds[name] += now - self._last
        self._last = now

    def __str__(self) -> str:
        return ", ".join(f"{name} {s:.2f} s" for name, s in self.seconds.items())


def folder_megabytes(folder: Path) -> float:
    """The size of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def index(home: Path) -> tuple[Any, Stages]:
    """Index a home; what was done, and how long each stage took."""
    stages = Stages()
    with Notes.open(home) as notes:
        return notes.index(on_event=stages), stages


def changed_note(home: Path) -> tuple[Any, Stages, float]:
    """Index again after a paragraph was added to one note, then search for it.

    Returns:
        The report, its stages, and the seconds of the first search in a retriever
        that was open all the while.
    """
    with Notes.open(home) as reader:
        reader.search("热身")
        note = min((home / "corpus").rglob("*.md"))
        word = f"新增段落{time.time_ns()}"
        with note.open("a", encoding="utf-8") as stream:
            stream.write(f"\n\n## {word}\n\n{word}：这一段是后来才写进去的。\n")
        report, stages = index(home)
        started = time.perf_counter()
        found = reader.search(word)
        seconds = time.perf_counter() - started
        if not found or word not in found[0].text:
            raise RuntimeError("the paragraph that was added is not found first")
    return report, stages, seconds


# -- searching ------------------------------------------------------------------------------


def questions() -> list[str]:
    """A fixed sample of the project's own questions."""
    found = [
        json.loads(line)["question"]
        for path in sorted(QUESTIONS.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return random.Random(_SEED).sample(found, min(ASKED, len(found)))


@contextmanager
def timed(retriever: Retriever) -> Iterator[dict[str, list[float]]]:
    """Note how long each part of every search takes, in milliseconds."""
    from notesqa.retrieval import retriever as module

    spent: dict[str, list[float]] = {}

    def around(owner: Any, name: str, label: str) -> Any:
        original = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return original(*args, **kwargs)
            finally:
                spent[label][-1] += 1000 * (time.perf_counter() - started)

        spent[label] = []
        return mock.patch.object(owner, name, call)

    lexical, vectors = retriever.followers
    parts = [
        (module, "analyse", "analysis of the question"),
        (retriever.embedder, "embed_queries", "embedding"),
        (lexical, "search", "words: candidates"),
        (lexical, "scores", "words: scores of candidates"),
        (lexical, "idf", "words: idf"),
        (vectors, "search", "vectors: candidates"),
        (vectors, "scores", "vectors: scores of candidates"),
        (retriever._catalog, "chunk_rows", "catalog: chunks"),
        (module, "_wordings", "normalising (kept for the next time)"),
        (module, "told_by", "features"),
        (retriever, "passages", "passages"),
    ]
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(around(*part))
        yield spent


def ask(
    retriever: Retriever, asked: Sequence[str], sources: Sequence[str] = ()
) -> list[tuple[float, float]]:
    """Milliseconds of a search for each question: by the clock, and of this process alone."""
    times = []
    for question in asked:
        clock, process = time.perf_counter(), time.process_time()
        retriever.search(question, sources=sources)
        times.append((1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - process)))
    return times


def percentiles(times: Sequence[tuple[float, float]]) -> list[str]:
    """p50 and p95 by the clock, then of the process."""
    found = []
    for ordered in map(sorted, zip(*times, strict=True)):
        found += [f"{ordered[int(len(ordered) * share)]:.1f}" for share in (0.5, 0.95)]
    return found


def nearest_found(retriever: Retriever, asked: Sequence[str]) -> float:
    """The share of the nearest chunks that a search finds in the lists that it looks at."""
    _, vectors = retriever.followers
    every = retriever._catalog.chunk_keys()
    there = found = 0
    for vector in retriever.embedder.embed_queries(asked):
        nearest = dict(vectors.search(vector, NEAREST, every))
        there += len(nearest)
        found += len(nearest.keys() & dict(vectors.search(vector, NEAREST)).keys())
    return found / there


def searches(home: Path) -> tuple[str, str]:
    """Two tables: times of a search, and where they go, with what vectors miss."""
    asked = questions()
    rows = []
    with Notes.open(home) as notes:
        retriever = notes.retriever
        retriever.search("热身")
        rows.append(["every question for the first time", *percentiles(ask(retriever, asked))])
        rows.append(["again", *percentiles(ask(retriever, asked))])
        rows.append(["again, all chosen by a filter", *percentiles(ask(retriever, asked, EVERY))])
        with ablation.without_vectors(retriever):
            rows.append(["again, without vectors", *percentiles(ask(retriever, asked))])
        share = nearest_found(retriever, asked)
    with Notes.open(home) as notes:
        retriever = notes.retriever
        retriever.search("热身")
        whole: list[float] = []
        with timed(retriever) as spent:
            for question in asked:
                for times in spent.values():
                    times.append(0.0)
                whole += [clock for clock, _ in ask(retriever, [question])]
    where = [
        [label, f"{statistics.median(times):.2f}", f"{statistics.mean(times):.2f}"]
        for label, times in spent.items()
    ]
    where.append(["all", f"{statistics.median(whole):.2f}", f"{statistics.mean(whole):.2f}"])
    return (
        table(["search, ms", "p50", "p95", "p50 of CPU", "p95 of CPU"], rows),
        f"Of the nearest {NEAREST} by vectors {share:.3f} are found.\n\n"
        + table(["of a first search, ms", "median", "mean"], where),
    )


def report(home: Path, megabytes: float, built: tuple[Any, Stages] | None) -> str:
    """Everything measured of a home that is indexed, as Markdown."""
    with Notes.open(home) as notes:
        status = notes.status()
    parts = [machine.describe()]
    facts = [
        ["notes, documents, chunks", f"{status.files}, {status.documents}, {status.chunks}"],
        ["text", f"{megabytes:.1f} MB"],
    ]
    if built:
        made, stages = built
        facts += [
            ["build", f"{made.seconds:.1f} s: {megabytes / made.seconds:.2f} MB/s,"
                      f" {made.chunks / made.seconds:.0f} chunks/s"],
            ["of that", str(stages)],
        ]  # fmt: skip
    update, stages, first = changed_note(home)
    sizes = {p.name: folder_megabytes(p) for p in (home / "index").iterdir() if p.is_dir()}
    sizes["catalog"] = (home / "index" / "catalog.db").stat().st_size / 1e6
    cold = processes.apart(
        [*processes.notesqa(), "search", questions()[0], "--home", str(home), "--json"], COLD_RUNS
    )
    facts += [
        ["one note changed", f"{update.seconds:.2f} s ({stages})"],
        ["first search after it, index open", f"{1000 * first:.0f} ms"],
        ["index", ", ".join(f"{name} {size:.1f} MB" for name, size in sorted(sizes.items()))],
        ["`notesqa search`, a new process", f"{processes.median_seconds(cold):.2f} s"
         f" (median of {COLD_RUNS}), peak {max(r.megabytes for r in cold):.0f} MB"],
    ]  # fmt: skip
    parts.append(table(["", ""], facts))
    parts += searches(home)
    return "\n\n".join(parts)


def profile(home: Path) -> None:
    """Print where the time of warm searches goes, by function."""
    import cProfile
    import pstats

    with Notes.open(home) as notes:
        retriever = notes.retriever
        ask(retriever, questions())
        profiler = cProfile.Profile()
        profiler.runcall(ask, retriever, questions())
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description="A large home: building, following one change, searching.",
    )
    parser.add_argument("--chunks", type=int, default=100_000, help="about how many")
    parser.add_argument("--data", type=Path, help="folder with text.jsonl.gz; else random words")
    parser.add_argument("--home", type=Path, help="build here and keep it, or measure this one")
    parser.add_argument("--profile", action="store_true", help="print a profile of warm searches")
    args = parser.parse_args(arguments)

    def make() -> Iterator[Section]:
        data = args.data
        return written_sections(data) if data else random_sections(machine.ROOT / "corpus")

    with ExitStack() as stack:
        home = args.home or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="notesqa-scale-"))
        )
        built = None
        if (home / "index" / "catalog.db").is_file():
            megabytes = folder_megabytes(home / "corpus")
        else:
            # Written text comes book by book: take the few from all over it.
            count = sections_for(args.chunks, make, _STEP if args.data else 1)
            print(f"writing {count} sections", file=sys.stderr, flush=True)
            megabytes = write_notes(home / "corpus", make(), count)
            print(f"indexing {megabytes:.1f} MB", file=sys.stderr, flush=True)
            built = index(home)
        print(report(home, megabytes, built))
        if args.profile:
            profile(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
