"""Keys, role refs, grants and the audit log on both databases, with a clock that is moved."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import msgspec
import pytest

from clew.access import audit as audit_module
from clew.access.audit import DENIALS_BURST, DENIALS_KEPT_S, UNWRITTEN, Entry
from clew.access.authority import decide
from clew.access.caller import LOCAL, ROLE_VERBS, Caller, CallerKind, Role, Verb
from clew.access.documents import RoleGrant
from clew.access.keys import USE_STEP_NS
from clew.access.parameters import (
    AuditQuery,
    GrantQuery,
    KeyQuery,
    NewKey,
    NewRoleRef,
    RevokedKeyQuery,
    RoleRefEdit,
    RoleRefQuery,
)
from clew.access.registry import AccessRegistry
from clew.access.role_refs import HISTORY_MAX, Held, Listing, accept, resolve
from clew.access.schema import SCHEMA
from clew.base.errors import ClewError, ErrorCode
from clew.base.times import NS_PER_S
from clew.store.database.contract import Database, Dialect
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace

DAY_NS = 86_400 * NS_PER_S


class Clock:
    """Unix nanoseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.at = 1_800_000_000 * NS_PER_S

    def __call__(self) -> int:
        # Two things never happen in the same nanosecond.
        self.at += 1
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=PLACES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield place.open(SCHEMA)
    place.close()


@pytest.fixture
def access(database: Database, clock: Clock) -> AccessRegistry:
    return AccessRegistry.open(database, clock)


@pytest.fixture
def admin(access: AccessRegistry) -> str:
    return access.keys.create(NewKey(name="root", role="admin"), LOCAL).result().api_key


def refusal(sent: str, access: AccessRegistry) -> ErrorCode:
    with pytest.raises(ClewError) as caught:
        access.keys.authenticate(sent)
    return caught.value.code


