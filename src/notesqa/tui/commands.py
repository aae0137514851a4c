"""The command palette: everything that has a key, and the notes by title."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from notesqa.text.terminal import safe

if TYPE_CHECKING:
    from notesqa.tui.app import NotesApp

_NOTES_SHOWN = 12


class Commands(Provider):
    """The actions that can be done here, and those that can be done anywhere."""

    def _entries(self) -> Iterator[tuple[str, str, IgnoreReturnCallbackType]]:
        app = cast("NotesApp", self.app)
        seen: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if (
                not app.words.is_ours(binding.description)
                or not active.enabled
                or binding.description in seen
            ):
                continue
            seen.add(binding.description)
            run = partial(app.run_action, binding.action, active.node)
            yield binding.description, app.get_key_display(binding), run

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for name, key, run in self._entries():
            yield DiscoveryHit(name, run, help=key)

    async def search(self, query: str) -> Hits:
        """Those that match, and notes whose title does."""
        matcher = self.matcher(query)
        for name, key, run in self._entries():
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), run, help=key)
        app = cast("NotesApp", self.app)
        shown = 0
        for info in app.documents:
            title = safe(info.title, newlines=False)
            if query.lower() in title.lower():
                shown += 1
                yield Hit(
                    0.5,
                    matcher.highlight(title),
                    partial(app.read, info.id),
                    help=app.words("read"),
                )
            if shown >= _NOTES_SHOWN:
                break
