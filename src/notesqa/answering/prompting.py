"""Prompt templates: the package's defaults, and the user's own in the home's `prompts/`.

A template is a Markdown file `NAME.LANGUAGE.md`: front matter with `name`, `language`
and `purpose`, then the parts `# system` and `# user`, each a Jinja template. It is run
in Jinja's sandbox with undefined names refused, and tried out when it is loaded, so a
mistake shows at once and not in the middle of an answer.

Passages are put between two lines with a boundary that whoever wrote the notes cannot
know, so that text in a note cannot pretend to have ended (the delimiting of untrusted
data, or "spotlighting": Hines et al. 2024, arXiv:2403.14720).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from notesqa.answering.refusal import REFUSAL_EN, REFUSAL_ZH
from notesqa.errors import PromptError
from notesqa.llm import Message
from notesqa.records import Passage, Turn

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment

    from notesqa.config import Home

Language = Literal["zh", "en"]
Task = Literal["answer", "rewrite", "title"]

TASKS: tuple[Task, ...] = ("answer", "rewrite", "title")
LANGUAGES: tuple[Language, ...] = ("zh", "en")
REFUSALS: Mapping[Language, str] = {"zh": REFUSAL_ZH, "en": REFUSAL_EN}

# What a template may use, and what it must, else it could not do its task.
_VARIABLES: Mapping[Task, frozenset[str]] = {
    "answer": frozenset({"question", "passages", "boundary", "refusal"}),
    "rewrite": frozenset({"question", "turns"}),
    "title": frozenset({"question"}),
}
_MOST_BYTES = 1 << 18
_PART = re.compile(r"^# (system|user)[ \t]*$", re.MULTILINE)
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_ANSWER_CHARACTERS = 600
_process_key = secrets.token_bytes(16)


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template that was checked.

    Attributes:
        origin: the file it came from, for messages.
        system, user: compiled templates; `system` may be None.
    """

    name: Task
    language: Language
    purpose: str
    origin: str
    system: Template | None
    user: Template

    def messages(self, values: Mapping[str, Any]) -> list[Message]:
        """The chat that the template becomes.

        Raises:
            PromptError: the template fails with these values.
        """
        parts: list[Message] = []
        if self.system is not None:
            parts.append(Message("system", _rendered(self.system, values, self.origin)))
        parts.append(Message("user", _rendered(self.user, values, self.origin)))
        return parts


@dataclass(frozen=True, slots=True)
class Prompts:
    """All templates of a home, one a task and language."""

    templates: Mapping[tuple[Task, Language], Prompt]

    def answer(
        self,
        question: str,
        passages: Sequence[Passage],
        language: Language,
        history: Sequence[Turn] = (),
    ) -> list[Message]:
        """The chat that asks for an answer; the turns before stand between system and user."""
        boundary = boundary_for(question, passages)
        shown = [
            {
                "n": n,
                "place": one_line(" › ".join(p for p in (passage.title, passage.heading) if p)),
                "text": passage.text,
            }
            for n, passage in enumerate(passages, 1)
        ]
        messages = self.templates["answer", language].messages(
            {
                "question": one_line(question),
                "passages": shown,
                "boundary": boundary,
                "refusal": REFUSALS[language],
            }
        )
        before: list[Message] = []
        for turn in history:
            before.append(Message("user", one_line(turn.question)))
            before.append(Message("assistant", said(turn)))
        return [*messages[:-1], *before, messages[-1]]

    def rewrite(self, question: str, turns: Sequence[Turn], language: Language) -> list[Message]:
        """The chat that asks for a follow-up as a question of its own."""
        shown = [{"question": one_line(t.question), "answer": said(t)} for t in turns]
        return self.templates["rewrite", language].messages(
            {"question": one_line(question), "turns": shown}
        )

    def title(self, question: str, language: Language) -> list[Message]:
        """The chat that asks for a conversation's title."""
        return self.templates["title", language].messages({"question": one_line(question)})


def said(turn: Turn) -> str:
    """An answer as later prompts quote it: without marks, whose numbers mean nothing there."""
    text = one_line(" ".join(sentence.text for sentence in turn.answer.sentences))
    return text if len(text) <= _ANSWER_CHARACTERS else text[:_ANSWER_CHARACTERS] + " …"


def one_line(text: str) -> str:
    """`text` with its white space as single spaces."""
    return " ".join(text.split())


def boundary_for(question: str, passages: Sequence[Passage]) -> str:
    """A word that no passage holds and nobody outside this process can foretell.

    The same question over the same passages gets the same one, so that the model's
    cache of the prompt stays of use when it is asked again.
    """
    digest = hmac.new(_process_key, question.encode(errors="replace"), hashlib.sha256)
    for passage in passages:
        digest.update(passage.chunk_id.encode(errors="replace") + b"\0")
    word = digest.hexdigest()
    for start in range(0, 48, 8):
        boundary = "N" + word[start : start + 12].upper()
        if not any(boundary in p.text or boundary in p.title for p in passages):
            return boundary
    return "N" + secrets.token_hex(16).upper()


# -- loading -----------------------------------------------------------------------------


def load_prompts(home: Home | None) -> Prompts:
    """The templates of a home: its own files first, the package's for the rest.

    Raises:
        PromptError: a file is malformed; it says which, the line, and what is wrong.
    """
    templates: dict[tuple[Task, Language], Prompt] = {}
    for task in TASKS:
        for language in LANGUAGES:
            own = home.prompts / f"{task}.{language}.md" if home is not None else None
            if own is not None and own.is_file():
                templates[task, language] = read_prompt(own, task, language)
            else:
                templates[task, language] = _default(task, language)
    return Prompts(templates)


