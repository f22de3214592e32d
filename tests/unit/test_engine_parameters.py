"""Parameters reach the engine as they are, however many there are and whatever is in them."""

from __future__ import annotations

from clickhouse_connect.driver.binding import format_bind_value
from hypothesis import given
from hypothesis import strategies as st

from clew.store.engine.adapter import bind


@given(st.lists(st.integers(-(2**63), 2**64 - 1)) | st.lists(st.text()) | st.integers() | st.text())
def test_a_list_is_written_as_the_client_would(value: object) -> None:
    bound = bind({"value": value})
    assert bound is not None
    # The client puts a space behind each comma between values.
    assert format_bind_value(bound["value"]).replace(", ", ",") == str(
        format_bind_value(value)
    ).replace(", ", ",")


def test_nothing_is_bound_where_there_is_nothing() -> None:
    assert bind(None) is None
    assert bind({}) is None
