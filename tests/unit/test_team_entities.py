"""What a team shares: what is valid, how versions merge, and the documents of entities."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from clew.team import (
    Comment,
    Member,
    Role,
    SavedQuery,
    SharedSession,
    Subject,
    SyncableEntity,
    SyncStatus,
    Team,
    new_invite_code,
    parse_invite_code,
    utc_now,
)
from clew.team.entities.codec import (
    DOCUMENT_BYTES_MAX,
    decode_document,
    decode_entity,
    document_fields,
    encode_document,
    encode_entity,
    update_document,
)
from clew.team.errors import ValidationError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


@dataclass
class Finding(SyncableEntity):
    """An entity in as few lines as the guide's."""

    local_id: str
    data: str
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "findings"


@dataclass(slots=True)
class SlottedFinding(SyncableEntity):
    local_id: str
    data: str
    remote_id: str | None = None
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "slotted_findings"


class StructFinding(SyncableEntity, msgspec.Struct):
    local_id: str
    data: str
    is_sure: bool = False
    remote_id: str | None = None
    last_modified: datetime = msgspec.field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        return "struct_findings"


def session(**changes: Any) -> SharedSession:
    made = SharedSession(
        local_id="s",
        team_id="t",
        user_id="u",
        session_id="here",
        start_time=NOON,
        planned_duration_minutes=45,
        last_modified=NOON,
    )
    return replace(made, **changes)


def member(**changes: Any) -> Member:
    made = Member(local_id="m", team_id="t", user_id="u", email="a@b.example", last_modified=NOON)
    return replace(made, **changes)


@pytest.mark.parametrize("name", ["", "  \n", "x" * 101])
def test_a_team_has_a_name_of_1_to_100_characters(name: str) -> None:
    with pytest.raises(ValidationError):
        Team(local_id="t", name=name).validate()


def test_the_name_of_a_team_is_counted_in_characters() -> None:
    Team(local_id="t", name="ü" * 100).validate()


@pytest.mark.parametrize("minutes", [-1, 0, 481, 500])
def test_a_session_is_planned_for_1_to_480_minutes(minutes: int) -> None:
    with pytest.raises(ValidationError):
        session(planned_duration_minutes=minutes).validate()


def test_a_session_does_not_end_before_it_starts() -> None:
    session(end_time=NOON).validate()
    with pytest.raises(ValidationError):
        session(end_time=NOON - timedelta(seconds=1)).validate()


def test_a_member_has_an_address() -> None:
    member().validate()
    for email in ("", "nobody"):
        with pytest.raises(ValidationError):
            member(email=email).validate()


@pytest.mark.parametrize(
    ("subject", "named", "unnamed"),
    [
        (Subject.TRACE, {"trace_id": "1" * 32}, {"subject_id": "x"}),
        (Subject.SPAN, {"trace_id": "1" * 32, "span_id": "2" * 16}, {"trace_id": "1" * 32}),
        (Subject.APP, {"subject_id": "app"}, {"trace_id": "1" * 32}),
        (Subject.OBJECT, {"subject_id": "Cart/1"}, {}),
        (Subject.SESSION, {"subject_id": "s"}, {"subject_id": "s" * 401}),
    ],
)
def test_a_comment_says_what_it_is_about(
    subject: Subject, named: dict[str, str], unnamed: dict[str, str]
) -> None:
    said = Comment(local_id="c", team_id="t", author="a", body="look", subject=subject)
    replace(said, **named).validate()  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        replace(said, **unnamed).validate()  # type: ignore[arg-type]


def test_an_empty_comment_and_a_query_without_a_name_are_not_valid() -> None:
    with pytest.raises(ValidationError):
        Comment(local_id="c", team_id="t", author="a", body=" ", trace_id="1").validate()
    with pytest.raises(ValidationError):
        SavedQuery(local_id="q", team_id="t", name=" ", query="SELECT 1").validate()
    SavedQuery(local_id="q", team_id="t", name="one", query="SELECT 1").validate()


def test_the_later_version_wins_and_the_server_in_a_tie() -> None:
    here, there = Finding("f", "here", last_modified=LATER), Finding("f", "there", None, NOON)
    assert here.merge_with(there) is here
    assert there.merge_with(here) is here
    tied = replace(there, last_modified=LATER)
    assert here.merge_with(tied) is tied


