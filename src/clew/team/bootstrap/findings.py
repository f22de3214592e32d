"""What a look at a server came to, as documents. Light install."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What one check came to.

    ``missing``: the server does not have it; ``wrong``: it does something else; ``unknown``: it
    could not be looked at, and the hint says why not.
    """

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was looked at. `hint` is the next step where it is not ok."""

    check: str
    outcome: Outcome
    detail: str = ""
    hint: str | None = None


class BootstrapReport(msgspec.Struct, frozen=True, kw_only=True):
    """A server, and everything that was looked at. `ok` where nothing is missing or wrong."""

    server: str
    ok: bool
    findings: list[Finding]


def make_report(server: str, findings: list[Finding]) -> BootstrapReport:
    """Return the report of findings."""
    bad = {Outcome.MISSING, Outcome.WRONG}
    return BootstrapReport(
        server=server, ok=not any(one.outcome in bad for one in findings), findings=findings
    )
