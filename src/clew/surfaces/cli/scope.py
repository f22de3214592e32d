"""Telemetry of one app of the tree, or of everything below it: `--app` and `--subtree`.

Every process that joins the tree carries its id and its path as resource attributes
(`trails.app.id`, `trails.app.path`), and so does what the tree itself records of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import msgspec
from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.cli.completion import complete_apps
from clew.surfaces.cli.flags import FILTERS, Switch
from clew.surfaces.cli.naming import find_app
from clew.telemetry.query.parameters import LogQuery, SpanQuery
from clew.tree.parameters import AppQuery
from clew.tree.remote import TreeClient

if TYPE_CHECKING:
    from clew.remote.http import Server

APP_ID: Final = "trails.app.id"
APP_PATH: Final = "trails.app.path"

IDS_MAX: Final = 50
"""Apps of a subtree that are named one by one: an expression holds so many ids with room for the
rest."""

Query = TypeVar("Query", SpanQuery, LogQuery)


@Parameter(name="*", group=FILTERS)
@dataclass(frozen=True, kw_only=True)
class ScopeFlags:
    """Which app of the tree the telemetry is of."""

    app: Annotated[str | None, Parameter(completer=complete_apps)] = None
    """Only of this app of the tree: its id, the beginning or end of it, or its name."""

    subtree: Switch = False
    """With --app: of everything below it as well."""


def scoped(query: Query, flags: ScopeFlags | None, server: Server) -> Query:
    """Return a question that is asked of the telemetry of an app, or of its subtree.

    Raises:
        ClewError: INVALID_ARGUMENT, NOT_FOUND for an app that is none.
    """
    if flags is None or (flags.app is None and not flags.subtree):
        return query
    if flags.app is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, "--subtree of what?", hint="add --app with its top"
        )
    client = TreeClient(server)
    app_id = find_app(client, flags.app)
    if not flags.subtree:
        attributes = [*query.attribute, f"resource.{APP_ID}={app_id}"]
        return msgspec.structs.replace(query, attribute=attributes)
    found = client.find_apps(AppQuery(within=app_id, limit=IDS_MAX)).document()
    ids = ", ".join(f'"{each.app_id}"' for each in found.apps)
    # Ids are found by the index; only a subtree that is too large to be named is found by its path.
    below = f'resource."{APP_ID}" IN ({ids})'
    if found.truncated:
        below = f'{below} OR resource."{APP_PATH}" ~= "/{app_id}/"'
    mine = f"({below})" if query.q is None else f"({query.q}) AND ({below})"
    return msgspec.structs.replace(query, q=mine)
