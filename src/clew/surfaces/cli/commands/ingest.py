"""`clew ingest`."""

from __future__ import annotations

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.session import Listing, Session
from clew.surfaces.cli.views.ingest import ingest_lines


def ingest(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show how the way in is doing."""
    session = Session(answer)
    reply = session.client.get_ingest_status()
    return session.show(Listing(reply, "signals", "signal", ingest_lines))
