"""Titles that a person would choose."""

from __future__ import annotations

from notesqa.records import DocumentKind
from notesqa.text.blocks import blocks
from notesqa.text.sentences import line_sentences


def clean_title(raw: str) -> str:
    return " ".join(raw.split())


def article_title(body: str, kind: DocumentKind) -> str:
    if kind == "article":
        for block in blocks(body):
            if block.kind == "heading" and block.title:
                return clean_title(block.title)
    return excerpt_title(body.strip().split("\n", 1)[0])


def excerpt_title(text: str) -> str:
    spans = line_sentences(text[:400])
    return clean_title(text[spans[0][0] : spans[0][1]])[:40] if spans else ""
