"""The text of a file of unknown encoding, or a refusal; never a guess that garbles.

UTF-8 and UTF-16 are recognised by their marks and their structure. GB18030 and Big5 both
accept most byte pairs, so that a strict decode proves little: the one whose characters
are common ones in Chinese is taken, and neither when neither reads like a text.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from functools import cache

from notesqa.errors import CorpusError
from notesqa.text.normalize import normalize

_MAGIC = {
    b"%PDF-": "a PDF file", b"PK\x03\x04": "a zip archive or office file",
    b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"GIF8": "a GIF image",
    b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf\x27\x1c": "a 7z archive", b"Rar!": "a RAR archive",
    b"\x7fELF": "a program", b"MZ": "a program", b"SQLite format 3\0": "a SQLite database",
    b"GGUF": "a GGUF model", b"\xd0\xcf\x11\xe0": "an old office file", b"ID3": "an audio file",
    b"OggS": "an audio file", b"RIFF": "a media file", b"{\\rtf": "an RTF file",
    b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive", b"\xca\xfe\xba\xbe": "a program",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
}  # fmt: skip
_ISO_2022 = re.compile(rb"\x1b\$[()]?[@ABC]")
_SAMPLE = 1 << 16
_WRONG = re.compile(
    "[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f\ue000-\uf8ff\ufffd\ufffe\uffff]"
)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HAN = re.compile("[\u4e00-\u9fff]")


def decode(data: bytes) -> str:
    """The text of a file, its byte-order mark removed, line ends as they are.

    Raises:
        CorpusError: it is no text, or its encoding cannot be told with confidence.
    """
    if data.startswith((codecs.BOM_UTF8,)):
        return _strict(data[3:], "utf-8", "it says UTF-8")
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return _strict(data, "utf-32", "it says UTF-32")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _strict(data, "utf-16", "it says UTF-16")
    _refuse_binary(data)
    if _ISO_2022.search(data):
        raise CorpusError("unknown encoding: it looks like ISO-2022", "save it as UTF-8")
    if b"\0" not in data:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            _refuse_damaged(data, error)
        else:
            if _plausible(text):
                return text
            raise CorpusError("binary file", "only text files are notes")
    if wide := _utf16(data):
        return wide
    if b"\0" in data:
        raise CorpusError("binary file", "only text files are notes")
    return _legacy(data)


def _strict(data: bytes, encoding: str, claim: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"damaged text: {claim} but byte {error.start} is not", "save it anew as UTF-8"
        ) from error


def _refuse_damaged(data: bytes, error: UnicodeDecodeError) -> None:
    """Refuse what is UTF-8 but for a few bytes, rather than read it as something else."""
    sample = data[:_SAMPLE] + data[error.start : error.start + _SAMPLE]
    text = sample.decode("utf-8", "replace")
    good = sum(1 for c in text if c > "\x7f" and c != "\ufffd")
    # Two samples may each cut a character at either end.
    if good > 20 * max(0, text.count("\ufffd") - 12) and good > 20:
        line = 1 + data.count(b"\n", 0, error.start)
        raise CorpusError(
            f"damaged UTF-8 on line {line}", "correct that line, or save the file anew as UTF-8"
        ) from error


def _refuse_binary(data: bytes) -> None:
    for magic, what in _MAGIC.items():
        if data.startswith(magic) and (len(magic) > 3 or _controls(data)):
            raise CorpusError(f"binary file ({what})", "only text files are notes")


def _controls(data: bytes) -> bool:
    return any(byte < 9 or 13 < byte < 27 for byte in data[:1024])


def _plausible(text: str) -> bool:
    """Whether there are hardly any control characters. (Private ones are icons in fonts.)"""
    sample = text[:_SAMPLE] + text[-_SAMPLE:]
    return len(_CONTROLS.findall(sample)) <= 2 + len(sample) // 200


def _utf16(data: bytes) -> str:
    """UTF-16 without a mark, by what its characters are; empty when it is not."""
    if len(data) % 2 or len(data) < 4:
        return ""
    best, best_score = "", 0.8
    for encoding in ("utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        score = _readable(text)
        if score > best_score:
            best, best_score = text, score
    return best


def _readable(text: str) -> float:
    """Share of characters that Chinese and English text is made of."""
    sample = text[:_SAMPLE]
    if not sample or _WRONG.search(sample):
        return 0.0
    common = _common()
    good = sum(
        1 for c in sample if " " <= c <= "~" or c in "\r\n\t" or c in common or c in _PUNCTUATION
    )
    return good / len(sample)


_PUNCTUATION = frozenset("，。、；：？！“”‘’（）《》〈〉【】「」『』—…·～￥％＋－＝×÷°　")


# How much of a text's Han characters are frequent ones: 0.5 to 0.7 in notes (0.33 in one
# snippet of 60 characters in a hundred), 0.2 at most where bytes are read in the wrong
# encoding (measured on some hundred notes and pieces of them).
_LEAST_FREQUENT = 0.3
_LEAST_COMMON = 0.8
_MARGIN = 0.1


def _legacy(data: bytes) -> str:
    """GB18030 or Big5, whichever reads like Chinese.

    Raises:
        CorpusError: neither does, or both.
    """
    candidates: list[tuple[float, str]] = []
    for encoding in ("gb18030", "big5hkscs"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        candidates.append((_chinese(text), text))
    candidates.sort(key=lambda pair: pair[0], reverse=True)
    if candidates and candidates[0][0] >= _LEAST_FREQUENT:
        second = candidates[1][0] if len(candidates) > 1 else 0.0
        if candidates[0][0] - second >= _MARGIN:
            return candidates[0][1]
    raise CorpusError(
        "unknown encoding: not UTF-8 or UTF-16, nor surely GB18030 or Big5", "save it as UTF-8"
    )


def _chinese(text: str) -> float:
    """Share of frequent characters among the Han, 0 when the text holds what none does."""
    sample = text[: _SAMPLE * 4]
    if _WRONG.search(sample):
        return 0.0
    han = _HAN.findall(sample)
    beyond = sum(1 for c in sample if c > "~")
    common = _common()
    good = sum(
        1 for c in sample if c > "~" and (c in common or c in _PUNCTUATION or _other_letter(c))
    )
    if not han or good < _LEAST_COMMON * beyond:
        return 0.0
    return sum(1 for c in normalize("".join(han)) if c in _FREQUENT) / len(han)


def _other_letter(char: str) -> bool:
    """Greek letters, mathematical letters and signs, emoji: notes are full of them."""
    return (
        "\u0370" <= char <= "\u03ff"
        or "\U0001d400" <= char <= "\U0001d7ff"
        or unicodedata.category(char) in ("Sm", "So")
    )


_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道"
    "行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实者意无力它与"
    "长把机十第公此工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体相见被利什二等产或新己制身果加"
    "合回特代内信表化给位次度任常先通教原提立及比解水名真论处各入几条平系题更别变四总何数反受目量再感建做接必场"
    "件计期直指统区形便则难求据程式数据模型训练网络函数参数学习算法输入输出损失梯度概率分布样本特征层维向量矩阵"
)


@cache
def _common() -> frozenset[str]:
    """The common characters of Chinese, simplified and traditional.

    Both standards put the common characters first: level 1 of GB 2312 (1980) in rows 16
    to 55, and level 1 of Big5 (1984) in lead bytes A4 to C6.
    """
    simplified = bytes(
        b for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for b in (row, cell)
    )
    trails = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    traditional = bytes(b for row in range(0xA4, 0xC7) for cell in trails for b in (row, cell))
    return frozenset(
        _HAN.findall(simplified.decode("gb2312", "ignore") + traditional.decode("big5", "ignore"))
    )
