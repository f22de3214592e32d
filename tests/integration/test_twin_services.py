"""Anchors between services: real servers, real clients, and whose word counts."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import pytest
import requests
import uvicorn
from opentelemetry import baggage, propagate, trace
from opentelemetry.sdk.trace import TracerProvider

from clew.twin.context import (
    AnchorMiddleware,
    AnchorWSGIMiddleware,
    anchor,
    anchor_handler,
    anchor_hook,
    anchor_session,
    async_anchor_hook,
    get_current_anchor,
)
from tests.integration.wire import WAIT_SECONDS_MAX, ask, wait_until

if TYPE_CHECKING:
    from clew.twin.anchoring.trust import Trust

FORGED = {"baggage": "trilog.obj.id=victim,trilog.obj.type=Cart,colour=red"}


def describe() -> dict[str, Any]:
    """Return whom the code is about, as the service sees it."""
    here = get_current_anchor()
    span = trace.get_current_span().get_span_context()
    return {
        "id": here and here.obj_id,
        "type": here and here.type_name,
        "baggage": dict(baggage.get_all()),
        "trace_id": format(span.trace_id, "032x") if span.is_valid else None,
    }


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what is seen at the beginning, after a wait, and in a thread; or redirect."""
    assert scope["type"] == "http"
    place = scope["query_string"].decode()
    headers = [(b"content-type", b"application/json")]
    if place:
        headers.append((b"location", place.encode()))
    await send({"type": "http.response.start", "status": 307 if place else 200, "headers": headers})
    first = describe()
    await asyncio.sleep(0)
    seen = {
        "first": first,
        "then": await asyncio.to_thread(describe),
        "headers": {k.decode(): v.decode("latin-1") for k, v in scope["headers"]},
    }
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name is given
        """Say nothing."""


@contextmanager
def serve_asgi(trust: Trust = False) -> Iterator[str]:
    """Run the application behind the middleware under uvicorn; give its address."""
    config = uvicorn.Config(
        AnchorMiddleware(asgi_app, trust),
        port=0,
        log_config=None,
        lifespan="off",
        ws="none",
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "uvicorn listens")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS_MAX)


