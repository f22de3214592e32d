"""An investigator that knows nothing: it asks over MCP alone and goes where the answers point.

It makes one call of its own accord, `summary` of the minutes in which somebody complained. Every
other call is one that an earlier answer offered under `next`, with those minutes filled in. What it
brings along is what any engineer knows: more traffic is no harm by itself; an error shown at a
caller may be its callee's; whoever is to blame has changed; and what the bad spans share and the
good ones lack is worth naming.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from mcp import Client

from clew.surfaces.mcp.answers import tokens_of

CALLS_MAX: Final = 12
"""When a search that leads nowhere is given up."""

SHARE_APART: Final = 0.5
"""How much commoner among bad spans a value must be to be called what they have in common."""

HARM: Final = {"error_rate": "errors", "p95_latency": "latency"}
"""Kinds of anomalies that hurt each request; counts of errors grow with traffic alone."""

TIMED: Final = {"summary", "anomalies", "diff", "topology"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to blame, and what shows it. `attribute` is what the bad spans have in common."""

    kind: str
    service: str
    operation: str
    attribute: str | None
    trace_id: str
    findings: tuple[str, ...]


@dataclass
class Investigator:
    """One investigation of the minutes from `start` to `end`."""

    client: Client
    start: str
    end: str
    calls: int = 0
    tokens: int = 0
    path: list[str] = field(default_factory=list)
    offered: list[Row] = field(default_factory=list)
    changed_services: set[str] = field(default_factory=set)

    async def investigate(self) -> Verdict | None:
        """Return the cause, None when none is found."""
        summary = await self._ask("summary", {})
        anomalies = await self._follow(first(summary, "anomalies"))
        self.changed_services = {row["service"] for row in rows(anomalies["anomalies"])}
        changed = [row for row in rows(anomalies["anomalies"]) if row["kind"] in HARM]
        for step in offers(anomalies, "trace_outline"):
            outline = await self._follow(step)
            suspect = name_suspect(outline, changed)
            if suspect is not None:
                return await self._confirm(outline, *suspect)
        return None

    async def _confirm(self, outline: Row, kind: str, suspect: Row) -> Verdict:
        """Look at the suspect itself, and at what the bad spans of its kind share."""
        details = await self._follow(first(outline, "span_details"))
        assert suspect["span_id"] in [span["span_id"] for span in details["spans"]]
        diff = await self._follow(first(outline, "diff"))
        findings: tuple[str, ...] = ()
        for step in offers(outline, "transcript"):
            transcript = await self._follow(step)
            findings = tuple(each["kind"] for each in transcript.get("findings", []))
        return Verdict(
            kind,
            suspect["service"],
            suspect["operation"],
            name_attribute(diff),
            outline["trace_id"],
            findings,
        )

    async def _follow(self, step: Row) -> Row:
        assert step in self.offered, "only what an answer offered is asked"
        return await self._ask(step["tool"], dict(step["arguments"]))

    async def _ask(self, tool: str, arguments: Row) -> Row:
        assert self.calls < CALLS_MAX, f"no cause in {CALLS_MAX} calls: {self.path}"
        if tool in TIMED:
            arguments |= {"start": self.start, "end": self.end}
        result = await self.client.call_tool(tool, arguments)
        (content,) = result.content
        assert content.type == "text"
        assert not result.is_error, f"{tool} {arguments}: {content.text}"
        answer: Row = json.loads(content.text)
        assert answer == result.structured_content
        self.calls += 1
        self.tokens += tokens_of(content.text)
        self.path.append(tool)
        self.offered += answer.get("next", [])
        return answer


def rows(table: Row) -> list[Row]:
    """Return the rows of a table by the names of its columns; empty ends are None."""
    columns = table["columns"]
    return [
        dict(zip(columns, [*row, *[None] * (len(columns) - len(row))], strict=True))
        for row in table["rows"]
    ]


def offers(answer: Row, tool: str) -> list[Row]:
    """Return the calls of a tool that an answer offers, best first."""
    return [step for step in answer.get("next", []) if step["tool"] == tool]


def first(answer: Row, tool: str) -> Row:
    """Return the best call of a tool that an answer offers."""
    steps = offers(answer, tool)
    assert steps, f"no {tool} among {answer.get('next')}"
    return steps[0]


def name_suspect(outline: Row, changed: list[Row]) -> tuple[str, Row] | None:
    """Return the span that a trace blames, if its operation is one that has changed so."""
    errors, path = rows(outline["first_errors"]), rows(outline["critical_path"])
    for kind, suspects in (("error_rate", errors), ("p95_latency", path)):
        for suspect in suspects[:1]:
            operation = (suspect["service"], suspect["operation"])
            if any(
                row["kind"] == kind and (row["service"], row["what"]) == operation
                for row in changed
            ):
                return HARM[kind], suspect
    return None


def name_attribute(diff: Row) -> str | None:
    """Return what the bad spans have in common and the good ones lack, if there is such a thing."""
    for row in rows(diff["values"])[:1]:
        if row["bad_share"] - (row["good_share"] or 0) >= SHARE_APART:
            return f"{row['key']}={row['value']}"
    return None
