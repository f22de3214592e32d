"""The strand of where results came from: trace ids, link sets, and their ways. Light install.

The names of the public interface come from here (`from clew.lineage import TraceIdGenerator`) and
are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clew.lineage.generator import TraceIdGenerator
    from clew.lineage.layout import IdLayout, TraceIdParts
    from clew.lineage.nodes import NodeLease
    from clew.lineage.poller import TraceLinkPoller
    from clew.lineage.publisher import TraceLinkPublisher
    from clew.lineage.sbe.descriptor import FrameDescriptor
    from clew.lineage.sbe.linkset import TraceLinkSet
    from clew.lineage.transport.receiver import DatagramReceiver
    from clew.lineage.transport.ring import LinkRing

__all__ = [
    "DatagramReceiver",
    "FrameDescriptor",
    "IdLayout",
    "LinkRing",
    "NodeLease",
    "TraceIdGenerator",
    "TraceIdParts",
    "TraceLinkPoller",
    "TraceLinkPublisher",
    "TraceLinkSet",
]

_HOMES: Final = {
    "DatagramReceiver": "clew.lineage.transport.receiver",
    "FrameDescriptor": "clew.lineage.sbe.descriptor",
    "IdLayout": "clew.lineage.layout",
    "LinkRing": "clew.lineage.transport.ring",
    "NodeLease": "clew.lineage.nodes",
    "TraceIdGenerator": "clew.lineage.generator",
    "TraceIdParts": "clew.lineage.layout",
    "TraceLinkPoller": "clew.lineage.poller",
    "TraceLinkPublisher": "clew.lineage.publisher",
    "TraceLinkSet": "clew.lineage.sbe.linkset",
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
