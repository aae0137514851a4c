"""Words and grams of a text, as the search engines count them.

Han runs are cut exactly as jieba cuts them for search (`rjieba`: the same dictionary
and model in Rust); everything else is cut here: Latin words, versions, numbers, LaTeX
commands, Greek letters. Grams stand beside words so that a different cut of the same
characters, or another spelling of a compound, still meets.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from notesqa.errors import CorpusError
from notesqa.text.latex import GREEK
from notesqa.text.normalize import VERSION as NORMALIZE_VERSION
from notesqa.text.normalize import normalize

if TYPE_CHECKING:
    from rjieba import Jieba

VERSION = f"1.{NORMALIZE_VERSION}"

_HAN = "\u4e00-\u9fd5"  # the range in which jieba's model works
_SINGLE = "\u3005-\u3007\u3400-\u4dbf\u9fd6-\u9fff\U00020000-\U0003ffff"
_GREEK = "\u0370-\u03ff"
_KANA = "\u3040-\u30ff\u31f0-\u31ff"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
_LETTER = rf"[^\W_{_GREEK}{_HANGUL}{_KANA}{_SINGLE}{_HAN}]"
_TOKEN = re.compile(
    rf"(?P<han>[{_HAN}]+)"
    rf"|(?P<placeholder>\[(?:公式|math)\])"
    rf"|(?P<size>\d+(?:\s?[×x]\s?\d+)+(?![a-z]))"
    rf"|(?P<thousands>\d{{1,3}}(?:,\d{{3}})+(?![\d,]))"
    rf"|(?P<latin>\\?{_LETTER}+(?:[-._']{_LETTER}+)*(?:\+\+|\#(?!\w))?)"
    rf"|(?P<greek>[{_GREEK}])"
    rf"|(?P<other>[{_SINGLE}]|[{_KANA}]+|[{_HANGUL}]+)"
)
_SEPARATORS = re.compile(r"[-._']+")
_NUMBER = re.compile(r"\d+(?:\.\d+)*")
# A name and its version written as one: `yolov1`, `gpt4`, `resnet50`; but `conv1` is
# no version 1 of `con`.
_VERSIONED = re.compile(r"([a-z]{2,}?)((?:(?<=[a-z]{4})(?<!con)v)?\d+(?:\.\d+)*[a-z]?)")
_ADJACENT = re.compile(r"[ \-/]?")

_VARIANTS = {"var" + name: name for name in "epsilon theta phi pi rho sigma kappa".split()}
# LaTeX commands that say how a formula is set, not what it says.
_LAYOUT = frozenset(
    "frac dfrac tfrac left right big bigl bigr bigg biggl biggr begin end mathbf mathbb mathcal "
    "mathrm mathit mathsf mathtt mathfrak boldsymbol bm text textbf textit textrm operatorname "
    "quad qquad displaystyle textstyle limits nolimits label tag ref eqref cdot cdots ldots dots "
    "vdots ddots times hat bar tilde vec widehat widetilde overline underline underbrace overbrace "
    "underset overset stackrel mid middle lvert rvert lvert vert in to le ge leq geq ne neq "
    "approx sim equiv propto rightarrow leftarrow mapsto sum prod int lim sqrt partial nabla "
    "infty forall exists cup cap subset subseteq notin pm mp ast star circ prime not hspace vspace "
    "color boxed substack array cases aligned align equation matrix bmatrix pmatrix nonumber "
    "notag phantom hline over choose".split()
)

_load_lock = threading.Lock()


class Segmenter:
    """Cuts text into words and grams. Cheap to make; the dictionary loads at first use.

    May be used from several threads.
    """

    def __init__(self, userdict: Path | None = None) -> None:
        """Take the user's dictionary in jieba's format (`word [frequency] [tag]` a line).

        Args:
            userdict: may be None or absent.

        Raises:
            CorpusError: it cannot be read, is not UTF-8, or a frequency in it is too large.
        """
        self._userwords = _read_userdict(userdict) if userdict else ()
        self._jieba: Jieba | None = None
        mixed = {w for w, _, _ in self._userwords if not re.fullmatch(f"[{_HAN}]+", w)}
        mixed = {w for w in mixed if re.search(f"[{_HAN}]", w)}
        self._mixed = (
            re.compile("|".join(re.escape(w) for w in sorted(mixed, key=len, reverse=True)))
            if mixed
            else None
        )
        known = repr(self._userwords).encode() if self._userwords else b""
        self._dictionary = hashlib.blake2b(known, digest_size=6).hexdigest()
        self._recipe = f"{VERSION}-{self._dictionary}"

    @property
    def dictionary(self) -> str:
        """A digest of the user's words; `recipe` ends in it."""
        return self._dictionary

    @property
    def recipe(self) -> str:
        """Changes when the same text may be cut otherwise: indexes made before are stale."""
        return self._recipe

    def words(self, text: str) -> list[str]:
        """Normalised words in the order of the text, some in several forms.

        Han runs as `jieba.lcut_for_search`; `GPT-4` → `gpt4 gpt 4`, `YOLOv1` → `yolov1
        yolo v1`, `flows` → `flows flow`, `3×3` → `3x3`, `λ` and `\\lambda` → `lambda`.
        LaTeX commands of layout and the feed's `[公式]` are left out.
        """
        text = normalize(text)
        found: list[str] = []
        runs: list[str] = []
        places: list[int] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind == "han":
                runs.append(match[0])
                places.append(len(found))
                found.append("")
            elif kind == "latin":
                found.extend(latin_words(match[0]))
            elif kind == "greek":
                found.append(GREEK.get(match[0], match[0]))
            elif kind != "placeholder":
                found.append(_plain_token(kind, match[0]))
        if runs:
            found = self._filled(found, runs, places)
        if self._mixed:
            found.extend(match[0].replace(" ", "") for match in self._mixed.finditer(text))
        return found

    def _filled(self, found: list[str], runs: list[str], places: list[int]) -> list[str]:
        """Put the words of Han runs into their places; one call cuts all runs."""
        result: list[str] = []
        position = 0
        place = iter(places)
        result.extend(found[: (current := next(place))])
        position = current + 1
        for word in self._engine().cut_for_search("\n".join(runs), True):
            if word == "\n":
                current = next(place)
                result.extend(found[position:current])
                position = current + 1
            else:
                result.append(word)
        result.extend(found[position:])
        return result

    def grams(self, text: str) -> list[str]:
        """Normalised Han bigrams (a lone character as itself) and joined Latin neighbours.

        `anchor free`, `anchor-free` and `anchorfree` share `anchorfree`; `GPT 4` and
        `gpt4` share `gpt4`.
        """
        text = normalize(text)
        result: list[str] = []
        previous, end = "", -1
        for match in _TOKEN.finditer(text):
            kind, token = match.lastgroup, match[0]
            if kind == "han":
                if len(token) == 1:
                    result.append(token)
                else:
                    result.extend(map("".join, pairwise(token)))
            elif kind == "latin" and token[0] != "\\":
                parts = [part for part in _SEPARATORS.split(token) if part]
                near = end >= 0 and bool(_ADJACENT.fullmatch(text, end, match.start()))
                for part in parts:
                    if previous and near:
                        result.append(previous + part)
                    if len(part) >= 4 or (not part.isalpha() and not part.isdigit()):
                        result.append(part)
                    previous, near = part, True
                if len(parts) > 2:
                    result.append("".join(parts))
                end = match.end()
            elif kind == "other" and len(token) > 1:
                result.extend(map("".join, pairwise(token)))
            elif kind == "size":
                result.append(_plain_token(kind, token))
        return result

    def knows(self, word: str) -> bool:
        """Whether the dictionary, or the user's, has a Han word."""
        return bool(self._engine().has_word(word))

    def _engine(self) -> Jieba:
        if self._jieba is None:
            self._jieba = engine(self._userwords)
        return self._jieba


