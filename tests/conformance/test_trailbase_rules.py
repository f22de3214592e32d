"""Who may do what on a server that is set up by `deploy/trailbase`: teams, invites, roles.

On the fake, which evaluates the rules and triggers of those files, and on a real server, as
`test_trailbase_contract.py` says.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from clew.testing.trailbase import FakeTrailBase
from tests.conformance.trailbase_places import (
    AUTH,
    SERVERS,
    SESSION,
    Document,
    Person,
    Place,
    an_id,
    as_base64,
    open_fake,
    open_live,
)


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with open_fake() if request.param == "fake" else open_live() as opened:
        yield opened


@pytest.fixture
def ann(place: Place) -> Person:
    return place.ann


@pytest.fixture
def bob(place: Place) -> Person:
    if place.bob is None:
        pytest.skip("a second account is named by CLEW_TEST_TRAILBASE_OTHER_EMAIL")
    return place.bob


@pytest.fixture
def faked() -> Iterator[Place]:
    with open_fake() as opened:
        yield opened


@pytest.fixture
def fake(faked: Place) -> FakeTrailBase:
    assert faked.fake is not None
    return faked.fake


def joined(ann: Person, bob: Person, role: str = "member") -> str:
    """A team of ann's that bob is in."""
    team = ann.new_team()
    reply = bob.join(ann.new_invite(team))
    assert reply.status_code == 200, reply.text
    if role != "member":
        assert ann.set_role(team, bob, role).status_code == 200
    return team


def other_person(place: Place, fake: FakeTrailBase, name: str) -> Person:
    user = fake.add_user(f"{name}@example.org")
    person = Person(place.http, user.email, user.password)
    person.log_in()
    return person


