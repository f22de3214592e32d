"""`clew logs`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec
from cyclopts import Parameter

from clew.surfaces.cli.errors import ExitCode
from clew.surfaces.cli.flags import FILTERS, AnswerFlags, LogFlags, to_query
from clew.surfaces.cli.scope import ScopeFlags, scoped
from clew.surfaces.cli.session import Listing, Session, paged
from clew.surfaces.cli.suggest import explain_nothing
from clew.surfaces.cli.views.logs import log_legend, log_table
from clew.telemetry.query.parameters import LIMIT_DEFAULT, LogQuery

Follow = Annotated[
    bool,
    Parameter(
        name=("--follow", "-f"),
        negative=(),
        show_default=False,
        group=FILTERS,
        help="Show records as they come in, until Ctrl-C.",
    ),
]


def logs(
    *,
    flags: LogFlags | None = None,
    scope: ScopeFlags | None = None,
    follow: Follow = False,
    answer: AnswerFlags | None = None,
) -> ExitCode:
    """Find log records."""
    session = Session(answer)
    query = scoped(to_query(flags, LogQuery), scope, session.client.server)
    if follow:
        from clew.surfaces.cli.live import Feed, watch

        limit = flags.limit if flags else None
        # A feed has no pages: the limit ends it instead.
        endless = LogQuery(**(msgspec.structs.asdict(query) | {"limit": LIMIT_DEFAULT}))
        return watch([Feed("logs", endless)], answer, tagged=False, limit=limit)
    find = paged(session.client.find_logs, query)
    table = partial(log_table, text=query.text)
    listing = Listing(find(), "logs", "log record", table, find, legend=log_legend)
    return session.show(listing, lambda: explain_nothing(session.client, "logs", flags))