class TestKeys:
    def test_a_key_is_found_by_what_its_holder_was_told_once(
        self, access: AccessRegistry, database: Database
    ) -> None:
        assert not access.keys.is_guarding
        created = access.keys.create(NewKey(name="root", role="admin"), LOCAL).result()
        assert access.keys.is_guarding
        assert created.api_key.startswith(f"clew_{created.key.id}_")
        caller = access.keys.authenticate(created.api_key)
        assert caller == Caller(
            CallerKind.KEY,
            "root",
            ROLE_VERBS[Role.ADMIN],
            subjects=frozenset({"key:root"}),
            key_id=created.key.id,
        )
        secret = created.api_key.rpartition("_")[2]
        rows = database.read(lambda reading: reading.rows("SELECT * FROM api_keys"))
        assert secret not in str(rows)
        assert secret not in str(database.read(lambda r: r.rows("SELECT * FROM audit_log")))

    def test_keys_outlive_the_server_and_the_secret_does_not(
        self, access: AccessRegistry, admin: str, database: Database, clock: Clock
    ) -> None:
        again = AccessRegistry.open(database, clock)
        assert again.keys.is_guarding
        assert again.keys.authenticate(admin).name == "root"

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda key: key[:-1],
            lambda key: key + "0",
            lambda key: key.upper(),
            lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
            lambda key: key.replace("clew_", "clew-"),
            lambda key: key.rpartition("_")[0] + "_" + "0" * 64,
            lambda key: "clew_" + "0" * 16 + "_" + key.rpartition("_")[2],
            lambda key: f" {key}",
            lambda key: f"{key}\n",
            lambda _key: "",
            lambda _key: "clew__",
            lambda _key: "é" * 86,
        ],
    )
    def test_what_is_nearly_a_key_is_none(
        self, access: AccessRegistry, admin: str, spoil: object
    ) -> None:
        assert refusal(spoil(admin), access) is ErrorCode.UNAUTHENTICATED  # type: ignore[operator]

    def test_a_revoked_key_is_none_at_once_and_stays_so(
        self, access: AccessRegistry, admin: str, database: Database, clock: Clock
    ) -> None:
        heard: list[bool] = []
        caller = access.keys.authenticate(admin)
        access.keys.listen(lambda: heard.append(access.keys.is_valid(caller)))
        revoked = access.keys.revoke(str(caller.key_id), caller).result()
        assert revoked.state == "revoked"
        assert revoked.revoked_by == "key:root"
        assert heard == [False]
        assert refusal(admin, access) is ErrorCode.UNAUTHENTICATED
        again = access.keys.revoke(str(caller.key_id), LOCAL).result()
        assert again.revoked_by == "key:root"
        opened = AccessRegistry.open(database, clock)
        assert refusal(admin, opened) is ErrorCode.UNAUTHENTICATED
        # Nobody has a key, and still not everybody is let in.
        assert opened.keys.is_guarding
        assert not opened.keys.is_valid(LOCAL)

    def test_a_key_that_has_expired_is_none(
        self, access: AccessRegistry, admin: str, clock: Clock
    ) -> None:
        wanted = NewKey(name="ci", role="writer", expires_in="1d")
        created = access.keys.create(wanted, LOCAL).result()
        clock.at += DAY_NS - NS_PER_S
        caller = access.keys.authenticate(created.api_key)
        clock.at += NS_PER_S
        assert refusal(created.api_key, access) is ErrorCode.UNAUTHENTICATED
        assert not access.keys.is_valid(caller)
        assert [key.name for key in access.keys.find(KeyQuery()).keys] == ["root"]
        both = access.keys.find(KeyQuery(state="all")).keys
        assert [(key.name, key.state) for key in both] == [("ci", "expired"), ("root", "live")]

    def test_the_first_key_is_an_admins(self, access: AccessRegistry) -> None:
        for wanted in (
            NewKey(name="ci", role="writer"),
            NewKey(name="ci", role="operator"),
            NewKey(name="ci", role="admin", app_id="a1"),
        ):
            with pytest.raises(ClewError, match="first key must be an admin") as caught:
                access.keys.create(wanted, LOCAL).result()
            assert caught.value.code is ErrorCode.CONFLICT
        assert not access.keys.is_guarding

    def test_two_live_keys_never_share_a_name(self, access: AccessRegistry, admin: str) -> None:
        wanted = NewKey(name="ci", role="writer")
        first = access.keys.create(wanted, LOCAL).result()
        with pytest.raises(ClewError, match="is called ci already"):
            access.keys.create(wanted, LOCAL).result()
        access.keys.revoke(first.key.id, LOCAL).result()
        second = access.keys.create(wanted, LOCAL).result()
        assert access.keys.authenticate(second.api_key).subject == "key:ci"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "a b"},
            {"name": "x" * 65},
            {"name": "a\n"},
            {"app_id": "a/b"},
            {"app_id": ""},
            {"expires_in": "0s"},
            {"expires_in": "soon"},
            {"expires_at": "2001-01-01T00:00:00Z"},
            {"expires_in": "1d", "expires_at": "2099-01-01T00:00:00Z"},
            {"expires_in": "100000d"},
        ],
    )
    def test_what_no_key_can_be_is_an_error(
        self, access: AccessRegistry, wrong: dict[str, str]
    ) -> None:
        wanted = msgspec.convert({"name": "ci", "role": "admin", **wrong}, NewKey)
        with pytest.raises(ClewError) as caught:
            access.keys.create(wanted, LOCAL)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT

    def test_the_last_use_is_told_a_minute_late_at_most(
        self, access: AccessRegistry, admin: str, clock: Clock
    ) -> None:
        def last_used() -> str | None:
            # A write of nothing, after those that are queued.
            access.database.submit(lambda writing: writing.rows("SELECT 1 AS one")).result()
            return access.keys.find(KeyQuery()).keys[0].last_used_at

        assert last_used() is None
        access.keys.authenticate(admin)
        first = last_used()
        assert first is not None
        access.keys.authenticate(admin)
        assert last_used() == first
        clock.at += USE_STEP_NS
        access.keys.authenticate(admin)
        assert last_used() > first  # type: ignore[operator]

    def test_pages_of_keys_show_each_once(self, access: AccessRegistry, admin: str) -> None:
        for index in range(7):
            access.keys.create(NewKey(name=f"k{index}", role="reader"), LOCAL).result()
        names: list[str] = []
        following: str | None = None
        while True:
            page = access.keys.find(KeyQuery(limit=3, next=following))
            assert page.total == 8
            names += [key.name for key in page.keys]
            following = page.next
            if following is None:
                break
            assert page.truncated
        assert names == [*(f"k{index}" for index in reversed(range(7))), "root"]
        page = access.keys.find(KeyQuery(limit=3))
        with pytest.raises(ClewError, match="belongs to another question"):
            access.keys.find(KeyQuery(state="all", next=page.next))

    def test_forgetting_every_key_opens_the_doors(
        self, access: AccessRegistry, admin: str, clock: Clock
    ) -> None:
        assert access.keys.forget(LOCAL).result() == 1
        assert not AccessRegistry.open(access.database, clock).keys.is_guarding


