"""The item that went in, and the windows, as plain questions over all items would have them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.lineage.query.windows import PutOut, WentIn, choose_item, find_windows

MS = 1_000_000

items = st.builds(
    PutOut,
    at=st.integers(0, 20).map(lambda ms: ms * MS),
    stream_id=st.integers(0, 2),
    epoch=st.integers(0, 1),
    seq=st.integers(0, 9),
)
moments = st.integers(0, 20).map(lambda ms: ms * MS)


@given(put=st.lists(items, max_size=8), emitted=moments, read=st.integers(0, 8))
def test_what_went_in_was_put_out_last_before_the_output_or_first_of_all(
    put: list[PutOut], emitted: int, read: int
) -> None:
    put = sorted(put)
    chosen = choose_item(put[:read], emitted, is_whole=read >= len(put))
    before = [item for item in put if item.at <= emitted]
    if not put or not read:
        assert chosen is None
    elif not before:
        assert chosen == WentIn(put[0], emitted)
    elif chosen is None:
        # It cannot be told from those that were read alone, and is asked for.
        assert read < len(put)
        assert put[read - 1].at <= emitted
    else:
        assert chosen == WentIn(max(before), emitted)


@given(st.lists(st.builds(WentIn, items, moments), max_size=12))
def test_windows_are_of_each_stream_and_epoch_by_themselves(taken: list[WentIn]) -> None:
    windows = find_windows(taken)
    keys = {(each.item.stream_id, each.item.epoch) for each in taken}
    assert [(each.stream_id, int(each.epoch)) for each in windows] == sorted(keys)
    for window in windows:
        here = [
            each
            for each in taken
            if (each.item.stream_id, str(each.item.epoch)) == (window.stream_id, window.epoch)
        ]
        times = [each.item.at for each in here]
        ages = [(each.emitted - each.item.at) / MS for each in here]
        assert window.count == len(here)
        assert window.span_ms == (max(times) - min(times)) / MS
        assert (window.newest_ms, window.oldest_ms) == (min(ages), max(ages))
        first, last = min(each.item for each in here), max(each.item for each in here)
        assert (window.first_seq, window.last_seq) == (str(first.seq), str(last.seq))
