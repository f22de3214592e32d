"""Regular expressions, judged by the engine that will run them (RE2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Snapshot
from clew.telemetry.query.newest import LIMITS

if TYPE_CHECKING:
    from clew.telemetry.query.store import Store

# RE2 runs in linear time, but compiles what it is given: this is far more than anyone types.
REGEX_CHARS_MAX: Final = 1024

_REASON = re.compile(r"error: (.{1,80}?)\. ")
_NO_ROWS: Final = Snapshot(flushed=0, acked=0)


class RegexJudge:
    """Tells what a pattern does before a query depends on it. Remembers, for one question."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine
        self._known: dict[str, bool] = {}

    def matches_empty(self, pattern: str) -> bool:
        """Say whether a pattern matches the empty text.

        Raises:
            ClewError: INVALID_ARGUMENT for a pattern that RE2 does not take.
        """
        if pattern not in self._known:
            self._known[pattern] = self._ask(pattern)
        return self._known[pattern]

    def _ask(self, pattern: str) -> bool:
        if len(pattern) > REGEX_CHARS_MAX:
            raise _refusal(pattern, f"longer than {REGEX_CHARS_MAX} characters")
        try:
            answer = self._engine.query(
                "SELECT match('', {pattern:String}) AS is_match",
                snapshot=_NO_ROWS,
                scans={},
                parameters={"pattern": pattern},
                limits=LIMITS,
            )
        except ClewError as error:
            # The engine names a pattern that does not compile either way.
            if error.code in {ErrorCode.INVALID_ARGUMENT, ErrorCode.INTERNAL}:
                reason = _REASON.search(error.message)
                raise _refusal(pattern, reason[1] if reason else "RE2 refuses it") from error
            raise
        return bool(answer.column("is_match")[0].as_py())


def _refusal(pattern: str, reason: str) -> ClewError:
    shown = pattern if len(pattern) <= 80 else f"{pattern[:80]}…"
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"not a regular expression: {shown!r} ({reason})",
        hint="the syntax is RE2's: no look-around and no back-references",
    )
