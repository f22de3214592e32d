"""The life of a watched process: `init`, a `Run` that counts, `shutdown`."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from clew.sdk.limits import read_number
from clew.sdk.tree import TreePart

if TYPE_CHECKING:
    from collections.abc import Sequence

# How long the end of a process may wait for its last telemetry, unless its environment says. A
# server on the same machine takes a full queue in a tenth of that; whoever waits longer thinks that
# the program hangs.
CLOSE_S_MAX: Final = 2.0

END_VARIABLE: Final = "CLEW_END_SECONDS"
"""For programs that nobody waits for, over a network or a disk that may be slow."""


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


class Run(TreePart):
    """A watched process. Closing it, or the end of the process, sends what still waits.

    Where it is an app of a tree, it speaks for it: `status`, `result`, `on_cancel` and so on.
    """

    def __init__(self, outlets: Sequence[Outlet], *, service_name: str, endpoint: str) -> None:
        super().__init__()
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

    def flush(self, timeout_s: float | None = None) -> bool:
        """Send what waits; return whether nothing waits any more. Never raises.

        Within `timeout_s`, by default the time that the end of the process has for it.
        """
        deadline = time.monotonic() + (_end_seconds() if timeout_s is None else timeout_s)
        results = [outlet.flush(_left(deadline)) for outlet in self._outlets]
        return all(results)

    def shutdown(self, timeout_s: float | None = None) -> None:
        """Leave the tree, send what waits and stop. Never raises; the second call does nothing.

        `timeout_s` bounds all of it. By default a result that the server does not have yet is
        waited for as long as `TrailsClient.shutdown` does, and telemetry for as many seconds as
        `CLEW_END_SECONDS` says, or two.
        """
        started = time.monotonic()
        if self._tree is not None:
            if timeout_s is None:
                self._tree.shutdown()
            else:
                self._tree.shutdown(timeout_s)
        self.close_outlets(None if timeout_s is None else _left(started + timeout_s))

    def close_outlets(self, timeout_s: float | None = None) -> None:
        """Send what telemetry waits and stop exporting, within the time. Else as `shutdown`."""
        with self._closing:
            if self._is_closed:
                return
            self._is_closed = True
        deadline = time.monotonic() + (_end_seconds() if timeout_s is None else timeout_s)
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
    """Export this process's traces, metrics and logs to a clew server, and join its tree.

    It joins where the environment says who it is (`TRAILS_INFO`), and its telemetry then carries
    the id of the app. A process without it is no part of a tree: the run's words go nowhere.

    `service_name` is the program's name by default. `endpoint` is the base address of an OTLP/HTTP
    door, by default that of `CLEW_SERVER`, else port 4318 of the machine that has the tree, else
    ``http://127.0.0.1:4318``. `attributes` describe
    the process (resource attributes). `logs` puts a handler on the root logger of `logging`; events
    of objects (`clew.twin`) leave without it as well. Where the server asks for a key, it is that
    of `CLEW_API_KEY`.

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
            run = Run([], service_name=service_name or "", endpoint="")
        else:
            from clew.sdk.ending import call_at_the_end
            from clew.sdk.setup import Wishes, set_up

            run = set_up(Wishes(service_name, endpoint, attributes or {}, wants_plain_logs=logs))
            # The hook runs after all threads but daemons have ended, so it sees every record. The
            # tree has its own, which knows how the process ends, and as the later one runs first.
            call_at_the_end(run.close_outlets)
        run.join()
        _process.run = run
        return run


def shutdown(timeout_s: float | None = None) -> None:
    """Leave the tree, send what waits and stop, at once rather than at the end of the process.

    Bounded as `Run.shutdown`; never raises.
    """
    run = _process.run
    if run is not None:
        run.shutdown(timeout_s)


def _end_seconds() -> float:
    return read_number(END_VARIABLE, CLOSE_S_MAX)


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
