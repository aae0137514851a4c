"""The character table of the tokenizer: `notesqa.text.normalize`, inside tokenizer.json.

Hugging Face `tokenizers` offers a `Precompiled` normalizer: a trie from UTF-8 strings to
their replacements, in the byte layout of sentencepiece. Whoever loads the tokenizer
then normalises alike, without our code. The layout, all little-endian: the size of the
trie in bytes (uint32), the trie as a double array of uint32 units (the scheme of
darts-clone), the replacements, each ended by a zero byte.

A unit holds in bits 0 to 7 the byte that leads to it, in bit 8 whether a key ends there,
in bits 10 to 30 the offset to its children (`child = (self ^ offset) ^ byte`); a leaf,
reached by byte zero, has bit 31 set and the position of its replacement.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_LEAF = 1 << 31
_HAS_LEAF = 1 << 8
_OFFSET_SHIFT = 10
_MAX_OFFSET = 1 << 21
_LOOK_BACK = 2048


def table(normalize: Callable[[str], str], *, last: int = 0x2FFFF) -> dict[str, str]:
    """Every character up to code point `last` that `normalize` changes, and into what."""
    found = {}
    for code in range(0x20, min(last, sys.maxunicode) + 1):
        if 0xD800 <= code <= 0xDFFF:
            continue
        char = chr(code)
        result = normalize(char)
        if result != char:
            found[char] = result
    return found


@dataclass(slots=True)
class _Node:
    children: dict[int, _Node] = field(default_factory=dict)
    value: int | None = None


def compile_charsmap(replacements: Mapping[str, str]) -> bytes:
    """The bytes that `tokenizers.normalizers.Precompiled` takes.

    Raises:
        ValueError: a key is empty or holds a zero byte, or the trie grows too large.
    """
    root = _Node()
    blob = bytearray()
    positions: dict[str, int] = {}
    for key, value in sorted(replacements.items()):
        if not key or "\0" in key or "\0" in value:
            raise ValueError(f"cannot map {key!r}")
        if value not in positions:
            positions[value] = len(blob)
            blob += value.encode() + b"\0"
        node = root
        for byte in key.encode():
            node = node.children.setdefault(byte, _Node())
        node.value = positions[value]
    units = _double_array(root)
    return struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + bytes(blob)


def _double_array(root: _Node) -> list[int]:
    units: list[int] = [0] * 256
    taken = bytearray(256)
    taken[0] = 1
    first_free = 1
    # Were two nodes to share a base, one's children would be found from the other.
    bases = {-1}
    pending = [(root, 0)]
    while pending:
        node, place = pending.pop()
        labels = sorted(node.children)
        if node.value is not None:
            labels.insert(0, 0)
        while first_free < len(taken) and taken[first_free]:
            first_free += 1
        # Gaps further back are few and mostly spoilt by used bases: not worth the search.
        start = max(first_free, len(taken) - _LOOK_BACK)
        base = _fitting_base(labels, taken, start, bases)
        bases.add(base)
        needed = (base | 255) + 1
        if needed > len(units):
            taken.extend(bytes(needed - len(units)))
            units.extend([0] * (needed - len(units)))
        offset = place ^ base
        if offset >= _MAX_OFFSET:
            raise ValueError("the table is too large for one trie")
        units[place] |= offset << _OFFSET_SHIFT
        for label in labels:
            taken[base ^ label] = 1
        if node.value is not None:
            units[place] |= _HAS_LEAF
            units[base] = _LEAF | node.value
        for label, child in node.children.items():
            units[base ^ label] = label
            pending.append((child, base ^ label))
    return units


def _fitting_base(labels: list[int], taken: bytearray, start: int, bases: set[int]) -> int:
    """The first base of no other node whose slots for all `labels` are free."""
    size = len(taken)
    slot = start
    while True:
        base = slot ^ labels[0]
        if base not in bases and all(
            (base ^ label) >= size or not taken[base ^ label] for label in labels
        ):
            return base
        slot += 1