def test_a_completed_session_wins_whenever_it_was_changed() -> None:
    done = session(completed=True, last_modified=NOON)
    changed = session(title="changed", last_modified=LATER)
    assert changed.merge_with(done) is done
    assert done.merge_with(changed) is done
    assert changed.merge_with(session(last_modified=NOON)) is changed


def test_a_role_is_the_servers_and_so_is_a_display_name_that_it_has() -> None:
    here = member(role=Role.OWNER, display_name="Here", last_modified=LATER)
    merged = here.merge_with(member(role=Role.MEMBER, display_name="There"))
    assert (merged.role, merged.display_name) == (Role.MEMBER, "There")
    merged = here.merge_with(member(role=Role.ADMIN, display_name=None))
    assert (merged.role, merged.display_name, merged.last_modified) == (Role.ADMIN, "Here", LATER)


def test_a_merged_team_is_as_young_as_the_younger() -> None:
    here = Team(local_id="t", name="here", last_modified=NOON, invite_code="FOCUS-ABC123")
    there = Team(local_id="t", name="there", last_modified=LATER)
    merged = here.merge_with(there)
    assert (merged.name, merged.last_modified) == ("there", LATER)
    # What only one side may know is not forgotten by a merge.
    assert merged.invite_code == "FOCUS-ABC123"


def test_what_one_side_alone_changed_is_that_sides() -> None:
    base = session(title="plan")
    here = replace(base, title="what was found", last_modified=NOON)
    there = replace(base, planned_duration_minutes=60, last_modified=LATER)
    merged = here.merge_from(base, there)
    assert (merged.title, merged.planned_duration_minutes) == ("what was found", 60)
    assert merged.last_modified == LATER


def test_parts_of_two_sides_that_would_not_be_valid_are_not_put_together() -> None:
    base = session(end_time=NOON + timedelta(hours=1))
    here = replace(base, start_time=NOON + timedelta(minutes=50))
    there = replace(base, end_time=NOON + timedelta(minutes=10), last_modified=LATER)
    merged = here.merge_from(base, there)
    merged.validate()
    assert merged == there


def test_a_session_that_learns_its_remote_id_is_synced() -> None:
    shared = session()
    assert shared.sync_status is SyncStatus.PENDING
    shared.set_remote_id("r")
    assert (shared.remote_id, shared.sync_status) == ("r", SyncStatus.SYNCED)


@pytest.mark.parametrize("kind", [Finding, SlottedFinding, StructFinding])
def test_an_entity_of_ones_own_is_a_document_and_comes_back(kind: type[Any]) -> None:
    made = kind(local_id="f", data="ünï", last_modified=NOON)
    document = encode_entity(made)
    assert document["last_modified"] == "2026-11-21T12:00:00Z"
    assert document.keys().isdisjoint({"local_id", "remote_id"})
    text = encode_document(document)
    back = decode_entity(kind, decode_document(text), local_id="f", remote_id=None)
    assert back == made
    back.set_remote_id("r")
    back.set_last_modified(LATER)
    assert (back.remote_id, back.last_modified) == ("r", LATER)
    back.validate()


def test_what_is_neither_dataclass_nor_struct_says_so() -> None:
    class Odd(SyncableEntity):
        @classmethod
        def entity_type(cls) -> str:
            return "odd"

    with pytest.raises(TypeError, match="dataclass"):
        document_fields(Odd)
    with pytest.raises(NotImplementedError):
        SyncableEntity.entity_type()


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T12:00:00.000000000Z",
        "2026-11-21T14:00:00+02:00",
        "2026-11-21t12:00:00.0z",
    ],
)
def test_times_are_read_however_they_are_written(written: str) -> None:
    document = encode_entity(session()) | {"start_time": written}
    read = decode_entity(SharedSession, document, local_id="s", remote_id="r")
    assert read.start_time == NOON
    assert read.start_time.tzinfo is UTC


