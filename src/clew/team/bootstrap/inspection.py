"""Looks whether a live server is what the sync needs. Light install.

What it sends without `deep` changes nothing on any server: where a rule that must refuse it is
missing, a foreign key does, because it names teams and users that there are not. From which of the
two refused, it learns whether the rule is there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from clew.base.ids import new_uuid
from clew.base.times import NS_PER_S
from clew.team.bootstrap.findings import BootstrapReport, Finding, Outcome, make_report
from clew.team.bootstrap.needs import NEEDS, SCHEMA_VERSION, Need
from clew.team.bootstrap.trial import try_out
from clew.team.errors import TeamError
from clew.team.trailbase.probe import Api
from clew.team.trailbase.records import RECORDS, TRANSACTION

if TYPE_CHECKING:
    from clew.team.trailbase.client import AsyncTrailBaseClient

CLOCK_S_MAX: Final = 60.0
"""Tokens live for an hour, and invites at least as long: a minute does no harm to either."""

MIGRATE: Final = (
    "write the files with: clew team bootstrap --write FOLDER, put the migrations into the"
    " server's folder and restart it"
)
CONFIGURE: Final = "take the record_apis of config.textproto into the server's configuration"
LOG_IN: Final = "give --email, so that somebody asks"

Ask = tuple[str, str, Any]


async def inspect_server(client: AsyncTrailBaseClient, *, deep: bool = False) -> BootstrapReport:
    """Return what there is and what is missing on the server of a client.

    Where nobody is logged in, only what anybody may ask is looked at. `deep` also makes a team of
    its own, goes through versions, stamps, tombstones and erasing in it, and leaves it again.

    Raises:
        TeamError: the server is not reached, or is no TrailBase server.
    """
    url = client.transport.url
    if await client.api() is not Api.TRAILBASE:
        finding = Finding(
            check="api",
            outcome=Outcome.WRONG,
            detail="the server speaks the documented API, which has nothing to set up",
            hint="connect to it with: clew team connect",
        )
        return make_report(url, [finding])
    look = _Look(client)
    findings = [Finding(check="api", outcome=Outcome.OK, detail="TrailBase"), look.clock()]
    for need in NEEDS:
        findings += await look.api(need)
    findings.append(await look.transactions())
    if client.is_authenticated:
        findings.append(await look.version())
        findings += await look.rules()
        if deep:
            findings += await try_out(client)
    return make_report(url, findings)


class _Look:
    def __init__(self, client: AsyncTrailBaseClient) -> None:
        self._client = client

    def clock(self) -> Finding:
        """Compare its clock with ours."""
        offset_s = self._client.transport.clock_offset_ns / NS_PER_S
        if abs(offset_s) <= CLOCK_S_MAX:
            return Finding(check="clock", outcome=Outcome.OK)
        return Finding(
            check="clock",
            outcome=Outcome.WRONG,
            detail=f"the server's clock is {offset_s:+.0f} s from this machine's",
            hint="set the clocks: the later change wins by the server's",
        )

    async def api(self, need: Need) -> list[Finding]:
        """Look at one record API: whether it is there, for whom, with what, and live."""
        name = f"api {need.api}"
        listing = f"{RECORDS}/{need.api}?limit=0&count=true"
        status = await self._status("GET", listing, anonymous=True)
        if status == 405:
            hint = f"{MIGRATE}; {CONFIGURE}"
            return [Finding(check=name, outcome=Outcome.MISSING, hint=hint)]
        if status != 403:
            detail = f"whoever is nobody may read it (answer {status})"
            return [Finding(check=name, outcome=Outcome.WRONG, detail=detail, hint=CONFIGURE)]
        if not self._client.is_authenticated:
            detail = "there; who may do what was not looked at"
            return [Finding(check=name, outcome=Outcome.UNKNOWN, detail=detail, hint=LOG_IN)]
        status = await self._status("GET", listing)
        if status != 200:
            detail = f"whoever is logged in may not list it (answer {status})"
            return [Finding(check=name, outcome=Outcome.WRONG, detail=detail, hint=CONFIGURE)]
        found = [Finding(check=name, outcome=Outcome.OK), await self._columns(need)]
        if need.is_live:
            found.append(await self._live(need))
        return found

    async def transactions(self) -> Finding:
        """Look whether several operations go in one request; none are sent."""
        status = await self._status("POST", TRANSACTION, {"operations": []})
        if status == 200:
            return Finding(check="transactions", outcome=Outcome.OK)
        return Finding(
            check="transactions",
            outcome=Outcome.MISSING,
            detail="operations go one by one, which is slower",
            hint="set enable_record_transactions: true in the server's configuration",
        )

    async def version(self) -> Finding:
        """Compare the version of its tables with ours."""
        try:
            document = await self._client.get(f"{RECORDS}/clew_info/1")
        except TeamError as error:
            return Finding(
                check="version", outcome=Outcome.MISSING, detail=str(error), hint=MIGRATE
            )
        found = document.get("schema_version") if isinstance(document, dict) else None
        if found == SCHEMA_VERSION:
            return Finding(check="version", outcome=Outcome.OK, detail=str(found))
        is_newer = isinstance(found, int) and found > SCHEMA_VERSION
        return Finding(
            check="version",
            outcome=Outcome.WRONG,
            detail=f"the server's tables are of version {found}, ours of {SCHEMA_VERSION}",
            hint="update clew" if is_newer else MIGRATE,
        )

    async def rules(self) -> list[Finding]:
        """Look whether the rules refuse what they must."""
        somebody, nowhere = new_uuid(time.time_ns()), new_uuid(time.time_ns())
        me = self._client.session.user_id
        session = {"session_id": "probe", "planned_duration_minutes": 1}
        tries: list[tuple[str, Ask]] = [
            ("only members create", self._create("shared_sessions", nowhere, me, **session)),
            ("only leaders invite", self._create("team_invites", nowhere, me, **_INVITE)),
            ("nobody makes members", self._create("team_members", nowhere, None, role="owner")),
            ("teams are one's own", self._create("teams", None, somebody, name="probe")),
            ("a join needs a code", self._create("team_joins", None, me, _code="probe")),
        ]
        for need in NEEDS:
            if need.is_written:
                row = f"{RECORDS}/{need.api}/{nowhere}"
                tries.append((f"{need.api} change by rule", ("PATCH", row, {"version": 2})))
                tries.append((f"{need.api} keep tombstones", ("DELETE", row, None)))
        return [await self._refused(name, ask) for name, ask in tries]

    async def _refused(self, name: str, ask: Ask) -> Finding:
        status = await self._status(*ask)
        if status == 403:
            return Finding(check=name, outcome=Outcome.OK)
        if status == 405:
            return Finding(check=name, outcome=Outcome.MISSING, hint=CONFIGURE)
        return Finding(
            check=name,
            outcome=Outcome.WRONG,
            detail=f"no rule refused what has to be refused (answer {status})",
            hint=CONFIGURE,
        )

    async def _columns(self, need: Need) -> Finding:
        name = f"columns {need.api}"
        try:
            document = await self._client.get(f"{RECORDS}/{need.api}/schema")
        except TeamError as error:
            hint = f"add SCHEMA to acl_authenticated of {need.api}"
            return Finding(check=name, outcome=Outcome.UNKNOWN, detail=str(error), hint=hint)
        found = document.get("properties") if isinstance(document, dict) else None
        if not isinstance(found, dict):
            return Finding(check=name, outcome=Outcome.UNKNOWN, detail="the schema is none")
        lacking = sorted(need.columns - found.keys())
        if lacking:
            detail = f"it lacks {', '.join(lacking)}"
            return Finding(check=name, outcome=Outcome.MISSING, detail=detail, hint=MIGRATE)
        return Finding(check=name, outcome=Outcome.OK)

    async def _live(self, need: Need) -> Finding:
        name = f"events {need.api}"
        transport, session = self._client.transport, self._client.session
        try:
            headers = await session.headers(transport)
            path = f"{RECORDS}/{need.api}/subscribe/*"
            async with transport.stream(path, headers=headers):
                return Finding(check=name, outcome=Outcome.OK)
        except TeamError as error:
            return Finding(
                check=name,
                outcome=Outcome.MISSING,
                detail=f"changes are pulled every few minutes only ({error})",
                hint=f"set enable_subscriptions: true for {need.api}",
            )

    def _create(self, api: str, team: str | None, owner: str | None, **columns: object) -> Ask:
        record: dict[str, object] = {"id": new_uuid(time.time_ns()), **columns}
        if team is not None:
            record["team_id"] = team
        if owner is not None:
            record["owner"] = owner
        return "POST", f"{RECORDS}/{api}", record

    async def _status(
        self, method: str, path: str, body: object = None, *, anonymous: bool = False
    ) -> int:
        """Return the status of an answer.

        Raises:
            TeamError: there was none.
        """
        transport, session = self._client.transport, self._client.session
        headers = {}
        if not anonymous and session.tokens is not None:
            headers = dict(await session.headers(transport))
        try:
            return (await transport.ask(method, path, body=body, headers=headers)).status
        except TeamError as error:
            if error.status is None:
                raise
            return error.status


_INVITE: Final = {"code": "probe-of-clew-team-bootstrap", "expires_at": 1, "role": "member"}
