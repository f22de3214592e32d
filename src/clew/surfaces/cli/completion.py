"""Shell completion: the script, where it goes, and names that the server knows."""

from __future__ import annotations

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

from clew.base.errors import ClewError, ErrorCode
from clew.remote.address import DEFAULT_SERVER
from clew.remote.http import Server
from clew.surfaces.cli.errors import ExitCode
from clew.telemetry.query.parameters import AttributeQuery, ServiceQuery
from clew.telemetry.remote import TelemetryClient

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cyclopts import App

    from clew.twin.documents import ObjectSummary

# A person waits between two key strokes; an answer that takes longer is of no use.
COMPLETION_S_MAX: Final = 0.5

NAMES_MAX: Final = 200


def install_completion(
    app: App, shell: Literal["bash", "zsh", "fish"] | None, output: Path | None
) -> ExitCode:
    """Write the completion script of a shell, and have the shell load it.

    Raises:
        ClewError: INVALID_ARGUMENT when the shell cannot be told, FORBIDDEN when the file cannot be
            written.
    """
    from cyclopts.completion.detect import ShellDetectionError, detect_shell

    try:
        chosen = shell or detect_shell()
        path = app.install_completion(shell=chosen, output=output, add_to_startup=output is None)
    except ShellDetectionError as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            "cannot tell which shell this is",
            hint="clew --install-completion --shell bash",
        ) from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ClewError(ErrorCode.FORBIDDEN, f"cannot write {error.filename}: {reason}") from error
    sys.stdout.write(f"completion for {chosen} is in {path}\n")
    if output is None:
        sys.stdout.write("start a new shell to use it\n")
    return ExitCode.OK


def complete_services(context: Any) -> list[str]:
    """Return the names of services that the server knows."""
    client = _client(context)
    found = client.list_services(ServiceQuery(limit=NAMES_MAX)).document()
    return [service.name for service in found.services]


def complete_attributes(context: Any) -> list[str]:
    """Return the keys of attributes that the server knows."""
    client = _client(context)
    found = client.list_attributes(AttributeQuery(limit=NAMES_MAX)).document()
    return sorted({key.key for key in found.attributes})


def complete_apps(context: Any) -> list[str]:
    """Return the names of apps that live, and the ids of those whose name several have."""
    from clew.tree.machine.app import LIVE
    from clew.tree.parameters import AppQuery
    from clew.tree.remote import TreeClient

    query = AppQuery(status=sorted(LIVE), limit=NAMES_MAX)  # type: ignore[arg-type]
    found = TreeClient(_client(context).server).find_apps(query).document().apps
    names = Counter(app.app_name for app in found)
    return [app.app_name if names[app.app_name] == 1 else app.app_id for app in found]


def complete_teams(context: Any) -> list[str]:
    """Return the names of the teams that one belongs to."""
    from clew.team.remote import TeamClient

    return [each.name for each in TeamClient(_client(context).server).teams().document().teams]


def complete_types(context: Any) -> list[str]:
    """Return the types of the objects that changed last."""
    return sorted({each.type for each in _objects(context)})


def complete_objects(context: Any) -> list[str]:
    """Return the ids of the objects that changed last, of the type that was given."""
    return [each.id for each in _objects(context, obj_type=_given(context, "obj_type"))]


def complete_fields(context: Any) -> list[str]:
    """Return the names of the fields that the object that was given has now."""
    obj_type, obj_id = _given(context, "obj_type"), _given(context, "obj_id")
    found = _objects(context, obj_type=obj_type, obj_id=obj_id)
    return sorted({name for each in found for name in each.state})


def _objects(
    context: Any, *, obj_type: str | None = None, obj_id: str | None = None
) -> Sequence[ObjectSummary]:
    from clew.twin.parameters import ObjectQuery
    from clew.twin.remote import TwinClient

    query = ObjectQuery(type=obj_type, id=obj_id, deleted=True, limit=NAMES_MAX)
    return TwinClient(_client(context).server).find_objects(query).document().objects


def _given(context: Any, name: str) -> str | None:
    """Return what was typed for another argument already."""
    argument = context.get(name)
    return None if argument is None else argument.raw


def _client(context: Any) -> TelemetryClient:
    given = context.get("server")
    named = given.raw if given is not None else None
    url = named or os.environ.get("CLEW_SERVER") or DEFAULT_SERVER
    api_key = os.environ.get("CLEW_API_KEY")
    # Whoever types has not looked at anything yet.
    server = Server(url, api_key=api_key, session="off", read_timeout_s=COMPLETION_S_MAX)
    return TelemetryClient(server)
