"""A fake of the other API: the one that the integration documents, with an address for each kind.

It is no server that there is. It does what the documents say and a careful implementation would
add: an entity that was made is answered with its `remote_id`, a list is narrowed by `since`, who is
nobody is 401, what is not there 404. It has neither versions nor tombstones.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from clew.base.ids import new_uuid
from clew.base.times import parse_time
from clew.testing.trailbase.accounts import Accounts, FakeUser, Tokens
from clew.testing.trailbase.database import Database
from clew.testing.trailbase.host import FakeHost
from clew.testing.trailbase.http import Request, Response, of_json, of_text
from clew.testing.trailbase.values import Json, Refusal

KINDS: Final = ("teams", "members", "shared_sessions")
"""What can be written; any other kind has to be allowed."""

NS_PER_S: Final = 1_000_000_000

Entity = dict[str, Any]


@dataclass(slots=True)
class _Kept:
    entity: Entity
    changed_at: int
    owner: FakeUser = field(repr=False)


class FakeDocumented(FakeHost):
    """A server of the documented API. `prefix` is where its login is: ``/auth`` or ``/api/auth``.

    It heeds the header ``Idempotency-Key`` where `heeds_keys` is true; one that does not makes a
    second entity of a create that is sent again.
    """

    def __init__(
        self,
        prefix: str = "/auth",
        *,
        kinds: tuple[str, ...] = KINDS,
        heeds_keys: bool = True,
    ) -> None:
        self._prefix = prefix
        self._kinds = kinds
        self._heeds_keys = heeds_keys
        super().__init__()

    def add_user(self, email: str, password: str = "correct horse") -> FakeUser:  # noqa: S107
        """Make an account.

        Raises:
            ValueError: there is one with this address.
        """
        return self.do(
            lambda: self._accounts.add(email, password, is_verified=True, totp_secret=None)
        )

    def entities(self, kind: str) -> list[Entity]:
        """Return what there is of a kind, in the order in which it was made."""
        return [dict(kept.entity) for kept in self._kept[kind].values()]

    def _open(self) -> None:
        self._database = Database(self.now, lambda _: None)
        self._accounts = Accounts(self._database, self.now)
        self._kept: dict[str, dict[str, _Kept]] = {kind: {} for kind in self._kinds}
        self._made: dict[str, str] = {}

    def _end(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()

    def _who(self, request: Request) -> str | None:
        user = self._accounts.bearer(request.headers.get("authorization"))
        return user.email if user else None

    def _answer(self, request: Request) -> Response:
        if request.path.startswith(f"{self._prefix}/"):
            return self._log_in(request)
        user = self._accounts.bearer(request.headers.get("authorization"))
        if not request.path.startswith("/api/"):
            raise Refusal(404)
        if user is None:
            raise Refusal(401)
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "GET", ["team", "members"]:
                return of_json(self._list("members", request, user))
            case "GET", ["team", "activity"]:
                return of_json(self._activity(request, user))
            case "GET", ["teams", "invite", code]:
                return of_json(self._invited(code))
            case "GET", [kind] if kind in self._kinds:
                return of_json(self._list(kind, request, user))
            case "POST", [kind] if kind in self._kinds:
                return of_json(self._create(kind, request, user))
            case "GET", [kind, remote_id] if kind in self._kinds:
                return of_json(self._one(kind, remote_id).entity)
            case "PUT", [kind, remote_id] if kind in self._kinds:
                return of_json(self._update(kind, remote_id, _entity(request.json())))
            case "DELETE", [kind, remote_id] if kind in self._kinds:
                self._one(kind, remote_id)
                del self._kept[kind][remote_id]
                return of_text("")
            case _:
                raise Refusal(404)

    def _log_in(self, request: Request) -> Response:
        fields = {k: v for k, v in _entity(request.json()).items() if isinstance(v, str)}
        email = fields.get("email", "").strip().lower()
        match request.method, request.path.removeprefix(self._prefix):
            case "POST", "/login":
                return self._welcome(email, fields.get("password", ""))
            case "POST", "/register":
                if self._accounts.find(email) is not None or "@" not in email:
                    raise Refusal(400, "email is taken")
                self._accounts.add(
                    email, fields.get("password", ""), is_verified=True, totp_secret=None
                )
                return self._welcome(email, fields.get("password", ""))
            case "POST", "/refresh":
                return self._renewed(fields.get("refresh_token", ""))
            case "POST", "/logout":
                self._accounts.end(fields.get("refresh_token", ""))
                return of_text("")
            case _:
                raise Refusal(404)

    def _welcome(self, email: str, password: str) -> Response:
        tokens, user = self._accounts.log_in(email, password), self._accounts.find(email)
        assert isinstance(tokens, Tokens)
        assert user is not None
        return of_json(self._tokens(user, tokens.auth_token, tokens.refresh_token))

    def _renewed(self, refresh_token: str) -> Response:
        auth_token, _ = self._accounts.refresh(refresh_token)
        user = self._accounts.bearer(f"Bearer {auth_token}")
        assert user is not None
        return of_json(self._tokens(user, auth_token, refresh_token))

    def _tokens(self, user: FakeUser, auth_token: str, refresh_token: str) -> Entity:
        return {
            "user_id": user.id,
            "email": user.email,
            "access_token": auth_token,
            "refresh_token": refresh_token,
            "expires_in": self._accounts.auth_ttl_s,
        }

    def _create(self, kind: str, request: Request, user: FakeUser) -> Entity:
        key = request.headers.get("idempotency-key") if self._heeds_keys else None
        if key in self._made:
            return self._one(kind, self._made[str(key)]).entity
        remote_id = new_uuid(self.now())
        kept = _Kept({**_entity(request.json()), "remote_id": remote_id}, self.now(), user)
        self._kept[kind][remote_id] = kept
        if kind == "teams":
            self._found(kept, user)
        if key is not None:
            self._made[key] = remote_id
        return self._stamped(kept)

    def _found(self, team: _Kept, user: FakeUser) -> None:
        """Make whoever made a team its owner."""
        member_id = new_uuid(self.now())
        member = {
            "local_id": member_id,
            "remote_id": member_id,
            "team_id": team.entity["remote_id"],
            "user_id": user.id,
            "email": user.email,
            "display_name": None,
            "role": "owner",
            "joined_at": _rfc3339(self.now()),
        }
        self._kept["members"][member_id] = _Kept(member, self.now(), user)
        self._stamped(self._kept["members"][member_id])

    def _update(self, kind: str, remote_id: str, entity: Entity) -> Entity:
        kept = self._one(kind, remote_id)
        kept.entity |= entity | {"remote_id": remote_id}
        kept.changed_at = self.now()
        return self._stamped(kept)

    def _stamped(self, kept: _Kept) -> Entity:
        kept.entity.setdefault("last_modified", _rfc3339(kept.changed_at))
        kept.entity["updated_at"] = _rfc3339(kept.changed_at)
        return kept.entity

    def _one(self, kind: str, remote_id: str) -> _Kept:
        if remote_id not in self._kept[kind]:
            raise Refusal(404)
        return self._kept[kind][remote_id]

    def _list(self, kind: str, request: Request, user: FakeUser) -> list[Json]:
        since = dict(parse_qsl(request.query)).get("since")
        after = parse_time(since, now=self.now()) if since else 0
        teams = self._teams_of(user)
        return [
            kept.entity
            for kept in self._kept[kind].values()
            if kept.changed_at >= after
            and kept.entity.get("team_id", kept.entity["remote_id"]) in teams
        ]

    def _teams_of(self, user: FakeUser) -> set[str]:
        members = (kept.entity for kept in self._kept["members"].values())
        return {str(one["team_id"]) for one in members if one.get("user_id") == user.id}

    def _invited(self, code: str) -> Entity:
        for kept in self._kept["teams"].values():
            if kept.entity.get("invite_code") == code:
                return kept.entity
        raise Refusal(404)

    def _activity(self, request: Request, user: FakeUser) -> list[Json]:
        limit = int(dict(parse_qsl(request.query)).get("limit", "20"))
        return self._list("shared_sessions", request, user)[-limit:][::-1]


def _entity(body: Json) -> Entity:
    if not isinstance(body, dict):
        raise Refusal(400, "not an entity")
    # A copy that shares nothing with whoever looks at the journal.
    copied: Entity = json.loads(json.dumps(body))
    return copied


def _rfc3339(at: int) -> str:
    moment = datetime.fromtimestamp(at // NS_PER_S, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at % NS_PER_S // 1000:06d}Z"
