"""The strand of where results came from: trace ids, link sets, and their ways. Light install.

The names of the public interface come from here (`from clew.lineage import TraceIdGenerator`) and
are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.lineage.generator import TraceIdGenerator
    from clew.lineage.layout import IdLayout, TraceIdParts
    from clew.lineage.leasing import ServerLease
    from clew.lineage.nodes import NodeLease
    from clew.lineage.poller import TraceLinkPoller
    from clew.lineage.publisher import TraceLinkPublisher
    from clew.lineage.sbe.descriptor import FrameDescriptor
    from clew.lineage.sbe.linkset import TraceLinkSet
    from clew.lineage.stages.calls import stage
    from clew.lineage.stages.carrier import Traced, carry, trace_id_of, value_of
    from clew.lineage.stages.output import Output, Stage, join
    from clew.lineage.stages.tracing import (
        LinkPublisher,
        Tracing,
        current_tracing,
        disable_tracing,
        emit_tracelink,
        enable_tracing,
        trace_id_for_output,
    )
    from clew.lineage.transport.receiver import DatagramReceiver
    from clew.lineage.transport.ring import LinkRing

__all__ = [
    "DatagramReceiver",
    "FrameDescriptor",
    "IdLayout",
    "LinkPublisher",
    "LinkRing",
    "NodeLease",
    "Output",
    "ServerLease",
    "Stage",
    "TraceIdGenerator",
    "TraceIdParts",
    "TraceLinkPoller",
    "TraceLinkPublisher",
    "TraceLinkSet",
    "Traced",
    "Tracing",
    "carry",
    "current_tracing",
    "disable_tracing",
    "emit_tracelink",
    "enable_tracing",
    "join",
    "stage",
    "trace_id_for_output",
    "trace_id_of",
    "value_of",
]

_HOMES: Final = {
    "DatagramReceiver": "clew.lineage.transport.receiver",
    "FrameDescriptor": "clew.lineage.sbe.descriptor",
    "IdLayout": "clew.lineage.layout",
    "LinkPublisher": "clew.lineage.stages.tracing",
    "LinkRing": "clew.lineage.transport.ring",
    "NodeLease": "clew.lineage.nodes",
    "Output": "clew.lineage.stages.output",
    "ServerLease": "clew.lineage.leasing",
    "Stage": "clew.lineage.stages.output",
    "TraceIdGenerator": "clew.lineage.generator",
    "TraceIdParts": "clew.lineage.layout",
    "TraceLinkPoller": "clew.lineage.poller",
    "TraceLinkPublisher": "clew.lineage.publisher",
    "TraceLinkSet": "clew.lineage.sbe.linkset",
    "Traced": "clew.lineage.stages.carrier",
    "Tracing": "clew.lineage.stages.tracing",
    "carry": "clew.lineage.stages.carrier",
    "current_tracing": "clew.lineage.stages.tracing",
    "disable_tracing": "clew.lineage.stages.tracing",
    "emit_tracelink": "clew.lineage.stages.tracing",
    "enable_tracing": "clew.lineage.stages.tracing",
    "join": "clew.lineage.stages.output",
    "stage": "clew.lineage.stages.calls",
    "trace_id_for_output": "clew.lineage.stages.tracing",
    "trace_id_of": "clew.lineage.stages.carrier",
    "value_of": "clew.lineage.stages.carrier",
}


def __getattr__(name: str) -> object:
    """Return what is imported when it is first used.

    Raises:
        AttributeError: there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'clew.lineage' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
