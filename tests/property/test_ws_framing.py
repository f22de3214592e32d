"""Frames that the door takes by itself, against those of the `websockets` package."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from clew.surfaces.ws.framing import find_end, take_texts, text_frame

SIZES = st.sampled_from([0, 1, 5, 125, 126, 127, 300, 65_535, 65_536, 70_000])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    opcode = draw(st.sampled_from([Opcode.TEXT] * 5 + [Opcode.BINARY, Opcode.CONT, Opcode.PING]))
    size = draw(SIZES if opcode is not Opcode.PING else st.integers(0, 125))
    fin = opcode is Opcode.PING or draw(st.sampled_from([True, True, True, False]))
    return Frame(
        opcode, draw(st.binary(min_size=min(size, 8), max_size=min(size, 8))).ljust(size), fin
    )


def is_simple(frame: Frame) -> bool:
    return frame.opcode is Opcode.TEXT and frame.fin and len(frame.data) < 65_536


@given(st.lists(frames(), max_size=6), st.integers(0, 40))
def test_whole_texts_are_taken_up_to_the_first_other_frame(
    given: list[Frame], missing: int
) -> None:
    written = [frame.serialize(mask=True) for frame in given]
    octets = b"".join(written)
    octets = octets[: max(0, len(octets) - missing)]
    expected: list[bytes] = []
    end = 0
    for frame, its_octets in zip(given, written, strict=True):
        if not is_simple(frame) or end + len(its_octets) > len(octets):
            break
        expected.append(bytes(frame.data))
        end += len(its_octets)
    taken: list[bytes] = []
    assert take_texts(octets, taken, 1 << 30) == end
    assert taken == expected


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=9), st.integers(1, 100))
def test_no_text_is_begun_beyond_a_bound(texts: list[bytes], bytes_max: int) -> None:
    written = [Frame(Opcode.TEXT, text).serialize(mask=True) for text in texts]
    taken: list[bytes] = []
    end = take_texts(b"".join(written), taken, bytes_max)
    assert sum(map(len, written[: len(taken)])) == end
    assert sum(map(len, written[: len(taken) - 1])) < bytes_max
    assert len(taken) == len(texts) or end >= bytes_max


@given(frames(), st.booleans(), st.integers(0, 20))
def test_a_frame_ends_where_it_ends_as_soon_as_that_can_be_told(
    frame: Frame, is_masked: bool, size: int
) -> None:
    written = frame.serialize(mask=is_masked)
    found = find_end(written[:size])
    assert found in {None, len(written)}
    # Its head has two to ten bytes besides the mask.
    assert found is not None or size < 10
    assert found is None or size >= 2
    assert find_end(written) == len(written)


@given(SIZES)
def test_a_text_is_written_as_the_package_writes_it(size: int) -> None:
    assert text_frame(b"x" * size) == Frame(Opcode.TEXT, b"x" * size).serialize(mask=False)
