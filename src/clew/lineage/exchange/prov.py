"""A lineage document as PROV-JSON (W3C member submission of 24 April 2013).

A trace id is an entity, since that is what edges are between; its items are attributes of it. Each
time that a set was told is an activity, named by the item that it told of: it used the inputs and
generated the output. A derivation names the activity, so that two sets of one output stay apart.
Apps whose processes wrote spans of a node are agents to which the entity is attributed.

An activity has the time at which it ended, no more: when it began nobody says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from clew.lineage.documents import Edge, Item, Lineage, Node, NodeDataset

Typed = dict[str, str]
Value = str | bool | int | Typed | list[str]
Record = dict[str, Value]

PREFIXES: Final = {
    "clew": "urn:clew:lineage:",
    "trace": "urn:clew:lineage:trace:",
    "join": "urn:clew:lineage:join:",
    "generation": "urn:clew:lineage:generation:",
    "usage": "urn:clew:lineage:usage:",
    "app": "urn:clew:app:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
"""Of the names in a document; ``prov`` is there by itself."""


class ProvDocument(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, rename="camel"):
    """A document of PROV-JSON: records by their names. Kinds without records are left out."""

    prefix: dict[str, str]
    entity: dict[str, Record] = {}
    activity: dict[str, Record] = {}
    agent: dict[str, Record] = {}
    was_generated_by: dict[str, Record] = {}
    used: dict[str, Record] = {}
    was_derived_from: dict[str, Record] = {}
    was_attributed_to: dict[str, Record] = {}


def to_prov(lineage: Lineage) -> ProvDocument:
    """Return a lineage as PROV. Pure: the same document gives the same records.

    What the document leaves out is left out here: where it is cut, the root's entity says so by
    ``clew:truncated``, as one of which nothing is known says ``clew:missing``.
    """
    made = ProvDocument(
        prefix=dict(PREFIXES),
        entity={},
        activity={},
        agent={},
        was_generated_by={},
        used={},
        was_derived_from={},
        was_attributed_to={},
    )
    for node in lineage.nodes:
        _add_node(made, node)
    for edge in lineage.edges:
        _add_edge(made, edge)
    root = made.entity.setdefault(_entity(lineage.root), _bare(lineage.root))
    if lineage.truncated:
        root["clew:truncated"] = True
    return made


def _add_node(made: ProvDocument, node: Node) -> None:
    entity = _bare(node.trace_id)
    if node.missing is True:
        entity["clew:missing"] = True
    if node.dataset:
        entity |= _describe(node.dataset)
    if node.items:
        entity["clew:item"] = [_item(item) for item in node.items]
        entity["clew:itemCount"] = node.item_count
    if node.stages:
        # A stage is a span: who did it, and where to read on.
        entity["clew:stage"] = [f"{stage.service} {stage.operation}" for stage in node.stages]
        entity["clew:span"] = [f"{stage.trace_id}-{stage.span_id}" for stage in node.stages]
    name = _entity(node.trace_id)
    made.entity[name] = entity
    for app in node.apps:
        agent = f"app:{app.app_id}"
        record: Record = {"prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}}
        if app.app_name is not None:
            record["prov:label"] = app.app_name
        made.agent[agent] = record
        made.was_attributed_to[f"_:attribution-{node.trace_id}-{app.app_id}"] = {
            "prov:entity": name,
            "prov:agent": agent,
        }


def _describe(dataset: NodeDataset) -> Record:
    said: Record = {
        "prov:label": dataset.name,
        "clew:namespace": dataset.namespace,
        "clew:name": dataset.name,
    }
    return said if dataset.version is None else {**said, "clew:version": dataset.version}


def _add_edge(made: ProvDocument, edge: Edge) -> None:
    output, source = _entity(edge.trace_id), _entity(edge.parent_trace_id)
    for trace_id in (edge.trace_id, edge.parent_trace_id):
        # A cut document may name the far ends of edges nowhere else.
        made.entity.setdefault(_entity(trace_id), _bare(trace_id))
    told = f"{edge.stream_id}.{edge.epoch}.{edge.seq}.{edge.trace_id}"
    activity = f"join:{told}"
    made.activity[activity] = {
        "prov:endTime": _later(made.activity.get(activity), edge.at),
        "clew:streamId": _long(str(edge.stream_id)),
        "clew:epoch": _long(edge.epoch),
        "clew:seq": _long(edge.seq),
    }
    # Named, since readers pass over references to records that have no names.
    generation, usage = f"generation:{told}", f"usage:{told}-{edge.parent_trace_id}"
    made.was_generated_by[generation] = {
        "prov:entity": output,
        "prov:activity": activity,
        "prov:time": made.activity[activity]["prov:endTime"],
    }
    made.used[usage] = {
        "prov:activity": activity,
        "prov:entity": source,
        "clew:position": edge.position,
    }
    made.was_derived_from[f"_:derivation-{told}-{edge.parent_trace_id}"] = {
        "prov:generatedEntity": output,
        "prov:usedEntity": source,
        "prov:activity": activity,
        "prov:generation": generation,
        "prov:usage": usage,
    }


def _later(known: Record | None, at: str) -> str:
    """Return when an activity ended: edges of one set may have been told more than once."""
    before = known["prov:endTime"] if known is not None else at
    # Times of our documents are of one form, in one zone, so their texts are in their order.
    return max(str(before), at)


def _entity(trace_id: str) -> str:
    return f"trace:{trace_id}"


def _bare(trace_id: str) -> Record:
    return {"clew:traceId": _long(trace_id)}


def _item(item: Item) -> str:
    return f"{item.stream_id}.{item.epoch}.{item.seq} {item.at}"


def _long(text: str) -> Typed:
    """Return a number of 64 bits, which a number of JSON would lose the end of."""
    return {"$": text, "type": "xsd:unsignedLong"}
