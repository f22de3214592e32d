"""Write the list of tools as `contracts/mcp-tools.json`, and its reference page.

``python -m clew.surfaces.mcp.generate`` prints the list.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from clew.surfaces.mcp.answers import BYTES_PER_TOKEN, TOKENS_DEFAULT, TOKENS_MAX, TOKENS_MIN
from clew.surfaces.mcp.resources import RESOURCES
from clew.surfaces.mcp.tools.table import TOOLS

TOOL_LIST: Final = Path("contracts/mcp-tools.json")
PAGE: Final = Path("docs/reference/mcp.md")

_WORDS: Final = {"integer": "whole number", "string": "text", "boolean": "true or false"}

_INTRODUCTION: Final = f"""\
<!-- Written by `python -m clew.app.generate`; do not edit. -->
# MCP tools

`clew mcp` speaks MCP over stdio and asks a running server; `POST /mcp` of a server is the same over
streamable HTTP. Both speak revision 2026-07-28 and 2025-11-25. Set-up of common clients is in the
[guide](../guide/agents.md).

- **Budget.** `max_tokens` bounds an answer: {TOKENS_DEFAULT} when left out, {TOKENS_MIN} to
  {TOKENS_MAX}. A token is counted as {BYTES_PER_TOKEN} bytes of the answer's JSON, which is on the
  side of the smaller answer.
- **What is missing is said.** `left_out` lists what did not fit, how many of it, and the call that
  gets it. `next` lists calls that go on from here, best first.
- **Tables** are `{{"columns": […], "rows": [[…]]}}`; what is empty at the end of a row is left off.
- **Texts** come from the observed programs. Each answer's `note` says so; control and invisible
  format characters are shown as escapes, and long texts are cut at `text_chars`.
- **Answers** come as structured content, and as the same JSON in a text block.
- **Writes** to a [group of servers](../guide/high-availability.md) say in the result's `_meta`, as
  `x-clew-acks`, how many of them have what was written.
- **Errors** are results with `isError`: `{{"error", "code", "hint"}}`, codes as over REST. An
  unknown argument is an error.

"""


def write_tool_list() -> dict[str, Any]:
    """Return what ``tools/list`` and ``resources/list`` answer, as plain JSON."""
    from clew.surfaces.mcp.sdk import describe_tool

    return {
        "generated_by": "python -m clew.surfaces.mcp.generate",
        "tools": [
            describe_tool(tool).model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in TOOLS
        ],
        "resources": [
            {
                "uri": each.uri,
                "name": each.name,
                "title": each.title,
                "description": each.description,
                "mimeType": each.mime_type,
            }
            for each in RESOURCES
        ],
    }


def encode_tool_list() -> bytes:
    """Return the list as the file has it."""
    return msgspec.json.format(msgspec.json.encode(write_tool_list()), indent=1) + b"\n"


def write_page() -> str:
    """Return the reference page: a heading for each tool, its arguments and an example."""
    parts = [_INTRODUCTION]
    for tool in TOOLS:
        example = msgspec.json.encode(dict(tool.example)).decode()
        parts.append(
            f"## `{tool.name}`\n\n{tool.description}\n\n{_arguments(tool.input_schema())}\n"
            f"```json\n{example}\n```\n\n"
        )
    parts.append("## Resources\n\n| uri | what |\n| --- | --- |\n")
    parts += [f"| `{each.uri}` | {each.description} |\n" for each in RESOURCES]
    return "".join(parts)


def _arguments(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    lines = ["| argument | type | |\n| --- | --- | --- |\n"]
    for name, each in schema["properties"].items():
        words = [each.get("description", "")]
        if name in required:
            words.insert(0, "**required**")
        elif each.get("default") not in (None, []):
            words.append(f"(default `{msgspec.json.encode(each['default']).decode()}`)")
        shown = " ".join(word for word in words if word).replace("|", "\\|")
        lines.append(f"| `{name}` | {_kind(each)} | {shown} |\n")
    return "".join(lines)


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    kind = str(schema.get("type", "any"))
    return _WORDS.get(kind, kind)


if __name__ == "__main__":
    sys.stdout.buffer.write(encode_tool_list())
