"""A trial of a server's triggers: a team of its own that is left again. Light install."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.team.bootstrap.findings import Finding, Outcome
from clew.team.errors import TeamError
from clew.team.trailbase.layout import filter_id
from clew.team.trailbase.records import RECORDS
from clew.team.trailbase.tokens import uuid_of

if TYPE_CHECKING:
    from clew.team.trailbase.client import AsyncTrailBaseClient

TEAM_NAME: Final = "clew bootstrap, to be removed"

HINT: Final = (
    "a trigger of the migrations is missing or was changed: compare the server's migrations with"
    " those of: clew team bootstrap --write FOLDER"
)


async def try_out(client: AsyncTrailBaseClient) -> list[Finding]:
    """Return whether rows are stamped, versions held to, tombstones made and rows emptied.

    Of the trial the tombstones stay: of a team without members, and of a session that is empty.
    """
    trial = _Trial(client)
    try:
        await trial.run()
    except TeamError as error:
        trial.add("trial", is_well=False, detail=str(error))
    await trial.leave()
    return trial.findings


class _Trial:
    def __init__(self, client: AsyncTrailBaseClient) -> None:
        self._client = client
        self._team = new_uuid(time.time_ns())
        self._session = new_uuid(time.time_ns())
        self._owner = client.session.user_id
        self.findings: list[Finding] = []

    def add(self, check: str, *, is_well: bool, detail: str = "") -> None:
        """Write down what a check came to."""
        outcome = Outcome.OK if is_well else Outcome.WRONG
        hint = None if is_well else HINT
        self.findings.append(
            Finding(check=check, outcome=outcome, detail="" if is_well else detail, hint=hint)
        )

    async def run(self) -> None:
        """Go through the life of a row."""
        await self._create("teams", {"id": self._team, "owner": self._owner, "name": TEAM_NAME})
        member = await self._member()
        is_owner = member is not None and member.get("role") == "owner"
        self.add("whoever makes a team owns it", is_well=is_owner)
        session = {"id": self._session, "team_id": self._team, "owner": self._owner}
        own = {"session_id": "trial", "title": "trial", "planned_duration_minutes": 1}
        await self._create("shared_sessions", session | own)
        first = await self._row()
        is_stamped = first["server_seq"] > 0 and first["updated_at"] > 0
        self.add("a row is stamped", is_well=is_stamped and first["version"] == 1)
        self.add("a stale version is refused", is_well=await self._status({"version": 1}) == 403)
        changed = await self._status({"version": 2, "title": "changed"})
        second = await self._row()
        is_numbered = changed == 200 and second["server_seq"] > first["server_seq"]
        self.add("a change is numbered", is_well=is_numbered, detail=f"answer {changed}")
        await self._status({"version": 3, "deleted": 1, "erase": 1})
        stone = await self._row()
        self.add("a tombstone has a time", is_well=stone["deleted_at"] is not None)
        self.add("what is erased is empty", is_well=stone["title"] == "")

    async def leave(self) -> None:
        """Leave the team, which ends it."""
        try:
            member = await self._member()
            if member is None:
                return
            change = {"version": member["version"] + 1, "deleted": 1}
            await self._client.patch(f"{RECORDS}/team_members/{uuid_of(member['id'])}", change)
        except TeamError as error:
            self.add("the last owner leaves", is_well=False, detail=str(error))

    async def _create(self, api: str, record: dict[str, object]) -> None:
        await self._client.post(f"{RECORDS}/{api}", record)

    async def _row(self) -> dict[str, Any]:
        row: dict[str, Any] = await self._client.get(f"{RECORDS}/shared_sessions/{self._session}")
        return row

    async def _member(self) -> dict[str, Any] | None:
        pairs = [("filter[team_id]", filter_id(self._team))]
        found = await self._client.get(f"{RECORDS}/team_members", pairs)
        rows = found.get("records") or [None]
        row: dict[str, Any] | None = rows[0]
        return row

    async def _status(self, change: dict[str, object]) -> int:
        try:
            await self._client.patch(f"{RECORDS}/shared_sessions/{self._session}", change)
        except TeamError as error:
            if error.status is None:
                raise
            return error.status
        return 200
