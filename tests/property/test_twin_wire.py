"""Any id goes over the wire and back: ours read by OpenTelemetry, OpenTelemetry's read by us."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from clew.twin.anchoring.baggage import HEADER_BYTES_MAX
from clew.twin.context import anchor, anchor_from_headers, get_current_anchor, inject
from tests.trying import examples

IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=300)
TYPES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=100)


@given(IDS, TYPES)
@settings(max_examples=examples(100))
def test_opentelemetry_reads_what_we_write(obj_id: str, obj_type: str) -> None:
    headers: dict[str, str] = {}
    with anchor(obj_id, obj_type):
        inject(headers)
    assert headers["baggage"].isascii()
    read = W3CBaggagePropagator().extract(headers)
    # Its reader takes blanks off the ends of values, encoded or not.
    assert baggage.get_baggage("trilog.obj.id", read) == obj_id.strip()
    assert baggage.get_baggage("trilog.obj.type", read) == obj_type.strip()


@given(IDS, TYPES)
@settings(max_examples=examples(100))
def test_we_read_what_opentelemetry_writes(obj_id: str, obj_type: str) -> None:
    headers: dict[str, str] = {}
    with anchor(obj_id, obj_type):
        propagate.inject(headers)
    with anchor_from_headers(headers) as found:
        assert found is not None
        assert (found.obj_id, found.obj_type) == (obj_id, obj_type)


@given(IDS, TYPES)
@settings(max_examples=examples(100))
def test_we_read_what_we_write(obj_id: str, obj_type: str) -> None:
    headers: dict[str, str] = {}
    with anchor(obj_id, obj_type) as opened:
        inject(headers)
    with anchor_from_headers(headers) as found:
        assert found is not None
        assert (found.obj_id, found.obj_type) == (obj_id, obj_type)
        assert found.created_at == opened.created_at


@given(st.text(max_size=400), st.booleans())
@settings(max_examples=examples(100))
def test_no_header_does_any_harm(value: str, names_an_object: bool) -> None:
    begin = "trilog.obj.id=" if names_an_object else ""
    with anchor_from_headers({"baggage": f"{begin}{value}", "traceparent": value}):
        headers: dict[str, str] = {}
        inject(headers)
        assert len(headers.get("baggage", "")) <= HEADER_BYTES_MAX
    assert get_current_anchor() is None
