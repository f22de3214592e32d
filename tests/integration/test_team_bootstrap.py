"""`clew team bootstrap` finds what a server lacks, and says what to do about it."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clew.base.errors import ClewError
from clew.team.bootstrap.files import CONFIGURATION, find_files, find_folder, write_files
from clew.team.bootstrap.findings import BootstrapReport, Finding, Outcome
from clew.team.bootstrap.inspection import inspect_server
from clew.team.bootstrap.needs import NEEDS
from clew.team.trailbase.client import AsyncTrailBaseClient
from clew.testing.trailbase import FakeDocumented, FakeTrailBase

EMAIL = "ann@example.org"


def inspect(
    server: FakeTrailBase | FakeDocumented, *, deep: bool = False, nobody: bool = False
) -> BootstrapReport:
    user = server.add_user(EMAIL)

    async def look() -> BootstrapReport:
        async with AsyncTrailBaseClient(server.url) as client:
            if not nobody:
                await client.authenticate({"email": user.email, "password": user.password})
            return await inspect_server(client, deep=deep)

    return asyncio.run(look())


def bad(report: BootstrapReport) -> dict[str, Finding]:
    return {one.check: one for one in report.findings if one.outcome is not Outcome.OK}


def changed(folder: Path, change: Callable[[str], str], name: str = CONFIGURATION) -> Path:
    """A copy of the files with one of them changed."""
    copy = folder / "depot"
    shutil.copytree(find_folder(), copy)
    text = (copy / name).read_text()
    assert change(text) != text
    (copy / name).write_text(change(text))
    return copy


def without_api(name: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        blocks = text.split("record_apis {")
        return "record_apis {".join(one for one in blocks if f'name: "{name}"' not in one)

    return change


TABLES, TRIGGERS = sorted(str(name) for name in find_files() if name.suffix == ".sql")


def test_a_server_that_is_set_up_with_the_files_lacks_nothing() -> None:
    with FakeTrailBase() as server:
        report = inspect(server, deep=True)
        assert report.ok
        assert not bad(report)
        assert len(report.findings) > 40
        # The trial leaves nothing that anybody would see.
        assert server.read("SELECT deleted FROM teams") == [{"deleted": 1}]
        assert server.read("SELECT title, deleted FROM shared_sessions") == [
            {"title": "", "deleted": 1}
        ]


def test_a_look_without_a_trial_leaves_no_trace() -> None:
    with FakeTrailBase() as server:
        assert inspect(server).ok
        for need in NEEDS:
            rows = server.read(f"SELECT COUNT(*) AS rows FROM {need.api}")
            assert rows == [{"rows": 1 if need.api == "clew_info" else 0}]


def test_every_column_that_can_be_read_is_looked_for() -> None:
    with FakeTrailBase() as server:
        for need in NEEDS:
            columns = {str(row["name"]) for row in server.read(f"PRAGMA table_info({need.api})")}
            assert {name for name in columns if not name.startswith("_")} == need.columns


def test_nobody_learns_what_is_there_and_is_told_to_log_in() -> None:
    with FakeTrailBase() as server:
        report = inspect(server, nobody=True)
    assert report.ok
    found = bad(report)
    assert set(found) == {f"api {need.api}" for need in NEEDS}
    assert all("--email" in str(one.hint) for one in found.values())


@pytest.mark.parametrize(
    ("change", "check", "outcome", "hint"),
    [
        (without_api("saved_queries"), "api saved_queries", Outcome.MISSING, "--write"),
        (
            lambda text: text.replace("enable_record_transactions: true", ""),
            "transactions",
            Outcome.MISSING,
            "enable_record_transactions",
        ),
        (
            lambda text: text.replace("  enable_subscriptions: true\n", ""),
            "events shared_sessions",
            Outcome.MISSING,
            "enable_subscriptions",
        ),
        (
            lambda text: text.replace("acl_authenticated", "acl_world: [READ] acl_authenticated"),
            "api shared_sessions",
            Outcome.WRONG,
            "record_apis",
        ),
        (
            lambda text: text.replace("create_access_rule:", 'create_access_rule: "TRUE OR "'),
            "only members create",
            Outcome.WRONG,
            "record_apis",
        ),
        (
            lambda text: text.replace("READ, UPDATE", "READ, UPDATE, DELETE"),
            "team_comments keep tombstones",
            Outcome.WRONG,
            "record_apis",
        ),
        (
            lambda text: text.replace(", SCHEMA", ""),
            "columns teams",
            Outcome.UNKNOWN,
            "SCHEMA",
        ),
    ],
    ids=[
        "an api",
        "transactions",
        "events",
        "open to the world",
        "a rule of creating",
        "deletes",
        "schemas",
    ],
)
def test_what_the_configuration_lacks_is_found(
    tmp_path: Path, change: Callable[[str], str], check: str, outcome: Outcome, hint: str
) -> None:
    with FakeTrailBase(changed(tmp_path, change)) as server:
        report = inspect(server)
    found = bad(report)[check]
    assert found.outcome is outcome
    assert hint in str(found.hint)
    assert report.ok is (outcome is Outcome.UNKNOWN)


def test_a_column_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = changed(tmp_path, lambda text: text.replace("  links TEXT", "  lines TEXT"), TABLES)
    triggers = (folder / TRIGGERS).read_text().replace("links = ", "lines = ")
    (folder / TRIGGERS).write_text(triggers)
    tables = (folder / TABLES).read_text().replace("json_valid(links)", "json_valid(lines)")
    (folder / TABLES).write_text(tables)
    with FakeTrailBase(folder) as server:
        found = bad(inspect(server))["columns shared_sessions"]
    assert (found.outcome, found.detail) == (Outcome.MISSING, "it lacks links")


@pytest.mark.parametrize(
    ("trigger", "check"),
    [
        ("teams_owned", "whoever makes a team owns it"),
        ("shared_sessions_created", "a row is stamped"),
        ("shared_sessions_changed", "a change is numbered"),
        ("shared_sessions_erased", "what is erased is empty"),
    ],
)
def test_a_trigger_that_is_missing_is_found_by_a_trial(
    tmp_path: Path, trigger: str, check: str
) -> None:
    def change(text: str) -> str:
        return text + f"\nDROP TRIGGER {trigger};\n"

    with FakeTrailBase(changed(tmp_path, change, TRIGGERS)) as server:
        report = inspect(server, deep=True)
    assert not report.ok
    assert check in bad(report)


def test_a_rule_that_allows_stale_changes_is_found_by_a_trial(tmp_path: Path) -> None:
    def change(text: str) -> str:
        return text.replace("_REQ_.version = _ROW_.version + 1", "_REQ_.version >= 1")

    with FakeTrailBase(changed(tmp_path, change)) as server:
        assert "a stale version is refused" in bad(inspect(server, deep=True))


def test_tables_of_another_version_say_who_has_to_follow(tmp_path: Path) -> None:
    for version, hint in ((2, "update clew"), (0, "--write")):
        with FakeTrailBase() as server:
            server.write("UPDATE clew_info SET schema_version = ?", (version,))
            found = bad(inspect(server))["version"]
        assert hint in str(found.hint)


def test_a_clock_that_is_off_is_told_of() -> None:
    with FakeTrailBase() as server:
        server.advance(600)
        began = time.monotonic()
        found = bad(inspect(server, nobody=True))["clock"]
        took = time.monotonic() - began
    told = re.search(r"([+-]\d+) s", found.detail)
    assert told is not None
    # A header has whole seconds, and says of which moment it is as well as the answer was quick.
    assert abs(int(told[1]) - 600) <= 1 + took


def test_the_documented_api_has_nothing_to_set_up() -> None:
    with FakeDocumented() as server:
        report = inspect(server, nobody=True)
    assert not report.ok
    assert "documented" in report.findings[0].detail


def test_the_files_are_written_once_and_never_over_others(tmp_path: Path) -> None:
    written = write_files(tmp_path / "depot")
    assert {path.name for path in written} >= {CONFIGURATION, "README.md"}
    assert write_files(tmp_path / "depot") == written
    with FakeTrailBase(tmp_path / "depot") as server:
        assert inspect(server).ok
    (tmp_path / "depot" / CONFIGURATION).write_text("server {}")
    with pytest.raises(ClewError, match="is there"):
        write_files(tmp_path / "depot")
