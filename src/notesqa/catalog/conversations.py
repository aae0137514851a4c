"""Kept conversations: their turns with the cited text as it was."""

from __future__ import annotations

from notesqa.catalog.file import CatalogFile, mapped, now
from notesqa.errors import CatalogError
from notesqa.reports import ConversationInfo


class Conversations(CatalogFile):
    """The conversations in a catalog's file.

    Raises:
        CatalogError: from every method, when SQLite fails.
    """

    def conversations(self, query: str = "") -> list[ConversationInfo]:
        """Kept conversations, latest first; with `query` those that hold it."""
        escaped = query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        like = f"%{escaped}%"
        rows = self._rows(
            "SELECT c.id, c.title, c.created, c.updated, count(t.id) FROM conversations c"
            " LEFT JOIN turns t ON t.conversation = c.id WHERE c.deleted IS NULL AND (? = '' OR"
            " c.title LIKE ? ESCAPE '\\' OR EXISTS (SELECT 1 FROM turns q WHERE"
            " q.conversation = c.id AND (q.question LIKE ? ESCAPE '\\' OR EXISTS (SELECT 1 FROM"
            " json_each(q.answer, '$.sentences') s WHERE json_extract(s.value, '$.text')"
            " LIKE ? ESCAPE '\\'))))"
            " GROUP BY c.id ORDER BY c.updated DESC, max(t.id) DESC, c.id DESC",
            [query, like, like, like],
        )
        return [ConversationInfo(*row) for row in rows]

    def turns(self, conversation: int) -> list[tuple[str, str]]:
        """Time and answer (JSON) of every turn, in order."""
        return self._rows(
            "SELECT asked_at, answer FROM turns WHERE conversation = ? ORDER BY id", [conversation]
        )

    def add_turn(self, conversation: int | None, title: str, question: str, answer: str) -> int:
        """Keep a turn, in a new conversation where none is named; returns its id.

        A deleted conversation that goes on is there again.
        """
        time = now()
        with self._lock, mapped(self.path), self._db.atomic() as db:
            if conversation is None:
                conversation = db.execute(
                    "INSERT INTO conversations (title, created, updated) VALUES (?, ?, ?)",
                    [title, time, time],
                ).lastrowid
            if conversation is None:
                raise CatalogError("the conversation was not kept", "run: notesqa doctor")
            self._change_conversation(
                "UPDATE conversations SET updated = ?, deleted = NULL WHERE id = ?",
                time,
                conversation,
            )
            db.execute(
                "INSERT INTO turns (conversation, asked_at, question, answer) VALUES (?, ?, ?, ?)",
                [conversation, time, question, answer],
            )
        return conversation

    def _change_conversation(self, sql: str, value: str | None, conversation: int) -> None:
        if self._db.execute(sql, [value, conversation]).rowcount != 1:
            raise CatalogError(
                f"there is no conversation {conversation}", "it was kept in another index"
            )

    def rename_conversation(self, conversation: int, title: str) -> None:
        """Give a conversation another title."""
        with self._lock, mapped(self.path), self._db.atomic():
            self._change_conversation(
                "UPDATE conversations SET title = ? WHERE id = ?", title, conversation
            )

    def mark_conversation(self, conversation: int, *, deleted: bool) -> None:
        """Delete a conversation so that it can be restored, or restore it."""
        with self._lock, mapped(self.path), self._db.atomic():
            self._change_conversation(
                "UPDATE conversations SET deleted = ? WHERE id = ?",
                now() if deleted else None,
                conversation,
            )
