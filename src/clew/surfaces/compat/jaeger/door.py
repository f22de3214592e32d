"""The addresses below ``/jaeger``, and errors as Jaeger says them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
from starlette.responses import Response
from starlette.routing import Route

from clew.access.caller import Verb
from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.compat.jaeger import documents as doc
from clew.surfaces.compat.jaeger import v1, v3
from clew.surfaces.compat.jaeger.limits import BODY_BYTES_MAX, FILE_BYTES_MAX
from clew.surfaces.compat.jaeger.query_string import QueryString
from clew.surfaces.errors import grpc_status, http_status, one_line, retry_after_seconds
from clew.surfaces.identity import CHALLENGE, caller_of
from clew.surfaces.rest.answers import JSON_TYPE, answer_document, answer_problem
from clew.surfaces.rest.body import SlowBodyError, read_body
from clew.surfaces.rest.route import GONE, run_unless_gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from clew.surfaces.rest.desk import Desk

    Answer = Callable[[Desk, Any, Mapping[str, str]], bytes]
    Endpoint = Callable[[Request], Awaitable[Response]]

PREFIX: Final = "/jaeger"

_READ: Final = ("GET",)
_SEARCH: Final = ("GET", "POST")
_WRITE: Final = ("POST",)


@dataclass(frozen=True, slots=True)
class _Address:
    path: str
    answer: Answer
    encode_error: Callable[[ClewError, int], bytes]
    methods: tuple[str, ...] = _READ
    body_bytes_max: int = BODY_BYTES_MAX


def jaeger_routes(desk: Desk) -> list[Route]:
    """Return what a router needs to answer Jaeger's clients."""
    return [
        Route(address.path, _endpoint(desk, address), methods=list(address.methods))
        for address in _ADDRESSES
    ]


def _endpoint(desk: Desk, address: _Address) -> Endpoint:
    async def answer(request: Request) -> Response:
        request.scope["route_path_format"] = address.path
        try:
            # A search may come as POST; nothing is changed by any of them.
            desk.identity.authorize(caller_of(request.scope), Verb.OBSERVE, request.scope)
            asked: QueryString | bytes
            if request.method == "POST":
                asked = await read_body(request, address.body_bytes_max)
            else:
                asked = QueryString(request.scope["query_string"])
            work = functools.partial(address.answer, desk, asked, request.path_params)
            body = await run_unless_gone(request, desk.threads.run(work))
        except ClewError as error:
            return _answer_error(error, address.encode_error)
        return Response(status_code=GONE) if body is None else answer_document(body)

    return answer


def answer_refusal(path: str, error: ClewError) -> Response:
    """Return the answer to a caller who is not let in: as Jaeger says it where it is asked so."""
    if path.startswith(f"{_V3}/"):
        return _answer_error(error, _encode_v3)
    if path == PREFIX or path.startswith((f"{PREFIX}/", "/api/traces")):
        return _answer_error(error, _encode_v1)
    return answer_problem(error)


def _answer_error(error: ClewError, encode: Callable[[ClewError, int], bytes]) -> Response:
    status = _status(error)
    response = Response(encode(error, status), status, media_type=JSON_TYPE)
    seconds = retry_after_seconds(error)
    if seconds is not None:
        response.headers["retry-after"] = str(seconds)
    if error.code is ErrorCode.UNAUTHENTICATED:
        response.headers["www-authenticate"] = CHALLENGE
    return response


def _status(error: ClewError) -> int:
    if isinstance(error, SlowBodyError):
        return 408
    # What another store behind the same API may answer: Jaeger says 501 there.
    return 501 if error.code is ErrorCode.UNSUPPORTED else http_status(error.code)


def _encode_v1(error: ClewError, status: int) -> bytes:
    failed = doc.Error(code=status, msg=one_line(error))
    return msgspec.json.encode(doc.Envelope(data=None, errors=[failed]))


def _encode_v3(error: ClewError, status: int) -> bytes:
    return orjson.dumps(
        {
            "error": {
                "grpcCode": grpc_status(error.code),
                "httpCode": status,
                "message": one_line(error),
                "httpStatus": HTTPStatus(status).phrase,
            }
        }
    )


_V1: Final = f"{PREFIX}/api"
_V3: Final = f"{PREFIX}/api/v3"

# A name or an id may hold slashes, escaped or, from Grafana, not.
_ADDRESSES: Final = (
    _Address(f"{_V3}/services", v3.get_services, _encode_v3),
    _Address(f"{_V3}/operations", v3.get_operations, _encode_v3),
    _Address(f"{_V3}/traces", v3.find_traces, _encode_v3, _SEARCH),
    _Address(f"{_V3}/traces/{{trace_id:path}}", v3.get_trace, _encode_v3),
    _Address(f"{_V3}/trace-summaries", v3.find_trace_summaries, _encode_v3, _SEARCH),
    _Address(f"{_V3}/spans", v3.find_spans, _encode_v3, _SEARCH),
    _Address(f"{_V3}/dependencies", v3.get_dependencies, _encode_v3),
    _Address(f"{_V3}/capabilities", v3.get_capabilities, _encode_v3),
    _Address(f"{_V1}/services", v1.get_services, _encode_v1),
    _Address(f"{_V1}/services/{{service:path}}/operations", v1.get_service_operations, _encode_v1),
    _Address(f"{_V1}/operations", v1.get_operations, _encode_v1),
    _Address(f"{_V1}/traces", v1.find_traces, _encode_v1),
    _Address(f"{_V1}/traces/{{trace_id:path}}", v1.get_trace, _encode_v1),
    _Address(f"{_V1}/dependencies", v1.get_dependencies, _encode_v1),
    _Address(f"{_V1}/transform", v1.transform, _encode_v1, _WRITE, FILE_BYTES_MAX),
    _Address(f"{_V1}/metrics/{{name}}", v1.refuse, _encode_v1),
    _Address(f"{_V1}/archive/{{trace_id}}", v1.refuse, _encode_v1, _WRITE),
    # Grafana from 11.6 to 12.1 loses the path of its data source's URL when it searches.
    _Address("/api/traces", v1.find_traces, _encode_v1),
)