@contextmanager
def serve_wsgi(app: Callable[..., Iterable[bytes]], trust: Trust = False) -> Iterator[str]:
    """Run an application behind the middleware under wsgiref; give its address."""
    wrapped: Any = AnchorWSGIMiddleware(app, trust)
    with make_server("127.0.0.1", 0, wrapped, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(WAIT_SECONDS_MAX)


@pytest.fixture(scope="module")
def trusting() -> Iterator[str]:
    with serve_asgi(["127.0.0.1"]) as url:
        yield url


def test_a_service_takes_nobodys_word_unless_it_is_told_to() -> None:
    with serve_asgi() as url:
        seen = ask(url, headers=FORGED).document
    assert (seen["first"]["id"], seen["then"]["id"]) == (None, None)
    assert seen["first"]["baggage"] == {}


def test_a_service_takes_the_word_of_a_trusted_caller_and_goes_on_with_its_trace(
    trusting: str,
) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    seen = ask(trusting, headers={**FORGED, "traceparent": parent}).document
    for each in (seen["first"], seen["then"]):
        assert (each["id"], each["type"]) == ("victim", "Cart")
        assert each["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert each["baggage"]["colour"] == "red"


def test_requests_that_come_together_are_each_about_their_own_object(trusting: str) -> None:
    hook = async_anchor_hook()

    async def call(client: httpx.AsyncClient, i: int) -> str:
        async with anchor(f"cart {i}/ä", "Cart"):
            answer = await client.get(trusting)
        return str(answer.json()["then"]["id"])

    async def main() -> list[str]:
        async with httpx.AsyncClient(
            event_hooks={"request": [hook]}, trust_env=False, timeout=WAIT_SECONDS_MAX
        ) as client:
            return await asyncio.gather(*(call(client, i) for i in range(20)))

    assert asyncio.run(main()) == [f"cart {i}/ä" for i in range(20)]
    assert ask(trusting).document["first"]["id"] is None


def test_a_websocket_and_a_lifespan_pass_through() -> None:
    seen: list[tuple[str, str | None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        here = get_current_anchor()
        seen.append((scope["type"], None if here is None else here.obj_id))

    async def nothing() -> None:
        """Stand for the rest of the protocol."""

    wrapped = AnchorMiddleware(app, trust=True)
    headers = [(b"baggage", b"trilog.obj.id=c1")]

    async def main() -> None:
        await wrapped({"type": "lifespan"}, nothing, nothing)
        await wrapped({"type": "websocket", "headers": headers, "client": None}, nothing, nothing)

    asyncio.run(main())
    assert seen == [("lifespan", None), ("websocket", "c1")]


Send = Callable[[str, list[str] | None], Any]


def by_httpx(url: str, hosts: list[str] | None) -> Any:
    hooks = {"request": [anchor_hook(hosts)]}
    with httpx.Client(
        event_hooks=hooks, follow_redirects=True, trust_env=False, timeout=WAIT_SECONDS_MAX
    ) as client:
        return client.get(url, headers={"x-own": "1"}).json()


def by_requests(url: str, hosts: list[str] | None) -> Any:
    with requests.Session() as session:
        session.trust_env = False
        return anchor_session(session, hosts).get(url, headers={"x-own": "1"}).json()


def by_urllib(url: str, hosts: list[str] | None) -> Any:
    no_proxy = urllib.request.ProxyHandler({})
    opener = urllib.request.build_opener(no_proxy, anchor_handler(hosts))
    request = urllib.request.Request(url, headers={"x-own": "1"})
    with opener.open(request, timeout=WAIT_SECONDS_MAX) as answer:
        return json.loads(answer.read())


CLIENTS = pytest.mark.parametrize("send", [by_httpx, by_requests, by_urllib])


@CLIENTS
def test_requests_of_each_client_say_what_they_are_about(trusting: str, send: Send) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    with tracer.start_as_current_span("call") as span, anchor("cart 1+ä", "Cart"):
        seen = send(trusting, None)
    assert (seen["first"]["id"], seen["first"]["type"]) == ("cart 1+ä", "Cart")
    assert seen["first"]["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert seen["headers"]["x-own"] == "1"
    outside = send(trusting, None)
    assert "baggage" not in outside["headers"]


@CLIENTS
def test_only_hosts_that_are_named_hear_of_it(trusting: str, send: Send) -> None:
    with anchor("c1", "Cart"):
        assert send(trusting, ["127.0.0.1"])["first"]["id"] == "c1"
        assert "baggage" not in send(trusting, ["orders.internal", ".mesh"])["headers"]


@CLIENTS
def test_a_redirect_says_it_to_named_hosts_alone(trusting: str, send: Send) -> None:
    elsewhere = trusting.replace("127.0.0.1", "localhost")
    with anchor("c1", "Cart"):
        same = send(f"{trusting}/?{trusting}/", ["127.0.0.1"])
        other = send(f"{trusting}/?{elsewhere}/", ["127.0.0.1"])
    assert same["first"]["id"] == "c1"
    assert "baggage" not in other["headers"]
    assert other["headers"]["host"].startswith("localhost")


def test_opentelemetrys_own_propagators_speak_with_the_middleware(trusting: str) -> None:
    headers: dict[str, str] = {}
    with anchor("c 1", "Cart"):
        propagate.inject(headers)
    assert ask(trusting, headers=headers).document["first"]["id"] == "c 1"


def whole(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "application/json")])
    return [json.dumps({"first": describe()}).encode()]


def in_parts(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "application/json")])
    yield b'{"first":' + json.dumps(describe()).encode()
    yield b',"then":' + json.dumps(describe()).encode() + b"}"


@pytest.mark.parametrize("app", [whole, in_parts])
def test_wsgi_services_take_the_word_of_trusted_callers_alone(
    app: Callable[..., Iterable[bytes]],
) -> None:
    with ExitStack() as stack:
        trusting = stack.enter_context(serve_wsgi(app, ["127.0.0.0/8"]))
        wary = stack.enter_context(serve_wsgi(app))
        seen, dropped = (ask(url, headers=FORGED).document for url in (trusting, wary))
        again = ask(trusting).document
    for each in seen.values():
        assert (each["id"], each["type"]) == ("victim", "Cart")
    for each in dropped.values():
        assert (each["id"], each["baggage"]) == (None, {})
    assert again["first"]["id"] is None


def test_a_wsgi_body_keeps_its_length_and_is_closed_inside_its_anchor() -> None:
    closed: list[Any] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"part"

        def close(self) -> None:
            closed.append(describe()["id"])

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body() if environ["PATH_INFO"] == "/close" else [b"four"]

    with serve_wsgi(app, trust=True) as url:
        sized = ask(url, headers=FORGED)
        ask(url, path="/close", headers=FORGED)
    assert sized.headers["content-length"] == "4"
    assert closed == ["victim"]


def test_an_application_that_fails_leaves_no_anchor_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("broken")

    async def nothing() -> None:
        """Stand for the rest of the protocol."""

    async def main() -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "headers": [(b"baggage", b"trilog.obj.id=c1")],
            "client": ("127.0.0.1", 1),
        }
        with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="broken"):
            await AnchorMiddleware(fails, trust=True)(scope, nothing, nothing)
        assert get_current_anchor() is None

    asyncio.run(main())
