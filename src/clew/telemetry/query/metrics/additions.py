"""What the points of series that only add up have added, bucket by bucket.

Theory of operation. A cumulative point counts since its stream began, so what it says of a bucket
is the difference to the point before it in its series, or all of it where the stream began anew.
The engine puts the points of each series in order, looks from each at the one before, and adds up
what they added by bucket and labels.

Over shards a series may have points in several of them, and in each some are stored and some hot:
each such *side* adds up by itself what its points added to the points before them there, and sends
for each series its first point and its last. Where the sides of a series follow one another in
time, that is all there is to know: the first point of a side adds to the last one of the side
before. Where they lie in one another (*torn*: late points, points spread over shards), only the
points themselves can tell, so those series are asked for again, point by point. What comes out is
in every case what all points at one place say.
"""

# ruff: noqa: S608 - values are bound; the rest is our own text

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clew.store.engine.contract import Scan
from clew.telemetry.query.metrics.points import SERIES
from clew.telemetry.query.newest import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.base.times import TimeRange
    from clew.store.engine.contract import Snapshot
    from clew.store.engine.groups import Aggregate
    from clew.store.table import Table
    from clew.telemetry.query.store import Store

TORN_MAX: Final = 50_000
"""Series that are named to shards, in a megabyte; where more are torn, all points are asked for."""

IS_DELTA: Final = "AggregationTemporality = 1"
"""The condition of points that each say what was added by themselves."""


