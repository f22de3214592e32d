"""Two users draw on one diagram that version 1 of the editor began, and publish it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import clew
from clew.twin import Reconstructor, TriLogLogger, tracked
from examples.graph_editor.blueprint.collaboration import Comment, Export, Revision
from examples.graph_editor.blueprint.drawing import Node
from examples.graph_editor.blueprint.earlier import FIRST
from examples.graph_editor.blueprint.flows import DiagramImport, Publication, Rendering
from examples.graph_editor.blueprint.workspace import Diagram, Page
from examples.graph_editor.canvas import Canvas
from examples.graph_editor.editor import Editor
from examples.graph_editor.running import running
from examples.graph_editor.studio import ADA, BEN, set_up_studio

if TYPE_CHECKING:
    from examples.graph_editor.blueprint.people import User
    from examples.graph_editor.blueprint.workspace import Workspace

logger = TriLogLogger(__name__)


def draw_as_version_1_did(node_id: str) -> None:
    """Tell of a node in the words of version 1, as the store has had it for years."""
    first_node = FIRST.get_object("Node")
    if first_node is not None:
        logger.created(first_node(node_id, title="API", at="40,20"))


def open_diagram(diagram_id: str, workspace: Workspace) -> Canvas:
    """Open a diagram with one node that version 1 drew."""
    page = Page(f"{diagram_id}.page-1")
    diagram = Diagram(diagram_id, title="How it fits", workspace=workspace, pages=[page])
    canvas = Canvas(diagram, page)
    node_id = canvas.new_id("node")
    draw_as_version_1_did(node_id)
    with running(DiagramImport, diagram=diagram, nodes=1) as flow, Reconstructor() as twins:
        flow.record_step("reading")
        # The twin is asked for the node: it comes as one of today, read by the upcaster.
        api = twins.reconstruct(node_id, obj_type=Node).twin
        flow.record_step("drawing")
        logger.created(page)
        logger.created(diagram)
        with tracked(api):
            canvas.make_ports(api)
        canvas.show_node(api)
        flow.record_step("checking")
    return canvas


def draw_together(canvas: Canvas) -> None:
    """Let Ada and Ben draw, and take back what they did."""
    ada, ben = Editor(canvas, ADA), Editor(canvas, BEN)
    (api,) = canvas.nodes.values()
    queue = ada.add_node("Queue", 240, 20)
    ada.connect(api, queue)
    ben.move(queue, 240, 120)
    ada.remove(api)
    comment = Comment(canvas.new_id("comment"), author=BEN, about=queue, text="Who fills it now?")
    logger.created(comment)
    ada.undo()
    ben.undo()
    with tracked(comment):
        comment.is_resolved = True
    for editor in (ada, ben):
        editor.close()


def publish(canvas: Canvas, by: User) -> Revision:
    """Publish a diagram as it is."""
    diagram = canvas.diagram
    revision = Revision(
        f"{diagram.id}.revision-1",
        diagram=diagram,
        last_edit=diagram.last_edit,
        published_by=by,
        nodes=[each.label for each in canvas.nodes.values()],
    )
    with running(Publication, diagram=diagram, revision=revision) as flow, tracked(diagram):
        flow.record_step("proposed")
        flow.record_step("in_review")
        logger.created(revision)
        diagram.status = "published"
        flow.record_step("published")
    return revision


def render(revision: Revision) -> None:
    """Draw a revision as a file."""
    export = Export(f"{revision.id}.svg", revision=revision, media_type="image/svg+xml")
    logger.created(export)
    with running(Rendering, export=export, renderer="cairo") as flow, tracked(export):
        flow.record_step("queued")
        flow.record_step("drawing")
        export.status = "ready"
        flow.record_step("stored")


def main(diagram_id: str = "diagram-1") -> None:
    """Let a diagram be drawn and published."""
    run = clew.init("graph-editor")
    canvas = open_diagram(diagram_id, set_up_studio())
    draw_together(canvas)
    render(publish(canvas, by=BEN))
    run.shutdown()
    print(f"{canvas.diagram.edits} edits of {diagram_id}, which is {canvas.diagram.status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