def read_prompt(path: Path, task: Task, language: Language) -> Prompt:
    """One template of the user's.

    Raises:
        PromptError: unreadable or malformed.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise PromptError(f"{path} is too large for a prompt", "keep it under 256 KiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PromptError(f"cannot read {path}: {error.strerror}", "check its rights") from error
    except UnicodeDecodeError as error:
        raise PromptError(f"{path} is not UTF-8", "save it as UTF-8") from error
    return parse_prompt(text, str(path), task, language)


@cache
def _default(task: Task, language: Language) -> Prompt:
    name = f"{task}.{language}.md"
    text = files("notesqa").joinpath("prompts", name).read_text("utf-8")
    return parse_prompt(text, f"notesqa/prompts/{name}", task, language)


def parse_prompt(text: str, origin: str, task: Task, language: Language) -> Prompt:
    """Check and compile a template.

    Raises:
        PromptError: naming `origin`, the line, and what is wrong.
    """
    text = text.replace("\r\n", "\n")
    purpose, end = _front_matter(text, origin, task, language)
    parts = _parts(text, end, origin)
    environment = _environment()
    compiled: dict[str, Template] = {}
    used: set[str] = set()
    for name, (line, body) in parts.items():
        used |= _names(environment, body, line, origin, _VARIABLES[task])
        compiled[name] = environment.from_string(body)
    missing = sorted(_VARIABLES[task] - used)
    if missing:
        raise PromptError(
            f"{origin}: {{{{ {missing[0]} }}}} is never used",
            f"a prompt for {task} needs {', '.join(sorted(_VARIABLES[task]))}",
        )
    prompt = Prompt(task, language, purpose, origin, compiled.get("system"), compiled["user"])
    prompt.messages(_example(task))
    return prompt


def _front_matter(text: str, origin: str, task: Task, language: Language) -> tuple[str, int]:
    match = _FRONT.match(text)
    if match is None:
        raise PromptError(
            f"{origin}:1: no front matter",
            "begin with --- and the lines name:, language:, purpose:, then ---",
        )
    values: dict[str, str] = {}
    for number, line in enumerate(match[1].splitlines(), 2):
        if not line.strip():
            continue
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in ("name", "language", "purpose"):
            raise PromptError(
                f"{origin}:{number}: {line.strip()[:60]!r} is not understood",
                "known are name, language and purpose",
            )
        values[key.strip()] = value.strip()
    for key, wanted in (("name", task), ("language", language)):
        if values.get(key) != wanted:
            raise PromptError(
                f"{origin}: {key} is {values.get(key, '')!r}, expected {wanted!r}",
                "it must agree with the file's name",
            )
    return values.get("purpose", ""), match.end()


def _parts(text: str, end: int, origin: str) -> dict[str, tuple[int, str]]:
    """The bodies of `# system` and `# user` with the line that each begins on."""
    marks = list(_PART.finditer(text, end))
    between = text[end : marks[0].start()] if marks else text[end:]
    if between.strip() or not marks:
        line = text.count("\n", 0, end) + 1
        raise PromptError(
            f"{origin}:{line}: text outside the parts `# system` and `# user`",
            "put it under one of these headings",
        )
    parts: dict[str, tuple[int, str]] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        line = text.count("\n", 0, mark.start()) + 1
        if mark[1] in parts:
            raise PromptError(f"{origin}:{line}: a second part `# {mark[1]}`", "join the two")
        body = text[mark.end() : following.start() if following else len(text)]
        parts[mark[1]] = (line + 1, body.strip("\n"))
    if "user" not in parts:
        raise PromptError(f"{origin}: the part `# user` is missing", "add it")
    return parts


def _environment() -> SandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Prompts are plain text for a model: HTML escapes would only garble them.
    return ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )


def _names(
    environment: SandboxedEnvironment, body: str, line: int, origin: str, known: frozenset[str]
) -> set[str]:
    from jinja2 import TemplateSyntaxError, meta

    try:
        names = meta.find_undeclared_variables(environment.parse(body))
    except TemplateSyntaxError as error:
        raise PromptError(
            f"{origin}:{line + error.lineno - 1}: {error.message}", "correct that line"
        ) from error
    unknown = sorted(names - known)
    if unknown:
        at = re.search(rf"\b{re.escape(unknown[0])}\b", body)
        number = line + (body.count("\n", 0, at.start()) if at else 0)
        raise PromptError(
            f"{origin}:{number}: unknown variable {unknown[0]!r}",
            f"known are {', '.join(sorted(known))}",
        )
    return names


def _rendered(template: Template, values: Mapping[str, Any], origin: str) -> str:
    from jinja2 import TemplateError

    try:
        return template.render(values).strip()
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise PromptError(f"{origin}: {error}", "correct the template") from error


def _example(task: Task) -> dict[str, Any]:
    """Values to try a template with."""
    values: dict[str, dict[str, Any]] = {
        "answer": {
            "question": "?",
            "passages": [{"n": 1, "place": "A", "text": "B"}, {"n": 2, "place": "C", "text": "D"}],
            "boundary": "N0",
            "refusal": ".",
        },
        "rewrite": {"question": "?", "turns": [{"question": "A", "answer": "B"}]},
        "title": {"question": "?"},
    }
    return values[task]
