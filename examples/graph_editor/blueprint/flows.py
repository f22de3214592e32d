"""What goes on in the editor: workflows, each under a trace of its own."""

from __future__ import annotations

from typing import Final

from clew.twin import Integer, Process, Reference, String
from examples.graph_editor.blueprint.collaboration import Edit, Export, Revision
from examples.graph_editor.blueprint.people import Subscription, User
from examples.graph_editor.blueprint.workspace import Diagram, Extension, Workspace


class Onboarding(Process):
    """From the first click to the first diagram."""

    phases = ["signed_up", "confirmed", "invited", "drew_something"]
    timeout_seconds = 7 * 86_400
    user = Reference(User)


class WorkspaceSetup(Process):
    """A workspace with what its team needs."""

    phases = ["created", "filled", "shared"]
    workspace = Reference(Workspace)


class PlanChange(Process):
    """Another plan for a team."""

    phases = ["asked", "paid", "changed"]
    subscription = Reference(Subscription)


class DiagramImport(Process):
    """A diagram that comes from a file, or from an older version of the editor."""

    phases = ["reading", "drawing", "checking"]
    diagram = Reference(Diagram)
    nodes = Integer(min_value=0)


class Editing(Process):
    """One edit: done here, then known to everybody who has the diagram open."""

    phases = ["applying", "sharing"]
    transitions = {"applying": ["sharing"]}
    timeout_seconds = 5
    edit = Reference(Edit)


class Undoing(Process):
    """An edit that is taken back."""

    phases = ["reverting", "sharing"]
    transitions = {"reverting": ["sharing"]}
    timeout_seconds = 5
    edit = Reference(Edit)


class AutoLayout(Process):
    """Nodes that are put where edges cross least."""

    phases = ["ranking", "placing", "routing"]
    timeout_seconds = 30
    diagram = Reference(Diagram)


class Publication(Process):
    """A revision that others may rely on. A review may send it back."""

    phases = ["proposed", "in_review", "published"]
    transitions = {"proposed": ["in_review"], "in_review": ["proposed", "published"]}
    timeout_seconds = 86_400
    diagram = Reference(Diagram)
    revision = Reference(Revision)


class Rendering(Process):
    """A revision drawn as a file."""

    phases = ["queued", "drawing", "stored"]
    timeout_seconds = 120
    export = Reference(Export)
    renderer = String()


class ExtensionInstallation(Process):
    """Code of others that is fetched, checked and switched on."""

    phases = ["fetching", "checking", "starting"]
    extension = Reference(Extension)


TYPES: Final = (
    Onboarding,
    WorkspaceSetup,
    PlanChange,
    DiagramImport,
    Editing,
    Undoing,
    AutoLayout,
    Publication,
    Rendering,
    ExtensionInstallation,
)
