"""The client of analytics: the questions of `Analytics`, asked of another server. Light install."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clew.remote.http import Server


class AnalyticsClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server
