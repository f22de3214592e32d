"""The documented API behind the interface to a team's server."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from clew.base.ids import new_uuid
from clew.team.entities.member import Role
from clew.team.entities.team import Team
from clew.team.errors import AuthError, NetworkError, NotFoundError, ServerError, SyncError
from clew.team.merging.operation import SyncOperationType as Do
from clew.team.trailbase.client import AsyncTrailBaseClient, SyncState
from clew.team.trailbase.contract import Remote, Sending
from clew.team.trailbase.documented import DocumentedServer
from clew.team.trailbase.login import Credentials
from clew.testing.trailbase import FakeDocumented, Trouble
from tests.scripted_http import Heard, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator


def fresh_id() -> str:
    return new_uuid(time.time_ns())


@asynccontextmanager
async def known(fake: FakeDocumented) -> AsyncIterator[AsyncTrailBaseClient]:
    async with AsyncTrailBaseClient(fake.url) as client:
        await client.authenticate(Credentials("ann@example.com", "correct horse"))
        yield client


@pytest.fixture(scope="module", params=["/auth", "/api/auth"])
def documented(request: pytest.FixtureRequest) -> Iterator[FakeDocumented]:
    with FakeDocumented(
        request.param, kinds=("teams", "members", "shared_sessions", "findings")
    ) as server:
        server.add_user("ann@example.com")
        yield server


class TestDocumentedServers:
    team_id = "t"

    def run(
        self,
        fake: FakeDocumented,
        work: Callable[[AsyncTrailBaseClient, DocumentedServer], Coroutine[Any, Any, None]],
    ) -> None:
        fake.calm()

        async def run() -> None:
            async with known(fake) as ann:
                server = await ann.server()
                assert isinstance(server, DocumentedServer)
                team = Sending(fresh_id(), "teams", fresh_id(), "", Do.CREATE, {"name": "T"}, 0)
                self.team_id = (await server.send(team)).remote_id
                fake.forget()
                await work(ann, server)

        asyncio.run(run())

    def finding(self, data: str, **kept: Any) -> Sending:
        fields = {
            "op_id": fresh_id(),
            "remote_id": fresh_id(),
            "operation": Do.CREATE,
            "version": 0,
            **kept,
        }
        return Sending(
            entity_type="findings",
            team_id=self.team_id,
            document={"data": data, "team_id": self.team_id},
            **fields,
        )

    def test_entities_are_made_changed_listed_and_deleted(self, documented: FakeDocumented) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            assert not server.capabilities.versions
            made = await server.send(self.finding("one"))
            changed = await server.send(
                self.finding("two", operation=Do.UPDATE, remote_id=made.remote_id)
            )
            assert changed.document["data"] == "two"
            assert (await server.get("findings", made.remote_id)).document["data"] == "two"
            page = await server.changes("findings", self.team_id, 0)
            assert [each.remote_id for each in page.records] == [made.remote_id]
            assert not page.has_more
            delete = self.finding("", operation=Do.DELETE, remote_id=made.remote_id)
            for _ in range(2):
                assert (await server.send(delete)).deleted
            with pytest.raises(NotFoundError):
                await server.get("findings", made.remote_id)
            with pytest.raises(NotFoundError):
                await server.send(replace(delete, operation=Do.UPDATE))

        self.run(documented, work)

    def test_changes_since_a_moment_are_asked_for_in_utc_with_z(
        self, documented: FakeDocumented
    ) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            old = await server.send(self.finding("old"))
            documented.advance(3600)
            new = await server.send(self.finding("new"))
            documented.forget()
            page = await server.changes("findings", self.team_id, new.updated_at)
            assert [each.remote_id for each in page.records] == [new.remote_id]
            assert old.updated_at < new.updated_at
            (asked,) = documented.asked
            assert asked.query.endswith("Z")
            assert "+" not in asked.query

        self.run(documented, work)

    def test_a_create_whose_answer_was_lost_happens_once_where_keys_are_heeded(
        self, documented: FakeDocumented
    ) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            before = len(documented.entities("findings"))
            sending = self.finding("once")
            documented.order(Trouble.LOST, method="POST", path="/api/findings")
            with pytest.raises(NetworkError):
                await server.send(sending)
            await server.send(sending)
            assert len(documented.entities("findings")) == before + 1

        self.run(documented, work)

    def test_the_client_is_the_same_as_for_the_other_api(self, documented: FakeDocumented) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            team = Team(local_id="my-team", name="Crew")
            assert (await ann.sync_entity(team)).state is SyncState.SUCCESS
            assert team.remote_id is not None
            assert "Crew" in [each.name for each in await ann.teams()]
            (owner,) = [
                each for each in await ann.members(team.remote_id) if each.team_id == team.remote_id
            ]
            assert owner.role is Role.OWNER
            assert (await ann.activity(team.remote_id)).total_sessions == 0
            await ann.logout()
            with pytest.raises(AuthError):
                await ann.teams()

        self.run(documented, work)

    def test_a_bearer_that_is_refused_is_renewed_once(self, documented: FakeDocumented) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            tokens = ann.session.tokens
            assert tokens is not None
            ann.session.set_tokens(replace(tokens, bearer="e30.e30.stale"))
            await server.check()
            with pytest.raises(SyncError):
                await anext(server.hints(["teams"]))

        self.run(documented, work)

    def test_a_batch_stops_where_nobody_answers(self, documented: FakeDocumented) -> None:
        async def work(ann: AsyncTrailBaseClient, server: DocumentedServer) -> None:
            documented.order(Trouble.UNHEARD, method="POST", path="/api/findings")
            outcomes = await server.send_all([self.finding(str(n)) for n in range(3)])
            assert [type(each) for each in outcomes] == [NetworkError] * 3
            outcomes = await server.send_all([self.finding(str(n)) for n in range(3)])
            assert [type(each) for each in outcomes] == [Remote] * 3

        self.run(documented, work)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            [],
            {},
            {"remote_id": 3},
            {"remote_id": ""},
            {"remote_id": "x" * 300},
            {"remote_id": "x", "last_modified": "yesterday"},
            "text",
        ],
        ids=str,
    )
    def test_an_answer_without_a_remote_id_is_a_misunderstanding(self, body: object) -> None:
        def script(request: Heard) -> bytes:
            if request.path == "/auth/refresh":
                return answer(b"", 401)
            return answer(body, 404 if request.path == "/api/healthcheck" else 200)

        async def run(url: str) -> None:
            async with AsyncTrailBaseClient(url) as client:
                client.set_api_key("key")
                with pytest.raises((SyncError, ServerError)):
                    await (await client.server()).send(self.finding("x"))

        with ScriptedServer(script) as server:
            asyncio.run(run(server.url))
