"""`clew health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.answers.remote import AnswerClient
from clew.base.errors import ClewError
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.servers import look_at_servers
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.views.health import health_lines

if TYPE_CHECKING:
    from clew.answers.health_documents import Health
    from clew.remote.http import Server
    from clew.surfaces.cli.servers import ServerReport

_TABLE_QUESTIONS: Final = 10
"""Slow questions of a table on a terminal; JSON has all that are told."""


def health(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show how the server is: limits, sizes, slow questions, losses, and the servers beside it."""
    flags = answer or AnswerFlags()
    session = Session(flags)
    server = session.client.server
    reply = AnswerClient(server).get_health()
    found = reply.document()
    # The document is of this server; whoever reads a table is told how those beside it are as well.
    servers = _look_at_others(server, flags.api_key) if session.format == "table" else None
    longest = max(
        len(found.limits),
        len(found.losses),
        len(found.storage.tables),
        len(found.questions.newest),
        len(found.questions.slowest),
    )
    return session.show_sheet(
        Sheet(
            reply,
            lambda document, width: health_lines(
                document, width, questions=_TABLE_QUESTIONS, servers=servers
            ),
            first_of_each,
            longest,
        )
    )


def _look_at_others(server: Server, api_key: str | None) -> ServerReport | ClewError | None:
    """Return how the servers of the group are, or the shards; None of a server that is alone."""
    try:
        report = look_at_servers(server, api_key)
    except ClewError as error:
        return error
    return None if report.kind == "alone" else report


def first_of_each(found: Health, kept: int) -> Health:
    """Return the document with so many items of each list."""
    replace = msgspec.structs.replace
    questions, storage = found.questions, found.storage
    return replace(
        found,
        limits=found.limits[:kept],
        losses=found.losses[:kept],
        questions=replace(
            questions, newest=questions.newest[:kept], slowest=questions.slowest[:kept]
        ),
        storage=replace(storage, tables=storage.tables[:kept], signals=storage.signals[:kept]),
    )
