"""How much telemetry may wait, and for how long: by OTEL_* variables, else by what suits a laptop.

The variables and their meaning are those of the OpenTelemetry specification. A value that does not
parse counts as not given: a typo in the environment must not end a program.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

# The specification's numbers: 2048 spans are about a megabyte, 512 make a request of a few hundred
# kilobytes.
QUEUE_RECORDS_MAX: Final = 2048
BATCH_RECORDS_MAX: Final = 512

# Log records are what objects are told by, and an object whose change is lost is another one. Its
# events come in bursts: this is a quarter of a second at full speed, and some 16 megabytes.
QUEUE_LOGS_MAX: Final = 8192

_RECORDS_MAX: Final = {"OTEL_BSP": QUEUE_RECORDS_MAX, "OTEL_BLRP": QUEUE_LOGS_MAX}

# A person looks at the answer right after running the program. The specification's five seconds
# for spans suit a fleet; one second is still a request per second at the most.
DELAY_MS: Final = 1000.0

# The specification's minute is longer than most runs that somebody watches.
METRIC_INTERVAL_MS: Final = 10_000.0

# One export, with its retries. A server on this machine restarts within two seconds.
EXPORT_S_MAX: Final = 5.0


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Bounds of one queue."""

    records_max: int
    batch_records_max: int
    delay_s: float


def read_queue_limits(prefix: str) -> QueueLimits:
    """Return the bounds that ``OTEL_BSP`` (spans) or ``OTEL_BLRP`` (logs) variables give."""
    records = int(read_number(f"{prefix}_MAX_QUEUE_SIZE", _RECORDS_MAX[prefix]))
    batch = int(read_number(f"{prefix}_MAX_EXPORT_BATCH_SIZE", BATCH_RECORDS_MAX))
    delay_ms = read_number(f"{prefix}_SCHEDULE_DELAY", DELAY_MS)
    return QueueLimits(max(1, records), max(1, min(batch, records)), delay_ms / 1000)


def read_number(name: str, default: float) -> float:
    """Return a positive number from the environment, else the default."""
    try:
        number = float(os.environ.get(name, ""))
    except ValueError:
        return default
    return number if 0 < number < float("inf") else default
