"""Records as JSON and back, for the way between the app and the process behind it.

Only our own frozen records travel: the type that a message is read as is the reader's
choice, never the sender's.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import PurePath
from typing import Any, Union, get_args, get_origin, get_type_hints


def line(message: Mapping[str, Any]) -> bytes:
    """A message on one line; records in it become objects, paths and the like strings."""
    # In ASCII: a lone surrogate out of a damaged note travels as well as any other.
    return json.dumps(message, default=_plain, separators=(",", ":")).encode() + b"\n"


def read(raw: bytes) -> dict[str, Any]:
    """The inverse of `line`, its records still plain.

    Raises:
        ValueError: it is no message.
    """
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("not a message")  # noqa: TRY004 - as json's own
    return found


def unpack(kind: Any, data: Any) -> Any:
    """`data` as a `kind`: a record, or a list, tuple, mapping or union with None of such."""
    return _reader(kind)(data)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel")


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record_reader(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        rest = [part for part in inner if part is not types.NoneType]
        if len(rest) == 1:
            read_one = _reader(rest[0])
            return lambda data: None if data is None else read_one(data)
    if origin is tuple and not (len(inner) == 2 and inner[1] is Ellipsis):
        readers = [_reader(part) for part in inner]
        return lambda data: tuple(r(v) for r, v in zip(readers, data, strict=True))
    if origin in (tuple, list, Sequence):
        make = list if origin is list else tuple
        if _as_it_is(inner[0]):
            return make
        read_each = _reader(inner[0])
        return lambda data: make(map(read_each, data))
    if origin in (dict, Mapping) and not _as_it_is(inner[1]):
        read_value = _reader(inner[1])
        return lambda data: {key: read_value(value) for key, value in data.items()}
    return _same


def _record_reader(kind: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    readers: dict[str, Callable[[Any], Any]] = {}

    def read_record(data: Mapping[str, Any]) -> Any:
        # Filled at the first use: a record may hold one of its own kind.
        if not readers:
            names = [field.name for field in dataclasses.fields(kind)]
            readers.update({name: _reader(hints[name]) for name in names})
        return kind(**{name: readers[name](value) for name, value in data.items()})

    return read_record


def _as_it_is(kind: Any) -> bool:
    return kind in (Any, str, int, float, bool) or get_origin(kind) is Mapping


def _same(data: Any) -> Any:
    return data
