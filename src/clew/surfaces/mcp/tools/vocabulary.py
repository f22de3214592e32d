"""What records carry: attribute keys and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from clew.surfaces.mcp.answers import Answer, Draft, LeftOut, Table, table
from clew.surfaces.mcp.tool import Limit, Service, Timed, Tool, again, call, pick, times
from clew.telemetry import documents as doc
from clew.telemetry.query.parameters import AttributeQuery

if TYPE_CHECKING:
    from clew.surfaces.mcp.questions import Questions

Signal = Literal["traces", "logs", "metrics"]
Place = Literal["span", "resource", "scope", "event", "log", "metric"]


class AttributesAsked(Timed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which keys; of the last hour when no time is given."""

    signal: Signal = "traces"
    place: Place | None = None
    service: Service = None
    prefix: Annotated[str | None, Meta(description="Only what begins so")] = None
    limit: Limit = 100


class ValuesAsked(AttributesAsked, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which values of one key."""

    key: Annotated[str, Meta(description="The attribute's key")]


class AttributesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Keys, most frequent first; `values` is how many different ones there are."""

    total: int
    attributes: Table


class ValuesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Values, most frequent first."""

    key: str
    total: int
    values: Table


def _attributes(questions: Questions, asked: AttributesAsked) -> Draft:
    found = questions.ask("/attributes", doc.AttributeList, pick(asked, AttributeQuery))

    def write(items: int) -> AttributesAnswer:
        shown = found.attributes[:items]
        rest = found.total - items
        get = again("attributes", "more keys", asked, limit=1000, max_tokens=20_000)
        return AttributesAnswer(
            total=found.total,
            attributes=table(
                ("key", "place", "count", "values"),
                ([each.key, each.place, each.count, each.values] for each in shown),
            ),
            left_out=[LeftOut(what="keys", count=rest, get=get)] if rest > 0 else [],
            next=[
                call("attribute_values", "the values of one", key=each.key, **times(asked))
                for each in found.attributes[:1]
            ],
        )

    return Draft(most=found.count, write=write)


def _attribute_values(questions: Questions, asked: ValuesAsked) -> Draft:
    query = pick(asked, AttributeQuery)
    path = "/attributes/{key}/values"
    found = questions.ask(path, doc.AttributeValueList, query, {"key": asked.key})

    def write(items: int) -> ValuesAnswer:
        rest = found.total - items
        get = again("attribute_values", "more values", asked, limit=1000, max_tokens=20_000)
        return ValuesAnswer(
            key=found.key,
            total=found.total,
            values=table(
                ("value", "count"), ([each.value, each.count] for each in found.values[:items])
            ),
            left_out=[LeftOut(what="values", count=rest, get=get)] if rest > 0 else [],
            next=[
                call(
                    "find_traces",
                    "traces with the most frequent one",
                    attribute=[f"{found.key}={each.value}"],
                    **times(asked),
                )
                for each in found.values[:1]
                if asked.signal == "traces"
            ],
        )

    return Draft(most=found.count, write=write)


ATTRIBUTES = Tool(
    name="attributes",
    title="Attribute keys",
    description=(
        "Which attributes records carry, and how often; of the last hour when no time is given."
    ),
    parameters=AttributesAsked,
    answer=AttributesAnswer,
    run=_attributes,
    example={"signal": "traces", "limit": 20},
)
ATTRIBUTE_VALUES = Tool(
    name="attribute_values",
    title="Values of an attribute",
    description="The values of one attribute with counts; of the last hour when no time is given.",
    parameters=ValuesAsked,
    answer=ValuesAnswer,
    run=_attribute_values,
    example={"key": "service.name"},
)
