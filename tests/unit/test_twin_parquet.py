"""Tables of the twin: what a column cannot hold is null in it, and stays in the JSON beside."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from clew.twin.documents import TwinState
from clew.twin.query.parquet import FIELDS_MAX, STATE_COLUMNS, write_lines, write_parquet
from clew.twin.schema.values import FieldSchema, FieldType, ObjectSchema


def state_of(**fields: Any) -> TwinState:
    return TwinState(
        type="Job",
        id="j",
        at="2026-01-01T00:00:00.000000001Z",
        exists=True,
        state=fields,
        version=1,
        state_hash="",
        created_at=None,
        updated_at=None,
        last_event=None,
        registry_checksum=None,
        warnings=[],
    )


def rows_of(kind: ObjectSchema | None, *pages: list[TwinState]) -> list[dict[str, Any]]:
    pieces = list(write_parquet(pages, STATE_COLUMNS, "state", kind, True))
    assert all(pieces), "a piece is something"
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(b"".join(pieces))).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("type_", "held", "not_held"),
    [
        (FieldType.INTEGER, 2**63 - 1, 2**63),
        (FieldType.INTEGER, -1, "1"),
        (FieldType.INTEGER, 0, True),
        (FieldType.FLOAT, 1.5, "redacted"),
        (FieldType.BOOLEAN, True, 1),
        (FieldType.STRING, "", 5),
        (FieldType.REFERENCE, "id", ["id"]),
    ],
)
def test_a_value_that_does_not_fit_is_null_and_is_not_lost(
    type_: FieldType, held: Any, not_held: Any
) -> None:
    kind = ObjectSchema(name="Job", prefix="job", fields={"x": FieldSchema(name="x", type=type_)})
    rows = rows_of(kind, [state_of(x=held)], [state_of(x=not_held), state_of()])
    assert [row["state.x"] for row in rows] == [held, None, None]
    assert [json.loads(row["state"]) for row in rows] == [{"x": held}, {"x": not_held}, {}]


def test_times_keep_their_nanoseconds_and_what_is_no_time_is_null() -> None:
    field = FieldSchema(name="due", type=FieldType.TIMESTAMP)
    kind = ObjectSchema(name="Job", prefix="job", fields={"due": field})
    rows = rows_of(kind, [state_of(due="2026-01-01T00:00:00.123456789Z"), state_of(due="soon")])
    assert rows[0]["state.due"].value % 1_000_000_000 == 123_456_789
    assert rows[0]["at"].value % 10 == 1
    assert rows[1]["state.due"] is None


def test_what_comes_after_the_first_page_changes_no_column() -> None:
    rows = rows_of(None, [state_of(a=1, b=None)], [state_of(a="later", c=3)])
    assert [name for name in rows[0] if name.startswith("state.")] == ["state.a"]
    assert [row["state.a"] for row in rows] == [1, None]
    assert json.loads(rows[1]["state"]) == {"a": "later", "c": 3}


def test_columns_for_fields_that_nobody_described_are_bounded() -> None:
    fields = {f"f{number}": number for number in range(FIELDS_MAX + 10)}
    (row,) = rows_of(None, [state_of(**fields)])
    assert len(row) == len(STATE_COLUMNS) + FIELDS_MAX
    assert json.loads(row["state"]) == fields


def test_pages_without_anything_make_no_lines() -> None:
    assert list(write_lines([[], []])) == []
    assert rows_of(None, []) == []
