"""Whether a GGUF file is whole, told by its header alone, without llama.cpp.

The header says of every tensor where it lies and what type and shape it has: a file that
was cut short or overwritten does not keep to that.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

from notesqa.errors import ModelError
from notesqa.llm.native import check_file

_VERSIONS = (2, 3)
_SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_DEEPEST, _MOST_DIMENSIONS = 4, 8
_ALIGNMENT = "general.alignment"
# Of each type of tensor: how many weights a block holds, and how many bytes it takes.
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 40), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4),
    27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66),
    39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip


def check_whole(path: Path) -> None:
    """Refuse a model file that llama.cpp could not load; reads the header only.

    Raises:
        ModelError: missing, unreadable, another format, damaged or cut short.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            _check(_Header(file, path.stat().st_size))
    except _Damaged as error:
        raise ModelError(
            f"{path.name} is damaged or cut short", "fetch it again: notesqa model pull NAME"
        ) from error
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}", "check its rights") from error


class _Damaged(Exception):  # noqa: N818
    """The header does not fit itself, or the file."""


class _Header:
    """Numbers and names from the beginning of a file."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self.size = size

    @property
    def place(self) -> int:
        return self._file.tell()

    def number(self, form: str) -> int:
        raw = self._file.read(struct.calcsize(form))
        try:
            value: int = struct.unpack(form, raw)[0]
        except struct.error as error:
            raise _Damaged from error
        return value

    def text(self) -> bytes:
        length = self.number("<Q")
        if length > self.size - self.place:
            raise _Damaged
        return self._file.read(length)

    def skip(self, count: int) -> None:
        if count > self.size - self.place:
            raise _Damaged
        self._file.seek(count, 1)

    def skip_value(self, kind: int, depth: int = 0) -> None:
        if kind in _SCALARS:
            self.skip(_SCALARS[kind])
        elif kind == _STRING:
            self.skip(self.number("<Q"))
        elif kind == _ARRAY and depth < _DEEPEST:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _SCALARS:
                self.skip(_SCALARS[inner] * count)
                return
            if count > self.size:
                raise _Damaged
            for _ in range(count):
                self.skip_value(inner, depth + 1)
        else:
            raise _Damaged


def _check(header: _Header) -> None:
    header.skip(4)
    if header.number("<I") not in _VERSIONS:
        raise _Damaged
    tensors, values = header.number("<Q"), header.number("<Q")
    if max(tensors, values) > header.size:
        raise _Damaged
    alignment = 32
    for _ in range(values):
        name, kind = header.text(), header.number("<I")
        if name == _ALIGNMENT.encode() and kind == _UINT32:
            alignment = max(1, header.number("<I"))
        else:
            header.skip_value(kind)
    furthest = 0
    for _ in range(tensors):
        header.text()
        dimensions = header.number("<I")
        if dimensions > _MOST_DIMENSIONS:
            raise _Damaged
        weights = math.prod([header.number("<Q") for _ in range(dimensions)])
        kind, offset = header.number("<I"), header.number("<Q")
        # Of a type that came later only the place is known.
        block, size = BLOCKS.get(kind, (1, 0))
        furthest = max(furthest, offset + weights // block * size)
    begin = -(-header.place // alignment) * alignment
    if tensors and begin + furthest > header.size:
        raise _Damaged
