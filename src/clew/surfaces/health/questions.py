"""Questions that were slow or failed: the newest and the slowest, in bounded memory."""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Mapping

NEWEST_MAX: Final = 100
"""As many as a person scrolls through."""

SLOWEST_MAX: Final = 50
"""Whoever looks for what to mend begins at the top."""

ASKED_CHARS_MAX: Final = 2000
"""Of parameters or a statement: what tells one question from another; 150 of them are 300 KB."""

SPANS_MAX: Final = 200
"""Questions that wait to be recorded: what fails in a storm is told by the first of it."""

STATEMENT_KEY: Final = "clew.statement"
"""Where in a request's scope a route puts the statement that came as its body."""

READING: Final = frozenset({"GET", "HEAD", "MCP"})

TOO_MUCH: Final = 429
FAULTS_FROM: Final = 500

_SECRET = re.compile(r"(ticket|token|key|password|secret|signature|authorization)", re.IGNORECASE)

_HIDDEN: Final = "…"


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """One question. `at` is when it came, Unix nanoseconds; `subject` who asked, in one word."""

    at: int
    method: str
    route: str
    asked: str
    subject: str
    duration_ns: int
    status: int

    @property
    def is_read(self) -> bool:
        """Whether something was asked, as against done."""
        return self.method in READING or self.route.endswith("/sql")

    @property
    def has_failed(self) -> bool:
        """Whether it found no answer for a reason of the server, as against one of the asker."""
        return self.status >= FAULTS_FROM or self.status == TOO_MUCH


class SlowQuestions:
    """Keeps what took long or failed. Calls may come from any thread.

    Appending to the containers of Python is atomic, and what is told is a copy.
    """

    def __init__(self, threshold_ms: float) -> None:
        self.threshold_ms = threshold_ms
        self.threshold_s = threshold_ms / 1000
        self.seen = 0
        self.unrecorded = 0
        self._newest: deque[AskedQuestion] = deque(maxlen=NEWEST_MAX)
        self._slowest: list[tuple[int, int, AskedQuestion]] = []
        self._to_record: deque[AskedQuestion] = deque()

    def is_worth_it(self, seconds: float, status: int) -> bool:
        """Whether a question is to be noted: one comparison for nearly every one."""
        return seconds >= self.threshold_s or status >= FAULTS_FROM or status == TOO_MUCH

    def note(self, question: AskedQuestion) -> None:
        """Keep a question that is worth it."""
        self.seen += 1
        self._newest.append(question)
        entry = (question.duration_ns, self.seen, question)
        if len(self._slowest) < SLOWEST_MAX:
            heapq.heappush(self._slowest, entry)
        else:
            heapq.heappushpop(self._slowest, entry)
        if len(self._to_record) < SPANS_MAX:
            self._to_record.append(question)
        else:
            self.unrecorded += 1

    def newest(self) -> list[AskedQuestion]:
        """Return the newest ones, newest first."""
        return list(reversed(self._newest.copy()))

    def slowest(self) -> list[AskedQuestion]:
        """Return the slowest ones, slowest first."""
        return [question for *_, question in sorted(self._slowest.copy(), reverse=True)]

    @property
    def are_waiting(self) -> bool:
        """Whether any was not recorded yet."""
        return bool(self._to_record)

    def take(self) -> list[AskedQuestion]:
        """Take what was not recorded yet, oldest first."""
        taken, self._to_record = self._to_record, deque()
        return list(taken)


def describe_request(
    scope: Mapping[str, Any], *, subject: str, status: int, seconds: float
) -> AskedQuestion:
    """Return what an HTTP request asked, without what only its sender may know."""
    duration = int(seconds * 1e9)
    route = scope.get("route_path_format", "other")
    asked = str(scope.get(STATEMENT_KEY, "")) or hide_secrets(
        scope.get("query_string", b"").decode("latin-1")
    )
    if "{" in route:
        # Which one it was about stands in the address.
        asked = f"{scope.get('path', route)}?{asked}".removesuffix("?")
    return AskedQuestion(
        at=time.time_ns() - duration,
        method=scope.get("method", "GET"),
        route=route,
        asked=shorten(asked),
        subject=subject,
        duration_ns=duration,
        status=status,
    )


def hide_secrets(query: str) -> str:
    """Return a query string for people to read, with the values of secrets left out."""
    pairs = []
    for part in query.split("&"):
        name, sign, value = part.partition("=")
        name = unquote_plus(name)
        shown = _HIDDEN if sign and _SECRET.search(name) else unquote_plus(value)
        pairs.append(f"{name}{sign}{shown}")
    return "&".join(pairs)


def shorten(text: str) -> str:
    """Return a text that is kept, cut where it is longer than it needs to be."""
    return text if len(text) <= ASKED_CHARS_MAX else text[: ASKED_CHARS_MAX - 1] + "…"