_POINT: Final = {
    "at": "toUnixTimestamp64Nano(TimeUnix)",
    "started": "toUnixTimestamp64Nano(StartTimeUnix)",
    "delta": IS_DELTA,
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of points that add up.

    `point` has the columns of a point by name, but for its time (``at``), when its stream began
    (``started``) and whether it is one by itself (``delta``). `order` are those that put points of
    one time in order, `earlier` those that are looked at of the point before, under names with
    ``_before``.

    `is_anew` is the condition that a stream began anew between two points that say the same start,
    and `added` are further expressions by name, over all these, over ``is_whole``, which says that
    all of a point is added, and ``is_known``, which is not so of a first point as below.
    `figures` add up `added` among points that have the same `forms`.

    The first point of a series whose stream began before the range adds nothing that is known. With
    `has_unknown` it is added up all the same.
    """

    table: Table
    point: Mapping[str, str]
    order: tuple[str, ...]
    earlier: tuple[str, ...]
    is_anew: str
    added: Mapping[str, str]
    figures: tuple[Aggregate, ...]
    forms: tuple[str, ...] = ()
    has_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Which points, from when on, in which buckets, and by which labels.

    `where` is of points in `window`, which begins before the first bucket, so that the first points
    of that have one to differ from. `bucket` gives the number of the bucket of a time ``at``, which
    is `start` or later. `labels` are expressions by the names that they have.
    """

    where: str
    window: TimeRange
    start: int
    bucket: str
    labels: Mapping[str, str]
    parameters: Mapping[str, object]


def read_added(store: Store, snapshot: Snapshot, kind: Kind, asked: Asked) -> list[dict[str, Any]]:
    """Return the figures of each ``bucket``, its labels and forms, by their names.

    Raises:
        ClewError: TOO_LARGE when the points are more than can be put in order.
    """
    adding = _Adding(store, snapshot, kind, asked)
    return adding.read_here() if snapshot.frames is None else adding.read_over_shards()


class _Adding:
    """The statements that one question comes to."""

    def __init__(self, store: Store, snapshot: Snapshot, kind: Kind, asked: Asked) -> None:
        self._store = store
        self._snapshot = snapshot
        self._kind = kind
        self._asked = asked
        self._keys = ("bucket", *asked.labels, *kind.forms)
        self._point = {**_POINT, **kind.point}
        self._points = (
            *(f"{expression} AS {name}" for name, expression in self._point.items()),
            f"{SERIES} AS series",
            *(f"{expression} AS {name}" for name, expression in asked.labels.items()),
        )

    def read_here(self) -> list[dict[str, Any]]:
        """Add up points that are all here."""
        added = ", ".join(self._added(self._is_counted))
        figures = ", ".join((*self._keys, *(each.whole for each in self._kind.figures)))
        scans = {"points": Scan(self._kind.table, self._points, self._asked.where)}
        return self._query(
            f"SELECT {figures} FROM (SELECT *, {added} FROM @points)"
            f" WHERE bucket >= 0 GROUP BY {', '.join(self._keys)}",
            scans,
        )

    def read_over_shards(self) -> list[dict[str, Any]]:
        """Add up what sides added up, and what lies between them."""
        # Mostly no series is torn, and one question to the shards is all.
        rows = self._query(
            self._of_sides("", f"if(rowNumberInAllBlocks() = 0, ({_TORN}), []) AS torn"),
            self._sides("1"),
        )
        torn = [series for row in rows for series in row["torn"]]
        if torn:
            rows = self._read_torn(torn)
        return [row for row in rows if row["bucket"] >= 0]

    def _read_torn(self, torn: list[int]) -> list[dict[str, Any]]:
        is_named = len(torn) <= TORN_MAX
        is_torn = f"NOT {IS_DELTA}"
        if is_named:
            is_torn += f" AND {SERIES} IN {{torn:Array(UInt64)}}"
        scan = Scan(self._kind.table, self._points, f"{self._asked.where} AND {is_torn}")
        columns = ", ".join((*self._point, "series", *self._asked.labels))
        return self._query(
            self._of_sides(f" UNION ALL SELECT {columns}, 1 AS here FROM @torn", ""),
            {**self._sides(f"NOT ({is_torn})"), "torn": scan},
            {"torn": torn} if is_named else {},
        )

    def _sides(self, condition: str) -> dict[str, Scan]:
        """Return what sides are asked for: what they added up, and their ends of each series."""
        kind, labels = self._kind, self._asked.labels
        where = f"{self._asked.where} AND {condition}"
        # The first point of a side is added to what another side has before it.
        is_counted = f"at >= {self._asked.start} AND (delta OR number > 1)"
        states = tuple(each.state for each in kind.figures)
        point = f"({', '.join(self._point)})"
        return {
            "sums": Scan(
                kind.table,
                (*self._keys, *states),
                where,
                group_by=self._keys,
                rows=(*self._points, *self._added(is_counted)),
            ),
            "ends": Scan(
                kind.table,
                (
                    "series",
                    *labels,
                    f"argMin({point}, {self._place}) AS first",
                    f"argMax({point}, {self._place}) AS last",
                ),
                # A delta point asks for none before it.
                f"{where} AND NOT {IS_DELTA}",
                group_by=("series", *labels),
                rows=self._points,
            ),
        }

    def _of_sides(self, more_points: str, more_columns: str) -> str:
        """Return the statement over `_sides`, and over points with ``here`` that came besides."""
        kind, keys = self._kind, ", ".join(self._keys)
        names = ", ".join(
            f"tupleElement(tupleElement(end, 1), {place}) AS {name}"
            for place, name in enumerate(self._point, 1)
        )
        more = ", ".join(("series", *self._asked.labels))
        points = (
            f"SELECT {names}, {more}, tupleElement(end, 2) AS here FROM ("
            f"SELECT {more}, arrayJoin([(first, 1), (last, 0)]) AS end FROM @ends){more_points}"
        )
        added = ", ".join(self._added(f"here = 1 AND {self._is_counted}", last="here DESC"))
        states = ", ".join(each.state for each in kind.figures)
        merged = ", ".join((keys, *(each.merged for each in kind.figures)))
        return (
            f"SELECT {merged}{', ' if more_columns else ''}{more_columns} FROM ("
            f"SELECT * FROM @sums UNION ALL SELECT {keys}, {states}"
            f" FROM (SELECT *, {added} FROM ({points})) WHERE bucket >= 0 GROUP BY {keys}"
            f") GROUP BY {keys}"
        )

    @property
    def _is_counted(self) -> str:
        known = "" if self._kind.has_unknown else " AND is_known"
        return f"at >= {self._asked.start}{known}"

    @property
    def _place(self) -> str:
        return f"(at, started, {', '.join(self._kind.order)})"

    def _added(self, is_counted: str, *, last: str = "") -> tuple[str, ...]:
        """Return the columns that a point has besides its own, by the one before it."""
        kind = self._kind
        order = ", ".join(each for each in ("at", "started", *kind.order, last) if each)
        over = (
            f"OVER (PARTITION BY series, delta ORDER BY {order}"
            " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        )
        began = self._asked.window.start or 0
        return (
            f"row_number() {over} AS number",
            *(f"lagInFrame({name}) {over} AS {name}_before" for name in ("started", *kind.earlier)),
            f"delta OR number > 1 OR started > {began} AS is_known",
            f"delta OR number = 1 OR started != started_before OR {kind.is_anew} AS is_whole",
            *(f"{expression} AS {name}" for name, expression in kind.added.items()),
            f"if({is_counted}, {self._asked.bucket}, -1) AS bucket",
        )

    def _query(
        self, sql: str, scans: dict[str, Scan], more: Mapping[str, object] | None = None
    ) -> list[dict[str, Any]]:
        answer = self._store.engine.query(
            sql,
            snapshot=self._snapshot,
            scans=scans,
            parameters={**self._asked.parameters, **(more or {})},
            limits=LIMITS,
        )
        rows: list[dict[str, Any]] = answer.to_pylist()
        return rows


# Series of which a side begins before another one has ended.
_TORN: Final = (
    "SELECT groupUniqArray(series) FROM (SELECT series, tupleElement(first, 1) AS begins,"
    " row_number() OVER sides AS number, lagInFrame(tupleElement(last, 1)) OVER sides AS ended"
    " FROM @ends WINDOW sides AS (PARTITION BY series"
    " ORDER BY tupleElement(first, 1), tupleElement(last, 1)"
    " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)) WHERE number > 1 AND begins <= ended"
)
