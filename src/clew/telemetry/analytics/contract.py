"""Analytics, as every surface sees it.

Calls block (the engine does); a surface on an event loop runs them on the query threads that `app`
provides. An answer sees every record acknowledged before the call.
"""

from __future__ import annotations

from typing import Protocol


class Analytics(Protocol):
    """Answers questions about many records at once, each exact over the window it states.

    Every method raises ClewError: INVALID_ARGUMENT for a parameter that does not parse (the hint
    says what would), TIMEOUT and TOO_LARGE at a limit, UNAVAILABLE when the store does not answer.
    """
