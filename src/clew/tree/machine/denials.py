"""How fast denials are told: whoever is denied chooses how often to ask.

Theory of operation. Watchers and the journal hear of the first denials of a window one by one, of
each caller and of each kind of callers so many. The others are counted, and once the window is over
one entry stands for all those of a caller at an app. So an attack fills neither the outbox nor
telemetry, and can hide nobody's denials but those of its own kind, which are counted all the same.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.tree.machine.happenings import DeniedDocument, tell
from clew.tree.machine.options import SECOND

if TYPE_CHECKING:
    from clew.tree.machine.app import App
    from clew.tree.machine.changes import Happened

WINDOW: Final = 10 * SECOND
"""How long denials are counted before the count is told: a watcher need not know it sooner."""

TOLD_PER_CALLER: Final = 5
"""Denials of one caller told one by one in a window: somebody who tries things out."""

TOLD_PER_KIND: Final = 20
"""And of one kind of callers (apps, keys and so on): an attack by many, each by a name of its own.
With the counts, three kinds write eight entries a second at the very most, a third of a gigabyte in
a day."""

COUNTS_MAX: Final = 8
"""Callers at apps that are counted apart in a window; all others of their kind are counted as
one."""

SEVERAL: Final = "several"
"""The caller of a count that is of more than one."""

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Count:
    """Denials that were not told, and the last of them."""

    app: App
    last: DeniedDocument
    number: int = 0


class Denials:
    """Chooses which denials are told; the audit log has a bound and a count of its own."""

    def __init__(self) -> None:
        self._until = 0
        self._told: Counter[tuple[str, str]] = Counter()
        self._told_by_kind: Counter[str] = Counter()
        self._counts: dict[_Key, _Count] = {}

    def take(self, app: App, document: DeniedDocument, now: int) -> list[Happened]:
        """Take a denial; return the entries that are to be told now, counts among them."""
        entries = self.take_due(now)
        if now >= self._until:
            self._until = now + WINDOW
            self._told.clear()
            self._told_by_kind.clear()
        caller = (document.caller_kind, document.caller)
        if (
            self._told[caller] < TOLD_PER_CALLER
            and self._told_by_kind[document.caller_kind] < TOLD_PER_KIND
        ):
            self._told[caller] += 1
            self._told_by_kind[document.caller_kind] += 1
            entries.append(tell(app, now, "denied", document))
        else:
            self._count(app, document)
        return entries

    def take_due(self, now: int) -> list[Happened]:
        """Return the counts of a window that is over."""
        if now < self._until:
            return []
        counts, self._counts = self._counts, {}
        return [
            tell(each.app, now, "denied", msgspec.structs.replace(each.last, count=each.number))
            for each in counts.values()
        ]

    def next(self) -> int | None:
        """Return when there are counts to tell."""
        return self._until if self._counts else None

    def _count(self, app: App, document: DeniedDocument) -> None:
        key = (document.caller_kind, document.caller, app.app_id)
        if key not in self._counts and len(self._counts) >= COUNTS_MAX:
            key = (document.caller_kind, SEVERAL, "")
            document = msgspec.structs.replace(document, caller=SEVERAL)
        count = self._counts.setdefault(key, _Count(app, document))
        count.app, count.last = app, document
        count.number += 1
