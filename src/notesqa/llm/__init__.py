"""Chat models behind one protocol: a GGUF in this process, or a server."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from notesqa.errors import ModelError

if TYPE_CHECKING:
    from notesqa.config import Home, LlmSettings


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: Literal["system", "user", "assistant"]
    content: str


class ChatModel(Protocol):
    """What every chat model offers. One generation at a time; others wait.

    Attributes:
        name: shown to the user and kept with the answer.
        context_tokens: room for prompt and reply together.
        supports_grammar: whether `stream` obeys `grammar`.
    """

    @property
    def name(self) -> str: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def supports_grammar(self) -> bool: ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the prompt that `messages` become, in the model's tokens."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        *,
        grammar: str | None = None,
        max_tokens: int = 512,
        temperature: float = 0.0,
        cancel: threading.Event | None = None,
    ) -> Iterator[str]:
        """The reply in pieces as it is written.

        Setting `cancel` ends it within a token, also while the prompt is read;
        the iterator then simply stops.

        Raises:
            ModelError: the model or the server failed, or the prompt is too long.
        """
        ...

    def close(self) -> None:
        """Free the model."""
        ...


def open_chat_model(settings: LlmSettings, home: Home) -> ChatModel | None:
    """The chat model that the settings name, loaded; None when they name none.

    Raises:
        ModelError: it cannot be loaded.
    """
    _refuse_address(settings)
    if settings.base_url:
        from notesqa.llm.openai import OpenAIChatModel

        return OpenAIChatModel(settings)
    if settings.model:
        from notesqa.llm.llamacpp import LlamaCppChatModel

        return LlamaCppChatModel(settings, home)
    return None


def look_at(settings: LlmSettings, home: Home) -> str:
    """The chat model that the settings name, for people; neither loaded nor spoken to.

    Raises:
        ModelError: it could not be opened, as far as that shows.
    """
    _refuse_address(settings)
    if settings.base_url:
        from notesqa.llm.openai import OpenAIChatModel

        OpenAIChatModel(settings).close()
        return f"{settings.model or 'default'} at {settings.base_url}"
    if not settings.model:
        return ""
    from notesqa.llm.gguf import check_whole
    from notesqa.llm.llamacpp import locate

    path = locate(settings.model, home)
    check_whole(path)
    return str(path)


def _refuse_address(settings: LlmSettings) -> None:
    if not settings.base_url and settings.model.startswith(("http://", "https://")):
        raise ModelError(
            f"llm.model is the address of a server: {settings.model}",
            f"notesqa model use {settings.model}, or write it as llm.base_url",
        )


def has_template(model: object) -> bool:
    """Whether a model knows how a chat is written; only a file can lack that, no server."""
    return bool(getattr(model, "has_template", True))


def remark(model: ChatModel) -> str:
    """What the user should know of a loaded model, with what to do about it; mostly nothing."""
    if has_template(model):
        return ""
    return (
        f"{model.name} brings no chat template and may answer badly;"
        " choose an instruct or chat model: notesqa model list"
    )
