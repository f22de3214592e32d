"""The blueprint of a graph editor: 21 types of objects and 10 processes, under one registry."""

from __future__ import annotations

from clew.twin import Registry
from examples.graph_editor.blueprint import (
    collaboration,
    drawing,
    earlier,
    flows,
    people,
    workspace,
)

registry = Registry(name="graph-editor", version="2.0.0")
for room in (people, workspace, drawing, collaboration, flows):
    registry.register_all(room.TYPES)

registry.upcaster(earlier.FIRST, drawing.Node)(earlier.read_first_nodes)
