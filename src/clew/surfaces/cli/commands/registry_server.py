"""`clew registry push`, `list` and `show`: the registries of a server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from clew.base.errors import ClewError, ErrorCode
from clew.remote.answer import Answer
from clew.remote.reply import Reply
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.registry_source import read_content, read_registry
from clew.surfaces.cli.session import Listing, Session, Sheet
from clew.surfaces.cli.views.registry import (
    first_types,
    registry_lines,
    stored_lines,
    version_legend,
    version_table,
)
from clew.twin.remote import TwinClient
from clew.twin.schema.codec import CHECKSUM_CHARS, RegistryFile

_CHECKSUM = re.compile(f"[0-9a-f]{{{CHECKSUM_CHARS}}}")


def push(
    file: Annotated[Path, Parameter(help="What `clew registry export` wrote.")],
    /,
    *,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Give the server a registry."""
    session = Session(answer)
    # What is wrong with a file is told by its name, and before anything is sent.
    read_registry(file)
    reply = TwinClient(session.client.server).put_registry(read_content(file))
    return session.show_sheet(Sheet(reply, stored_lines, lambda document, _: document, 0))


def list_(*, answer: AnswerFlags | None = None) -> ExitCode:
    """List the registries that the server was given."""
    session = Session(answer)
    reply = TwinClient(session.client.server).list_registries()
    listing = Listing(reply, "registries", "registry", version_table, legend=version_legend)
    return session.show(listing, _no_registry)


def show(
    registry: Annotated[
        str | None, Parameter(help="Its name, or the checksum of a version. [default: the newest]")
    ] = None,
    /,
    *,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Show a registry of the server's."""
    session = Session(answer)
    client = TwinClient(session.client.server)
    if registry is not None and _CHECKSUM.fullmatch(registry):
        body = client.get_registry(registry)
    else:
        body = client.find_current_registry(registry)
    reply = Reply(Answer(body, {}), RegistryFile)
    document = reply.document()
    types = len(document.objects) + len(document.processes)
    return session.show_sheet(Sheet(reply, registry_lines, first_types, types))


def _no_registry() -> ClewError:
    return ClewError(
        ErrorCode.NOT_FOUND,
        "the server was given no registry",
        hint="clew registry export --module app.schema -o r.json; clew registry push r.json",
    )
