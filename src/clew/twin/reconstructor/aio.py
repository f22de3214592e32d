"""`AsyncReconstructor`: the same for asyncio; questions wait in threads, the loop does not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from clew.twin.reconstructor.reconstructor import GRAPH_DEPTH, Reconstructor
from clew.twin.reconstructor.result import ReconstructionStrategy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from clew.twin import documents as doc
    from clew.twin.blueprint.registry import Registry
    from clew.twin.reconstructor.moments import When
    from clew.twin.reconstructor.reconstructor import Kind, Named, StateComparison
    from clew.twin.reconstructor.result import ReconstructionResult
    from clew.twin.reconstructor.source import Subject
    from clew.twin.reconstructor.timeline import Timeline
    from clew.twin.reconstructor.transitions import FieldChange


class AsyncReconstructor:
    """Objects as they were. Takes, gives and raises what `Reconstructor` does."""

    def __init__(
        self,
        client: Any = None,
        registry: Registry | str | Path | None = None,
        *,
        api_key: str | None = None,
    ) -> None:
        self._blocking = Reconstructor(client, registry, api_key=api_key)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections; repeatable."""
        self._blocking.close()

    async def reconstruct(
        self,
        obj_id: Named,
        target_time: When = None,
        obj_type: Kind = None,
        strategy: ReconstructionStrategy | str = ReconstructionStrategy.SNAPSHOT_DELTA,
        include_events: bool = False,
        *,
        recorded_at: When = None,
    ) -> ReconstructionResult:
        """Return an object as it was at a moment."""
        return await asyncio.to_thread(
            self._blocking.reconstruct,
            obj_id,
            target_time,
            obj_type,
            strategy,
            include_events,
            recorded_at=recorded_at,
        )

    async def reconstruct_batch(
        self,
        objects: Iterable[Named | Subject],
        target_time: When = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> dict[Any, ReconstructionResult | None]:
        """Return several objects as they were at one moment."""
        return await asyncio.to_thread(
            self._blocking.reconstruct_batch,
            list(objects),
            target_time,
            obj_type,
            recorded_at=recorded_at,
        )

    async def get_state_at(
        self,
        obj_id: Named,
        when: When = None,
        field: str | None = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> Any:
        """Return what was set of an object at a moment, or one field."""
        return await asyncio.to_thread(
            self._blocking.get_state_at, obj_id, when, field, obj_type, recorded_at=recorded_at
        )

    async def compare_states(
        self,
        obj_id: Named,
        time_a: When,
        time_b: When = None,
        obj_type: Kind = None,
        *,
        recorded_at: When = None,
    ) -> StateComparison:
        """Return what differs between two moments of an object."""
        return await asyncio.to_thread(
            self._blocking.compare_states, obj_id, time_a, time_b, obj_type, recorded_at=recorded_at
        )

    async def timeline(
        self,
        obj_id: Named,
        obj_type: Kind = None,
        *,
        start: When = None,
        end: When = None,
        recorded_at: When = None,
    ) -> Timeline:
        """Return the events of an object."""
        return await asyncio.to_thread(
            self._blocking.timeline,
            obj_id,
            obj_type,
            start=start,
            end=end,
            recorded_at=recorded_at,
        )

    async def find_field_changes(
        self,
        obj_id: Named,
        field: str,
        obj_type: Kind = None,
        *,
        start: When = None,
        end: When = None,
        recorded_at: When = None,
    ) -> list[FieldChange]:
        """Return each change of a field's value, and the event that made it."""
        return await asyncio.to_thread(
            self._blocking.find_field_changes,
            obj_id,
            field,
            obj_type,
            start=start,
            end=end,
            recorded_at=recorded_at,
        )

    async def get_graph(
        self,
        obj_id: Named,
        when: When = None,
        obj_type: Kind = None,
        *,
        depth: int = GRAPH_DEPTH,
        recorded_at: When = None,
    ) -> doc.ObjectGraph:
        """Return all objects that references reach from one, at one instant."""
        return await asyncio.to_thread(
            self._blocking.get_graph, obj_id, when, obj_type, depth=depth, recorded_at=recorded_at
        )

    async def objects_in_trace(self, trace_id: str, step: int | None = None) -> doc.TouchedObjects:
        """Return the objects that a trace touched, as they were at one of its steps."""
        return await asyncio.to_thread(self._blocking.objects_in_trace, trace_id, step)

    async def processes_in_trace(self, trace_id: str, when: When = None) -> doc.TraceProcesses:
        """Return the processes that ran under a trace: phases, durations, participants, status."""
        return await asyncio.to_thread(self._blocking.processes_in_trace, trace_id, when)

    def clear_cache(self) -> None:
        """Forget what `ReconstructionStrategy.CACHED` kept."""
        self._blocking.clear_cache()
