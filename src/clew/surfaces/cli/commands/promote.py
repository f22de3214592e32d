"""`clew promote`: have a standby lead, by hand."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.reply import Reply
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags, Switch
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.views.group import group_lines
from clew.telemetry.group import GroupStatus, PromotionAsked

if TYPE_CHECKING:
    from clew.remote.http import Server

CLUSTER_PATH: Final = "/internal/cluster"
PROMOTE_PATH: Final = "/internal/promote"

SETTLE_SECONDS_MAX: Final = 60.0
"""How long a change of role may take before it is told as failed: it closes a store and opens it
again, some seconds with a full log."""

ASK_SECONDS: Final = 0.2
"""Between two looks whether it leads."""


def promote(*, force: Switch = False, answer: AnswerFlags | None = None) -> ExitCode:
    """Have a standby lead.

    Args:
        force: Lead although acknowledged records may be missing here; those are lost then.
        answer: How the answer is written.
    """
    session = Session(answer)
    server = session.client.server
    body = msgspec.json.encode(PromotionAsked(force=force))
    server.post(PROMOTE_PATH, body, "application/json")
    reply = _wait_leading(server)
    return session.show_sheet(Sheet(reply, group_lines, lambda document, _kept: document, 1))


def _wait_leading(server: Server) -> Reply[GroupStatus]:
    """Return where the server stands once it leads.

    Raises:
        ClewError: it does not; the message says why, as far as the server knows.
    """
    detail = "it does not answer"
    pause = threading.Event()
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    while time.monotonic() < deadline:
        pause.wait(ASK_SECONDS)
        try:
            reply = Reply(server.get(CLUSTER_PATH), GroupStatus)
        except ClewError as error:
            if error.code not in (ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT):
                raise
            # Its doors are shut while its role changes.
            continue
        status = reply.document()
        if status.is_leader:
            return reply
        if status.detail is not None:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"the server does not lead: {status.detail}",
                hint="do what it says and promote again",
            )
    raise ClewError(
        ErrorCode.TIMEOUT,
        f"the server does not lead after {SETTLE_SECONDS_MAX:g} s: {detail}",
        hint="look at its log, and ask it again: GET /internal/cluster",
    )
