"""Why does this output exist? What it was made of, and which stages made that.

``python -m examples.lineage.look_back ID``
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from clew.lineage.parameters import LineageQuery
from clew.lineage.remote import LineageClient
from clew.remote.address import DEFAULT_SERVER
from clew.remote.http import Server

if TYPE_CHECKING:
    from clew.lineage.documents import Lineage, Node

WAIT_SECONDS_MAX = 10.0
"""Link sets are told by datagrams, which the server takes in a moment later."""


def find(client: LineageClient, trace_id: str) -> Lineage:
    """Return what an id was made of, as soon as all of it is known."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while True:
        found = client.get_lineage(trace_id, LineageQuery()).document()
        if (found.edges and not found.missing) or time.monotonic() > deadline:
            return found


def describe(node: Node) -> str:
    """Return the stages that made items of a node, in the order in which they ran."""
    stages = sorted(node.stages, key=lambda stage: stage.start_time)
    return " → ".join(stage.operation for stage in stages) or "nothing is known"


def show(found: Lineage) -> list[str]:
    """Return the tree of what an id was made of; what stands in it twice is shown twice."""
    nodes = {node.trace_id: node for node in found.nodes}
    lines = []

    def walk(trace_id: str, indent: str) -> None:
        lines.append(f"{indent}{describe(nodes[trace_id])}")
        edges = [edge for edge in found.edges if edge.trace_id == trace_id]
        for edge in sorted(edges, key=lambda each: each.position):
            walk(edge.parent_trace_id, indent + "  ")

    walk(found.root, "")
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m examples.lineage.look_back ID")
    with Server(os.environ.get("CLEW_SERVER", DEFAULT_SERVER)) as server:
        print("\n".join(show(find(LineageClient(server), sys.argv[1]))))
