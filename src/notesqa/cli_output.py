"""What the commands print: records as JSON, and the same in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notesqa.api import Notes, Status
    from notesqa.records import Answer, Citation, Passage, Sentence
    from notesqa.reports import IndexReport


_MOST_SUFFIXES = 5
_MOST_TOLD = 20


def one_line(text: str) -> str:
    """Text from anywhere as one safe line."""
    from notesqa.text.terminal import safe

    return " ".join(safe(text, newlines=False).split())


def shown(text: str) -> str:
    """Text from anywhere, safe to print."""
    from notesqa.text.terminal import safe

    return safe(text)


def print_json(value: Any) -> None:
    """Print a value as JSON, Chinese as it is."""
    import json

    print(json.dumps(value, ensure_ascii=False, indent=2))


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


def print_answer(answer: Answer) -> None:
    """Print an answer in words, with what it cites."""
    from notesqa.cli_terminal import print_wrapped
    from notesqa.records import cited, paragraphs, running_text
    from notesqa.text.script import mostly_english

    if answer.nearest:
        english = mostly_english(answer.question)
        print(
            "The notes may not answer this; nearest:"
            if english
            else "笔记未必回答了这个问题，最接近的是："
        )
    apart = began = False
    for paragraph in paragraphs(answer):
        lines: list[tuple[Sentence, ...]] = [paragraph.sentences]
        if not paragraph.marker:
            # What is doubtful about a sentence stands below it.
            lines = [(sentence,) for sentence in paragraph.sentences]
        for line in lines:
            said = running_text((sentence.text, cited(sentence)) for sentence in line)
            if began and (apart or "\n" in said):
                print()
            apart, began = "\n" in said, True
            print_wrapped(said, paragraph.marker)
            for sentence in line:
                if not sentence.supported:
                    print_wrapped(f"⚠ {sentence.reason}", "  ")
    _print_citations(answer)
    if answer.alternative is not None:
        print("\n—— quoted from the notes ——")
        print_answer(answer.alternative)


def _print_citations(answer: Answer) -> None:
    """Print what an answer cites, and where it stands."""
    from notesqa.cli_terminal import print_wrapped

    if answer.stopped:
        print("(stopped)")
    if not answer.citations:
        return
    print()
    rows: dict[tuple[str, str], str] = {}
    for citation in answer.citations:
        place = f"{one_line(citation.title)} · {one_line(citation.source)}"
        # What is quoted already stands in the answer: one row a place will do.
        quote = "" if answer.engine == "extractive" else " ".join(citation.quote.split())
        rows[place, quote] = f"{rows.get((place, quote), '')}[{citation.n}]"
    for (place, quote), numbers in rows.items():
        print_wrapped(f"{numbers} {place}")
        if quote:
            print_wrapped(quote, "    ")


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
        "date": passage.date,
        "tags": list(passage.tags),
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "scores": {name: round(value, 4) for name, value in passage.scores.items()},
    }


def print_passage(passage: Passage, query: str, notes: Notes, *, explain: bool) -> None:
    """Print a passage that was found; on a terminal with the words of the query marked."""
    from notesqa.records import below_headings

    title = " › ".join(part for part in (passage.title, passage.heading) if part)
    below = below_headings(passage.text, {passage.title, *passage.heading.split(" › ")})
    if not sys.stdout.isatty():
        text = " ".join(below.split())
        print(
            one_line(f"{passage.rank}. {title}")
            + f"  [{passage.score:.2f}] {one_line(passage.source)}"
        )
        print(f"   {one_line(text)}")
    else:
        from rich.console import Console
        from rich.text import Text

        from notesqa.cli_terminal import print_marked
        from notesqa.text.match import highlights

        head = Text(f"{passage.rank}. {one_line(title)}", style="bold")
        head.append(f"  {passage.score:.2f} · {one_line(passage.source)}", style="dim")
        Console(highlight=False).print(head, soft_wrap=True)
        body = shown(below)
        print_marked(body, highlights(body, query, notes.retriever.segmenter), "   ")
        print()
    if explain:
        parts = ", ".join(f"{name} {value:.2f}" for name, value in passage.scores.items() if value)
        print(f"   ({parts})")


def print_report(report: IndexReport) -> None:
    """Print what a rebuild did; what failed goes to stderr."""
    if report.copied:
        print(f"added to the corpus: {len(report.copied)} file{'s' * (len(report.copied) > 1)}")
    for path, kept in report.displaced:
        print(f"in place of another {one_line(path)}, which is kept as {one_line(kept)}")
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
            print(one_line(f"“{title}” is whole now and replaces the excerpt “{old}”"))
    else:
        said = "nothing changed"
        if report.dictionary:
            said = "no note changed, the words of corpus/userdict.txt are taken in"
        print(
            f"{said}: {report.files} files, {report.documents} documents,"
            f" {report.chunks} passages (commit {report.commit})"
        )
    _complain_of("not read: ", report.unread)
    _complain_of("", report.remarks)
    if report.left_out:
        print(f"notesqa: left out: {_left_out(report.left_out)}", file=sys.stderr)
    for path, reason in report.failed:
        named = one_line(path) or "''"
        print(f"notesqa: not added: {named}: {one_line(reason)}", file=sys.stderr)


def _complain_of(what: str, files: Sequence[tuple[str, str]]) -> None:
    """Name on stderr the first files with what is wrong with each, and how many more there are."""
    for source, said in files[:_MOST_TOLD]:
        print(f"notesqa: {what}{one_line(source)}: {one_line(said)}", file=sys.stderr)
    if len(files) > _MOST_TOLD:
        more = len(files) - _MOST_TOLD
        print(f"notesqa: {what}{more} more: notesqa status names them", file=sys.stderr)


def _left_out(counts: Sequence[tuple[str, int]]) -> str:
    """Files of other formats in words: how many, and the most frequent suffixes."""
    total = sum(count for _, count in counts)
    named = ", ".join(one_line(suffix) for suffix, _ in counts[:_MOST_SUFFIXES])
    more = ", …" if len(counts) > _MOST_SUFFIXES else ""
    return f"{total} file{'s' * (total > 1)} of other formats ({named}{more})"


def report_record(report: IndexReport) -> dict[str, Any]:
    """What a rebuild did as `index --json` prints it."""
    import dataclasses

    return {
        **dataclasses.asdict(report),
        "replaced": [{"excerpt": old, "article": title} for old, title in report.replaced],
        "displaced": [{"source": path, "kept": kept} for path, kept in report.displaced],
        "failed": [{"path": path, "reason": reason} for path, reason in report.failed],
        "unread": [{"source": source, "reason": reason} for source, reason in report.unread],
        "remarks": [{"source": source, "remark": said} for source, said in report.remarks],
        "left_out": dict(report.left_out),
    }


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
        "outdated": status.outdated,
        "unread": [{"source": source, "reason": reason} for source, reason in status.unread],
        "followers": {name: dict(state) for name, state in status.followers.items()},
        "pending": {
            "added": list(status.pending.added),
            "changed": list(status.pending.changed),
            "removed": list(status.pending.removed),
        },
        "left_out": dict(status.pending.left_out),
        "remarks": [{"source": source, "remark": said} for source, said in status.remarks],
    }


def print_status(status: Status) -> None:
    """Print what the index holds and what waits."""
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
    if status.outdated:
        rows.append(
            ("outdated", "made with other settings or by another version: run notesqa index")
        )
    for name, value in rows:
        print(f"{name:<10} {one_line(value)}")
    if waiting.left_out:
        print(f"{'left out':<10} {_left_out(waiting.left_out)}")
    for source, reason in status.unread:
        print(f"{'unread':<10} {one_line(source)}: {one_line(reason)}")
    for source, said in status.remarks:
        print(f"{'remark':<10} {one_line(source)}: {one_line(said)}")
