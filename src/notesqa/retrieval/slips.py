"""Slips of the keyboard in a question, put right by what the notes and the term table know.

Three kinds are looked for, where what stands there occurs nowhere in the notes: a Latin word
with a letter wrong or out of place ("trasnformer"), one that was broken off ("backprop"), and
a Chinese character in the place of one that sounds the same ("感守野"), as pinyin keyboards
leave them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Protocol

from notesqa.retrieval.query import Query, is_function_word
from notesqa.retrieval.terms import TermTable, known_word, other_words
from notesqa.text.pinyin import homophones
from notesqa.text.segment import singulars

_SHORTEST_LATIN = 4
# A letter or two at the end make another form: "decode" and "decoder".
_SHORTEST_REST = 3
_LONGEST_HAN = 6
_SHORT = 2
_VOWELS = frozenset("aeiouy")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_HAN_RUN = re.compile(r"[\u3400-\u9fff]{2,}")
_LATIN_RUN = re.compile(r"[a-z]+")


class Vocabulary(Protocol):
    """What the notes are written in."""

    def frequency(self, field: str, term: str) -> int:
        """In how many chunks a term of the field `words` or `grams` stands."""

    def similar_word(self, word: str) -> str:
        """The indexed Latin word that `word` is most likely a slip of, or nothing."""

    def whole_word(self, beginning: str) -> str:
        """The only indexed word that begins so, its own longer forms aside, or nothing."""


def put_right(query: Query, vocabulary: Vocabulary, terms: TermTable) -> str:
    """The normalised question, with its slips put right."""
    latin = {
        word: right
        for word in query.latin
        # A compound of words that the notes have ("anchorfree") is found by its grams.
        if word.isalpha()
        and len(word) >= _SHORTEST_LATIN
        and not known_word(word)
        and not vocabulary.frequency("words", word)
        and not vocabulary.frequency("grams", word)
        and (right := _right(word, vocabulary, chinese=query.chinese))
    }
    text = query.normalized
    if latin:
        text = _LATIN_RUN.sub(lambda match: latin.get(match[0], match[0]), text)
    for written, meant in _sounding_alike(query, vocabulary, terms):
        text = text.replace(written, meant)
    return text


def _right(word: str, vocabulary: Vocabulary, *, chinese: bool) -> str:
    """The word that an unknown Latin one is a slip or the beginning of, or nothing."""
    if len(word) == _SHORTEST_LATIN:
        # In an English sentence "sing" is no slip of "sign".
        return _turned(word, vocabulary) if chinese else ""
    right = vocabulary.similar_word(word)
    if right and _one_slip(word, right) and right not in singulars(word):
        return right
    whole = vocabulary.whole_word(word)
    return whole if whole and _broken_off(word, whole, vocabulary) else ""


def _turned(word: str, vocabulary: Vocabulary) -> str:
    """The only known word in which two letters of `word` past the first stand the other way."""
    places = range(1, len(word) - 1)
    turned = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in places} - {word}
    known = [other for other in turned if vocabulary.frequency("words", other)]
    return known[0] if len(known) == 1 else ""


def _broken_off(written: str, whole: str, vocabulary: Vocabulary) -> bool:
    """Whether the rest of a word is no word itself: LlamaIndex is no longer form of Llama."""
    rest = whole[len(written) :]
    alone = known_word(rest) or vocabulary.frequency("words", rest)
    return len(rest) >= _SHORTEST_REST and not alone


def _one_slip(written: str, meant: str) -> bool:
    """Whether one slip of a finger makes one word of the other.

    A letter left out, doubled or typed too much, two in each other's place, or one for
    its neighbour on the keyboard or another vowel. What differs more is another name:
    who asks about MagFace does not mean MegaFace.
    """
    if _undoubled(written) == _undoubled(meant):
        return True
    if abs(len(written) - len(meant)) > 1:
        return False
    start = next(i for i in range(len(written) + 1) if written[: i + 1] != meant[: i + 1])
    a, b = written[start:], meant[start:]
    if len(a) != len(b):
        # A letter more at the end makes another form: "decode" and "decoder".
        return bool(a and b) and (a[1:] == b or a == b[1:])
    if a[2:] == b[2:] and a[:2] == b[:2][::-1]:
        return True
    return a[1:] == b[1:] and (_VOWELS.issuperset((a[0], b[0])) or _beside(a[0], b[0]))


def _undoubled(word: str) -> str:
    """Each letter once where it is written twice: "adaboost" and "adabosst" are the same."""
    return "".join(letter for letter, _ in itertools.groupby(word))


def _beside(one: str, other: str) -> bool:
    """Whether two letters lie side by side on a keyboard."""
    return any(
        abs(row.find(one) - row.find(other)) == 1 for row in _ROWS if one in row and other in row
    )


def _sounding_alike(
    query: Query, vocabulary: Vocabulary, terms: TermTable
) -> Iterator[tuple[str, str]]:
    """What is written in the question, and what sounds the same and is known."""
    words = set(query.own_words)
    for run in _HAN_RUN.findall(query.content):
        # Where two characters that never stand together in the notes do so here.
        odd = [not vocabulary.frequency("grams", run[i : i + 2]) for i in range(len(run) - 1)]
        if True not in odd:
            continue
        start = max(0, odd.index(True) - _LONGEST_HAN + 2)
        while start < len(run) - 1:
            found = _at(run, start, odd, words, terms)
            if found:
                yield found
            start += len(found[0]) if found else 1


def _at(
    run: str,
    start: int,
    odd: list[bool],
    words: set[str],
    terms: TermTable,
) -> tuple[str, str] | None:
    for length in range(min(_LONGEST_HAN, len(run) - start), 1, -1):
        written = run[start : start + length]
        if not any(odd[start : start + length - 1]) or written in terms or other_words(written):
            continue
        # Two characters out of neighbouring words mean nothing, whatever they sound like.
        if length == _SHORT and not _is_cut_out(written, words):
            continue
        for place, character in enumerate(written):
            # The character that is wrong makes every pair that it stands in odd.
            pairs = odd[max(start, start + place - 1) : min(start + length - 1, start + place + 1)]
            if not all(pairs) or (length == _SHORT and is_function_word(character)):
                continue
            for other in homophones(character):
                meant = written[:place] + other + written[place + 1 :]
                if meant in terms:
                    return written, meant
    return None


def _is_cut_out(written: str, words: set[str]) -> bool:
    """Whether the question was cut so that two characters are a word, or one each."""
    return all(character in words for character in written) or any(
        word.startswith(written) and all(map(is_function_word, word[len(written) :]))
        for word in words
    )
