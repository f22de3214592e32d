"""What settings are, where text or a number is not enough: addresses, roles of servers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from clew.surfaces.callers import is_loopback_name

SQLITE: Final = "sqlite"
"""As the setting `registry`: a file in the data folder."""


class Role(StrEnum):
    """How a server of a group starts: as the one that writes, as one that follows, or by a lease.

    It is what a folder starts with: once servers of a group have heard who leads, that decides.
    """

    LEADER = "leader"
    STANDBY = "standby"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a door listens. Port 0 lets the system choose a free one."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return is_loopback_name(self.host.lower().rstrip("."))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
