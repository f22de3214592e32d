"""The walls before the intake: a cap on what comes out, a rate, and room for so many bytes."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.otlp.compression import Compression, decompress
from clew.surfaces.otlp.walls import BodyBudget, Rate

# Random, repetitive and empty bodies, in pieces that a sender may have compressed one by one.
PIECES = st.lists(
    st.one_of(
        st.binary(max_size=3000), st.builds(lambda b, n: b * n, st.binary(), st.integers(0, 99))
    )
)

PACKERS: dict[str, tuple[Compression, Callable[[bytes], bytes]]] = {
    "gzip": (Compression.GZIP, gzip.compress),
    "zstd": (Compression.ZSTD, zstandard.ZstdCompressor().compress),
    "zstd of unknown size": (
        Compression.ZSTD,
        zstandard.ZstdCompressor(write_content_size=False).compress,
    ),
}

# Where a gzip header has its flags, and those of them that mean nothing yet (RFC 1952).
GZIP_FLAGS_AT = 3
GZIP_FLAGS_RESERVED = 0xE0


@pytest.mark.parametrize("name", PACKERS)
@given(pieces=PIECES)
def test_what_was_packed_comes_out_whatever_the_members(name: str, pieces: list[bytes]) -> None:
    compression, pack = PACKERS[name]
    body = b"".join(map(pack, pieces))
    whole = b"".join(pieces)
    assert decompress(body, compression, len(whole)) == whole
    if whole:
        with pytest.raises(ClewError) as caught:
            decompress(body, compression, len(whole) - 1)
        assert caught.value.code is ErrorCode.TOO_LARGE


@pytest.mark.parametrize("name", PACKERS)
@example(body=b"\0", cut=1, flip=45)
@given(body=st.binary(min_size=1, max_size=200), cut=st.integers(1, 5), flip=st.integers(0, 400))
def test_damaged_bytes_are_malformed_or_what_zlib_reads_never_a_crash(
    name: str, body: bytes, cut: int, flip: int
) -> None:
    compression, pack = PACKERS[name]
    packed = bytearray(pack(body))
    with pytest.raises(ClewError) as caught:
        decompress(bytes(packed[:-cut]), compression, 1000)
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    packed[flip % len(packed)] ^= 1 << flip % 8
    try:
        out = decompress(bytes(packed), compression, 1000)
    except ClewError as error:
        assert error.code in {ErrorCode.INVALID_ARGUMENT, ErrorCode.TOO_LARGE}  # noqa: PT017
    else:
        # Some bits of a header mean nothing; then the content is what it was.
        if compression is Compression.GZIP:
            # The reserved ones make zlib refuse what isal reads.
            packed[GZIP_FLAGS_AT] &= ~GZIP_FLAGS_RESERVED
            assert out == zlib.decompress(bytes(packed), 31)


@pytest.mark.parametrize("body", [b"\0", b"ab" * 100])
def test_gzip_with_any_one_bit_wrong_is_read_as_zlib_reads_it(body: bytes) -> None:
    packed = gzip.compress(body)
    for bit in range(len(packed) * 8):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert _unpacked(damaged) == _unpacked_by_zlib(damaged), f"bit {bit}"


def _unpacked(body: bytearray) -> bytes | None:
    try:
        return decompress(bytes(body), Compression.GZIP, 1000)
    except ClewError:
        return None


def _unpacked_by_zlib(body: bytearray) -> bytes | None:
    try:
        return zlib.decompress(body, 31)
    except zlib.error:
        return None


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_lets_a_second_through_at_once_and_then_as_it_fills() -> None:
    clock = Clock()
    rate = Rate(8, "requests", clock)
    for _ in range(8):
        rate.take(1)
    with pytest.raises(ClewError) as caught:
        rate.take(1)
    assert caught.value.code is ErrorCode.OVERLOADED
    assert caught.value.retry_after_ms == 126
    assert "--otlp-requests-per-second" in (caught.value.hint or "")
    clock.now += 0.125
    rate.take(1)
    with pytest.raises(ClewError):
        rate.take(1)
    clock.now += 3600
    for _ in range(8):
        rate.take(1)
    with pytest.raises(ClewError):
        rate.take(1)


def test_one_body_larger_than_a_second_is_slowed_down_not_shut_out() -> None:
    clock = Clock()
    rate = Rate(100, "bytes", clock)
    rate.take(1000)
    with pytest.raises(ClewError) as caught:
        rate.take(1)
    assert caught.value.retry_after_ms == pytest.approx(9000, abs=20)
    clock.now += 10.1
    rate.take(1000)


def test_what_is_owed_is_paid_by_the_next() -> None:
    clock = Clock()
    rate = Rate(100, "bytes", clock)
    rate.owe(300)
    with pytest.raises(ClewError):
        rate.take(0)
    clock.now += 2.0
    rate.take(0)


def test_no_rate_refuses_nothing() -> None:
    rate = Rate(0, "requests", Clock())
    for _ in range(1000):
        rate.take(1 << 40)
    rate.owe(1 << 40)


def test_room_is_taken_and_given_back_whatever_happens() -> None:
    budget = BodyBudget(100)
    with budget.hold() as first:
        first.grow(60)
        with budget.hold() as second, pytest.raises(ClewError) as caught:
            second.grow(50)
        assert caught.value.code is ErrorCode.OVERLOADED
        assert budget.bytes_held == 60
    with contextlib.suppress(ZeroDivisionError), budget.hold() as third:
        third.grow(100)
        raise ZeroDivisionError
    assert budget.bytes_held == 0


def test_who_is_alone_gets_in_whatever_its_size() -> None:
    budget = BodyBudget(100)
    with budget.hold() as alone:
        alone.grow(90)
        alone.grow(90)
        with budget.hold() as other, pytest.raises(ClewError):
            other.grow(1)
    assert budget.bytes_held == 0
