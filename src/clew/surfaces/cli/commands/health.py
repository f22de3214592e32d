"""`clew health`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from clew.answers.remote import AnswerClient
from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import AnswerFlags
from clew.surfaces.cli.session import Session, Sheet
from clew.surfaces.cli.views.health import health_lines

if TYPE_CHECKING:
    from clew.answers.health_documents import Health

_TABLE_QUESTIONS: Final = 10
"""Slow questions of a table on a terminal; JSON has all that are told."""


def health(*, answer: AnswerFlags | None = None) -> ExitCode:
    """Show how the server is: limits, sizes, slow questions, losses."""
    session = Session(answer)
    reply = AnswerClient(session.client.server).get_health()
    found = reply.document()
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
            lambda document, width: health_lines(document, width, questions=_TABLE_QUESTIONS),
            first_of_each,
            longest,
        )
    )


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
