"""The one interface to a team's server, held to its promises on both APIs that are behind it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.ids import new_uuid
from clew.team.entities.comment import SharedComment
from clew.team.entities.entity import SyncableEntity, utc_now
from clew.team.entities.member import Role
from clew.team.entities.session import SharedSession
from clew.team.entities.team import Team
from clew.team.errors import (
    AuthError,
    ConflictError,
    DeniedError,
    NetworkError,
    NotFoundError,
    RateLimitError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.merging.operation import SyncOperationType as Do
from clew.team.trailbase import membership
from clew.team.trailbase.client import AsyncTrailBaseClient, SyncState
from clew.team.trailbase.contract import Hint, Remote, Sending
from clew.team.trailbase.filters import Op, Where
from clew.team.trailbase.login import Credentials
from clew.team.trailbase.server import RecordsServer
from clew.team.trailbase.tokens import base64_of
from clew.testing.trailbase import FakeDocumented, FakeTrailBase, Trouble
from tests.scripted_http import Heard, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator


WAIT_S = 60.0


@dataclass
class Finding(SyncableEntity):
    """A kind of entity that the server knows nothing of."""

    local_id: str
    team_id: str
    data: str
    detail: dict[str, Any] = field(default_factory=dict)
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "findings"


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTrailBase]:
    with FakeTrailBase() as server:
        for name in ("ann", "bob", "eve"):
            server.add_user(f"{name}@example.com")
        yield server


@pytest.fixture(autouse=True)
def calm(fake: FakeTrailBase) -> None:
    fake.calm()
    fake.forget()


def fresh_id() -> str:
    return new_uuid(time.time_ns())


@asynccontextmanager
async def known(
    fake: FakeTrailBase | FakeDocumented, name: str
) -> AsyncIterator[AsyncTrailBaseClient]:
    async with AsyncTrailBaseClient(fake.url) as client:
        await client.authenticate(Credentials(f"{name}@example.com", "correct horse"))
        yield client


@dataclass
class Crew:
    """A team of Ann, who owns it, and Bob, each with a server of theirs."""

    ann: AsyncTrailBaseClient
    bob: AsyncTrailBaseClient
    ours: RecordsServer
    theirs: RecordsServer
    team_id: str

    def sending(self, kind: str, document: dict[str, Any], **kept: Any) -> Sending:
        fields = {
            "op_id": fresh_id(),
            "remote_id": fresh_id(),
            "team_id": self.team_id,
            "operation": Do.CREATE,
            "version": 0,
            **kept,
        }
        return Sending(entity_type=kind, document=document, **fields)

    def comment(self, body: str = "seen", **kept: Any) -> Sending:
        document = {"trace_id": "ab" * 16, "author": "ann", "body": body}
        return self.sending("comments", document, **kept)

    def change(self, made: Remote, body: str, **kept: Any) -> Sending:
        return self.comment(
            body, operation=Do.UPDATE, remote_id=made.remote_id, version=made.version, **kept
        )


def with_crew(fake: FakeTrailBase, work: Callable[[Crew], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with known(fake, "ann") as ann, known(fake, "bob") as bob:
            ours, theirs = await ann.server(), await bob.server()
            assert isinstance(ours, RecordsServer)
            assert isinstance(theirs, RecordsServer)
            team = Team(local_id=fresh_id(), name="Crew")
            assert (await ann.sync_entity(team)).state is SyncState.SUCCESS
            invite = await membership.create_invite(ours, team.local_id)
            await membership.join_team(theirs, invite.code, display_name="Bob")
            fake.forget()
            await work(Crew(ann, bob, ours, theirs, team.local_id))

    asyncio.run(run())


class TestSendingToTrailBase:
    def test_a_create_a_change_and_a_tombstone_are_numbered_and_come_back(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            first = crew.comment("one")
            made = await crew.ours.send(first)
            assert (made.version, made.op_id, made.deleted) == (1, first.op_id, False)
            assert made.document["body"] == "one"
            changed = await crew.ours.send(crew.change(made, "two"))
            assert changed.version == 2
            assert changed.seq > made.seq
            assert changed.updated_at >= made.updated_at
            assert abs(changed.updated_at - fake.now()) < 60 * 10**9
            gone = await crew.ours.send(replace(crew.change(changed, ""), operation=Do.DELETE))
            assert gone.deleted
            assert not gone.erased
            assert gone.document["body"] == "two"
            back = await crew.ours.send(crew.change(gone, "back"))
            assert not back.deleted
            erased = await crew.ours.send(
                replace(crew.change(back, ""), operation=Do.DELETE, erase=True)
            )
            assert erased.erased
            assert "back" not in str(fake.read("SELECT * FROM team_comments"))
            page = await crew.theirs.changes("comments", crew.team_id, 0)
            assert [each.seq for each in page.records] == [erased.seq]

        with_crew(fake, work)

    def test_documents_come_back_as_they_were_with_fields_that_nobody_knows(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            document = {
                "session_id": "s-1",
                "title": "über 🧵",
                "start_time": "2026-11-21T19:00:00.123456Z",
                "end_time": None,
                "planned_duration_minutes": 45,
                "actual_duration_seconds": None,
                "completed": True,
                "shared_at": "2026-11-21T20:00:00Z",
                "notes": [{"text": "a", "at": "x"}],
                "links": [],
                "last_modified": "2026-11-21T20:00:00Z",
                "of_next_year": {"deep": [1, None, True, 2.5]},
                "huge": 2**53 + 1,
            }
            made = await crew.ours.send(crew.sending("shared_sessions", document))
            own = {"user_id": crew.ours.door.session.user_id, "team_id": crew.team_id}
            assert made.document == {**document, **own}
            whole = {"data": "x", "list": [1, {"a": None}], "last_modified": "t"}
            other = await crew.ours.send(crew.sending("findings", whole))
            assert other.document == {**whole, "team_id": crew.team_id}

        with_crew(fake, work)

    def test_what_was_carried_out_before_counts_as_carried_out(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            create = crew.comment("one")
            made = await crew.ours.send(create)
            assert await crew.ours.send(create) == made
            change = crew.change(made, "two")
            changed = await crew.ours.send(change)
            assert await crew.ours.send(change) == changed
            delete = replace(crew.change(changed, ""), operation=Do.DELETE)
            gone = await crew.ours.send(delete)
            assert await crew.ours.send(delete) == gone
            assert gone.version == 3

        with_crew(fake, work)

    @pytest.mark.parametrize("trouble", [Trouble.LOST, Trouble.TRUNCATED])
    @pytest.mark.parametrize("operation", [Do.CREATE, Do.UPDATE, Do.DELETE])
    def test_an_answer_that_was_lost_is_no_second_write(
        self, fake: FakeTrailBase, trouble: Trouble, operation: Do
    ) -> None:
        async def work(crew: Crew) -> None:
            sending = crew.comment("one")
            if operation is not Do.CREATE:
                made = await crew.ours.send(sending)
                sending = replace(crew.change(made, "two"), operation=operation)
            method = "POST" if operation is Do.CREATE else "PATCH"
            fake.order(trouble, method=method, path="/api/records/v1/team_comments")
            with pytest.raises(NetworkError) as raised:
                await crew.ours.send(sending)
            assert raised.value.may_have_happened
            done = await crew.ours.send(sending)
            assert done.op_id == sending.op_id
            assert done.version == sending.version + 1
            rows = fake.read("SELECT version FROM team_comments WHERE op_id = ?", [sending.op_id])
            assert rows == [{"version": done.version}]

        with_crew(fake, work)

    def test_a_request_that_arrives_twice_is_one_write(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            made = crew.comment("one")
            for method in ("POST", "PATCH"):
                fake.order(Trouble.TWICE, method=method, path="/api/records/v1/team_comments")
            first = await crew.ours.send(made)
            second = await crew.ours.send(crew.change(first, "two"))
            assert (first.version, second.version) == (1, 2)

        with_crew(fake, work)

    def test_a_change_of_an_older_version_conflicts_and_changes_nothing(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.theirs.send(crew.comment("one"))
            newer = await crew.theirs.send(crew.change(made, "bob's"))
            for late in (
                crew.change(made, "ann's"),
                replace(crew.change(made, ""), operation=Do.DELETE),
                replace(crew.comment("again"), remote_id=made.remote_id),
            ):
                with pytest.raises(ConflictError):
                    await crew.ours.send(late)
            assert await crew.ours.get("comments", made.remote_id) == newer

        with_crew(fake, work)

    def test_who_deletes_what_somebody_deleted_already_has_what_they_wanted(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.theirs.send(crew.comment("one"))
            delete = replace(crew.change(made, ""), operation=Do.DELETE)
            gone = await crew.theirs.send(delete)
            assert await crew.ours.send(replace(delete, op_id=fresh_id())) == gone
            with pytest.raises(ConflictError):
                await crew.ours.send(replace(delete, op_id=fresh_id(), erase=True))

        with_crew(fake, work)

    def test_a_denial_is_told_from_a_conflict(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.ours.send(crew.comment("ann's"))
            with pytest.raises(DeniedError):
                await crew.theirs.send(crew.change(made, "by bob, who may not"))
            strange = replace(crew.comment("elsewhere"), team_id=fresh_id())
            with pytest.raises(DeniedError):
                await crew.ours.send(strange)
            with pytest.raises((NotFoundError, DeniedError)):
                await crew.ours.send(crew.change(replace(made, remote_id=fresh_id()), "nowhere"))

        with_crew(fake, work)

    def test_what_a_constraint_refuses_is_invalid_at_a_create(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            wrong = {"session_id": "s", "planned_duration_minutes": 10_000}
            with pytest.raises(ValidationError):
                await crew.ours.send(crew.sending("shared_sessions", wrong))
            with pytest.raises(ValidationError):
                await crew.ours.send(crew.sending("comments", {"body": ["a", "list"]}))
            with pytest.raises(ValidationError):
                await crew.ours.send(crew.comment(remote_id="no-uuid"))

        with_crew(fake, work)

    @pytest.mark.parametrize(
        ("status", "kind"), [(401, AuthError), (429, RateLimitError), (503, ServerError)]
    )
    def test_refusals_in_passing_keep_their_class_and_their_time(
        self, fake: FakeTrailBase, status: int, kind: type[TeamError]
    ) -> None:
        async def work(crew: Crew) -> None:
            fake.order(
                Trouble.REFUSED, times=2, method="POST", status=status, headers={"Retry-After": "9"}
            )
            with pytest.raises(kind) as raised:
                await crew.ours.send(crew.comment())
            assert raised.value.retry_after_ms == (None if status == 401 else 9000)

        with_crew(fake, work)

    def test_a_name_of_oneself_is_all_that_a_member_changes(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            page = await crew.theirs.changes("members", crew.team_id, 0)
            bob = next(each for each in page.records if each.document["role"] == Role.MEMBER)
            change = crew.sending(
                "members",
                {**bob.document, "display_name": "Robert", "email": "somebody@example.com"},
                operation=Do.UPDATE,
                remote_id=bob.remote_id,
                version=bob.version,
            )
            renamed = await crew.theirs.send(change)
            # What the server alone says is not even sent, so it refuses nothing.
            assert renamed.document == {
                **bob.document,
                "display_name": "Robert",
                "last_modified": renamed.document["last_modified"],
            }
            raised = replace(
                change,
                op_id=fresh_id(),
                version=renamed.version,
                document={**renamed.document, "role": "owner"},
            )
            with pytest.raises(DeniedError):
                await crew.theirs.send(raised)
            promoted = await crew.ours.send(
                replace(raised, document={**renamed.document, "role": "admin"})
            )
            assert promoted.document["role"] == Role.ADMIN

        with_crew(fake, work)


class TestBatchesToTrailBase:
    def test_many_operations_go_in_one_request(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.ours.send(crew.comment("before"))
            fake.forget()
            sendings = [crew.comment(str(n)) for n in range(20)]
            sendings += [crew.sending("findings", {"data": "x"}), crew.change(made, "after")]
            outcomes = await crew.ours.send_all(sendings)
            assert [each.op_id for each in outcomes if isinstance(each, Remote)] == [
                each.op_id for each in sendings
            ]
            assert fake.count("POST", "/api/transaction") == 1
            assert len(fake.asked) == 3  # One more for each API that is read back.

        with_crew(fake, work)

    def test_one_that_is_refused_spoils_no_other(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            theirs = await crew.theirs.send(crew.comment("bob's"))
            newer = await crew.theirs.send(crew.change(theirs, "newer"))
            again = crew.comment("sent before")
            await crew.ours.send(again)
            sendings = [
                crew.comment("one"),
                crew.change(theirs, "too late"),
                again,
                crew.sending("shared_sessions", {"session_id": "", "planned_duration_minutes": 0}),
                crew.comment("two"),
            ]
            outcomes = await crew.ours.send_all(sendings)
            assert [type(each) for each in outcomes] == [
                Remote,
                ConflictError,
                Remote,
                ValidationError,
                Remote,
            ]
            assert await crew.ours.get("comments", theirs.remote_id) == newer

        with_crew(fake, work)

    def test_a_server_without_transactions_gets_them_one_by_one(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            fake.order(Trouble.REFUSED, times=5, path="/api/transaction", status=405)
            for _ in range(2):
                outcomes = await crew.ours.send_all([crew.comment("a"), crew.comment("b")])
                assert all(isinstance(each, Remote) for each in outcomes)
            assert not crew.ours.capabilities.batches
            assert fake.count("POST", "/api/transaction") == 1

        with_crew(fake, work)

    @pytest.mark.parametrize("trouble", [Trouble.UNHEARD, Trouble.LOST])
    def test_a_batch_whose_answer_was_lost_is_open_and_can_be_sent_again(
        self, fake: FakeTrailBase, trouble: Trouble
    ) -> None:
        async def work(crew: Crew) -> None:
            sendings = [crew.comment(str(n)) for n in range(3)]
            fake.order(trouble, path="/api/transaction")
            for each in await crew.ours.send_all(sendings):
                assert isinstance(each, NetworkError)
                assert each.may_have_happened
            outcomes = await crew.ours.send_all(sendings)
            assert [type(each) for each in outcomes] == [Remote] * 3
            ids = [each.op_id for each in sendings]
            rows = fake.read("SELECT op_id FROM team_comments ORDER BY server_seq")
            assert [row["op_id"] for row in rows if row["op_id"] in ids] == ids

        with_crew(fake, work)

    @pytest.mark.parametrize(("status", "is_doubtful"), [(405, False), (500, True)])
    def test_when_the_network_goes_the_rest_is_not_even_tried(
        self, fake: FakeTrailBase, status: int, is_doubtful: bool
    ) -> None:
        async def work(crew: Crew) -> None:
            # A batch that was refused with 500 may have been carried out, and come a second time.
            fake.order(Trouble.REFUSED, path="/api/transaction", status=status)
            fake.order(Trouble.UNHEARD, times=9, method="POST", path="/api/records")
            outcomes = await crew.ours.send_all([crew.comment(str(n)) for n in range(5)])
            happened = [
                each.may_have_happened for each in outcomes if isinstance(each, NetworkError)
            ]
            assert happened == [True, *[is_doubtful] * 4]
            assert fake.count("POST", "/api/records") == 1

        with_crew(fake, work)


class TestPullingFromTrailBase:
    def test_pages_follow_the_numbers_and_kinds_of_one_table_do_not_mix(
        self, fake: FakeTrailBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clew.team.trailbase.server.PAGE_MAX", 3)

        async def work(crew: Crew) -> None:
            for n in range(7):
                await crew.ours.send(crew.sending("findings", {"n": n}))
                await crew.ours.send(crew.sending("plans", {"n": -n}))
            since, seen, pages = 0, [], 0
            while True:
                page = await crew.theirs.changes("findings", crew.team_id, since)
                seen += [each.document["n"] for each in page.records]
                since = max([since, *(each.seq for each in page.records)])
                pages += 1
                if not page.has_more:
                    break
            assert (seen, pages) == (list(range(7)), 3)

        with_crew(fake, work)

    def test_a_page_that_is_too_large_is_asked_for_in_parts(
        self, fake: FakeTrailBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def work(crew: Crew) -> None:
            texts = ["x" * 9000] * 12
            monkeypatch.setattr("clew.team.trailbase.transport.ANSWER_BYTES_MAX", 50_000)
            outcomes = await crew.ours.send_all([crew.comment(text) for text in texts])
            assert [type(each) for each in outcomes] == [Remote] * 12
            since, seen = 0, 0
            while True:
                page = await crew.theirs.changes("comments", crew.team_id, since)
                seen += len(page.records)
                if not page.has_more:
                    break
                since = page.records[-1].seq
            assert seen == 12
            monkeypatch.setattr("clew.team.trailbase.transport.ANSWER_BYTES_MAX", 5_000)
            with pytest.raises(ServerError):
                await crew.theirs.changes("comments", crew.team_id, 0)

        with_crew(fake, work)

    def test_a_restart_of_the_server_ends_no_pull(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.ours.send(crew.comment())
            fake.restart()
            page = await crew.theirs.changes("comments", crew.team_id, made.seq - 1)
            assert [each.op_id for each in page.records] == [made.op_id]

        with_crew(fake, work)

    def test_a_cursor_does_not_outlive_the_server(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            for _ in range(3):
                await crew.ours.send(crew.comment())
            api = crew.ours.api("team_comments")
            first = await api.list(limit=1)
            assert len((await api.list(limit=1, cursor=first.cursor)).records) == 1
            with pytest.raises(ValidationError):
                await api.list(order=["server_seq"], cursor=first.cursor)
            fake.restart()
            with pytest.raises(ValidationError):
                await api.list(limit=1, cursor=first.cursor)

        with_crew(fake, work)

    def test_how_far_tombstones_are_gone_is_told(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            before = fake.read("SELECT purged_seq FROM clew_info")[0]["purged_seq"]
            fake.write("UPDATE clew_info SET purged_seq = 12345")
            page = await crew.ours.changes("comments", crew.team_id, 0)
            fake.write("UPDATE clew_info SET purged_seq = ?", [before])
            assert page.purged_seq == 12345

        with_crew(fake, work)

    def test_nobody_else_sees_anything(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            made = await crew.ours.send(crew.comment())
            async with known(fake, "eve") as eve:
                server = await eve.server()
                assert (await server.changes("comments", crew.team_id, 0)).records == ()
                with pytest.raises(NotFoundError):
                    await server.get("comments", made.remote_id)
                assert await eve.teams() == []

        with_crew(fake, work)

    def test_filters_expand_count_and_schema_of_records_work(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            ids = await crew.ours.api("team_comments").create_many(
                [
                    {
                        "id": fresh_id(),
                        "team_id": crew.team_id,
                        "owner": crew.ours.door.session.user_id,
                        "body": body,
                    }
                    for body in ("a", "b", "c")
                ]
            )
            api = crew.ours.api("team_comments")
            assert len(ids) == 3
            found = await api.list(
                Where("team_id", Op.EQ, base64_of(crew.team_id)),
                Where("body", Op.NE, "b"),
                order=["-body"],
                limit=1,
                offset=1,
                count=True,
            )
            assert [each["body"] for each in found.records] == ["a"]
            assert found.total == 2
            assert (await api.get(ids[0]))["body"] == "a"
            assert "body" in (await api.schema())["properties"]
            record = await api.get(ids[0])
            with pytest.raises(ConflictError):
                await api.create(
                    {name: record[name] for name in ("id", "team_id", "owner", "body")}
                )

        with_crew(fake, work)

    @pytest.mark.parametrize(
        "record",
        [
            {"id": "AZZLLnwffT28Vf9vOhssTQ==", "version": 1, "server_seq": 5, "updated_at": 1},
            {"id": 3},
            {"id": "AZZLLnwffT28Vf9vOhssTQ==", "version": "1"},
            {"id": "AZZLLnwffT28Vf9vOhssTQ==", "version": 2**70},
            {},
            {"id": "AZZLLnwffT28Vf9vOhssTQ==", "more": "[]"},
            {"id": "AZZLLnwffT28Vf9vOhssTQ==", "more": {"a": 1}},
        ],
    )
    def test_records_of_another_shape_are_told_as_a_misunderstanding(
        self, record: dict[str, Any]
    ) -> None:
        def script(request: Heard) -> bytes:
            if request.path == "/api/healthcheck":
                return answer(b"Ok")
            if request.path.endswith("/status"):
                return answer({"auth_token": None})
            if "/clew_info/" in request.path:
                return answer({"purged_seq": 0})
            return answer({"records": [record]})

        async def run(url: str) -> None:
            async with AsyncTrailBaseClient(url) as client:
                client.set_api_key("key")
                with pytest.raises(SyncError):
                    await (await client.server()).changes("comments", "", 0)

        with ScriptedServer(script) as server:
            asyncio.run(run(server.url))


class TestHintsOfTrailBase:
    def test_each_type_is_hinted_at_when_it_is_listened_to_and_when_it_changes(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            async with _listening(crew.theirs, ["comments", "findings", "plans"]) as heard:
                await _until(heard, {Hint("comments"), Hint("findings"), Hint("plans")})
                await crew.ours.send(crew.comment())
                await _until(heard, {Hint("comments")})
                await crew.ours.send(crew.sending("plans", {}))
                assert Hint("findings") not in await _until(heard, {Hint("plans")})

        with_crew(fake, work)

    def test_what_the_server_lost_is_told_as_lost(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            async with _listening(crew.theirs, ["comments"]) as heard:
                await _until(heard, {Hint("comments")})
                fake.lose_events(3)
                for _ in range(3):
                    await crew.ours.send(crew.comment())
                await _until(heard, {Hint("comments", lost=True)})

        with_crew(fake, work)

    @pytest.mark.parametrize("end", ["hang_up", "restart"])
    def test_it_ends_with_the_connection_and_can_be_begun_again(
        self, fake: FakeTrailBase, end: str
    ) -> None:
        async def work(crew: Crew) -> None:
            hints = crew.theirs.hints(["comments", "teams"])
            await anext(hints)
            await anext(hints)
            getattr(fake, end)()
            with pytest.raises((NetworkError, StopAsyncIteration)):
                await asyncio.wait_for(_drain(hints), WAIT_S)
            # Who has gone away is found out when something is written to them.
            fake.set_keep_alive(0.02)
            async with _listening(crew.theirs, ["comments"]) as heard:
                await _until(heard, {Hint("comments")})
            await _condition(lambda: fake.subscribers == 0)

        try:
            with_crew(fake, work)
        finally:
            fake.set_keep_alive(15)

    def test_comments_that_keep_a_stream_alive_are_no_hints(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            fake.set_keep_alive(0.01)
            async with _listening(crew.theirs, ["comments"]) as heard:
                assert await heard.get() == Hint("comments")
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.2):
                        await heard.get()

        try:
            with_crew(fake, work)
        finally:
            fake.set_keep_alive(15)

    def test_an_api_that_cannot_be_listened_to_is_told(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            fake.order(Trouble.REFUSED, times=2, path="/api/records/v1/teams/subscribe", status=405)
            with pytest.raises(SyncError):
                await anext(crew.theirs.hints(["teams"]))

        with_crew(fake, work)


class TestComingIntoATeam:
    def test_an_invite_opens_a_team_as_often_as_it_says_and_until_it_is_taken_back(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            invite = await membership.create_invite(crew.ours, crew.team_id, uses_max=2)
            assert invite.code not in repr(invite)
            with pytest.raises(ConflictError):
                await membership.join_team(crew.theirs, invite.code)
            async with known(fake, "eve") as eve:
                server = await eve.server()
                assert isinstance(server, RecordsServer)
                with pytest.raises(DeniedError):
                    await membership.join_team(server, "CLEW-" + "0" * 26)
                join_id = fresh_id()
                fake.order(Trouble.LOST, method="POST", path="/api/records/v1/team_joins")
                joined = await membership.join_team(server, invite.code, join_id=join_id)
                assert joined.team_id == crew.team_id
                again = await membership.join_team(server, invite.code, join_id=join_id)
                assert again == joined
            (used,) = [
                each
                for each in await membership.read_invites(crew.ours, crew.team_id)
                if each.invite_id == invite.invite_id
            ]
            assert (used.uses, used.uses_max) == (1, 2)
            await membership.revoke_invite(crew.ours, invite.invite_id)
            await membership.revoke_invite(crew.ours, invite.invite_id)
            names = [each.shown_name for each in await crew.ann.members(crew.team_id)]
            assert names == ["ann", "Bob", "eve"]

        with_crew(fake, work)

    def test_only_who_leads_invites_and_only_within_the_walls(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            with pytest.raises(DeniedError):
                await membership.create_invite(crew.theirs, crew.team_id)
            for expires_in_s, uses_max in ((0, 1), (91 * 24 * 3600, 1), (60, 0), (60, 1001)):
                with pytest.raises(ValidationError):
                    await membership.create_invite(
                        crew.ours, crew.team_id, expires_in_s=expires_in_s, uses_max=uses_max
                    )
            longest = await membership.create_invite(
                crew.ours, crew.team_id, expires_in_s=membership.INVITE_S_MAX
            )
            assert longest.expires_at > time.time_ns()

        with_crew(fake, work)

    def test_an_activity_sums_what_was_shared_and_was_not_deleted(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            for client, seconds in ((crew.ann, 1800), (crew.bob, 3600), (crew.bob, 7200)):
                session = SharedSession(
                    local_id=fresh_id(),
                    team_id=crew.team_id,
                    user_id="",
                    session_id="s",
                    start_time=utc_now(),
                    planned_duration_minutes=30,
                    actual_duration_seconds=seconds,
                )
                await client.sync_entity(session)
            await crew.bob.delete_entity(session, erase=True)
            activity = await crew.ann.activity(crew.team_id)
            assert (activity.total_sessions, activity.total_focus_hours) == (2, 1.5)
            assert activity.active_members == 2
            assert [each.display_name for each in activity.recent_sessions] == ["Bob", "ann"]

        with_crew(fake, work)


class TestEntitiesOfAClient:
    def test_a_kind_of_ones_own_goes_there_and_back_and_merges(self, fake: FakeTrailBase) -> None:
        async def work(crew: Crew) -> None:
            mine = Finding("not-a-uuid", crew.team_id, "first", {"a": [1]})
            made = await crew.ann.sync_entity(mine)
            assert made.state is SyncState.SUCCESS
            assert made.entity == mine
            assert mine.remote_id is not None
            older = replace(mine, data="older", last_modified=mine.last_modified)
            mine.data = "newer"
            mine.set_last_modified(utc_now())
            assert (await crew.ann.sync_entity(mine)).entity.data == "newer"
            # By its own `merge_with`: the server's is the later.
            assert (await crew.ann.sync_entity(older)).entity.data == "newer"
            await crew.ann.delete_entity(mine)
            assert (await crew.ann.sync_entity(mine)).state is SyncState.CONFLICT
            with pytest.raises(NotFoundError):
                await crew.ann.delete_entity(Finding("x", crew.team_id, ""))

        with_crew(fake, work)

    def test_what_is_not_valid_or_not_allowed_has_failed_and_says_why(
        self, fake: FakeTrailBase
    ) -> None:
        async def work(crew: Crew) -> None:
            empty = SharedComment(local_id=fresh_id(), team_id=crew.team_id, author="", body="")
            result = await crew.ann.sync_entity(empty)
            assert result.state is SyncState.FAILED
            assert isinstance(result.error, ValidationError)
            assert fake.count("POST", "/") == 0

        with_crew(fake, work)


@asynccontextmanager
async def _listening(server: RecordsServer, types: list[str]) -> AsyncIterator[asyncio.Queue[Hint]]:
    heard: asyncio.Queue[Hint] = asyncio.Queue()

    async def listen() -> None:
        async for hint in server.hints(types):
            heard.put_nowait(hint)

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(heard: asyncio.Queue[Hint], wanted: set[Hint]) -> list[Hint]:
    seen: list[Hint] = []
    async with asyncio.timeout(WAIT_S):
        while not wanted <= set(seen):
            seen.append(await heard.get())
    return seen


async def _drain(hints: AsyncIterator[Hint]) -> None:
    while True:
        await anext(hints)


async def _condition(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.01)