def test_a_time_without_a_zone_is_refused_both_ways() -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValidationError, match="zone"):
        encode_entity(session(start_time=naive))
    document = encode_entity(session()) | {"start_time": "2026-11-21T12:00:00"}
    with pytest.raises(ValidationError, match="zone"):
        decode_entity(SharedSession, document, local_id="s", remote_id=None)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    east = timezone(timedelta(hours=9))
    assert encode_entity(session(start_time=NOON.astimezone(east)))["start_time"].endswith(
        "12:00:00Z"
    )


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"planned_duration_minutes": "45"}, "planned_duration_minutes"),
        ({"title": 7}, "title"),
        ({"completed": 2}, "completed"),
        ({"notes": {}}, "notes"),
        ({"start_time": "yesterday"}, "start_time"),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name_alone(
    changes: dict[str, object], where: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        decode_entity(
            SharedSession, encode_entity(session()) | changes, local_id="s", remote_id=None
        )
    assert where in refused.value.message
    assert "yesterday" not in refused.value.message


def test_a_role_that_is_none_is_refused_without_being_repeated() -> None:
    document = encode_entity(member()) | {"role": "emperor"}
    with pytest.raises(ValidationError) as refused:
        decode_entity(Member, document, local_id="m", remote_id=None)
    assert "emperor" not in refused.value.message


def test_a_missing_field_takes_its_default_and_a_needed_one_is_missed() -> None:
    document = encode_entity(session())
    del document["title"], document["notes"]
    assert decode_entity(SharedSession, document, local_id="s", remote_id=None).title == ""
    del document["session_id"]
    with pytest.raises(ValidationError):
        decode_entity(SharedSession, document, local_id="s", remote_id=None)


def test_yes_and_no_may_be_1_and_0_as_in_tables() -> None:
    read = decode_entity(
        SharedSession, encode_entity(session()) | {"completed": 1}, local_id="s", remote_id=None
    )
    assert read.completed is True
    finding = decode_entity(
        StructFinding, {"data": "d", "is_sure": 1}, local_id="f", remote_id=None
    )
    assert finding.is_sure is True


def test_what_a_newer_clew_wrote_stays_in_the_document() -> None:
    newer = encode_entity(session(title="old")) | {"mood": {"colour": "blue"}}
    known = decode_entity(SharedSession, newer, local_id="s", remote_id="r")
    written = update_document(replace(known, title="new"), newer)
    assert written == newer | {"title": "new"}


def test_the_codes_and_ids_of_this_machine_are_in_no_document() -> None:
    team = Team(local_id="t", name="x", remote_id="r", invite_code=new_invite_code())
    assert set(encode_entity(team)) == {"name", "created_by", "created_at", "last_modified"}
    assert "sync_status" not in encode_entity(session())


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), object(), {1: "x"}, "\ud800", "a\x00b", b"bytes", [{"x": {1}}]],
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValidationError, match="notes"):
        encode_entity(session(notes=[{"body": value}]))


def test_nesting_without_end_is_refused() -> None:
    deep: list[object] = []
    for _ in range(2000):
        deep = [deep]
    with pytest.raises(ValidationError, match="nested"):
        encode_entity(session(links=[{"x": deep}]))
    with pytest.raises(ValidationError):
        decode_document("[" * 100_000)
    with pytest.raises(ValidationError):
        decode_document('{"a":' * 100_000)


def test_a_document_has_a_largest_size() -> None:
    with pytest.raises(ValidationError, match="bytes"):
        encode_document({"body": "x" * DOCUMENT_BYTES_MAX})


def test_a_code_of_ours_is_130_random_bits_and_never_the_same() -> None:
    codes = {new_invite_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(r"CLEW-[0-9A-HJKMNP-TV-Z]{26}", code) for code in codes)
    assert len(set("".join(codes)) - set("CLEW-")) > 20
    for code in codes:
        assert parse_invite_code(f" {code.lower()} ") == code


def test_the_documented_form_of_a_code_is_taken() -> None:
    assert parse_invite_code("focus-7k2p9a") == "FOCUS-7K2P9A"
    assert parse_invite_code("a_Code-of-others") == "a_Code-of-others"
    for wrong in ("", "short", "two words", "FOCUS-\x00", "x" * 129):
        with pytest.raises(ValidationError) as refused:
            parse_invite_code(wrong)
        assert not wrong or wrong not in refused.value.message


def test_importing_the_team_brings_nothing_in_before_it_is_used() -> None:
    program = (
        "import sys, clew.team; print(sorted(m for m in sys.modules if m.startswith('clew.team')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "['clew.team']", done.stderr
    program = "import sys, clew; print([m for m in sys.modules if m.startswith('clew.team')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_is_there() -> None:
    import clew.team

    for name in clew.team.__all__:
        assert getattr(clew.team, name) is not None
    with pytest.raises(AttributeError):
        _ = clew.team.Nothing