OPS = [RoleGrant(sub="group:ops", roles=["control", "cancel"])]


class TestRoleRefs:
    def test_a_path_gives_the_union_of_the_valid_refs_that_its_apps_list(
        self, access: AccessRegistry
    ) -> None:
        refs = access.role_refs
        refs.create(NewRoleRef(name="ops", grants=OPS), LOCAL).result()
        readers = [RoleGrant(sub="ann", roles=["read"]), RoleGrant(sub="ann", roles=["cancel"])]
        refs.create(NewRoleRef(name="readers", grants=readers), LOCAL).result()
        access.grants.add("child", "ben", ["admin"], LOCAL, cascade=False).result()
        path = [
            Listing("root", ("ops", "there-is-none")),
            Listing("child", ("readers", "readers")),
            Listing("leaf"),
        ]
        ids = tuple(listing.app_id for listing in path)

        def may(subject: str, verb: Verb, depth: int) -> bool:
            caller = Caller(CallerKind.KEY, "x", scope="elsewhere", subjects=frozenset({subject}))
            grants = access.grants_on(path[:depth])
            return decide(caller, verb, ids[:depth], grants=grants, now=access.now()).is_allowed

        assert [may("group:ops", Verb.COMMAND, depth) for depth in (1, 2, 3)] == [True] * 3
        assert not may("group:ops", Verb.SPAWN, 3)
        assert [may("ann", Verb.CANCEL, depth) for depth in (1, 2, 3)] == [False, True, True]
        assert [may("ben", Verb.ADMIN, depth) for depth in (1, 2, 3)] == [False, True, False]

    def test_a_damaged_ref_gives_nothing_and_stops_nothing(
        self, access: AccessRegistry, database: Database, clock: Clock
    ) -> None:
        access.role_refs.create(NewRoleRef(name="good", grants=OPS), LOCAL).result()
        access.role_refs.create(NewRoleRef(name="bad", grants=OPS), LOCAL).result()
        database.submit(
            lambda writing: writing.run(
                "UPDATE role_refs SET grants_json = '[{' WHERE name = 'bad'"
            )
        ).result()
        again = AccessRegistry.open(database, clock)
        (grant,) = again.grants_on([Listing("a", ("bad", "good"))])
        assert grant.subject == "group:ops"
        assert again.role_refs.get("bad").grants == []

    def test_a_ref_counts_for_apps_of_its_namespace_alone(self) -> None:
        refs = {"r": Held("r", {"ann": frozenset({Verb.OBSERVE})}, namespace_scope="prod")}
        found = resolve(
            [Listing("a", ("r",), "prod"), Listing("b", ("r",), "dev"), Listing("c", ("r",))], refs
        )
        assert [grant.app_id for grant in found] == ["a"]

    def test_an_app_cannot_raise_who_reaches_it_by_what_it_declares(self) -> None:
        refs = {"open": Held("open", {}, is_assignable=True), "ops": Held("ops", {})}
        declared = ["ops", "open", "none", "announced", "open"]
        assert accept(declared, ["announced"], refs) == ("open", "announced")

    def test_a_change_counts_at_once_and_is_remembered_after_the_ref_is_gone(
        self, access: AccessRegistry
    ) -> None:
        refs = access.role_refs
        ann = Caller(CallerKind.KEY, "ann", ROLE_VERBS[Role.ADMIN])
        refs.create(NewRoleRef(name="ops", grants=OPS), LOCAL).result()
        changed = [RoleGrant(sub="key:ci", roles=["write"])]
        edited = refs.replace("ops", RoleRefEdit(grants=changed), ann).result()
        assert edited.created_by == "local"
        assert list(refs.held["ops"].verbs) == ["key:ci"]
        assert refs.get("ops") == edited
        refs.remove("ops", ann).result()
        assert not refs.held
        with pytest.raises(ClewError, match="there is no role ref"):
            refs.get("ops")
        history = refs.history("ops", RoleRefQuery()).changes
        told = [(each.action, each.changed_by) for each in history]
        assert told == [("deleted", "key:ann"), ("updated", "key:ann"), ("created", "local")]
        assert history[1].old_grants == OPS
        assert history[1].new_grants == changed

    def test_what_became_of_a_ref_is_kept_for_its_newest_changes_alone(
        self, access: AccessRegistry
    ) -> None:
        refs = access.role_refs
        for name in ("quiet", "busy"):
            refs.create(NewRoleRef(name=name, grants=OPS), LOCAL).result()
        edits = [
            RoleRefEdit(grants=[], description=str(number)) for number in range(HISTORY_MAX + 2)
        ]
        for kept in [refs.replace("busy", edit, LOCAL) for edit in edits]:
            kept.result()
        assert refs.history("busy", RoleRefQuery(limit=1)).total == HISTORY_MAX
        assert refs.history("quiet", RoleRefQuery(limit=1)).total == 1

    def test_the_changes_of_one_ref_do_not_go_on_in_those_of_another(
        self, access: AccessRegistry
    ) -> None:
        for name in ("one", "other"):
            access.role_refs.create(NewRoleRef(name=name, grants=OPS), LOCAL).result()
            access.role_refs.replace(name, RoleRefEdit(grants=[]), LOCAL).result()
        page = access.role_refs.history("one", RoleRefQuery(limit=1))
        following = RoleRefQuery(limit=1, next=page.next)
        assert access.role_refs.history("one", following).changes[0].action == "created"
        with pytest.raises(ClewError, match="belongs to another question"):
            access.role_refs.history("other", following)

    def test_the_same_ref_once_more_is_no_error_and_another_one_is(
        self, access: AccessRegistry
    ) -> None:
        wanted = NewRoleRef(name="ops", grants=OPS)
        first = access.role_refs.create(wanted, LOCAL).result()
        assert access.role_refs.create(wanted, LOCAL).result() == first
        with pytest.raises(ClewError) as caught:
            access.role_refs.create(NewRoleRef(name="ops", grants=[]), LOCAL).result()
        assert caught.value.code is ErrorCode.ALREADY_EXISTS
        assert access.role_refs.find(RoleRefQuery()).total == 1

    @pytest.mark.parametrize(
        "wanted",
        [
            NewRoleRef(name="", grants=[]),
            NewRoleRef(name="a/b", grants=[]),
            NewRoleRef(name="a", grants=[RoleGrant(sub="", roles=["read"])]),
            NewRoleRef(name="a", grants=[RoleGrant(sub="two words", roles=["read"])]),
            NewRoleRef(name="a", grants=[RoleGrant(sub="ann", roles=[])]),
            NewRoleRef(name="a", grants=[RoleGrant(sub="ann", roles=["root"])]),
            NewRoleRef(name="a", grants=[], description="two\nlines"),
        ],
    )
    def test_what_no_role_ref_can_be_is_an_error(
        self, access: AccessRegistry, wanted: NewRoleRef
    ) -> None:
        with pytest.raises(ClewError) as caught:
            access.role_refs.create(wanted, LOCAL)
        assert caught.value.code is ErrorCode.INVALID_ARGUMENT

    def test_a_grant_that_was_taken_back_or_has_expired_counts_no_more(
        self, access: AccessRegistry, database: Database, clock: Clock
    ) -> None:
        kept = access.grants.add("a", "ann", ["read"], LOCAL).result()
        access.grants.add("a", "ben", ["read"], LOCAL, expires_at=clock.at + NS_PER_S).result()
        assert {grant.subject for grant in access.grants.of(["a"])} == {"ann", "ben"}
        access.grants.remove(kept.id, LOCAL).result()
        clock.at += NS_PER_S
        assert not AccessRegistry.open(database, clock).grants.of(["a"])
        with pytest.raises(ClewError, match="no such grant"):
            access.grants.remove(kept.id, LOCAL).result()

    def test_a_revoked_public_key_stays_revoked(
        self, access: AccessRegistry, database: Database, clock: Clock
    ) -> None:
        key = "ed25519:" + "A" * 43 + "="
        told = access.revoked_keys.revoke(key, "lost", LOCAL).result()
        assert access.revoked_keys.revoke(key, "again", LOCAL).result() == told
        again = AccessRegistry.open(database, clock).revoked_keys
        assert key in access.revoked_keys
        assert key in again
        assert again.find(RevokedKeyQuery()).revoked_keys == [told]
        clock.at += NS_PER_S
        access.revoked_keys.lift(key, LOCAL).result()
        assert key not in access.revoked_keys
        assert key not in AccessRegistry.open(database, clock).revoked_keys
        with pytest.raises(ClewError, match="is not revoked"):
            access.revoked_keys.lift(key, LOCAL).result()
        done = [entry.action for entry in access.find_entries(AuditQuery()).entries]
        assert done == ["pub_keys.lift", "pub_keys.revoke"]

    @pytest.mark.parametrize("key", ["", "ed25519:AAAA", "ed25519:" + "A" * 42 + "B="])
    def test_what_is_no_public_key_is_not_revoked(self, access: AccessRegistry, key: str) -> None:
        with pytest.raises(ClewError) as revoking:
            access.revoked_keys.revoke(key, "", LOCAL)
        with pytest.raises(ClewError) as lifting:
            access.revoked_keys.lift(key, LOCAL)
        codes = {revoking.value.code, lifting.value.code}
        assert codes == {ErrorCode.INVALID_ARGUMENT}

    def test_single_grants_are_listed_as_they_count(
        self, access: AccessRegistry, clock: Clock
    ) -> None:
        for_now = access.grants.add(
            "a", "key:ann", ["read", "read"], LOCAL, expires_at=clock.at + NS_PER_S
        ).result()
        assert for_now.roles == ["read"]
        clock.at += NS_PER_S // 10
        lasting = access.grants.add("b", "key:ann", ["cancel"], LOCAL, cascade=False).result()
        # The very same once more is the one that there is.
        assert (
            access.grants.add("b", "key:ann", ["cancel"], LOCAL, cascade=False).result() == lasting
        )
        assert access.grants.find(GrantQuery(sub="key:ann")).grants == [lasting, for_now]
        assert access.grants.find(GrantQuery(app_id="a")).grants == [for_now]
        assert not access.grants.find(GrantQuery(sub="ann")).grants
        page = access.grants.find(GrantQuery(limit=1))
        assert (page.total, page.truncated) == (2, True)
        assert access.grants.find(GrantQuery(limit=1, next=page.next)).grants == [for_now]
        clock.at += NS_PER_S
        assert access.grants.find(GrantQuery()).grants == [lasting]
        access.grants.remove(lasting.id, LOCAL).result()
        assert not access.grants.of(["b"])
        entries = access.find_entries(AuditQuery(app_id="b")).entries
        assert [entry.action for entry in entries] == ["grants.remove", "grants.add"]


