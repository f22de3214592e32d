"""The tree's client: the questions of `Tree`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from clew.remote.pairs import quoted, to_pairs
from clew.remote.reply import BASE, Reply
from clew.tree import documents as doc

if TYPE_CHECKING:
    from clew.remote.http import Server
    from clew.remote.pairs import Pairs
    from clew.tree import parameters as ask

_JSON: Final = "application/json"

WATCH_PATH: Final = f"{BASE}/watch"

Document = TypeVar("Document")


class TreeClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def find_apps(self, query: ask.AppQuery) -> Reply[doc.AppList]:
        """Return one page of apps."""
        return self._get("/apps", to_pairs(query), doc.AppList)

    def get_app(self, app_id: str) -> Reply[doc.App]:
        """Return one app, with what it said last in full."""
        return self._get(f"/apps/{quoted(app_id)}", [], doc.App)

    def find_children(self, app_id: str, query: ask.ChildQuery) -> Reply[doc.AppList]:
        """Return one page of an app's children, or of everything below it."""
        return self._get(f"/apps/{quoted(app_id)}/children", to_pairs(query), doc.AppList)

    def find_messages(self, app_id: str, query: ask.MessageQuery) -> Reply[doc.MessageList]:
        """Return one page of an app's messages."""
        return self._get(f"/apps/{quoted(app_id)}/messages", to_pairs(query), doc.MessageList)

    def find_snapshots(self, app_id: str, query: ask.PageParameters) -> Reply[doc.SnapshotList]:
        """Return one page of an app's snapshots."""
        return self._get(f"/apps/{quoted(app_id)}/snapshots", to_pairs(query), doc.SnapshotList)

    def get_last_snapshot(self, app_id: str) -> Reply[doc.Snapshot]:
        """Return what an app said of its state last."""
        return self._get(f"/apps/{quoted(app_id)}/snapshots/latest", [], doc.Snapshot)

    def find_crashes(self, query: ask.CrashQuery) -> Reply[doc.CrashList]:
        """Return one page of crashes."""
        return self._get("/crashes", to_pairs(query), doc.CrashList)

    def get_command(self, correlation_id: str) -> Reply[doc.Command]:
        """Return a command or a cancel and what came of it."""
        return self._get(f"/control/{quoted(correlation_id)}", [], doc.Command)

    def schedule(self, child: ask.NewChild) -> Reply[doc.ChildScheduled]:
        """Announce a child; with an id of the caller's own it may be sent again."""
        return self._post("/children", child, [], doc.ChildScheduled)

    def unschedule(self, app_id: str) -> Reply[doc.ChildCancelled]:
        """Take back a child that has not started."""
        answer = self.server.delete(f"{BASE}/children/{quoted(app_id)}")
        return Reply(answer, doc.ChildCancelled)

    def command(
        self, app_id: str, command: ask.NewCommand, *, wait: str | None = None
    ) -> Reply[doc.Command]:
        """Give a command; with a correlation id of the caller's own it may be sent again."""
        pairs: Pairs = [] if wait is None else [("wait", wait)]
        return self._post(f"/apps/{quoted(app_id)}/control", command, pairs, doc.Command)

    def cancel(
        self, app_id: str, asked: ask.CancelParameters, *, correlation_id: str | None = None
    ) -> Reply[doc.Cancelled]:
        """Cancel an app; with a correlation id of the caller's own it may be sent again."""
        path = f"{BASE}/apps/{quoted(app_id)}/cancel"
        headers = {} if correlation_id is None else {"Idempotency-Key": correlation_id}
        answer = self.server.post(path, b"", _JSON, to_pairs(asked), headers)
        return Reply(answer, doc.Cancelled)

    def _get(self, path: str, pairs: Pairs, kind: type[Document]) -> Reply[Document]:
        return Reply(self.server.get(BASE + path, pairs), kind)

    def _post(
        self, path: str, body: msgspec.Struct, pairs: Pairs, kind: type[Document]
    ) -> Reply[Document]:
        given = {
            field.encode_name: value
            for field in msgspec.structs.fields(body)
            if (value := getattr(body, field.name)) is not None
        }
        answer = self.server.post(BASE + path, msgspec.json.encode(given), _JSON, pairs)
        return Reply(answer, kind)
