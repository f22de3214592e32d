"""Which host names and origins are ours, and which only look like it."""

from __future__ import annotations

import pytest

from clew.surfaces.callers import is_host_admitted, is_origin_admitted, split_host


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("Localhost:7701", "localhost"),
        ("localhost.", "localhost"),
        ("[::1]:7701", "::1"),
        ("[::1]", "::1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("a.example:x", "a.example:x"),
        ("", ""),
    ],
)
def test_a_host_is_told_from_its_port(header: str, host: str) -> None:
    assert split_host(header) == host


@pytest.mark.parametrize(
    "header",
    [
        "localhost",
        "x.localhost:1",
        "127.0.0.1",
        "127.1.2.3:1",
        "[::1]:1",
        "8.8.8.8",
        "clew.lan:7701",
    ],
)
def test_our_names_and_plain_addresses_are_admitted(header: str) -> None:
    assert is_host_admitted(header, {"clew.lan"})


def test_a_health_check_that_names_nobody_is_admitted() -> None:
    assert is_host_admitted(None, {"clew.lan"})


@pytest.mark.parametrize(
    "header",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:127",
     "clew.lan.evil.example", "localhost@evil.example", "0x7f000001", "evil.example#localhost"],
)  # fmt: skip
def test_names_that_a_stranger_may_own_are_not(header: str) -> None:
    assert not is_host_admitted(header, {"clew.lan"})


@pytest.mark.parametrize(
    "origin",
    ["http://localhost", "https://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:1",
     "https://shop.example"],
)  # fmt: skip
def test_pages_of_this_machine_and_of_named_origins_are_admitted(origin: str) -> None:
    assert is_origin_admitted(origin, {"https://shop.example"})


@pytest.mark.parametrize(
    "origin",
    ["null", "", "https://evil.example", "http://shop.example", "https://shop.example.evil.example",
     "http://localhost.evil.example", "http://evil.example/localhost", "file://localhost",
     "http://localhost@evil.example", "http://[::1", "http://localhost\x7f", "chrome-extension://x"],
)  # fmt: skip
def test_pages_of_strangers_are_not(origin: str) -> None:
    assert not is_origin_admitted(origin, {"https://shop.example"})


def test_every_origin_is_admitted_when_told_so() -> None:
    assert is_origin_admitted("null", {"*"})
