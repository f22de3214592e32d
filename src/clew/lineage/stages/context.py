"""Which output is being made here: what logs of a stage are about.

It follows tasks of asyncio. Ids themselves do not need it: they go with the values, through
threads and queues as well.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from clew.base.surroundings import say_how_to_describe
from clew.lineage.stages import names

if TYPE_CHECKING:
    from clew.lineage.stages.output import Output

CURRENT: Final[ContextVar[Output | None]] = ContextVar("clew_lineage_output", default=None)


def current_output() -> Output | None:
    """Return the output that is being made here, or None."""
    return CURRENT.get()


def describe_item(trace_id: int, stream_id: int, epoch: int, seq: int) -> dict[str, str]:
    """Return an item as attributes of OpenTelemetry: decimal texts, as 64 bits have no other."""
    return {
        names.TRACE_ID: str(trace_id),
        names.STREAM_ID: str(stream_id),
        names.EPOCH: str(epoch),
        names.SEQ: str(seq),
    }


def describe_output() -> dict[str, str]:
    """Return the output that is being made here as attributes; nothing while its id is not settled.

    What is said of an output must not settle its id: further inputs may come.
    """
    here = CURRENT.get()
    return here.attributes if here is not None and here.is_settled else {}


# Logs and events of objects are said by others, which know nothing of stages.
say_how_to_describe(describe_output)
