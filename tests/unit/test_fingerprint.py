"""What is read from a log record that is about an object."""

from __future__ import annotations

import pytest

from clew.twin.ingest.fingerprint import read_fingerprint
from clew.twin.ingest.record import LogRecord

ARRAY = '["shopping_cart.note", "status"]'


def record(texts: dict[str, str], literals: dict[str, str]) -> LogRecord:
    return LogRecord(
        at=1,
        observed=1,
        received=1,
        severity=9,
        body="",
        trace_id="",
        span_id="",
        service="shop",
        texts={"trilog.obj.id": "c1", "trilog.obj.type": "ShoppingCart"} | texts,
        literals=literals,
    )


@pytest.mark.parametrize("literals", [{"trilog.obj.nulls": ARRAY}, {}], ids=["array", "text"])
def test_fields_are_set_to_null_however_their_names_are_carried(literals: dict[str, str]) -> None:
    found = read_fingerprint(record({"trilog.obj.nulls": ARRAY}, literals))
    assert found.patch == {"note": "null", "status": "null"}


@pytest.mark.parametrize("text", ["", "status", "[", '{"a": 1}', "7"])
def test_what_lists_no_names_sets_nothing_to_null(text: str) -> None:
    assert read_fingerprint(record({"trilog.obj.nulls": text}, {})).patch == {}
