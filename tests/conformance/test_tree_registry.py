"""What the registry of the tree promises, wherever it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clew.access.schema import SCHEMA as ACCESS
from clew.store.database.contract import Database, Dialect, Reading
from clew.tree.machine import changes
from clew.tree.machine.app import App, OrphanPolicy, Orphans, Status, Tier
from clew.tree.machine.options import TreeOptions
from clew.tree.registry import questions, retention
from clew.tree.registry.keeping import Kept, StaleError, keep
from clew.tree.registry.loading import load, load_commands
from clew.tree.registry.questions import AppFilter, CrashFilter
from clew.tree.registry.rows import COLUMNS, encode_app, join_path
from clew.tree.registry.schema import SCHEMA as TREE
from tests.conformance.registry_places import PLACES, PostgresPlace, SqlitePlace
from tests.conformance.registry_replay import LeadingPlace

NOW = 1_800_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture(params=PLACES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == Dialect.POSTGRES.value:
        server = request.getfixturevalue("postgres_server")
        place: PostgresPlace | SqlitePlace = PostgresPlace(server, server.new_url())
    else:
        place = LeadingPlace(tmp_path)
    yield place.open(ACCESS, TREE)
    place.close()


def write(database: Database, *made: changes.Change) -> Kept:
    return database.submit(lambda transaction: keep(transaction, made)).result(60)


def make_app(app_id: str, *above: str, **fields: Any) -> App:
    given: dict[str, Any] = {
        "parent_id": above[-1] if above else None,
        "app_name": f"the {app_id}",
        "path": (*above, app_id),
        "status": Status.RUNNING,
        "scheduled_at": NOW,
    }
    return App(app_id=app_id, **given | fields)


def add(app_id: str, *above: str, **fields: Any) -> changes.AppAdded:
    return changes.AppAdded(app=make_app(app_id, *above, **fields))


def said(app_id: str, seq: int, kind: str = "Status", **fields: Any) -> changes.MessageAdded:
    given: dict[str, Any] = {"epoch": 1, "is_agent": False, "payload": b'{"n":1}', "at": NOW + seq}
    return changes.MessageAdded(app_id=app_id, seq=seq, msg_type=kind, **given | fields)


def command(correlation_id: str, app_id: str, **fields: Any) -> changes.CommandAdded:
    given: dict[str, Any] = {
        "root_id": app_id,
        "kind": "command",
        "action": "pause",
        "payload": b'{"for":"a while"}',
        "requested_by": "somebody",
        "auth_domain": "tree",
        "at": NOW,
        "expires_at": NOW + 300 * SECOND,
        "status": "accepted",
    }
    return changes.CommandAdded(correlation_id=correlation_id, app_id=app_id, **given | fields)


def get(database: Database, app_id: str) -> App | None:
    return database.read(lambda reading: questions.get_app(reading, app_id))


FULL = App(
    app_id="b",
    parent_id="a",
    app_name="näme 'quoted' \\ 𝄞",
    path=("a", "b"),
    status=Status.RECONNECTING,
    version=7,
    epoch=3,
    seq=41,
    agent_seq=2,
    tier=Tier.SIGNED,
    pub_key="ed25519:key",
    token_hash="hash",
    token_expires_at=NOW + 1,
    reason="connection_drop",
    actor="server",
    before=Status.RUNNING,
    held=Status.DONE,
    adopted_from="z",
    cancel_id="c-9",
    deadline=NOW + 2,
    confirmed=True,
    start_deadline_s=17,
    resume_window_ms=86_400_000,
    orphans=Orphans(done=OrphanPolicy.WAIT, detached=True),
    role_refs=("ops", "night shift"),
    originator={"sub": "anna", "groups": ["x"]},
    tags={"nested": [1, 2.5, None, {"deep": True}]},
    process={
        "pid": 4711,
        "hostname": "h",
        "node_name": "n",
        "namespace": "prod",
        "executable": "e",
    },
    agent={"pid": 12},
    exit_code=-9,
    snapshot_seq=40,
    scheduled_at=NOW - 9,
    connected_at=NOW - 8,
    started_at=NOW - 7,
    disconnected_at=NOW - 6,
    ended_at=NOW - 5,
)


def test_every_field_of_an_app_comes_back_as_it_was(database: Database) -> None:
    defaults = App(app_id="", parent_id=None, app_name="", path=(), status=Status.DONE)
    plain = [
        name
        for name in App.__struct_fields__
        if name != "parent_id" and getattr(FULL, name) == getattr(defaults, name)
    ]
    assert not plain, "the app of this test must differ from the defaults in every field"
    assert set(encode_app(FULL)) == set(COLUMNS)
    write(database, changes.AppAdded(app=FULL))
    assert get(database, "b") == FULL
    changed = msgspec.structs.replace(FULL, version=8, tags=None, before=None, confirmed=False)
    write(database, changes.AppChanged(over=7, app=changed))
    assert get(database, "b") == changed
    assert get(database, "nobody") is None


def test_a_change_over_a_version_that_is_gone_undoes_the_whole_batch(database: Database) -> None:
    write(database, add("a"), add("b"))
    first, second = make_app("a", version=2, seq=1), make_app("a", version=2, seq=2)
    write(database, changes.AppChanged(over=1, app=first))
    with pytest.raises(StaleError):
        write(
            database,
            changes.AppChanged(over=1, app=make_app("b", version=2)),
            said("b", 1),
            changes.AppChanged(over=1, app=second),
        )
    assert get(database, "a") == first
    assert get(database, "b") == make_app("b")
    assert not database.read(lambda reading: questions.find_messages(reading, "b", limit=9))


def test_an_app_or_a_command_that_is_there_is_not_added_again(database: Database) -> None:
    write(database, add("a"), command("c", "a"))
    with pytest.raises(StaleError):
        write(database, add("a", status=Status.DONE))
    with pytest.raises(StaleError):
        write(database, command("c", "a", action="resume"))
    with pytest.raises(StaleError):
        write(
            database,
            changes.CommandChanged(correlation_id="c", app_id="b", status="done", at=NOW),
        )
    assert get(database, "a") == make_app("a")


def test_many_changes_of_an_app_are_kept_as_the_last(database: Database) -> None:
    write(database, add("a"), *(moved("a", version) for version in range(1, 5)))
    assert get(database, "a") == make_app("a", version=5, seq=4)
    write(database, *(moved("a", version) for version in range(5, 9)))
    assert get(database, "a") == make_app("a", version=9, seq=8)


def moved(app_id: str, over: int) -> changes.AppChanged:
    return changes.AppChanged(over=over, app=make_app(app_id, version=over + 1, seq=over))


def test_a_message_is_kept_once_however_often_it_comes(database: Database) -> None:
    write(database, add("a"), said("a", 1), said("a", 1), said("a", 1, is_agent=True))
    write(database, said("a", 1), said("a", 1, epoch=2), said("a", 2, "Result"))
    found = database.read(lambda reading: questions.find_messages(reading, "a", limit=9))
    keys = [(each.epoch, each.source, each.seq, each.msg_type) for each in found]
    assert keys == [
        (1, "app", 2, "Result"),
        (2, "app", 1, "Status"),
        (1, "agent", 1, "Status"),
        (1, "app", 1, "Status"),
    ]


def test_a_message_that_was_kept_before_is_not_told_again(database: Database) -> None:
    def told(seq: int, *, in_doubt: bool = True) -> changes.Happened:
        message = (1, False, seq) if in_doubt else None
        return changes.Happened(
            at=NOW, app_id="a", path=("a",), kind="message", document=b"{}", message=message
        )

    def keep_batch(*made: changes.Change) -> list[int]:
        kept = write(database, *made)
        return [happened.message[2] if happened.message else 0 for _, happened in kept.happened]

    assert keep_batch(said("a", 1), told(1, in_doubt=False)) == [0]
    # The first is known, the second comes twice, and of the last there is no doubt.
    batch = [said("a", 1), told(1), said("a", 2), told(2), said("a", 2), told(2)]
    assert keep_batch(*batch, said("a", 3), told(3, in_doubt=False)) == [2, 0]
    assert keep_batch(said("a", 2), told(2)) == []
    assert keep_batch(said("b", 9), told(4), said("a", 4)) == [4]
    rows = database.read(lambda reading: reading.rows("SELECT id FROM outbox ORDER BY id"))
    assert [row["id"] for row in rows] == [1, 2, 3, 4]


def test_the_snapshot_of_an_app_is_its_newest_status_that_counts(database: Database) -> None:
    write(
        database,
        add("a"),
        add("b"),
        said("a", 1),
        said("a", 2, payload=b'{"n": 2}'),
        said("a", 3, is_late=True),
        said("a", 4, "Error", payload=b'{"message": "gone"}'),
    )

    def look(reading: Any) -> None:
        last = questions.get_last_snapshots(reading, ["a", "b"])
        assert {app_id: each.payload for app_id, each in last.items()} == {"a": '{"n": 2}'}
        answers = questions.get_last_answers(reading, ["a", "b"])
        assert [each.msg_type for each in answers.values()] == ["Error"]
        pages = questions.find_snapshots(reading, "a", limit=1)
        pages += questions.find_snapshots(reading, "a", limit=5, before=pages[0].id)
        assert [each.seq for each in pages] == [2, 1]
        assert reading.rows("SELECT seq FROM snapshots ORDER BY id") == [{"seq": 1}, {"seq": 2}]

    database.read(look)


def test_a_subtree_is_found_by_its_path_and_nothing_beside_it(database: Database) -> None:
    write(
        database,
        add("a"),
        add("b", "a"),
        add("c", "a", "b", status=Status.DONE),
        add("b-2", "a"),
        add("B", "a", process={"namespace": "prod"}),
        add("other"),
    )

    def ids(**condition: Any) -> list[str]:
        return database.read(
            lambda reading: [
                each.app_id
                for each in questions.find_subtree(reading, AppFilter(**condition), limit=99)
            ]
        )

    assert ids(within=join_path(["a"])) == ["a", "B", "b-2", "b", "c"]
    assert ids(below=join_path(["a", "b"])) == ["c"]
    assert ids(within=join_path(["a"]), statuses=(Status.DONE,)) == ["c"]
    assert ids(parent_id="a", namespace="prod") == ["B"]
    assert ids(app_name="the other") == ["other"]
    counted = database.read(
        lambda reading: questions.count_apps(reading, AppFilter(within=join_path(["a"])))
    )
    assert counted == 5
    by_status = database.read(questions.count_by_status)
    assert by_status == {Status.RUNNING: 5, Status.DONE: 1}


def test_pages_of_apps_are_whole_and_never_twice(database: Database) -> None:
    # Some were announced in the same moment.
    apps = [add(f"app-{number:02}", scheduled_at=NOW + number // 3) for number in range(20)]
    write(database, *apps)
    seen: list[str] = []
    after: tuple[int, str] | None = None
    while True:
        page = database.read(
            lambda reading, after=after: questions.find_apps(  # type: ignore[misc]
                reading, AppFilter(), limit=7, after=after
            )
        )
        if not page:
            break
        seen += [each.app_id for each in page]
        after = (page[-1].scheduled_at, page[-1].app_id)
        # What is announced meanwhile moves nothing.
        write(database, add(f"late-{len(seen)}", scheduled_at=NOW + 1000))
    assert seen == [each.app.app_id for each in reversed(apps)]


def test_a_crash_is_taken_back_by_the_return_after_it(database: Database) -> None:
    def crash(at: int) -> changes.CrashAdded:
        return changes.CrashAdded(
            app_id="a", epoch=1, at=at, crash_type="connection_drop", gap_ms=2000
        )

    write(database, add("a", process={"namespace": "prod"}), add("b"), crash(NOW))
    write(
        database,
        changes.CrashRecovered(app_id="a", epoch=1, at=NOW + 1),
        crash(NOW + 2),
        changes.CrashRecovered(app_id="a", epoch=1, at=NOW + 3),
        crash(NOW + 4),
    )

    def look(reading: Any) -> None:
        found = questions.find_crashes(reading, CrashFilter(), limit=9)
        assert [each.recovered_at for each in found] == [None, NOW + 3, NOW + 1]
        assert questions.get_last_crashes(reading, ["a", "b"]) == {"a": found[0]}
        assert questions.find_crashes(reading, CrashFilter(since=NOW + 3), limit=9) == found[:1]
        assert questions.find_crashes(reading, CrashFilter(namespace="prod"), limit=9) == found
        assert not questions.find_crashes(reading, CrashFilter(namespace="test"), limit=9)
        assert (
            questions.find_crashes(reading, CrashFilter(), limit=9, before=found[0].id) == found[1:]
        )
        assert not questions.find_crashes(reading, CrashFilter(within=join_path(["b"])), limit=9)

    database.read(look)


def test_a_command_that_is_sent_at_once_tells_when(database: Database) -> None:
    write(database, add("a"), command("c", "a", status="sent"))
    (kept,) = database.read(lambda reading: questions.find_commands(reading, "c"))
    assert (kept.status, kept.sent_at) == ("sent", NOW)


def test_a_command_goes_on_from_what_was_kept_of_it(database: Database) -> None:
    write(database, add("a"), add("b"), command("c", "a"), command("c", "b", root_id="a"))
    write(
        database,
        changes.CommandChanged(correlation_id="c", app_id="a", status="sent", at=NOW + 1),
        changes.CommandChanged(
            correlation_id="c", app_id="a", status="done", at=NOW + 2, result=b'{"ok":true}'
        ),
        changes.CommandChanged(
            correlation_id="c", app_id="b", status="failed", at=NOW + 3, error="no", phase="term"
        ),
    )
    first, second = database.read(lambda reading: questions.find_commands(reading, "c"))
    assert (first.app_id, first.status, first.result) == ("a", "done", '{"ok":true}')
    assert (first.sent_at, first.acked_at, first.updated_at) == (NOW + 1, NOW + 2, NOW + 2)
    assert (second.app_id, second.error, second.phase) == ("b", "no", "term")
    records = database.read(lambda reading: load_commands(reading, ["c", "unknown"]))
    assert [each.app_id for each in records["c"]] == ["a", "b"]
    assert records["c"][0].result == b'{"ok":true}'
    assert records["unknown"] == []


def test_the_outbox_counts_on_whatever_is_forgotten(database: Database) -> None:
    def happened(app_id: str, at: int = NOW) -> changes.Happened:
        return changes.Happened(
            at=at, app_id=app_id, path=(app_id,), kind="message", document=b"{}"
        )

    kept = write(database, happened("a"), happened("b"))
    assert [number for number, _ in kept.happened] == [1, 2]
    ids = database.read(lambda reading: retention.find_old_entries(reading, NOW + 1))
    assert ids == [1]
    database.submit(lambda transaction: retention.remove_entries(transaction, ids)).result(60)
    assert [number for number, _ in write(database, happened("a")).happened] == [3]

    def look(reading: Any) -> None:
        assert [each.id for each in questions.read_outbox(reading, 0, limit=9)] == [2, 3]
        mine = questions.read_outbox(reading, 0, limit=9, within=join_path(["a"]))
        assert [each.id for each in mine] == [3]
        assert questions.get_outbox_bounds(reading) == (2, 3)

    database.read(look)


def test_old_statuses_go_and_what_counts_stays(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STATUSES_PER_APP_MAX", 2)
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    old = [said("a", seq, at=NOW - 10) for seq in (1, 2, 3)]
    write(
        database,
        *old,
        said("a", 4, "Result", at=NOW - 10),
        said("b", 1, at=NOW - 10),
        *(said("c", seq, at=NOW) for seq in range(1, 7)),
    )
    after = 0
    while ids := database.read(
        lambda reading, after=after: retention.find_old_statuses(reading, NOW, after=after)  # type: ignore[misc]
    ):
        after = ids[-1]
        database.submit(
            lambda transaction, ids=ids: retention.remove_messages(transaction, ids)  # type: ignore[misc]
        ).result(60)
    assert database.read(retention.find_talkative_apps) == ["c"]
    while ids := database.read(lambda reading: retention.find_many_statuses(reading, "c")):
        database.submit(
            lambda transaction, ids=ids: retention.remove_messages(transaction, ids)  # type: ignore[misc]
        ).result(60)
    rows = database.read(
        lambda reading: reading.rows("SELECT app_id, seq FROM messages ORDER BY app_id, seq")
    )
    kept = [(row["app_id"], row["seq"]) for row in rows]
    assert kept == [("a", 3), ("a", 4), ("b", 1), ("c", 5), ("c", 6)]


def find_due(database: Database, before: int, answers_before: int | None = None) -> list[str]:
    """Return which apps may go, found stretch by stretch."""
    due: list[str] = []
    place: retention.Place | None = retention.Place(NOW + 100)
    while place is not None:
        found = database.read(
            lambda reading, place=place: retention.find_old_apps(  # type: ignore[misc]
                reading, place, before, answers_before
            )
        )
        due += [app_id for app_id, _ in found.due]
        place = found.following
    return due


def test_apps_that_ended_are_due_from_below(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_APPS", 2)
    over: dict[str, Any] = {"status": Status.DONE, "ended_at": NOW + 10}
    write(
        database,
        add("root", **over),
        add("mid", "root", **over, scheduled_at=NOW + 1),
        add("leaf", "root", "mid", status=Status.LOST_CONTACT, scheduled_at=NOW + 2),
        add("answered", **over, scheduled_at=NOW + 3),
        add("silent", **over, scheduled_at=NOW + 3),
        add("young", status=Status.CANCELLED, ended_at=NOW + 20, scheduled_at=NOW + 4),
        add("window", status=Status.CRASHED, ended_at=NOW + 5, deadline=NOW + 6),
        said("answered", 1, "Error"),
        said("silent", 1),
    )
    assert find_due(database, NOW + 10) == []
    assert find_due(database, NOW + 11) == ["silent"]
    assert find_due(database, NOW + 11, NOW + 10) == ["silent"]
    # What was said is not forgotten before the app would be.
    assert sorted(find_due(database, NOW + 11, NOW + 99)) == ["answered", "silent"]
    gone = make_app("leaf", "root", "mid", **over, version=2)
    write(database, changes.AppChanged(over=1, app=gone))
    assert sorted(find_due(database, NOW + 11)) == ["leaf", "silent"]
    write(database, changes.AppRemoved(app_id="leaf", over=2))
    assert sorted(find_due(database, NOW + 11)) == ["mid", "silent"]


def test_an_app_goes_with_everything_that_is_kept_of_it_or_not_at_all(database: Database) -> None:
    tables = ("apps", "messages", "crashes", "control_queue", "grants")

    def count() -> dict[str, int]:
        return database.read(
            lambda reading: {
                table: reading.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"]
                for table in tables
            }
        )

    for app_id in ("a", "b"):
        crash = changes.CrashAdded(
            app_id=app_id, epoch=1, at=NOW, crash_type="connection_drop", gap_ms=1
        )
        write(database, add(app_id), said(app_id, 1), said(app_id, 2), crash, command("c", app_id))
        database.submit(
            lambda transaction, app_id=app_id: transaction.run(  # type: ignore[misc]
                "INSERT INTO grants (id, app_id, subject, roles_json, is_cascade, granted_by,"
                " created_at) VALUES (:app_id, :app_id, 's', '[]', 1, 'l', 1)",
                {"app_id": app_id},
            )
        ).result(60)
    whole = count()
    with pytest.raises(StaleError):
        write(
            database,
            changes.AppRemoved(app_id="a", over=1),
            changes.AppRemoved(app_id="b", over=7),
        )
    assert count() == whole
    last = database.read(lambda reading: retention.find_messages_but_last(reading, ["a", "b"]))
    assert last == [1, 3]
    write(database, changes.AppRemoved(app_id="a", over=1))
    assert count() == {"apps": 1, "messages": 2, "crashes": 1, "control_queue": 1, "grants": 1}
    assert get(database, "a") is None
    assert get(database, "b") is not None


def test_old_crashes_go_and_commands_that_are_over(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)

    def crash(at: int) -> changes.CrashAdded:
        return changes.CrashAdded(app_id="a", epoch=1, at=at, crash_type="exit", gap_ms=0)

    ended = make_app(
        "away", status=Status.CANCELLED, cancel_id="c-3", ended_at=NOW, confirmed=False
    )
    write(
        database,
        changes.AppAdded(app=ended),
        *(crash(NOW + at) for at in range(5)),
        command("c-1", "a", status="done"),
        command("c-2", "a"),
        command("c-3", "away", kind="cancel", status="done"),
        command("c-4", "a", status="expired"),
        command("c-2", "b", status="done"),
        command("c-5", "a", status="done", at=NOW + 9),
    )
    crashes = []
    while ids := database.read(lambda reading: retention.find_old_crashes(reading, NOW + 3)):
        crashes += ids
        database.submit(lambda writing, ids=ids: retention.remove_crashes(writing, ids)).result(60)  # type: ignore[misc]
    assert crashes == [1, 2, 3]
    commands: list[int] = []
    after: int | None = 0
    while after is not None:
        ids, after = database.read(
            lambda reading, after=after: retention.find_old_commands(  # type: ignore[misc]
                reading, NOW + 9, after=after
            )
        )
        commands += ids
    # One is open, and the last for another target; one of an app that may still return; one young.
    assert commands == [1, 4]
    removed = database.submit(lambda writing: retention.remove_commands(writing, commands))
    assert removed.result(60) == 2


def test_entries_go_only_as_far_as_they_were_told(database: Database) -> None:
    entries = [
        changes.Happened(at=NOW + at, app_id="a", path=("a",), kind="message", document=b"{}")
        for at in range(6)
    ]
    write(database, *entries)

    def find(before: int, until: int | None) -> list[int]:
        return database.read(
            lambda reading: retention.find_old_entries(reading, before, until=until)
        )

    assert find(NOW + 3, None) == [1, 2, 3]
    assert find(NOW + 3, 2) == [1, 2]
    assert find(NOW + 99, None) == [1, 2, 3, 4, 5]
    cut = database.submit(lambda writing: retention.remove_entries_until(writing, 4))
    assert cut.result(60) == 4
    cut = database.submit(lambda writing: retention.remove_entries_until(writing, 99))
    assert cut.result(60) == 1
    assert database.read(questions.get_outbox_bounds) == (6, 6)


def test_what_was_allowed_is_in_the_audit_log_with_what_it_did(database: Database) -> None:
    def asked(*, is_allowed: bool) -> changes.AuditAdded:
        return changes.AuditAdded(
            at=NOW,
            action="cancel",
            app_id="a",
            caller_kind="app",
            caller="p",
            is_allowed=is_allowed,
            detail="why",
            cascade=True,
            correlation_id="c",
        )

    write(database, add("a"), asked(is_allowed=True), asked(is_allowed=False))
    with pytest.raises(StaleError):
        write(database, asked(is_allowed=True), add("a"))
    rows = database.read(
        lambda reading: reading.rows("SELECT action, caller, is_allowed FROM audit_log")
    )
    assert rows == [{"action": "cancel", "caller": "p", "is_allowed": 1}]


def test_a_machine_is_loaded_with_what_lives_and_what_may_return(database: Database) -> None:
    write(
        database,
        add("live"),
        add("lost", status=Status.LOST_CONTACT),
        add("done", status=Status.DONE, ended_at=NOW - SECOND),
        add("late", status=Status.CRASHED, reason="connection_drop", ended_at=NOW - 59 * SECOND),
        add("gone", status=Status.CRASHED, reason="connection_drop", ended_at=NOW - 61 * SECOND),
        command("open", "live"),
        command("over", "live", status="done"),
    )
    machine = database.read(lambda reading: load(reading, TreeOptions(), NOW))
    held = {name for name in ("live", "lost", "done", "late", "gone") if machine.find(name)}
    assert held == {"live", "lost", "late"}


def test_a_batch_of_the_largest_payloads_is_kept_whole_and_in_order(database: Database) -> None:
    payload = b'{"text":"' + b"x\\n" * 80_000 + b'"}'
    write(database, add("root"), *(said("root", seq, payload=payload) for seq in range(1, 41)))
    found = database.read(lambda reading: questions.find_messages(reading, "root", limit=100))
    assert [each.seq for each in found] == list(range(40, 0, -1))
    assert {each.payload for each in found} == {payload.decode()}


def test_what_had_ended_before_a_cancel_is_found_without_its_own_targets(
    database: Database,
) -> None:
    def ended(app_id: str, *above: str, at: int) -> changes.AppAdded:
        return add(app_id, *above, status=Status.DONE, ended_at=at)

    write(
        database,
        add("root"),
        ended("first", "root", at=NOW - 2),
        ended("second", "root", "first", at=NOW - 1),
        # One ended in the very moment of the cancel, one that the cancel itself ended.
        ended("third", "root", at=NOW),
        ended("target", "root", at=NOW),
        ended("later", "root", at=NOW + 1),
        ended("elsewhere", "other", at=NOW - 1),
        command("c", "root", kind="cancel"),
        command("c", "target", kind="cancel", root_id="root", status="done"),
    )

    def find(reading: Reading) -> tuple[list[str], int]:
        about = (reading, "c", join_path(("root",)), NOW)
        found = questions.find_ended_before(*about, limit=2)
        return [app.app_id for app in found], questions.count_ended_before(*about, most=9)

    assert database.read(find) == (["third", "second"], 3)
