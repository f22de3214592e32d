"""The life of a watched process: `init`, a `Run` that counts, `shutdown`."""

from __future__ import annotations

import atexit
import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

# How long the end of a process may wait for its last telemetry. A server on the same machine takes
# a full queue in a tenth of that; whoever waits longer thinks that the program hangs.
CLOSE_S_MAX: Final = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the records of one signal: delivered, dropped, or still waiting.

    Dropped are those that found the queue full, and those that no server took.
    """

    signal: str
    sent: int
    dropped: int
    waiting: int


class Outlet(Protocol):
    """The way out of one signal."""

    def delivery(self) -> Delivery:
        """Return what became of its records so far."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Send what waits; return whether nothing waits any more."""
        ...

    def close(self, timeout_s: float) -> None:
        """Send what waits and stop, within the time. MUST NOT raise; repeatable."""
        ...


class Run:
    """A watched process. Closing it, or the end of the process, sends what still waits."""

    def __init__(self, outlets: Sequence[Outlet], *, service_name: str, endpoint: str) -> None:
        self.service_name = service_name
        self.endpoint = endpoint
        self._outlets = outlets
        self._is_closed = False
        self._closing = threading.Lock()

    @property
    def is_exporting(self) -> bool:
        """Whether any telemetry leaves: not when OTEL_SDK_DISABLED is set, or after shutdown."""
        return bool(self._outlets) and not self._is_closed

    def deliveries(self) -> list[Delivery]:
        """Return what became of the records of each signal so far."""
        return [outlet.delivery() for outlet in self._outlets]

    @property
    def dropped(self) -> int:
        """How many records were lost so far, of all signals."""
        return sum(delivery.dropped for delivery in self.deliveries())

    def flush(self, timeout_s: float = CLOSE_S_MAX) -> bool:
        """Send what waits; return whether nothing waits any more. Never raises."""
        deadline = time.monotonic() + timeout_s
        results = [outlet.flush(_left(deadline)) for outlet in self._outlets]
        return all(results)

    def shutdown(self, timeout_s: float = CLOSE_S_MAX) -> None:
        """Send what waits and stop, within the time. Never raises; the second call does nothing."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        deadline = time.monotonic() + timeout_s
        for outlet in self._outlets:
            outlet.close(_left(deadline))


class _Process:
    """The one run of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.run: Run | None = None


_process = _Process()


def init(
    service_name: str | None = None,
    *,
    endpoint: str | None = None,
    attributes: dict[str, str | bool | int | float] | None = None,
    logs: bool = True,
) -> Run:
    """Export this process's traces, metrics and logs to a clew server.

    `service_name` is the program's name by default. `endpoint` is the base address of an OTLP/HTTP
    door, by default that of `CLEW_SERVER`, else ``http://127.0.0.1:4318``. `attributes` describe
    the process (resource attributes). `logs` puts a handler on the root logger of `logging`. Where
    the server asks for a key, it is that of `CLEW_API_KEY`.

    The standard OTEL_* variables win over all of this: OTEL_SERVICE_NAME,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_*, OTEL_{TRACES,METRICS,LOGS}_EXPORTER, OTEL_BSP_*,
    OTEL_BLRP_*, OTEL_METRIC_EXPORT_INTERVAL, OTEL_SDK_DISABLED.

    The first call counts; later ones return the same run. A provider that the program set before
    stays, and gets our way out added where it takes one. Never blocks on the network.
    """
    with _process.lock:
        if _process.run is not None and not _process.run._is_closed:  # noqa: SLF001
            return _process.run
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            _process.run = Run([], service_name=service_name or "", endpoint="")
            return _process.run
        from clew.sdk.setup import Wishes, set_up

        run = set_up(Wishes(service_name, endpoint, attributes or {}, wants_logs=logs))
        # The hook runs after all threads but daemons have ended, so it sees every record.
        atexit.register(run.shutdown)
        _process.run = run
        return run


def shutdown(timeout_s: float = CLOSE_S_MAX) -> None:
    """Send what waits and stop, at once rather than at the end of the process. Never raises."""
    run = _process.run
    if run is not None:
        run.shutdown(timeout_s)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