def denial(at: int, caller: str = "nobody") -> Entry:
    return Entry(
        at=at,
        action="GET /api/v1/traces",
        caller_kind=CallerKind.KEY,
        caller=caller,
        is_allowed=False,
        source_ip="127.0.0.1",
    )


class TestAudit:
    def settle(self, access: AccessRegistry) -> None:
        access.database.submit(lambda writing: writing.rows("SELECT 1 AS one")).result()

    def test_what_was_done_is_there_with_who_did_it(
        self, access: AccessRegistry, admin: str
    ) -> None:
        ann = access.keys.authenticate(admin)
        made = access.keys.create(NewKey(name="ci", role="writer"), ann).result()
        (entry,) = access.find_entries(AuditQuery(caller="root")).entries
        assert (entry.action, entry.target, entry.allowed) == ("keys.create", made.key.id, True)
        assert entry.auth_domain == "external"
        with pytest.raises(ClewError):
            access.keys.create(NewKey(name="ci", role="writer"), ann).result()
        # What did not happen is not told as if it had.
        assert access.find_entries(AuditQuery(caller="root")).total == 1

    def test_a_flood_of_denials_is_counted_and_not_written(
        self, database: Database, clock: Clock
    ) -> None:
        seconds = [0.0]
        log = audit_module.AuditLog(database, clock, clock=lambda: seconds[0])
        for index in range(DENIALS_BURST + 1000):
            log.deny(denial(clock(), f"c{index}"))
        seconds[0] = 5.0
        log.deny(denial(clock(), "later"))
        access = AccessRegistry.open(database, clock)
        self.settle(access)
        found = access.find_entries(AuditQuery(limit=1000)).entries
        assert len(found) == DENIALS_BURST + 2
        assert (log.denials, log.unwritten) == (DENIALS_BURST + 1001, 1000)
        (told,) = [entry for entry in found if entry.action == UNWRITTEN]
        assert told.detail.startswith("1000 more were denied")
        assert found[1].caller == "later" or found[0].caller == "later"

    @pytest.mark.parametrize("kind", [CallerKind.UNKNOWN, CallerKind.APP])
    def test_strangers_cannot_hide_what_the_holder_of_a_key_tries(
        self, database: Database, clock: Clock, kind: CallerKind
    ) -> None:
        log = audit_module.AuditLog(database, clock, clock=lambda: 0.0)
        for _ in range(DENIALS_BURST + 1000):
            log.deny(dataclasses.replace(denial(clock()), caller_kind=kind))
        log.deny(denial(clock(), "insider"))
        access = AccessRegistry.open(database, clock)
        self.settle(access)
        assert access.find_entries(AuditQuery(caller="insider")).total == 1

    def test_what_is_left_uncounted_is_told_at_the_end(
        self, database: Database, clock: Clock
    ) -> None:
        log = audit_module.AuditLog(database, clock, clock=lambda: 0.0)
        for _ in range(DENIALS_BURST + 3):
            log.deny(denial(clock()))
        log.close()
        access = AccessRegistry.open(database, clock)
        self.settle(access)
        (told,) = access.find_entries(AuditQuery(action=UNWRITTEN)).entries
        assert told.detail.startswith("3 more")

    def test_texts_of_strangers_are_cut_and_tamed(
        self, access: AccessRegistry, clock: Clock
    ) -> None:
        hostile = "\x1b[31m\x00\ud800" + "x" * 10_000
        access.audit.deny(denial(clock(), hostile))
        (kept,) = access.find_entries(AuditQuery(allowed=False)).entries
        assert len(kept.caller) == 300
        assert kept.caller.startswith("\ufffd[31m\ufffd\ufffdxxx")

    def test_a_question_sees_every_denial_before_it(
        self, access: AccessRegistry, clock: Clock
    ) -> None:
        is_free = threading.Event()
        access.database.submit(lambda writing: is_free.wait(60))
        access.audit.deny(denial(clock(), "tried"))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(access.find_entries, AuditQuery(allowed=False))
            # It is no answer that comes while the registry has not written what was denied.
            wait([asked], 0.1)
            is_free.set()
            (entry,) = asked.result(60).entries
        assert entry.caller == "tried"

    def test_pages_stand_still_while_entries_come_in(
        self, access: AccessRegistry, clock: Clock
    ) -> None:
        for index in range(5):
            access.audit.deny(denial(clock(), f"c{index}"))
        first = access.find_entries(AuditQuery(limit=2, allowed=False))
        access.audit.deny(denial(clock(), "new"))
        second = access.find_entries(AuditQuery(limit=9, allowed=False, next=first.next))
        callers = [entry.caller for entry in (*first.entries, *second.entries)]
        assert callers == ["c4", "c3", "c2", "c1", "c0"]
        assert first.denials == 5
        for wrong in ("x", "", "é", str(first.next)[:-3]):
            with pytest.raises(ClewError):
                access.find_entries(AuditQuery(allowed=False, next=wrong))

    def test_old_denials_go_before_old_deeds(
        self, access: AccessRegistry, admin: str, clock: Clock
    ) -> None:
        access.audit.deny(denial(clock()))
        clock.at += (DENIALS_KEPT_S + 1) * NS_PER_S
        assert access.audit.prune().result() == 1
        assert [entry.action for entry in access.find_entries(AuditQuery()).entries] == [
            "keys.create"
        ]