class TestTeams:
    def test_whoever_makes_a_team_is_its_owner(self, ann: Person) -> None:
        team = ann.new_team()
        row = ann.member(team, ann)
        assert (row["role"], row["email"]) == ("owner", ann.email)

    def test_nobody_makes_a_team_or_a_row_for_somebody_else(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        assert ann.create("teams", {"id": an_id(), "owner": bob.id, "name": "x"}).status_code == 403
        record = {"id": an_id(), "team_id": team, "owner": bob.id, **SESSION}
        assert ann.create("shared_sessions", record).status_code == 403

    def test_a_member_is_never_made_directly(self, ann: Person, bob: Person) -> None:
        team = ann.new_team()
        member = {"id": an_id(), "team_id": team, "user_id": bob.id, "role": "member"}
        assert ann.create("team_members", member).status_code == 403

    def test_only_members_read_and_write(self, ann: Person, bob: Person) -> None:
        team = ann.new_team()
        session = ann.new_session(team)
        record = {"id": an_id(), "team_id": team, "owner": bob.id, **SESSION}
        assert bob.create("shared_sessions", record).status_code == 403
        assert bob.get("shared_sessions", session).status_code == 403
        assert bob.join(ann.new_invite(team)).is_success
        assert bob.create("shared_sessions", record).is_success
        assert bob.row("shared_sessions", session)["title"] == "late"

    def test_several_teams_of_one_person_are_kept_apart(self, ann: Person, bob: Person) -> None:
        common, own = joined(ann, bob), ann.new_team()
        ann.new_session(common, title="common")
        ann.new_session(own, title="own")
        assert {row["title"] for row in bob.rows("shared_sessions")} >= {"common"}
        assert not bob.rows("shared_sessions", f"filter[team_id]={as_base64(own)}")
        assert len(ann.rows("teams", "limit=1024")) >= 2

    def test_members_change_their_own_rows_and_leaders_everybodys(
        self, ann: Person, bob: Person
    ) -> None:
        team = joined(ann, bob)
        anns, bobs = ann.new_session(team), bob.new_session(team)
        assert bob.patch("shared_sessions", anns, {"version": 2, "title": "x"}).status_code == 403
        assert bob.patch("shared_sessions", bobs, {"version": 2, "title": "x"}).is_success
        assert ann.patch("shared_sessions", bobs, {"version": 3, "deleted": 1}).is_success

    def test_a_row_does_not_move_to_another_team_or_owner(self, ann: Person, bob: Person) -> None:
        team, other = joined(ann, bob), ann.new_team()
        session = ann.new_session(team)
        for change in ({"team_id": other}, {"owner": bob.id}):
            reply = ann.patch("shared_sessions", session, {"version": 2, **change})
            assert reply.status_code == 403
        same = {"version": 2, "team_id": team, "owner": ann.id, "title": "x"}
        assert ann.patch("shared_sessions", session, same).is_success

    def test_admins_rename_a_team_and_owners_end_it(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        assert bob.patch("teams", team, {"version": 2, "name": "x"}).status_code == 403
        assert ann.set_role(team, bob, "admin").is_success
        assert bob.patch("teams", team, {"version": 2, "name": "x"}).is_success
        assert bob.patch("teams", team, {"version": 3, "deleted": 1}).status_code == 403
        assert ann.patch("teams", team, {"version": 3, "deleted": 1}).is_success
        record = {"id": an_id(), "team_id": team, "owner": ann.id, **SESSION}
        assert ann.create("shared_sessions", record).status_code == 403
        assert bob.row("teams", team)["deleted"] == 1

    def test_activity_names_who_and_leaves_tombstones_out(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        gone = ann.new_session(team)
        bob.new_session(team, title="found it", actual_duration_seconds=60)
        ann.patch("shared_sessions", gone, {"version": 2, "deleted": 1})
        (row,) = ann.rows("team_activity", f"filter[team_id]={as_base64(team)}")
        assert (row["email"], row["title"]) == (bob.email, "found it")


class TestInvites:
    def test_a_join_names_the_team_and_the_member_and_keeps_no_code(
        self, ann: Person, bob: Person
    ) -> None:
        team = ann.new_team()
        code, join = ann.new_invite(team), an_id()
        record = {"id": join, "owner": bob.id, "_code": code, "display_name": "Bob"}
        assert bob.create("team_joins", record).is_success
        row = bob.row("team_joins", join)
        assert row["team_id"] == as_base64(team)
        member = bob.row("team_members", row["member_id"])
        assert (member["role"], member["email"], member["display_name"]) == (
            "member",
            bob.email,
            "Bob",
        )
        assert code not in json.dumps([row, member])
        assert ann.get("team_joins", join).status_code == 403

    def test_only_leaders_see_invites(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        own = f"filter[team_id]={as_base64(team)}"
        assert bob.rows("team_invites", own) == []
        assert len(ann.rows("team_invites", own)) == 1
        assert ann.set_role(team, bob, "admin").is_success
        assert len(bob.rows("team_invites", own)) == 1

    def test_a_code_that_is_none_is_403_and_a_member_who_joins_again_400(
        self, ann: Person, bob: Person
    ) -> None:
        team = ann.new_team()
        assert bob.join("x" * 26).status_code == 403
        assert bob.join(ann.new_invite(team)).is_success
        reply = bob.join(ann.new_invite(team))
        assert (reply.status_code, reply.text) == (400, "db constraint: trigger")

    def test_nobody_joins_for_somebody_else(self, ann: Person, bob: Person) -> None:
        record = {"id": an_id(), "owner": ann.id, "_code": ann.new_invite(ann.new_team())}
        assert bob.create("team_joins", record).status_code == 403

    def test_a_use_is_counted_and_the_last_one_is_the_last(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        team = faked.ann.new_team()
        code = faked.ann.new_invite(team, uses_max=2)
        people = [faked.bob, *(other_person(faked, fake, name) for name in ("cid", "dot"))]
        statuses = [person.join(code).status_code for person in people if person]
        assert statuses == [200, 200, 403]
        (row,) = faked.ann.rows("team_invites")
        assert (row["uses"], row["version"]) == (2, 3)

    def test_an_invite_ends(self, faked: Place, fake: FakeTrailBase) -> None:
        assert faked.bob is not None
        code = faked.ann.new_invite(faked.ann.new_team())
        fake.advance(61)
        assert faked.bob.join(code).status_code == 403

    def test_an_invite_that_is_revoked_lets_nobody_in(self, ann: Person, bob: Person) -> None:
        team = ann.new_team()
        code = ann.new_invite(team)
        (row,) = ann.rows("team_invites", f"filter[team_id]={as_base64(team)}")
        assert ann.patch("team_invites", row["id"], {"version": 2, "deleted": 1}).is_success
        assert bob.join(code).status_code == 403

    def test_an_invite_has_bounds(self, ann: Person) -> None:
        team, now = ann.new_team(), time.time_ns() // 1_000_000
        good = {"team_id": team, "owner": ann.id, "code": "c" * 26, "expires_at": now + 60_000}
        bad: list[tuple[Document, int]] = [
            ({"expires_at": now - 60_000}, 403),
            ({"expires_at": now + 91 * 86_400_000}, 403),
            ({"uses": 1}, 403),
            ({"code": "c" * 21}, 400),
            ({"uses_max": 0}, 400),
            ({"uses_max": 1001}, 400),
            ({"role": "owner"}, 400),
        ]
        for change, status in bad:
            reply = ann.create("team_invites", {"id": an_id(), **good, **change})
            assert reply.status_code == status, (change, reply.text)

    def test_an_invite_cannot_be_made_to_do_more(self, ann: Person) -> None:
        team = ann.new_team()
        ann.new_invite(team)
        (row,) = ann.rows("team_invites", f"filter[team_id]={as_base64(team)}")
        later = row["expires_at"] + 1
        for change in (
            {"uses_max": 5},
            {"role": "admin"},
            {"expires_at": later},
            {"code": "d" * 26},
        ):
            reply = ann.patch("team_invites", row["id"], {"version": 2, **change})
            assert reply.status_code == 403, change

    def test_members_invite_nobody_and_admins_no_admins(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        record: Document = {"id": an_id(), "team_id": team, "owner": bob.id, "code": an_id() * 2}
        record["expires_at"] = time.time_ns() // 1_000_000 + 60_000
        assert bob.create("team_invites", record).status_code == 403
        assert ann.set_role(team, bob, "admin").is_success
        assert bob.create("team_invites", {**record, "role": "admin"}).status_code == 403
        assert bob.create("team_invites", record).is_success
        assert ann.new_invite(team, role="admin")

    def test_whoever_left_comes_back_as_the_same_member(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        first = bob.member(team, bob)
        leave = {"version": first["version"] + 1, "deleted": 1}
        assert bob.patch("team_members", first["id"], leave).is_success
        assert bob.join(ann.new_invite(team)).is_success
        again = bob.member(team, bob)
        assert (again["id"], again["deleted"]) == (first["id"], 0)
        assert again["server_seq"] > first["server_seq"]

    def test_a_team_is_among_the_changes_of_whoever_comes_in(
        self, ann: Person, bob: Person
    ) -> None:
        team = ann.new_team()
        bob.new_team()
        pulled = max(row["server_seq"] for row in bob.rows("teams", "order=-server_seq"))
        version = ann.row("teams", team)["version"]
        later = f"filter[server_seq][$gt]={pulled}"
        bob.join(ann.new_invite(team))
        assert [row["id"] for row in bob.rows("teams", later)] == [as_base64(team)]
        row, pulled = bob.member(team, bob), bob.row("teams", team)["server_seq"]
        for deleted in (1, 0):
            version_of = ann.row("team_members", row["id"])["version"]
            change = {"version": version_of + 1, "deleted": deleted}
            assert ann.patch("team_members", row["id"], change).is_success
        assert bob.row("teams", team)["server_seq"] > pulled
        assert bob.row("teams", team)["version"] == version


class TestRoles:
    def test_members_and_admins_make_no_owners(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        for role in ("admin", "owner"):
            assert bob.set_role(team, bob, role).status_code == 403
        assert ann.set_role(team, bob, "admin").is_success
        assert bob.set_role(team, bob, "owner").status_code == 403

    def test_an_owner_is_demoted_by_nobody_else(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob, "owner")
        row = ann.member(team, bob)
        assert ann.set_role(team, bob, "member").status_code == 403
        kick = {"version": row["version"] + 1, "deleted": 1}
        assert ann.patch("team_members", row["id"], kick).status_code == 403
        assert bob.set_role(team, bob, "member").is_success

    def test_a_team_is_handed_over(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        assert ann.set_role(team, ann, "member").status_code == 403
        assert ann.set_role(team, bob, "owner").is_success
        assert ann.set_role(team, ann, "member").is_success
        assert bob.member(team, ann)["role"] == "member"

    def test_the_last_owner_leaves_only_when_nobody_is_left(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        row = ann.member(team, ann)
        leave = {"version": row["version"] + 1, "deleted": 1}
        assert ann.patch("team_members", row["id"], leave).status_code == 403
        bobs = ann.member(team, bob)
        kick = {"version": bobs["version"] + 1, "deleted": 1}
        assert ann.patch("team_members", bobs["id"], kick).is_success
        assert ann.patch("team_members", row["id"], leave).is_success

    def test_two_owners_who_step_down_at_once_leave_one(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        assert faked.bob is not None
        joined(faked.ann, faked.bob, "owner")
        # Both rules were asked already: here are the writes, one after the other.
        step = "UPDATE team_members SET role = 'member', version = version + 1 WHERE email = ?"
        fake.write(step, (faked.ann.email,))
        with pytest.raises(Exception, match="a team has an owner"):
            fake.write(step, (faked.bob.email,))

    def test_whoever_is_removed_sees_that_and_nothing_else(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        session = ann.new_session(team)
        row = ann.member(team, bob)
        kick = {"version": row["version"] + 1, "deleted": 1}
        assert ann.patch("team_members", row["id"], kick).is_success
        assert bob.row("team_members", row["id"])["deleted"] == 1
        assert len(bob.rows("team_members", f"filter[team_id]={as_base64(team)}")) == 1
        assert bob.get("shared_sessions", session).status_code == 403
        assert bob.get("teams", team).status_code == 403
        back = {"version": row["version"] + 2, "deleted": 0}
        assert bob.patch("team_members", row["id"], back).status_code == 403

    def test_everybody_names_themselves(self, ann: Person, bob: Person) -> None:
        team = joined(ann, bob)
        row = bob.member(team, bob)
        change = {"version": row["version"] + 1, "display_name": "Bobby"}
        assert bob.patch("team_members", row["id"], change).is_success
        stolen = {"version": row["version"] + 2, "email": "boss@example.org"}
        assert bob.patch("team_members", row["id"], stolen).status_code == 403

    def test_the_team_of_a_sole_owner_who_leaves_ends(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        faked.ann.new_team()
        row = faked.ann.rows("team_members")[0]
        leave = {"version": 2, "deleted": 1}
        assert faked.ann.patch("team_members", row["id"], leave).is_success
        assert fake.read("SELECT deleted FROM teams") == [{"deleted": 1}]

    def test_an_account_that_is_deleted_leaves_and_what_it_shared_stays_without_a_name(
        self, faked: Place, fake: FakeTrailBase
    ) -> None:
        ann, bob = faked.ann, faked.bob
        assert bob is not None
        team = joined(ann, bob)
        session = bob.new_session(team)
        assert faked.http.delete(f"{AUTH}/delete", headers=bob.headers).is_success
        assert ann.row("shared_sessions", session)["owner"] is None
        stones = [row for row in ann.rows("team_members") if row["deleted"]]
        assert [(row["user_id"], row["email"]) for row in stones] == [(None, "")]
        assert fake.read("SELECT 1 AS one FROM _user WHERE email = ?", (bob.email,)) == []
