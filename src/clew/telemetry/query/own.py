"""What clew tells of itself, as a store of its own: the same questions, other tables."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from clew.telemetry.tables.own import OWN_BY_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from clew.store.engine.contract import QueryLimits, Scan, Snapshot, UntrustedAnswer
    from clew.telemetry.query.store import Questions, Store


class OwnStore:
    """Implements `clew.telemetry.query.store.Store` over the tables of `clew.telemetry.tables.own`.

    Safe to use from any thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = OwnEngine(store.engine)

    @property
    def engine(self) -> OwnEngine:
        """The engine, whose scans read what is ours."""
        return self._engine

    def snapshot(self) -> Snapshot:
        """Return this moment, with the hot rows of our tables alone."""
        moment = self._store.snapshot()
        hot = {
            name: moment.hot[own.name]
            for asked, own in OWN_BY_NAME.items()
            if own.name in moment.hot
            # The question looks for them by its own name, the engine by ours.
            for name in (asked, own.name)
        }
        return replace(moment, hot=hot)

    def flush(self) -> None:
        """Return once every row acknowledged before the call is in the engine itself."""
        self._store.flush()


class OwnEngine:
    """Implements `clew.telemetry.query.store.Questions`: each scan is of the table of ours."""

    def __init__(self, engine: Questions) -> None:
        self._engine = engine

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`. A table of which there is none of ours has no rows."""
        return self._engine.query(
            sql,
            snapshot=snapshot,
            scans={name: _of_ours(scan) for name, scan in scans.items()},
            parameters=parameters,
            limits=limits,
        )

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        """See `Engine.query_untrusted`. SQL names its tables itself, ours as well."""
        return self._engine.query_untrusted(sql, limits=limits)


def _of_ours(scan: Scan) -> Scan:
    own = OWN_BY_NAME.get(scan.table.name)
    if own is None:
        # The columns stay, for the question to be the same; the engine reads nothing for it.
        return replace(scan, where="0")
    return replace(scan, table=own)
