"""What was on the page after each edit? Every object of the diagram, all of them at one instant."""

from __future__ import annotations

import sys
from typing import Any

from clew.twin import Reconstructor
from examples.graph_editor.blueprint.workspace import Diagram

Cut = dict[tuple[str, str], Any]
"""Objects by type and id, all as they were at one instant."""


def cut_at(twins: Reconstructor, diagram_id: str, moment: str) -> Cut:
    """Return all that references reach from a diagram, as it was at one moment.

    The graph says what belonged to it at that instant. The objects are then read as classes of the
    blueprint, at the same instant: so what version 1 wrote is seen with the eyes of version 2.
    """
    graph = twins.get_graph(diagram_id, moment, Diagram)
    found = twins.reconstruct_batch([(each.type, each.id) for each in graph.objects], graph.at)
    return {name: result.twin for name, result in found.items() if result is not None}


def describe_edit(cut: Cut, diagram_id: str) -> str:
    """Return who did what last, or took it back."""
    edit = cut["Edit", cut["Diagram", diagram_id].last_edit]
    if edit.is_undone:
        return f"{cut['User', edit.undone_by].name} undoes: {edit.what}"
    return f"{cut['User', cut['EditSession', edit.session].user].name} {edit.what}"


def describe_drawing(cut: Cut) -> str:
    """Return the nodes with their places, and the edges."""
    drawn = []
    for (kind, _), each in cut.items():
        if kind == "Node":
            drawn.append(f"{each.label} ({each.position['x']:g}, {each.position['y']:g})")
        elif kind == "Edge":
            ends = (cut["Node", cut["Port", port].node] for port in (each.source, each.target))
            drawn.append(" -> ".join(node.label for node in ends))
    return ", ".join(drawn)


def main(diagram_id: str = "diagram-1") -> None:
    """Show the drawing after each edit."""
    with Reconstructor() as twins:
        life = twins.timeline(diagram_id, Diagram)
        for change in filter(lambda each: each.new, life.find_field_changes("edits")):
            cut = cut_at(twins, diagram_id, f"event:{change.event.event_id}")
            print(f"{describe_edit(cut, diagram_id):<28} {describe_drawing(cut)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
