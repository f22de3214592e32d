"""The wire to a team's server, against servers that mean harm, are ill, or are not there."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from clew.base.errors import ErrorCode
from clew.team.errors import (
    NetworkError,
    ServerError,
    SyncError,
    TeamError,
    ValidationError,
)
from clew.team.trailbase import transport as walls
from clew.team.trailbase.login import Credentials, RecordsAuth
from clew.team.trailbase.session import Session
from clew.team.trailbase.transport import Transport
from clew.testing.network import HeldPorts
from tests.scripted_http import Heard, Script, ScriptedServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clew.team.trailbase.answers import Reply

SECRET = "bearer-that-nobody-may-see"


def ask(server: ScriptedServer, *, tls: ssl.SSLContext | None = None) -> Reply:
    async def run() -> Reply:
        transport = Transport(server.url, tls=tls)
        try:
            return await transport.ask(
                "GET", "/records", headers={"authorization": f"Bearer {SECRET}"}
            )
        finally:
            await transport.close()

    return asyncio.run(run())


def refused(script: Script) -> TeamError:
    with ScriptedServer(script) as server, pytest.raises(TeamError) as raised:
        ask(server)
    error = raised.value
    seen, found = [], error
    while found is not None:
        seen.append(found)
        found = found.__cause__  # type: ignore[assignment]
    assert SECRET not in "".join(f"{each}{each!r}{vars(each)}" for each in seen)
    return error


def test_a_redirect_is_not_followed_not_even_with_the_same_host() -> None:
    asked_elsewhere: list[Heard] = []

    def keep(request: Heard) -> bytes:
        asked_elsewhere.append(request)
        return answer({})

    with ScriptedServer(keep) as elsewhere:
        for location in (f"{elsewhere.url}/records", "/other"):
            for status in (301, 302, 307, 308):
                error = refused(
                    lambda _, s=status, at=location: answer(b"", s, {"Location": at})  # type: ignore[misc]
                )
                assert isinstance(error, SyncError)
    assert asked_elsewhere == []


def test_an_answer_over_the_limit_is_dropped_while_it_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(walls, "ANSWER_BYTES_MAX", 100_000)

    def endless(_: Heard) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while True:
            yield b" " * 65536

    error = refused(endless)
    assert isinstance(error, ServerError)
    assert "over the limit" in str(error)


def test_an_answer_that_unpacks_to_too_much_is_refused() -> None:
    bomb = gzip.compress(b"\0" * (walls.ANSWER_BYTES_MAX + 1))
    assert len(bomb) < 100_000
    error = refused(lambda _: answer(bomb, 200, {"Content-Encoding": "gzip"}))
    assert isinstance(error, ServerError)


def test_a_packed_answer_is_read_and_one_packed_otherwise_or_badly_is_not() -> None:
    with ScriptedServer(
        lambda _: answer(gzip.compress(b'{"a": 1}'), 200, {"Content-Encoding": "gzip"})
    ) as server:
        assert ask(server).object() == {"a": 1}
    packed = gzip.compress(b"x" * 10_000)
    for content, encoding in (
        (b"not packed at all", "gzip"),
        (packed[: len(packed) // 2], "gzip"),
        (b"{}", "br"),
        (b"{}", "gzip, gzip"),
    ):
        error = refused(
            lambda _, c=content, e=encoding: answer(c, 200, {"Content-Encoding": e})  # type: ignore[misc]
        )
        assert isinstance(error, ServerError)


@pytest.mark.parametrize(
    "content",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"a":',
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{"a"',
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"",
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
    ],
    ids=["short", "chunk", "head", "nothing", "mail", "length", "headers"],
)
def test_a_broken_answer_is_a_lost_connection_after_which_all_is_open(content: bytes) -> None:
    error = refused(lambda _: content)
    assert isinstance(error, NetworkError)
    assert error.may_have_happened
    assert error.code is ErrorCode.UNAVAILABLE


def test_hostile_json_ends_with_the_answer_it_came_in() -> None:
    for body in (b"[" * 1_000_000, b'{"a": 1e999999}' * 2, b"\x00" * 100, b"1" * 100_000):
        with ScriptedServer(lambda _, b=body: answer(b)) as server:  # type: ignore[misc]
            reply = ask(server)
            with pytest.raises(ServerError):
                reply.object()
            assert SECRET not in repr(reply)


def test_a_server_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walls, "TOTAL_S_MAX", 0.2)

    def drip(_: Heard) -> Iterator[bytes]:
        # Never silent for long enough to be noticed, and never done.
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while True:
            yield b" "

    error = refused(drip)
    assert isinstance(error, NetworkError)
    assert error.may_have_happened


def test_nobody_there_is_told_as_not_having_happened() -> None:
    held = HeldPorts(1)
    url = f"http://127.0.0.1:{held.numbers[0]}"

    async def run() -> None:
        transport = Transport(url)
        with pytest.raises(NetworkError) as raised:
            await transport.ask("POST", "/records", body={})
        assert not raised.value.may_have_happened
        assert "refused" in str(raised.value)
        await transport.close()

    asyncio.run(run())


def test_cookies_that_a_login_sets_are_not_sent_back_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def script(request: Heard) -> bytes:
        cookies = {"Set-Cookie": "auth_token=cookie-secret; Path=/; HttpOnly"}
        if request.path.endswith("/login"):
            return answer(
                {"auth_token": "a.e30.c", "refresh_token": "r-secret", "csrf_token": "c-secret"},
                200,
                cookies,
            )
        return answer(b"Ok")

    async def run(server: ScriptedServer) -> None:
        transport, session = Transport(server.url), Session(RecordsAuth())
        await session.login(transport, Credentials("ann@example.com", "p-secret-p"))
        await transport.ask("GET", "/api/healthcheck", headers=await session.headers(transport))
        assert "secret" not in f"{session!r}{transport!r}{session.tokens!r}"
        await transport.close()

    with caplog.at_level(logging.DEBUG), ScriptedServer(script) as server:
        asyncio.run(run(server))
    assert "cookie" not in server.heard[-1].headers
    assert server.heard[-1].headers["authorization"] == "Bearer a.e30.c"
    assert "refresh-token" not in server.heard[-1].headers
    assert "receive_response_headers.complete" in caplog.text  # It did log.
    assert "secret" not in caplog.text


def test_the_environment_names_no_proxy_and_no_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with ScriptedServer(lambda _: answer({})) as server:
        ask(server)
    assert server.heard[0].headers["authorization"] == f"Bearer {SECRET}"


def test_an_address_that_is_not_secure_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValidationError):
        Transport("http://team.example.com")


def test_a_header_that_cannot_be_sent_is_told_without_what_was_in_it() -> None:
    async def run(server: ScriptedServer) -> None:
        transport = Transport(server.url)
        with pytest.raises(ValidationError) as raised:
            await transport.ask("GET", "/", headers={"authorization": f"Bearer {SECRET}\r\nX: y"})
        assert SECRET not in str(raised.value)
        await transport.close()

    with ScriptedServer(lambda _: answer({})) as server:
        asyncio.run(run(server))
        assert not server.heard


def test_a_certificate_that_nobody_signed_is_refused_and_one_that_was_is_taken(
    tmp_path: Path,
) -> None:
    ours, theirs = _certificates(tmp_path)
    with ScriptedServer(lambda _: answer({"a": 1}), tls=theirs) as server:
        with pytest.raises(NetworkError) as raised:
            ask(server)
        assert not raised.value.may_have_happened
        assert not server.heard
        assert ask(server, tls=ours).object() == {"a": 1}
        careless = ssl.create_default_context()
        careless.check_hostname = False
        with pytest.raises(ValidationError):
            ask(server, tls=careless)


def test_the_difference_of_the_clocks_is_learned_to_less_than_the_second_of_the_header() -> None:
    shift = timedelta(hours=3)

    def script(_: Heard) -> bytes:
        told = datetime.now(UTC) + shift
        return answer({}, 200, {"Date": told.strftime("%a, %d %b %Y %H:%M:%S GMT")})

    async def run(server: ScriptedServer) -> None:
        transport = Transport(server.url)
        assert transport.clock_offset_ns == 0
        for _ in range(3):
            await transport.ask("GET", "/")
        off_ns = transport.clock_offset_ns - int(shift.total_seconds() * 1e9)
        assert abs(off_ns) <= 10**9
        nonlocal_shift()
        began = time.monotonic_ns()
        await transport.ask("GET", "/")
        # One answer says of which moment it is as well as it was quick.
        assert abs(transport.clock_offset_ns) <= 10**9 + time.monotonic_ns() - began
        await transport.close()

    def nonlocal_shift() -> None:
        nonlocal shift
        shift = timedelta(0)

    with ScriptedServer(script) as server:
        asyncio.run(run(server))


def _certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what trusts a new certificate, and what serves with it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(chain, private)
    return ssl.create_default_context(cafile=str(chain)), theirs
