"""The resources: what an agent may want to have at hand before it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from clew.surfaces.mcp.pages import read_contract, read_skill
from clew.telemetry import documents as doc

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.surfaces.mcp.questions import Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A page that a client can read. `read` may ask the server."""

    uri: str
    name: str
    title: str
    description: str
    mime_type: str
    read: Callable[[Questions], str]


def _read_schema(questions: Questions) -> str:
    """Return the tables as text, one column a line: half the size of the JSON document."""
    schema = questions.ask("/sql/schema", doc.SqlSchema)
    lines: list[str] = []
    for each in schema.tables:
        lines.append(f"{each.name}")
        lines += [f"  {column.name} {column.type} -- {column.comment}" for column in each.columns]
    lines.append("examples")
    lines += [f"  {example}" for example in schema.examples]
    return "\n".join(lines) + "\n"


RESOURCES: Final[tuple[Resource, ...]] = (
    Resource(
        uri="clew://skill",
        name="skill",
        title="How to work with clew",
        description="The order of work, filters, times and the command line.",
        mime_type="text/markdown",
        read=lambda _: read_skill(),
    ),
    Resource(
        uri="clew://contract",
        name="contract",
        title="Contract",
        description="What clew serves: doors, routes, commands, documents, errors.",
        mime_type="text/markdown",
        read=lambda _: read_contract(),
    ),
    Resource(
        uri="clew://schema",
        name="schema",
        title="Tables of SQL",
        description="Every table and column that the sql tool may read, with examples.",
        mime_type="text/plain",
        read=_read_schema,
    ),
)
"""The list is answered in this order, always."""
