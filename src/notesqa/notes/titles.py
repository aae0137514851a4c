"""Titles that a person would choose: the name of the paper, the method, the question.

An excerpt from a feed has lost its title and its line breaks: headings run into the text
with a space between. What a reader would take for its name is found by rules, from the
surest to the least sure: a heading at its beginning, what it defines, the work it is
about, what it says it is about, a heading further on, the words it repeats.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from notesqa.notes.telling import is_name, telling_phrases
from notesqa.notes.title_rules import (
    ABOUT,
    ADDRESS,
    CALLED,
    CLOSING_QUOTES,
    COLON_DEFINITION,
    DEFINITION,
    DIVIDED,
    ENGLISH,
    ENGLISH_START,
    FILLER,
    GENERIC,
    GENERIC_START,
    GOES_ON,
    HAN,
    HEAD,
    HEADING_END,
    LABEL,
    LEADING,
    LEADING_NAME,
    LEADING_TERM,
    MOST_COLUMNS,
    MOST_LATIN_COLUMNS,
    NUMERAL,
    OPENING_QUOTES,
    PRONOUN,
    QUESTION,
    SENTENCE_START,
    STOPS,
    SUBJECT,
    SUBJECT_TAIL,
    THIS_PAPER,
    WORK,
)
from notesqa.records import DocumentKind
from notesqa.text.blocks import blocks
from notesqa.text.normalize import normalize
from notesqa.text.sentences import line_sentences


def clean_title(raw: str) -> str:
    """A title on one line, without marks of Markdown, numbers, emoji and quotes around it."""
    title = re.sub(r"\[\s*(?:公式|Math)\s*\]", " ", raw)
    title = " ".join(re.sub(r"\*\*|__|`|~~", "", title).split())
    title = _without_leading(title)
    title = re.sub(r"\[[^\[\]A-Za-z]*\]$|【[^【】]*】$", "", title).strip()
    title = title.strip(" \t,，。;；:：、!！?？-–—·|/")
    if re.fullmatch(r"\[[^\[\]]+\]|\([^()]+\)|（[^（）]+）", title):
        title = title[1:-1].strip()
    if len(title) > 2 and title[0] in OPENING_QUOTES and title[-1] in CLOSING_QUOTES:
        title = title[1:-1].strip()
    title = re.sub(r"^[“\"‘']([^“”\"‘’']+)[”\"’'](?=[(（])", r"\1", title)
    return _shortened(title)


def article_title(body: str, kind: DocumentKind) -> str:
    """The title that a Markdown or text file without front matter carries, or nothing.

    A heading of the first level, or one that stands first; else what the rules for
    excerpts find in its beginning.
    """
    if kind == "article":
        found = blocks(body[:20_000])
        headings = [b for b in found if b.kind == "heading"]
        for block in headings:
            title = clean_title(block.title)
            if (block.level == 1 or block is found[0]) and not is_generic(title):
                return title
    else:
        first, _, rest = body[: HEAD * 4].strip().partition("\n")
        line = clean_title(first)
        if rest and len(first) <= 60 and not STOPS.search(line) and not is_generic(line):
            return line
    return excerpt_title(_flat(body[: HEAD * 4]))


def is_generic(title: str) -> bool:
    """Whether a title says nothing: `概述`, `背景`, `是什么`, `Introduction`."""
    return not title.strip() or bool(GENERIC.fullmatch(title.strip()))


def excerpt_title(text: str) -> str:
    """The title of a text that begins without one; empty only where there are no words."""
    head = _without_preliminaries(text[: HEAD * 2])[:HEAD]
    for candidate in _candidates(head):
        title = clean_title(candidate)
        if _acceptable(title):
            return _with_english(title, head)
    return clean_title(_first_clause(head) or text[:40])


def later_headings(text: str) -> list[str]:
    """Headings that run along in the text of an excerpt, in order."""
    numbered, plain = _inner_headings(text)
    titles = [clean_title(run) for run in (*numbered, *plain)]
    return [title for title in titles if _acceptable(title)]


def _candidates(head: str) -> Iterator[str]:
    """What might be the title, the surest first."""
    tight = _is_tight(head)
    if defined := _defined(head, tight):
        yield defined
    if (term := LEADING_TERM.match(head)) and not SENTENCE_START.match(head):
        yield term[0]
    sentences = [head[a:b] for a, b in line_sentences(head)]
    if sentences and QUESTION.fullmatch(sentences[0]):
        yield sentences[0]
    if (heading := _heading(head, tight)) and _fits(heading):
        yield heading
    opening = " ".join(sentences[:2])
    for work in WORK.finditer(opening):
        yield work[1]
        break
    for paper in THIS_PAPER.finditer(opening):
        yield paper[1]
    yield from _says_it_is_about(sentences[:6])
    for pattern in (DIVIDED, CALLED):
        for match in pattern.finditer(" ".join(sentences[:2])):
            yield _subject(match["x"])
    phrases = telling_phrases(head)
    words = [phrase for phrase, _ in phrases[:6]]
    yield from _subjects(sentences[:1], words)
    if name := LEADING_NAME.match(head):
        yield name[0]
    numbered, plain = _inner_headings(head)
    yield from numbered
    yield from (p for p, count in phrases[:2] if count > 2 and len(p) > 3 and p in sentences[0])
    yield from plain
    yield from _subjects(sentences[1:2], words)
    if words:
        yield "与".join(words[:2])


# -- the beginning ---------------------------------------------------------------------------


def _flat(text: str) -> str:
    """Markdown as it would stand in a feed: on one line, without marks."""
    text = re.sub(r"^[ \t]*(?:#{1,6}|[-*+>]|\d{1,3}\.)[ \t]+", "", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^\]\[]*)\]\([^()\s]*\)", r"\1", text)
    return " ".join(re.sub(r"\*\*|__|`", "", text).split())


def _without_leading(text: str) -> str:
    """Without emoji, bullets and numbers before the first word."""
    while True:
        match = LEADING.match(text)
        if not match or match.end() == 0 or match.end() >= len(text):
            return text
        if match[0][0].isdigit() and not re.match(rf"[{HAN}A-Za-z《“\"(（]", text[match.end() :]):
            return text  # `3.5 …`, `2014 2015`: a number that is part of the name
        if match[0].strip().isdigit() and not re.match(rf"[{HAN}]", text[match.end() :]):
            return text  # `3 D`, `1 bit`
        text = text[match.end() :]


def _without_preliminaries(text: str) -> str:
    """Without emoji, numbers, addresses, their labels, and headings that say nothing."""
    text = ADDRESS.sub(" ", text.strip())
    while True:
        before = text
        text = _without_leading(text.lstrip())
        if match := LABEL.match(text):
            # `论文地址: 代码地址: 前言`: what follows a label is its value only if it is a name.
            text = text[match.end() :]
        if (match := GENERIC_START.match(text)) and len(text) - match.end() > 4:
            text = text[match.end() :]
        if text == before:
            return text


def _is_tight(text: str) -> bool:
    """Whether Latin words stand in Chinese text without spaces, so that a space means more."""
    touching = len(re.findall(rf"[{HAN}][A-Za-z]|[A-Za-z][{HAN}]", text))
    spaced = len(re.findall(rf"[{HAN}] [A-Za-z]|[A-Za-z] [{HAN}]", text))
    return touching >= spaced


def _defined(head: str, tight: bool) -> str:
    """What the first words define: `决策树 (Decision Tree) 是一类…` and the like."""
    for pattern in (DEFINITION, COLON_DEFINITION):
        match = pattern.match(head)
        if not match:
            continue
        name = _last_repeated(match["x"].strip())
        runs = list(_runs(name, tight))
        if len(runs) > 1 or SENTENCE_START.match(FILLER.sub("", name) or name):
            continue
        if re.search(r"[:：]", name) and pattern is DEFINITION:
            continue
        return _subject(name)
    return ""


def _last_repeated(name: str) -> str:
    """`A B B` → `B`: a heading and then the subject of the sentence below it."""
    words = name.split()
    for size in range(len(words) // 2, 0, -1):
        if _alike(words[-size:], words[-2 * size : -size]):
            return " ".join(words[-size:])
    return name


def _alike(a: list[str], b: list[str]) -> bool:
    x, y = normalize("".join(a)), normalize("".join(b))
    if x == y or min(len(x), len(y)) < 6:
        return x == y
    # A typing slip: letters swapped, or one of many wrong.
    return sorted(x) == sorted(y) or SequenceMatcher(None, x, y).ratio() >= 0.85


def _runs(text: str, tight: bool) -> Iterator[str]:
    """Runs of a text between spaces that part headings from what follows them.

    Between two Han characters no one writes a space; between Han and Latin some do, so
    that there it depends on the writer's habit.
    """
    start = 0
    for match in re.finditer(r"\s+", text):
        if _parts(text, start, match.start(), match.end(), tight):
            yield text[start : match.start()].strip()
            start = match.end()
    yield text[start:].strip()


def _parts(text: str, start: int, left: int, right: int, tight: bool) -> bool:
    """Whether the space `text[left:right]` ends a heading that began at `start`."""
    if left <= start or right >= len(text):
        return False
    before, after = text[left - 1], text[right]
    han_before = bool(re.match(rf"[{HAN}?？！!”’」》】]", before))
    han_after = bool(re.match(rf"[{HAN}“‘「《【]", after))
    run = text[start:left]
    latin_run = not re.search(rf"[{HAN}]", run)
    if han_before and han_after:
        return True
    if han_after and run.strip().isdigit():
        return False
    if han_after and latin_run:
        # `Gaussian Process 说明怎样…` but `Normalizing Flow 是…`
        begins = tight or " " in run.strip() or SENTENCE_START.match(text, right)
        return not GOES_ON.match(text, right) and bool(begins)
    if before in ")）" and han_after:
        return not GOES_ON.match(text, right)
    if re.match(r"(?:19|20)\d\d\s?年", text[right:]):
        return True
    if after in "(（[":
        return False
    if han_before and not tight:
        return bool(HEADING_END.search(run))
    if han_before or han_after:
        return tight
    if latin_run and " " in run and ENGLISH_START.match(text, right):
        return True
    if latin_run and (word := re.match(rf"([A-Za-z][A-Za-z0-9-]*)\s?[{HAN}]", text[right:])):
        return word[1] in run.split()  # `Fast R-CNN R-CNN的…`
    if after.isdigit() and not latin_run:
        return tight
    return False


def _heading(head: str, tight: bool) -> str:
    """A heading at the beginning, told by the space after it."""
    if repeated := _repeated_start(head):
        return repeated
    runs = _runs(head, tight)
    first, rest = next(runs), next(runs, "")
    if not rest or (len(first) < 3 and not re.match(f"[{HAN}]", rest)):
        return ""
    if STOPS.search(first) or re.search(r"[?？:：](?!$)(?![ A-Za-z])|： | - ", first):
        return ""
    if SENTENCE_START.match(first) or re.search(r"以下|如下|包含|包括|出自|提出了|是一", first):
        return ""
    return first


def _repeated_start(head: str) -> str:
    """`Preformer Performer的…`: a heading of one Latin word that the text takes up.

    Of two spellings the one that the text uses more is right.
    """
    match = re.match(r"([A-Za-z][A-Za-z0-9-]{3,})\s+([A-Za-z][A-Za-z0-9-]{3,})", head)
    if not match or not _alike([match[1]], [match[2]]):
        return ""
    a, b = match.groups()
    return b if head.count(b) > head.count(a) else a


# -- what the text says of itself --------------------------------------------------------------


def _says_it_is_about(sentences: list[str]) -> Iterator[str]:
    for sentence in sentences:
        for pattern in ABOUT:
            for match in pattern.finditer(sentence):
                yield _subject(match["x"])


def _subject(name: str) -> str:
    """The name itself out of what stands before a verb: `YOLO的核心思想` → `YOLO`."""
    name = FILLER.sub("", re.sub(r"(?<=[)）])\d{1,2}$", "", name.strip()))
    shorter = SUBJECT_TAIL.sub("", name).strip()
    name = shorter if len(shorter) > 1 else name
    if PRONOUN.match(name) or not re.match(r"[\w《“\"(（\\$]", name):
        return ""
    return re.sub(r"(?:也|都|就|还|通常|往往|其实)+$", "", name.strip(" 的"))


def _subjects(sentences: list[str], telling: list[str]) -> Iterator[str]:
    """Subjects of clauses, as far as they hold one of the words that tell."""
    for clause in re.split(r"[,，;；:：]", " ".join(sentences)):
        match = SUBJECT.match(clause.strip())
        if match:
            name = _subject(match["x"])
            known = any(word in name for word in telling) or is_name(name)
            if known and _columns(name) <= 36 and not SENTENCE_START.match(name):
                yield name


def _inner_headings(head: str) -> tuple[list[str], list[str]]:
    """Runs between sentences that read like headings: those with a number, and others."""
    tight = _is_tight(head)
    numbered: list[str] = []
    plain: list[str] = []
    for start, _ in line_sentences(head):
        if start == 0:
            continue
        tail = head[start : start + 120]
        runs = _runs(_without_preliminaries(tail), tight)
        first, rest = next(runs), next(runs, "")
        if not rest or STOPS.search(first) or SENTENCE_START.match(first):
            continue
        if not re.search(r"[:：]", first):
            (numbered if re.match(NUMERAL, tail) else plain).append(first)
    after_bracket = rf"[)）]\s+([{HAN}][{HAN}A-Za-z0-9]{{3,18}})\s+(?=[{HAN}])"
    plain.extend(match[1] for match in re.finditer(after_bracket, head))
    return numbered, plain


# -- the last touch ----------------------------------------------------------------------------


def _acceptable(title: str) -> bool:
    if is_generic(title) or PRONOUN.match(title):
        return False
    if re.search(r"[\\{}^]", title) or title in ("一下", "其它", "其他"):
        return False
    letters = re.findall(rf"[{HAN}A-Za-z]", title)
    if len(letters) < 2 or not re.search(rf"[{HAN}]{{2}}|[A-Za-z]{{2}}", title):
        return False
    return title.count("(") == title.count(")") and title.count("（") == title.count("）")


def _with_english(title: str, head: str) -> str:
    """`重参数` → `重参数(Reparameterization)` where the text gives the name so."""
    if len(title) > 12 or any("A" <= c <= "z" for c in title):
        return title
    place = head.find(title)
    while place >= 0:
        match = ENGLISH.match(head, place + len(title))
        if match and not (place and "\u3400" <= head[place - 1] <= "\u9fff"):
            return f"{title}({match[1].strip()})"
        place = head.find(title, place + 1)
    return title


def _first_clause(head: str) -> str:
    """The beginning up to the first mark that lets one breathe."""
    for clause in re.split(r"[,，。;；:：!?！？]", head):
        name = clean_title(FILLER.sub("", clause.strip()))
        if _acceptable(name):
            return name
    return ""


def _columns(text: str) -> int:
    return sum(2 if char > "\u2e80" else 1 for char in text)


def _most_columns(title: str) -> int:
    return MOST_COLUMNS if re.search(rf"[{HAN}]", title) else MOST_LATIN_COLUMNS


def _fits(title: str) -> bool:
    return _columns(title) <= _most_columns(title)


def _shortened(title: str) -> str:
    """At most one line: cut at a word, at a mark if there is one."""
    if _fits(title):
        return title
    # The name alone, when it is the English beside it that makes it long.
    if (name := re.sub(r"\s?[(（][^()（）]+[)）]$", "", title)) and _fits(name):
        return name
    most = _most_columns(title)
    kept = ""
    for char in title:
        if _columns(kept + char) > most - 1:
            break
        kept += char
    marks = [m.end() for m in re.finditer(r"[\s,，、:：;；)）]", kept)]
    if marks and marks[-1] > len(kept) // 2:
        kept = kept[: marks[-1]]
    return kept.rstrip(" ,，、:：;；(（") + "…"
