"""What ingest asks of the registries: a type's prefix, and whether an event may count."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.twin.ingest.fingerprint import Fingerprint
    from clew.twin.ingest.record import LogRecord


class Verdict(StrEnum):
    """What became of an event at ingest. A rejected one is kept, and never folded."""

    ACCEPTED = "accepted"
    WARNED = "warned"
    REJECTED = "rejected"


class ReferencePolicy(StrEnum):
    """What becomes of an event that refers to an object which is not there."""

    OFF = "off"
    WARN = "warn"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and what was found as a JSON array of issues; empty where nothing was."""

    verdict: Verdict = Verdict.ACCEPTED
    issues: str = ""


class Judge(Protocol):
    """The registries that a server has, as ingest sees them. MUST NOT block, from any thread."""

    def find_prefix(self, obj_type: str, checksum: str) -> str | None:
        """Return the prefix of a type, None when no registry knows it."""
        ...

    def judge(self, record: LogRecord, fingerprint: Fingerprint) -> Judgement:
        """Return whether an event may count."""
        ...


class NoRegistries:
    """The judge of a server that was given no registry: every event counts as it is."""

    def find_prefix(self, obj_type: str, checksum: str) -> str | None:
        """Return None."""
        return None

    def judge(self, record: LogRecord, fingerprint: Fingerprint) -> Judgement:
        """Accept it."""
        return Judgement()
