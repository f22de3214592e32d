"""Live feeds: what matched since an event id, in the order in which it was acknowledged.

Theory of operation. Frames of the log are numbered in the order of their acknowledgement, and every
row carries the number of its frame. So an event id is a number: everything up to that frame has
been given. Nothing is kept for a client between its questions, and one that comes back after a
restart of the server goes on where it was. A frame that does not fit into a batch is split, in the
order of time and content, and then the id says how many of its matching records were given:
``812.500``.

A client that is far behind is not served the past: it is put to the newest records and told how
many it has missed. The lists hold those.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.contract import Scan
from clew.store.hot import since
from clew.store.table import FRAME
from clew.telemetry import documents as doc
from clew.telemetry.query.content import content_hash
from clew.telemetry.query.logs import log_rows
from clew.telemetry.query.newest import AT, LIMITS
from clew.telemetry.query.traces.spans import span_rows
from clew.telemetry.query.window import read_window, time_condition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.store.engine.contract import Snapshot
    from clew.telemetry.query import parameters as ask
    from clew.telemetry.query.newest import Rows
    from clew.telemetry.query.store import Store

BATCH_MAX: Final = 500
"""Records of one batch: some screens full, and below a megabyte in most cases."""

LAG_MAX: Final = 10_000
"""Matching records that a client may be behind: twenty batches, which a slow connection takes in
seconds. Further behind, nobody watches what happens now."""

NEAR_FRAMES: Final = 100
"""So few frames are read as they are; a client that polls has about as many at a thousand requests
a second."""

_KEY: Final = "content"
_EVENT_ID = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,9}))?", re.ASCII)

Record = TypeVar("Record", doc.Span, doc.LogRecord)


@dataclass(frozen=True, slots=True)
class Batch(Generic[Record]):
    """A `clew.telemetry.query.contract.LiveBatch`, which says what each field means."""

    event_id: str
    records: list[Record]
    dropped: int = 0
    is_behind: bool = False


@dataclass(frozen=True, slots=True)
class _Position:
    """All frames before `frame` are done, and `given` matching records of it."""

    frame: int
    given: int = 0


def live_spans(store: Store, query: ask.SpanQuery, after: str | None, now: int) -> Batch[doc.Span]:
    """Return spans that matched after an event id, in frame order; see `live_logs`."""
    snapshot = store.snapshot()
    return _live(_Feed(store, snapshot, span_rows(store, query), query, now), after)


def live_logs(
    store: Store, query: ask.LogQuery, after: str | None, now: int
) -> Batch[doc.LogRecord]:
    """Return log records that matched after an event id, in frame order.

    None means from now on: the batch is empty and its id is this moment. The filters are those of
    the lists; what shapes a page (`limit`, `next`, `count`) changes nothing.

    Bounds: `BATCH_MAX` records. More than `LAG_MAX` behind, only the newest `BATCH_MAX` are given,
            and `dropped` says how many were left out.
    Raises: ClewError INVALID_ARGUMENT for an id that no feed of this store gave, or a filter that
            does not parse.
    """
    snapshot = store.snapshot()
    return _live(_Feed(store, snapshot, log_rows(store, query), query, now), after)


class _Feed(Generic[Record]):
    """Reads the matching rows of one moment in frame order."""

    def __init__(
        self,
        store: Store,
        snapshot: Snapshot,
        rows: Rows[Record],
        query: ask.SpanQuery | ask.LogQuery,
        now: int,
    ) -> None:
        self._store = store
        self._rows: Rows[Record] = rows
        self._where = (
            f"{time_condition(rows.table, read_window(query, now=now))} AND ({rows.predicate.sql})"
        )
        self.snapshot = snapshot

    def look_since(self, frame: int) -> None:
        """Look at rows of this frame and later alone."""
        self.snapshot = since(self.snapshot, frame)

    @property
    def has_few(self) -> bool:
        """Whether there is so little that a batch takes all of it, as there mostly is."""
        if not self.snapshot.is_hot_alone:
            return False
        hot = self.snapshot.hot.get(self._rows.table.name)
        return hot is None or hot.num_rows <= BATCH_MAX

    def few(self, first: int) -> list[dict[str, Any]]:
        """Return every row of a frame and later.

        None is left for another batch, so rows of one time need no order that lasts: by that alone
        a question costs two thirds. Where there is no row, none is asked for.
        """
        if self._rows.table.name not in self.snapshot.hot:
            return []
        table = self._rows.table
        scan = Scan(
            table,
            (f"toUnixTimestamp64Nano({table.time}) AS {AT}", FRAME, *self._rows.columns),
            f"{FRAME} >= {first} AND {self._where}",
            order_by=f"{FRAME}, {AT}",
        )
        return self._query("@rows", scan)

    def first(self, start: _Position, limit: int) -> list[dict[str, Any]]:
        """Return the first rows from a position on."""
        acked = self.snapshot.acked
        reached = self._nth_frame(start.frame, start.given + limit, "")
        return self._read((start.frame, reached or acked), limit, start.given, "")

    def last(self, start: _Position, limit: int) -> list[dict[str, Any]]:
        """Return the last rows after a position."""
        reached = self._nth_frame(start.frame, limit, " DESC")
        return self._read((reached or start.frame, self.snapshot.acked), limit, 0, " DESC")[::-1]

    def count(self, first: int, last: int) -> int:
        """Return how many rows the frames `first`..`last` have."""
        table = self._rows.table
        scan = Scan(table, (FRAME,), f"{FRAME} BETWEEN {first} AND {last} AND {self._where}")
        return int(self._query("SELECT count() AS rows FROM @rows", scan)[0]["rows"])

    def records(self, rows: Sequence[dict[str, Any]]) -> list[Record]:
        """Return rows as documents."""
        return [self._rows.document(row) for row in rows]

    def _nth_frame(self, first: int, number: int, direction: str) -> int | None:
        """Return the frame of a row by its place, None when there is none or it is near anyway.

        The engine sorts by content what it has read whole, so it must not be given a day of rows.
        """
        if self.snapshot.acked - first < NEAR_FRAMES:
            return None
        order = f"{FRAME}{direction}"
        where = f"{FRAME} >= {first} AND {self._where}"
        rows = self._query(
            f"SELECT {FRAME} FROM @rows ORDER BY {order} LIMIT 1 OFFSET {number - 1}",
            Scan(self._rows.table, (FRAME,), where, order_by=order, limit=number),
        )
        return int(rows[0][FRAME]) if rows else None

    def _read(
        self, frames: tuple[int, int], limit: int, offset: int, direction: str
    ) -> list[dict[str, Any]]:
        table = self._rows.table
        order = ", ".join(f"{key}{direction}" for key in (FRAME, AT, _KEY))
        scan = Scan(
            table,
            (
                f"toUnixTimestamp64Nano({table.time}) AS {AT}",
                FRAME,
                f"{content_hash(table)} AS {_KEY}",
                *self._rows.columns,
            ),
            f"{FRAME} BETWEEN {frames[0]} AND {frames[1]} AND {self._where}",
            order_by=order,
            limit=limit + offset,
        )
        return self._query(
            f"SELECT * FROM @rows ORDER BY {order} LIMIT {limit} OFFSET {offset}", scan
        )

    def _query(self, sql: str, scan: Scan) -> list[dict[str, Any]]:
        answer = self._store.engine.query(
            sql,
            snapshot=self.snapshot,
            scans={"rows": scan},
            parameters=self._rows.predicate.parameters,
            limits=LIMITS,
        )
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows


def _live(feed: _Feed[Record], after: str | None) -> Batch[Record]:
    acked = feed.snapshot.acked
    if after is None:
        return Batch(f"{acked}", [])
    asked = _read_event_id(after, acked)
    if asked.frame > acked:
        return Batch(f"{acked}", [])
    # With other filters than the id was given for, the frame may hold fewer.
    here = feed.count(asked.frame, asked.frame) if asked.given else 0
    start = _Position(asked.frame, min(asked.given, here))
    feed.look_since(start.frame)
    if feed.has_few and not start.given:
        return Batch(f"{acked}", feed.records(feed.few(start.frame)))
    rows = feed.first(start, BATCH_MAX + 1)
    if len(rows) <= BATCH_MAX:
        return Batch(f"{acked}", feed.records(rows))
    lag = feed.count(start.frame, acked) - start.given
    if lag > LAG_MAX:
        return Batch(f"{acked}", feed.records(feed.last(start, BATCH_MAX)), lag - BATCH_MAX)
    shown = rows[:BATCH_MAX]
    return Batch(_event_id(start, shown, rows[BATCH_MAX]), feed.records(shown), is_behind=True)


def _event_id(start: _Position, shown: Sequence[dict[str, Any]], following: dict[str, Any]) -> str:
    frame: int = shown[-1][FRAME]
    if following[FRAME] != frame:
        return f"{frame}"
    given = sum(row[FRAME] == frame for row in shown)
    return f"{frame}.{given + (start.given if frame == start.frame else 0)}"


def _read_event_id(text: str, acked: int) -> _Position:
    match = _EVENT_ID.fullmatch(text)
    if match is None:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"not an event id: {text[:40]!r}",
            hint="give the id of the last event as the feed gave it, or none to begin now",
        )
    frame, given = int(match[1]), match[2]
    if frame > acked:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"event id {text[:40]} lies in the future: the newest is {acked}",
            hint="it may be of another server's feed; leave it out to begin now",
        )
    return _Position(frame + 1) if given is None else _Position(frame, int(given))
