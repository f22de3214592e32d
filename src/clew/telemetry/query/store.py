"""What the query side needs of a store, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from clew.store.engine.contract import QueryLimits, Scan, Snapshot, UntrustedAnswer


class Questions(Protocol):
    """The part of an engine that answers. `clew.store.engine.contract.Engine` says how."""

    def query(
        self,
        sql: str,
        *,
        snapshot: Snapshot,
        scans: Mapping[str, Scan],
        parameters: Mapping[str, object] | None = None,
        limits: QueryLimits | None = None,
    ) -> pa.Table:
        """See `Engine.query`."""
        ...

    def query_untrusted(self, sql: str, *, limits: QueryLimits) -> UntrustedAnswer:
        """See `Engine.query_untrusted`."""
        ...


class Store(Protocol):
    """An engine and the moments at which it may be read. Safe to use from any thread."""

    @property
    def engine(self) -> Questions:
        """The engine that holds the flushed rows."""
        ...

    def snapshot(self) -> Snapshot:
        """Return this moment: it holds every row acknowledged before the call."""
        ...

    def flush(self) -> None:
        """Return once every row acknowledged before the call is in the engine itself."""
        ...
