"""The OpenAPI 3.1 document, made from the routes and from the types that answers are encoded from.

``python -m clew.surfaces.rest.openapi`` prints what `contracts/openapi.json` holds.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.surfaces.errors import PROBLEM_TYPE, Problem
from clew.surfaces.rest.parameters import describe_fields
from clew.surfaces.rest.route import BASE
from clew.surfaces.rest.routes.table import ROUTES

if TYPE_CHECKING:
    from clew.surfaces.rest.route import Route

VERSION: Final = "1"
"""The version of the API, which is in its addresses; not that of the program."""

_REFERENCE: Final = "#/components/schemas/{name}"

_DESCRIPTION: Final = """\
Traces, logs and metrics, as they came over OTLP. Times in answers are RFC 3339 UTC with
nanoseconds, ids are lower-case hex, durations milliseconds. A list says how complete it is: `count`
items are here, `total` or `at_least` exist, `truncated` tells whether more follow, `next` is the
cursor. Unknown and malformed parameters are errors; every error is a problem document."""

_KEY: Final = "An API key, from the first one on that was made; before, nobody is asked for any"

_STATUS_TEXTS: Final = {
    400: "A parameter is unknown or does not parse",
    401: "The server asks for an API key, and there is none or it is not valid",
    403: "The caller may not do this",
    404: "There is none",
    409: "There is another one already",
    413: "The question or its answer is too large",
    415: "The body is of a media type that is not understood",
    429: "Too much at once; try again after the time given",
    501: "The other side does not offer this, or a part of clew is not installed here",
    503: "The store does not answer; try again after the time given",
    504: "The question took too long",
}


def write_openapi() -> dict[str, Any]:
    """Return the document; equal for equal routes and types."""
    kinds = sorted(
        {Problem}
        | {document for route in ROUTES for document in route.documents}
        | {kind for route in ROUTES for kind in (route.body, route.file) if kind is not None},
        key=lambda kind: kind.__name__,
    )
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "clew",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:7701"}],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            # Said once: written out, they were a third of the document.
            "responses": {
                str(status): {
                    "description": text,
                    "content": {PROBLEM_TYPE: {"schema": by_kind[Problem]}},
                }
                for status, text in sorted(_STATUS_TEXTS.items())
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": _KEY},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


def encode_openapi() -> bytes:
    """Return the document as the file and the route have it."""
    return msgspec.json.format(msgspec.json.encode(write_openapi()), indent=1) + b"\n"


def _operation(
    route: Route, path: str, schemas: dict[type[msgspec.Struct], dict[str, Any]]
) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type in route.media_types:
        known = [schemas[document] for document in route.documents]
        schema = known[0] if len(known) == 1 else {"anyOf": known}
        content[media_type] = {"schema": schema} if known else {}
    responses: dict[str, Any] = {
        str(route.success): {"description": "The answer", "content": content}
    }
    for status in _errors(route):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    operation: dict[str, Any] = {
        "operationId": _operation_id(route, path),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _path_parameters(path) + _query_parameters(route.parameters),
        "responses": responses,
    }
    if route.is_public:
        operation["security"] = []
    body = route.body or route.file
    if body is not None:
        schema = {"application/json": {"schema": schemas[body]}}
        text = {"schema": {"type": "string"}}
        operation["requestBody"] = {
            "required": True,
            "content": {name: schema.get(name, text) for name in route.body_types},
        }
    return operation


def _errors(route: Route) -> list[int]:
    """Return the statuses of errors: those of the route, and those of the door before it."""
    if route.is_public:
        return sorted(route.errors)
    of_door = {401} if route.decides_itself else {401, 403}
    return sorted({*route.errors, *of_door})


def _operation_id(route: Route, path: str) -> str:
    room = "" if path.startswith(f"{BASE}/") else "server/"
    words = re.findall(r"[a-z]+", (room + path.removeprefix(BASE)).replace("_", ""))
    return "_".join([route.method.lower(), *words])


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    parameters = []
    defaults = {field.encode_name: field.default for field in msgspec.structs.fields(kind)}
    for name, field in describe_fields(kind).items():
        (schema,), _ = msgspec.json.schema_components([field.schema_kind])
        if field.is_list:
            schema = {"type": "array", "items": schema}
        elif isinstance(defaults[name], str | int | float):
            schema = {**schema, "default": defaults[name]}
        parameter: dict[str, Any] = {"name": name, "in": "query", "schema": schema}
        if field.is_list:
            parameter |= {"style": "form", "explode": True}
        if field.is_required:
            parameter["required"] = True
        parameters.append(parameter)
    return parameters


if __name__ == "__main__":
    sys.stdout.buffer.write(encode_openapi())
