"""What a process that is watched imports. Light install.

`init` sets up OpenTelemetry so that traces, metrics and logs go to a clew server; nothing of
OpenTelemetry is imported before it is called. Trouble with telemetry stays here: queues are
bounded, what does not fit is dropped and counted, and the end of the process waits two seconds at
the most.
"""

from __future__ import annotations

from clew.sdk.run import Delivery, Run, init, shutdown

__all__ = ["Delivery", "Run", "init", "shutdown"]
