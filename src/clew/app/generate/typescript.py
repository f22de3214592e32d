"""The OpenAPI document as TypeScript: what the page's client is typed by.

Every schema becomes an interface or a type, and every route that answers JSON an entry that names
its query, its body and its answer.
"""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clew.surfaces.rest.openapi import encode_openapi

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PATH: Final = Path("ui/src/api/schema.ts")

_PRIMITIVES: Final = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}

_METHODS: Final = ("get", "post", "put", "patch", "delete")

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")

_HEAD: Final = """\
// Generated from the server's OpenAPI document by `python -m clew.app.generate`; do not edit.

"""


def encode_typescript() -> bytes:
    """Return the module as it is written to `PATH`."""
    document = json.loads(encode_openapi())
    parts = [_HEAD]
    parts.extend(_declare(document["components"]["schemas"]))
    parts.extend(_list_routes(document["paths"]))
    return "".join(parts).encode()


def _declare(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield _comment(schema.get("description"))
        if schema.get("properties"):
            yield f"export interface {_name_of(name)} {_object(schema)}\n\n"
        else:
            yield f"export type {_name_of(name)} = {_type(schema)};\n\n"


def _list_routes(paths: Mapping[str, Any]) -> Iterator[str]:
    for method in _METHODS:
        yield f"/** What `{method.upper()}` asks and answers, by path. */\n"
        yield f"export interface {method.capitalize()}Routes {{\n"
        for path, methods in sorted(paths.items()):
            operation = methods.get(method)
            answer = None if operation is None else _answer_of(operation)
            if operation is None or answer is None:
                continue
            yield f"\t{json.dumps(path)}: {{\n"
            yield f"\t\tquery: {_query_of(operation)};\n"
            yield f"\t\tbody: {_body_of(operation)};\n"
            yield f"\t\tanswer: {answer};\n\t}};\n"
        yield "}\n\n"


def _answer_of(operation: Mapping[str, Any]) -> str | None:
    """Return the type of what a route answers when all is well, None where that is no JSON."""
    for status, response in sorted(operation["responses"].items()):
        content = response.get("content", {}).get("application/json")
        if status.startswith("2") and content is not None:
            return _type(content.get("schema", {}))
    return None


def _body_of(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return "undefined" if content is None else _type(content.get("schema", {}))


def _query_of(operation: Mapping[str, Any]) -> str:
    asked = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    fields = (
        f"{_key(each['name'])}: {_type(each['schema'])}"
        if each.get("required")
        else f"{_key(each['name'])}?: {_type(each['schema'])} | undefined"
        for each in asked
    )
    return "{ " + "; ".join(fields) + " }" if asked else "Record<string, never>"


def _object(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    lines = ["{\n"]
    for name, each in schema["properties"].items():
        comment = _comment(each.get("description"), "\t")
        lines.append(f"{comment}\t{_key(name)}{'' if name in required else '?'}: {_type(each)};\n")
    lines.append("}")
    return "".join(lines)


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _name_of(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return _union(_type(each) for each in schema["anyOf"])
    if schema.get("type") == "array":
        return _array(schema)
    if schema.get("type") == "object":
        if schema.get("properties"):
            return _inline(schema)
        values = schema.get("additionalProperties")
        return (
            f"Record<string, {_type(values)}>"
            if isinstance(values, dict)
            else "Record<string, unknown>"
        )
    return _PRIMITIVES.get(str(schema.get("type")), "unknown")


def _array(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(_type(each) for each in schema["prefixItems"]) + "]"
    item = _type(schema.get("items", {}))
    return f"({item})[]" if " " in item else f"{item}[]"


def _inline(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    fields = (
        f"{_key(name)}{'' if name in required else '?'}: {_type(each)}"
        for name, each in schema["properties"].items()
    )
    return "{ " + "; ".join(fields) + " }"


def _union(types: Iterable[str]) -> str:
    return " | ".join(dict.fromkeys(types))


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _name_of(schema: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", schema))


def _comment(text: str | None, indent: str = "") -> str:
    if not text:
        return ""
    lines = inspect.cleandoc(text).replace("*/", "* /").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"
