"""Editing `notesqa.toml` in place: only the lines that must change, comments kept."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notesqa.errors import ConfigError


def set_values(path: Path, table: str, values: Mapping[str, str]) -> None:
    """Set string values of one table; the rest of the file stays to the letter.

    An empty value takes the key's line away, or leaves the file alone where there is none.

    Raises:
        ConfigError: the file is malformed, written in a way that cannot be edited by
            lines (it is then unchanged), or cannot be written.
    """
    text = _read(path)
    old = _parsed(text, path)
    new = text
    for key, value in values.items():
        new = _with(new, table, key, value)
    wanted = {**old, table: {**old.get(table, {}), **{k: v for k, v in values.items() if v}}}
    for key, value in values.items():
        if not value:
            wanted[table].pop(key, None)
    found = _try_parse(new)
    if found is None or _without_empty(found) != _without_empty(wanted):
        lines = "; ".join(f"{k} = {json.dumps(v)}" for k, v in values.items())
        raise ConfigError(f"{path} cannot be edited here", f"write under [{table}]: {lines}")
    if new != text:
        _write(path, new)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "check its rights") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", "save it as UTF-8") from error


def _parsed(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "correct that line") from error


def _try_parse(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError:
        return None


def _without_empty(value: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if v != {}}


def _with(text: str, table: str, key: str, value: str) -> str:
    """`text` with one key of one table set, or taken out."""
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"^\ufeff?\s*\[\s*{re.escape(table)}\s*\]\s*(?:#.*)?$")
    entry = re.compile(
        rf"^(\s*(?:{re.escape(key)}|\"{re.escape(key)}\")\s*=\s*)(.*?)(\s*)$", re.DOTALL
    )
    line = f"{key} = {_quoted(value)}{end}"
    start = next((i for i, row in enumerate(lines) if header.match(row.rstrip("\r\n"))), None)
    if start is None:
        if not value:
            return text
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += end
        gap = [end] if lines and lines[-1].strip() else []
        return "".join([*lines, *gap, f"[{table}]{end}", line])
    stop = next(
        (i for i in range(start + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines)
    )
    for i in range(start + 1, stop):
        match = entry.match(lines[i])
        if match is None:
            continue
        if not value:
            return "".join([*lines[:i], *lines[i + 1 :]])
        comment = _comment(match[2])
        written = f"{match[1]}{_quoted(value)}{comment}{match[3] or end}"
        return "".join([*lines[:i], written, *lines[i + 1 :]])
    if not value:
        return text
    if not lines[start].endswith(("\n", "\r")):
        lines[start] += end
    return "".join([*lines[: start + 1], line, *lines[start + 1 :]])


# TOML allows no DEL in a string; at the others a line would seem to end.
_HIDDEN = re.compile("[\x7f-\x9f\u2028\u2029]")


def _quoted(value: str) -> str:
    """A string of TOML."""
    plain = json.dumps(value, ensure_ascii=False)
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", plain)


_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")


def _comment(value: str) -> str:
    """The comment after a value, with the space before it."""
    match = _STRING.match(value)
    rest = value[match.end() :] if match else value
    at = rest.find("#")
    if at < 0:
        return ""
    space = rest[:at]
    return (space if match else "  ") + rest[at:]


def _write(path: Path, text: str) -> None:
    target = path.resolve()  # a link stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".notesqa-", suffix=".toml")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", "check its rights") from error
