"""`clew servers`."""

from __future__ import annotations

import msgspec

from clew.remote.answer import Answer
from clew.remote.reply import Reply
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.servers import ServerReport, look_at_servers
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.views.servers import server_lines


def servers(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show who leads, and how the others are."""
    flags = answer or AnswerFlags()
    session = Session(flags)
    report = look_at_servers(session.client.server, flags.api_key)
    # Put together here of what several servers told, but shown and bounded like any other answer.
    found = Answer(msgspec.json.encode(report), {})
    session.show(Listing(Reply(found, ServerReport), "servers", "server", server_lines))
    return ExitCode.OK if report.ok else ExitCode.FAILED