_UserWord = tuple[str, int | None, str | None]
_engines: dict[tuple[_UserWord, ...], Jieba] = {}


def engine(userwords: tuple[_UserWord, ...] = ()) -> Jieba:
    """The shared cutter with these words beside its own; made once for each set of words."""
    with _load_lock:
        if userwords not in _engines:
            import rjieba

            # The package makes one cutter when it is imported, which takes 0.1 s: the first
            # that asks takes it over, and only one with another dictionary makes its own.
            ready = rjieba.Jieba() if _engines else rjieba._DEFAULT_JIEBA
            for word, frequency, tag in userwords:
                ready.add_word(word, frequency, tag)
            _engines[userwords] = ready
        return _engines[userwords]


def _read_userdict(path: Path) -> tuple[_UserWord, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is not UTF-8", "save it as UTF-8") from error
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}", "check its rights") from error
    return tuple(_userwords(text, path))


_USER_LINE = re.compile(r"(.+?)(?: ([0-9]+))?(?: ([a-z]+))?")
# All the frequencies of jieba's own dictionary together are 60 million.
_MOST_FREQUENT = 10**9


def _userwords(text: str, path: Path) -> Iterator[_UserWord]:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _USER_LINE.fullmatch(line)
        word = normalize(match[1]).strip() if match else ""
        if not match or not word:
            continue
        frequency = match[2]
        if frequency and (len(frequency) > 20 or int(frequency) > _MOST_FREQUENT):
            raise CorpusError(
                f"{path}, line {number}: the frequency {frequency[:24]} is too large",
                f"write at most {_MOST_FREQUENT}, or leave it out",
            )
        yield word, int(frequency) if frequency else None, match[3]


