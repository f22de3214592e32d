"""Why nothing matched: names that the server does not know, and the known ones near them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clew.base.errors import ClewError, ErrorCode
from clew.telemetry.query.parameters import SpanQuery

if TYPE_CHECKING:
    from clew.telemetry.remote import TelemetryClient

# The key of a filter: what stands before the first operator, without the place and the negation.
_KEY = re.compile(r"!?(?:(?:resource|scope|event|link)\.)?([^=<>!~]+)")

_TIMES = ("last", "start", "end")


def explain_nothing(
    client: TelemetryClient, noun: str, flags: Any, *, key: str | None = None
) -> ClewError:
    """Return the error for an empty answer, with the likeliest reason as its hint."""
    asked = [
        ("service", getattr(flags, "service", None)),
        ("operation", getattr(flags, "operation", None)),
        ("attribute", key),
        *(("attribute", filter_key(each)) for each in getattr(flags, "attribute", None) or []),
    ]
    for kind, name in asked:
        if not name:
            continue
        found = client.suggest(kind, name).document()
        if found.known or (kind == "operation" and _is_part_of_one(client, name)):
            continue
        near = found.suggestions
        said = f"no {noun} matched: there is no {kind} {name!r}"
        hint = f"did you mean {_or(near)}?" if near else f"see what there is: {_LISTS[kind]}"
        return ClewError(ErrorCode.NOT_FOUND, said, hint=hint)
    timed = any(getattr(flags, name, None) for name in _TIMES)
    hint = "widen the time" if timed else "is anything sending? clew doctor tells"
    return ClewError(ErrorCode.NOT_FOUND, f"no {noun} matched", hint=hint)


def _is_part_of_one(client: TelemetryClient, operation: str) -> bool:
    """Whether a part of a name is that of any operation: the filter asks for no more."""
    with client.server.unrecorded():
        return bool(client.find_spans(SpanQuery(operation=operation, limit=1)).document().spans)


_LISTS = {
    "service": "clew services",
    "operation": "clew services SERVICE",
    "attribute": "clew attributes",
}


def filter_key(text: str) -> str:
    """Return the attribute key that a filter names."""
    found = _KEY.match(text)
    return found.group(1).strip() if found else ""


def _or(names: list[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
