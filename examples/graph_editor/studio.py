"""Where the drawing goes on: a team of two, what it pays for, and its workspace."""

from __future__ import annotations

from typing import Final

from clew.twin import TriLogLogger, tracked
from examples.graph_editor.blueprint.flows import (
    ExtensionInstallation,
    Onboarding,
    PlanChange,
    WorkspaceSetup,
)
from examples.graph_editor.blueprint.people import Membership, Subscription, Team, User
from examples.graph_editor.blueprint.workspace import Asset, Extension, NodeTemplate, Workspace
from examples.graph_editor.running import running

logger = TriLogLogger(__name__)

ADA: Final = User("ada", name="Ada", email="ada@example.org")
BEN: Final = User("ben", name="Ben", email="ben@example.org")


def set_up_studio() -> Workspace:
    """Make a team with its workspace."""
    team = Team("studio", name="Studio", owner=ADA)
    logger.created(team)
    subscription = Subscription("studio", team=team)
    logger.created(subscription)
    for user in (ADA, BEN):
        take_in(user, team, subscription)
    change_plan(subscription, "studio")
    return set_up_workspace(team)


def take_in(user: User, team: Team, subscription: Subscription) -> None:
    """Make a user a member of a team."""
    with running(Onboarding, user=user) as flow:
        flow.record_step("signed_up")
        logger.created(user)
        flow.record_step("confirmed")
        logger.created(Membership(f"{team.id}.{user.id}", user=user, team=team))
        with tracked(subscription):
            subscription.seats_taken += 1
        flow.record_step("invited")


def change_plan(subscription: Subscription, plan: str) -> None:
    """Let a team have another plan."""
    with running(PlanChange, subscription=subscription) as flow, tracked(subscription):
        flow.record_step("asked")
        flow.record_step("paid")
        subscription.plan = plan
        flow.record_step("changed")


def set_up_workspace(team: Team) -> Workspace:
    """Make a workspace with what its diagrams are made of."""
    workspace = Workspace("plans", name="Plans", team=team)
    with running(WorkspaceSetup, workspace=workspace) as flow:
        flow.record_step("created")
        logger.created(workspace)
        install(Extension("snap", name="Snap to grid", release="1.4.0"), workspace)
        logger.created(NodeTemplate("box", kind="box", ports=["left", "right"]))
        logger.created(Asset("logo", name="logo.svg", media_type="image/svg+xml", size_bytes=812))
        flow.record_step("filled")
        flow.record_step("shared")
    return workspace


def install(extension: Extension, workspace: Workspace) -> None:
    """Switch an extension on."""
    logger.created(extension)
    with running(ExtensionInstallation, extension=extension) as flow, tracked(extension):
        flow.record_step("fetching")
        flow.record_step("checking")
        extension.status = "on"
        flow.record_step("starting")
    with tracked(workspace):
        workspace.extensions.append(extension.id)
