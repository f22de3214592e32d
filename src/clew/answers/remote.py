"""The client of the answers that take more than one strand, asked of another server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clew.answers.documents import CorrelateReport
from clew.answers.health_documents import Health
from clew.remote.pairs import to_pairs
from clew.remote.reply import BASE, Reply

if TYPE_CHECKING:
    from clew.answers.parameters import CorrelateQuery
    from clew.remote.http import Server


class AnswerClient:
    """Asks one server. Every method raises what the server says, as a ClewError."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def correlate(self, query: CorrelateQuery) -> Reply[CorrelateReport]:
        """Return everything that belongs to one trace, each list bounded."""
        return Reply(self.server.get(f"{BASE}/correlate", to_pairs(query)), CorrelateReport)

    def get_health(self) -> Reply[Health]:
        """Return how the server is: limits, sizes, slow questions, losses."""
        return Reply(self.server.get(f"{BASE}/health", []), Health)
