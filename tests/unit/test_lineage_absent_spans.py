"""Nodes with nothing but a name to go by: spans that are not here, and datasets."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from clew.lineage import documents as doc
from clew.surfaces.cli.grid import render
from clew.surfaces.cli.views.lineages import lineage_lines
from clew.surfaces.mcp.tools.lineage import LINEAGE

TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
SPAN: Final = "b7ad6b7169203331"


def node(trace_id: int, depth: int, **more: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "trace_id": str(trace_id),
        "depth": depth,
        "items": [],
        "item_count": 0,
        "stages": [],
        "stage_count": 0,
        "apps": [],
        "objects": [],
        "log_count": 1 - depth,
        "input_count": 1 - depth,
        "windows": [],
    }
    return known | more


ANSWER: Final[dict[str, Any]] = {
    "root": "1",
    "direction": "up",
    "nodes": [
        node(1, 0, dataset={"namespace": "lake", "name": "daily", "version": "v7"}),
        node(2**63 + 5, 1, missing=True, span={"trace_id": TRACE, "span_id": SPAN}),
    ],
    "edges": [
        {
            "trace_id": "1",
            "parent_trace_id": str(2**63 + 5),
            "stream_id": 0,
            "epoch": "0",
            "seq": "0",
            "at": "2026-01-01T00:00:00.000000000Z",
            "position": 0,
            "age_ms": None,
        }
    ],
    "missing": 1,
    "cycles": [],
    "truncated": False,
    "stopped_by": [],
    "losses": {},
}


class Recorded:
    def ask(self, _path: str, kind: type[Any], *_: object) -> Any:
        return msgspec.convert(ANSWER, kind)


def test_the_tree_names_it() -> None:
    document = msgspec.convert(ANSWER, doc.Lineage)
    shown = "\n".join(render(line, colour=False) for line in lineage_lines(document, 160))
    assert f"its span is not here: {TRACE}/{SPAN}" in shown
    assert "lake daily v7" in shown
    assert "clew logs --attribute tracelink.trace_id=1  1 log record" in shown


def test_an_agent_is_told_its_name() -> None:
    questions: Any = Recorded()
    nodes = LINEAGE.call(questions, {"id": "1"}).document["nodes"]
    told = dict(zip(nodes["columns"], nodes["rows"][1], strict=True))
    assert (told["span"], told["missing"]) == (f"{TRACE} {SPAN}", True)
    objects = nodes["rows"][0][nodes["columns"].index("objects")]
    assert objects == ["dataset lake daily v7"]