# -- everything that is not Han ----------------------------------------------------------


def _plain_token(kind: str | None, token: str) -> str:
    if kind == "size":
        return re.sub(r"\s", "", token).replace("×", "x")
    if kind == "thousands":
        return token.replace(",", "")
    return token


@lru_cache(maxsize=1 << 16)
def latin_words(token: str) -> tuple[str, ...]:
    """The words that one normalised Latin token stands for, itself first.

    Args:
        token: letters and digits, with inner `-._'`, perhaps a leading `\\`.
    """
    if token[0] == "\\":
        name = token[1:]
        name = _VARIANTS.get(name, name)
        if _SEPARATORS.search(name):
            # `\theta_i`: the command ends where its letters end.
            name, *rest = _SEPARATORS.split(name)
            name = _VARIANTS.get(name, name)
            return (() if name in _LAYOUT else (name,)) + tuple(r for r in rest if len(r) > 1)
        return () if name in _LAYOUT else (name,)
    suffix = "++" if token.endswith("++") else "#" if token.endswith("#") else ""
    token = token.removesuffix(suffix)
    words: dict[str, None] = {}
    if suffix:
        words[_joined(token) + suffix] = None
    if token.endswith("'s"):
        token = token[:-2]
    if _NUMBER.fullmatch(token):
        return (*words, token)
    if not _SEPARATORS.search(token):
        for word in _forms(token):
            words[word] = None
        return tuple(words)
    words[_joined(token)] = None
    for piece in re.split(r"[-']", token):
        if _NUMBER.fullmatch(piece):
            words[piece] = None
            continue
        if len(piece) > 1 and piece != token and re.search(r"[._]", piece):
            words[piece] = None
        for part in re.split(r"[._]", piece):
            # A lone letter beside `_` or `.` is an index (`x_i`) or an abbreviation.
            if len(part) > 1 or (part and part == piece):
                for word in _forms(part):
                    words[word] = None
    return tuple(words)


def latin_tokens(normalized: str) -> Iterator[tuple[int, int, tuple[str, ...], str]]:
    """Everything in a normalised text that is not Han: start, end, words, letters alone."""
    for match in _TOKEN.finditer(normalized):
        kind, token = match.lastgroup, match[0]
        if kind == "latin":
            yield match.start(), match.end(), latin_words(token), _SEPARATORS.sub("", token)
        elif kind == "greek":
            name = GREEK.get(token, token)
            yield match.start(), match.end(), (name,), name
        elif kind in ("size", "thousands", "other"):
            plain = _plain_token(kind, token)
            yield match.start(), match.end(), (plain,), plain


def _joined(token: str) -> str:
    return token.replace("-", "").replace("'", "")


def _forms(word: str) -> Iterator[str]:
    """A word without separators, then its stem and version, or its singular."""
    yield word
    if match := _VERSIONED.fullmatch(word):
        yield match[1]
        if match[2][0] == "v":
            yield match[2]
    elif len(word) > 3 and word[-1] == "s" and word.isalpha():
        yield from singulars(word)


def singulars(word: str) -> Iterator[str]:
    """What a Latin word may be the plural of."""
    if word.endswith(("ss", "us", "is", "ias")):
        return
    if word.endswith("ies") and len(word) > 4:
        yield word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        yield word[:-2]
    else:
        yield word[:-1]
