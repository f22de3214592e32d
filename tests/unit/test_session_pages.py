"""Work sessions as a person meets them: flags, tables that fit, a page for an incident."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args

import msgspec
import pytest

from clew.surfaces.cli.commands.session import ActivityFlags, LinkFlags, SessionFlags, TargetFlags
from clew.surfaces.cli.grid import line_width
from clew.surfaces.cli.views.session_page import write_page
from clew.surfaces.cli.views.sessions import activity_table, session_lines, session_table
from clew.team.sessions import documents as doc
from clew.team.sessions.parameters import (
    ActivityQuery,
    LinkKindName,
    SessionQuery,
    Target,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOSTILE = "\x1b[2J\x1b]0;owned\x07 `code` # heading\u202e"

SESSION = doc.Session(
    id="01a1ffb3-25da-7115-99a5-3bf1a39ee12e",
    title=f"why *is* pay slow {HOSTILE}",
    owner="key:ann",
    kind="own",
    started_at="2026-11-21T20:00:00.000000000Z",
    ended_at=None,
    end_reason=None,
    planned_minutes=45,
    seconds=3000.0,
    overrun_seconds=300.0,
    note_count=2,
    link_count=2,
    visits_left_out=3,
    shared=True,
    notes=[
        doc.Note(
            id="01a1ffb3-329f-7bdb-8c9d-2c312ddd48a4",
            kind="note",
            body=f"# not a heading of the page\n{HOSTILE}",
            about=Target(kind="trace", id=TRACE),
            created_at="2026-11-21T20:01:36.000000000Z",
        ),
        doc.Note(
            id="01a1ffb3-354a-765d-a5b2-8872497c1cd4",
            kind="comment",
            body="a comment",
            about=None,
            created_at="2026-11-21T20:02:00.000000000Z",
        ),
    ],
    links=[
        doc.Link(
            kind="query",
            id="bba20d1bc62a6120",
            title="sql SELECT",
            how="clew sql 'SELECT `name` FROM spans'",
            path=None,
            first_at="2026-11-21T20:00:34.000000000Z",
            last_at="2026-11-21T20:00:34.000000000Z",
            count=1,
        ),
        doc.Link(
            kind="query",
            id="aaaaaaaaaaaaaaaa",
            title=f"sql {HOSTILE}",
            how=None,
            path=None,
            first_at="2026-11-21T20:00:40.000000000Z",
            last_at="2026-11-21T20:00:50.000000000Z",
            count=7,
        ),
    ],
)


def plain(lines: list[Any]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize(
    ("flags", "parameters", "short"),
    [(SessionFlags, SessionQuery, {"mine"}), (ActivityFlags, ActivityQuery, set())],
)
def test_every_parameter_has_a_flag(
    flags: type[Any], parameters: type[msgspec.Struct], short: set[str]
) -> None:
    ours = {field.name for field in dataclasses.fields(flags)}
    theirs = {field.name for field in msgspec.structs.fields(parameters)}
    assert ours == theirs | short


def test_every_kind_of_link_has_a_flag() -> None:
    kinds = set(get_args(LinkKindName))
    assert {field.name for field in dataclasses.fields(TargetFlags)} == kinds - {"query"}
    assert {field.name for field in dataclasses.fields(LinkFlags)} == kinds | {"note"}


@pytest.mark.parametrize("width", [80, 120])
def test_a_session_fits_the_screen_and_nothing_in_it_acts_on_it(width: int) -> None:
    lines = session_lines(SESSION, width)
    text = "\n".join(plain(lines))
    assert "5m 00s beyond 45m 00s planned" in text
    assert "3 looks beyond what is kept" in text
    assert "overrun" in text
    assert "shared" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    # A title is a line however long it is; everything else fits.
    assert all(line_width(line) <= width for line in lines[1:])


@pytest.mark.parametrize("width", [80, 120])
def test_lists_fit_the_screen(width: int) -> None:
    head = doc.SessionHead(
        **{name: getattr(SESSION, name) for name in doc.SessionHead.__struct_fields__}
    )
    listed = doc.SessionList(sessions=[head] * 3, count=3, total=3, truncated=False)
    assert all(line_width(line) <= width for line in session_table(listed, width))
    member = doc.Activity(
        owner="key:" + "a" * 60,
        sessions=12,
        open=1,
        hours=7.25,
        findings=30,
        notes=20,
        comments=10,
        last_at=SESSION.started_at,
    )
    report = doc.ActivityReport(
        start_time=SESSION.started_at,
        end_time=SESSION.started_at,
        members=[member],
        count=1,
        total=1,
        truncated=False,
    )
    lines = activity_table(report, width)
    assert all(line_width(line) <= width for line in lines)
    assert "7.25" in plain(lines)[1]


def test_the_page_of_an_incident_has_one_title_and_all_of_the_session() -> None:
    page = write_page(SESSION)
    lines = page.splitlines()
    assert [line for line in lines if line.startswith("# ")] == [
        r"# why \*is\* pay slow \\x1b\[2J\\x1b\]0;owned\\x07 \`code\` \# heading\\u202e"
    ]
    assert [line for line in lines if line.startswith("## ")] == [
        "## What was found",
        "## What was looked at",
    ]
    assert "> # not a heading of the page" in lines
    assert f"**2026-11-21 20:01:36 UTC**, trace `{TRACE}`" in lines
    assert "**2026-11-21 20:02:00 UTC** (comment)" in lines
    assert "- 20:00:34 UTC: ``clew sql 'SELECT `name` FROM spans'``" in lines
    assert any("7 times" in line and "`aaaaaaaaaaaaaaaa`" in line for line in lines)
    assert "still open" in page
    assert "3 looks more found no room" in page
    assert "\x1b" not in page


def test_the_page_says_that_a_session_was_forgotten() -> None:
    ended = "2026-11-21T20:50:00.000000000Z"
    forgotten = msgspec.structs.replace(SESSION, ended_at=ended, end_reason="forgotten")
    page = write_page(forgotten)
    assert "to 2026-11-21 20:50:00 UTC (nothing was done after that)" in page
