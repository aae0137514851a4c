"""The command palette: everything that has a key, and the notes by title."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, cast

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.types import IgnoreReturnCallbackType

from notesqa.text.terminal import safe
from notesqa.tui.surface import Surface

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

_NOTES_SHOWN = 12
_NOT_LISTED = {"submit", "recall", "palette"}


class Commands(Provider):
    """The actions that can be done here, and those that can be done anywhere."""

    def _entries(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("NotesApp", self.app)
        seen: set[str] = set()
        for binding, node in self._bindings_here():
            if binding.id in _NOT_LISTED or binding.description in seen:
                continue
            if app.words.is_ours(binding.description):
                seen.add(binding.description)
                key = app.get_key_display(binding)
                yield binding.description, key, partial(app.run_action, binding.action, node)

    def _bindings_here(self) -> Iterator[tuple[Binding, DOMNode]]:
        """What works where the focus is, and then what works on the answers of this screen."""
        for active in self.screen.active_bindings.values():
            if active.enabled:
                yield active.binding, active.node
        for surface in self.screen.query(Surface):
            for _, binding in surface._bindings:
                yield binding, surface

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, key, run in self._entries():
            yield DiscoveryHit(_shown(name, key), run, text=name)

    async def search(self, query: str) -> Hits:
        """Those that match, and notes whose title does."""
        matcher = self.matcher(query)
        for name, key, run in self._entries():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, _shown(name, key), run, text=name)
        app = cast("NotesApp", self.app)
        found = (info for info in app.documents if query.lower() in info.title.lower())
        for info in islice(found, _NOTES_SHOWN):
            title = safe(info.title, newlines=False)
            yield Hit(0.5, _shown(title, app.words("read")), partial(app.read, info.id), text=title)


def _shown(name: str, note: str) -> Content:
    """A name and what stands beside it. The matcher's own display would read markup."""
    return Content.assemble(name, "  ", Content.styled(note, "$quiet"))
