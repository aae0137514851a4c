"""The command palette: everything that has a key, and the notes by title."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.types import IgnoreReturnCallbackType

from notesqa.text.terminal import safe
from notesqa.tui.ask_widgets import Answered
from notesqa.tui.surface import Surface

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

_NOTES_SHOWN = 12
_NAME_CELLS = 24
_NOT_LISTED = {"submit", "recall", "palette"}
# What people want most, by the ids of the bindings; the rest comes after it, leaving last.
_FIRST = (
    *(
        "new_conversation",
        "copy_answer",
        "whole_note",
        "ask_again",
        "retry",
        "ask_literally",
        "look",
    ),
    *(
        "open_citation",
        "ask_this",
        "open_result",
        "explain",
        "copy_passage",
        "copy_quote",
        "copy_latex",
    ),
    *("open_conversation", "export", "rename", "delete", "undo"),
    *("outline", "read_back", "read_forward", "read_copy", "read_latex", "read_source"),
    *("search", "read", "history", "ask", "add", "rebuild", "cancel", "digest"),
    *("settings", "theme", "help"),
)
_LAST = ("stop", "interrupt", "quit")


class Commands(Provider):
    """The actions that can be done here, and those that can be done anywhere."""

    def _entries(self) -> Iterator[tuple[str, str, str, IgnoreReturnCallbackType]]:
        """What each is called, its name in the settings, its key, and how to do it."""
        app = cast("NotesApp", self.app)
        seen: set[str] = set()
        for binding, node in sorted(self._bindings_here(), key=lambda found: _rank(found[0])):
            # What has no name of its own is one of several: "1–9".
            if not binding.id or binding.id in _NOT_LISTED or binding.description in seen:
                continue
            if app.words.is_ours(binding.description) and self._makes_sense(binding, node):
                seen.add(binding.description)
                key = app.get_key_display(binding)
                run = partial(app.run_action, binding.action, node)
                yield binding.description, binding.id or "", key, run

    def _makes_sense(self, binding: Binding, node: DOMNode) -> bool:
        """Whether there is anything that it could be done to."""
        app = cast("NotesApp", self.app)
        if binding.id == "cancel":
            return app.desk.indexing
        return bool(app.exchanges) or not isinstance(node, Answered)

    def _bindings_here(self) -> Iterator[tuple[Binding, DOMNode]]:
        """What works where the focus is, and then what works on the answers of this screen."""
        for active in self.screen.active_bindings.values():
            if active.enabled and self._possible(active.binding):
                yield active.binding, active.node
        for surface in self.screen.query(Surface):
            for _, binding in surface._bindings:
                if self._possible(binding):
                    yield binding, surface

    def _possible(self, binding: Binding) -> bool:
        """Whether the screen below, which Textual does not ask, can do it now."""
        namespace, _, name = binding.action.partition("(")[0].rpartition(".")
        return namespace != "screen" or bool(self.screen.check_action(name, ()))

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, _, key, run in self._entries():
            yield DiscoveryHit(_shown(name, key), run, text=name)

    async def search(self, query: str) -> Hits:
        """Those that match, and notes whose title does."""
        matcher = self.matcher(query)
        none = True
        for name, called, key, run in self._entries():
            # Also by the name that the help shows, whatever language the screen speaks.
            if (score := max(matcher.match(name), matcher.match(called))) > 0:
                none = False
                yield Hit(score, _shown(name, key), run, text=name)
        app = cast("NotesApp", self.app)
        found = (info for info in app.documents if query.lower() in info.title.lower())
        for info in islice(found, _NOTES_SHOWN):
            none = False
            title = safe(info.title, newlines=False)
            yield Hit(0.5, _shown(title, app.words("read")), partial(app.read, info.id), text=title)
        if none:
            # Textual would say so itself, in English whatever the screen speaks.
            said = app.words("no_results")
            yield Hit(0.1, Content.styled(said, "$quiet"), _do_nothing, text=said)


def _do_nothing() -> None:
    """What comes of choosing that nothing was found."""


def _rank(binding: Binding) -> tuple[int, int]:
    """Where a command stands in the list."""
    if binding.id in _FIRST:
        return 0, _FIRST.index(binding.id)
    return (2, _LAST.index(binding.id)) if binding.id in _LAST else (1, 0)


def _shown(name: str, note: str) -> Content:
    """A name and what stands beside it. The matcher's own display would read markup."""
    filled = name + " " * (_NAME_CELLS - cell_len(name))
    return Content.assemble(filled, "  ", Content.styled(note, "$quiet"))
