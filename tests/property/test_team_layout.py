"""Entities in the tables of a team's server: whatever a document says comes back from its row."""

from __future__ import annotations

import base64
import json
import string
import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clew.team.errors import TeamError
from clew.team.merging.operation import SyncOperationType
from clew.team.trailbase.answers import decode_json
from clew.team.trailbase.contract import Sending
from clew.team.trailbase.events import Numbering, read_event
from clew.team.trailbase.layout import TABLES, changed, created, remote_of
from clew.team.trailbase.packing import MARK, PACK_CHARS_MIN, pack, unpack
from clew.team.trailbase.tokens import Tokens, base64_of, make_tokens, uuid_of

UUIDS = st.uuids(version=4).map(str)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=10)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw a kind and a document of it, with fields that its table does not have."""
    kind = draw(st.sampled_from([*TABLES, "findings"]))
    table = TABLES.get(kind)
    if table is None:
        document = draw(st.dictionaries(NAMES, JSON, max_size=6))
        return kind, {**document, "last_modified": "2026-11-21T20:00:00Z"}
    document = {}
    for name in sorted(table.columns):
        if name in table.flags:
            document[name] = draw(st.booleans())
        elif name in table.lists:
            document[name] = draw(st.lists(JSON, max_size=3))
        elif name in table.ids:
            document[name] = draw(UUIDS)
        else:
            document[name] = draw(st.integers(0, 2**53) | TEXTS)
    more = draw(st.dictionaries(NAMES, JSON, max_size=4))
    return kind, {**more, **document}


def row_of(sent: dict[str, Any]) -> dict[str, Any]:
    """Return what the server answers of what it was sent: ids as base64, its own columns beside."""
    row = json.loads(json.dumps(sent))
    for name in ("id", "team_id", "owner", "user_id"):
        if row.get(name):
            row[name] = base64_of(row[name])
    return {"deleted": 0, "erase": 0, "deleted_at": None, "server_seq": 7, "updated_at": 5, **row}


@given(documents(), UUIDS, UUIDS, UUIDS)
def test_a_document_comes_back_from_the_row_that_it_was_put_into(
    drawn: tuple[str, dict[str, Any]], remote_id: str, team_id: str, user_id: str
) -> None:
    kind, document = drawn
    table = TABLES.get(kind)
    owned = {} if table is None or table.owned_as is None else {table.owned_as: user_id}
    team = {"team_id": team_id} if table is None or table.has_team else {}
    whole = {**document, **owned, **team}
    sending = Sending("op", kind, remote_id, team_id, SyncOperationType.CREATE, whole, version=0)
    remote = remote_of(kind, row_of(created(sending, user_id)))
    assert remote.document == whole
    assert (remote.remote_id, remote.version, remote.op_id) == (remote_id, 1, "op")
    assert (remote.seq, remote.updated_at, remote.deleted) == (7, 5_000_000, False)


@given(documents(), UUIDS, UUIDS)
def test_a_change_never_names_what_may_not_change(
    drawn: tuple[str, dict[str, Any]], remote_id: str, team_id: str
) -> None:
    kind, document = drawn
    sending = Sending("op", kind, remote_id, team_id, SyncOperationType.UPDATE, document, version=4)
    columns = changed(sending)
    table = TABLES.get(kind)
    assert not {"id", "team_id", "owner", "entity_type", "server_seq"} & columns.keys()
    assert not (table.fixed if table else set()) & columns.keys()
    assert columns["version"] == 5


@given(
    st.sampled_from([*TABLES, "findings"]),
    st.dictionaries(
        NAMES
        | st.sampled_from(
            [
                "id",
                "more",
                "document",
                "version",
                "server_seq",
                "updated_at",
                "notes",
                "owner",
                "team_id",
            ]
        ),
        JSON,
        max_size=8,
    ),
)
def test_a_row_of_any_shape_is_read_or_told_as_a_misunderstanding(
    kind: str, row: dict[str, Any]
) -> None:
    valid = {"id": base64_of("01964b2e-7c1f-7d3a-bc55-ff6f3a1b2c4d"), "version": 1}
    for each in (row, {**valid, "server_seq": 1, "updated_at": 2, **row}):
        try:
            remote_of(kind, each)
        except TeamError:
            continue


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | JSON.map(lambda j: json.dumps(j).encode())
)
def test_bytes_of_any_kind_are_read_or_refused_as_ours(body: bytes) -> None:
    for read in (
        lambda: decode_json(body),
        lambda: read_event(body.decode(errors="replace"), ["teams"], Numbering()),
        lambda: make_tokens(body.decode(errors="replace")),
        lambda: Tokens.from_secret(body.decode(errors="replace")),
        lambda: uuid_of(body.decode(errors="replace")),
    ):
        try:
            read()
        except TeamError:
            continue


@given(JSON, st.integers(1, 400))
@example({MARK: "no base64"}, 1)
@example({MARK: base64.b64encode(zlib.compress(b"[]")).decode()}, 1)
def test_a_column_reads_the_same_packed_or_not_and_is_never_longer_for_it(
    value: Any, times: int
) -> None:
    for text in (json.dumps(value, separators=(",", ":")), json.dumps([value] * times)):
        packed = pack(text)
        assert unpack(packed) == text
        assert json.loads(packed) is not None or text == "null"
        if not text.startswith('{"' + MARK):
            assert len(packed) <= len(text.encode())
            assert packed == text or len(text) >= PACK_CHARS_MIN


@pytest.mark.parametrize(
    "said",
    [
        "no base64!",
        base64.b64encode(b"not deflated").decode(),
        base64.b64encode(zlib.compress(b"0" * (1 << 20))).decode(),
        base64.b64encode(zlib.compress(b"[1, 2, 3]")[:-6]).decode(),
    ],
)
def test_what_only_says_that_it_is_packed_ends_its_record(said: str) -> None:
    row = row_of({"id": UUID_7, "team_id": UUID_7, "owner": UUID_7, "version": 1, "op_id": "o"})
    notes = json.dumps({MARK: said}, separators=(",", ":"))
    with pytest.raises(TeamError):
        remote_of("shared_sessions", {**row, "notes": notes})


UUID_7 = "0190c3a4-5b6c-7d8e-8f90-a1b2c3d4e5f6"
