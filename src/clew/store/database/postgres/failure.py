"""What a PostgreSQL server's refusals mean to a person: what, where, and what next."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Final

import asyncpg

from clew.base.errors import ClewError, ErrorCode
from clew.store.database.contract import OutcomeUnknownError

RETRY_MS: Final = 1000
"""When to try again what a server refused for the time being: a restart lasts for seconds."""

_MEMORY_OR_DISK: Final = ("53100", "53200", "53400")
_WRONG_SETTING: Final = ("42704", "22023")
_BUSY: Final = ("55P03", "40P01", "40001", "57P03", "53300")
_GONE: Final = ("57P01", "57P02", "57P04", "25P03", "25P04", "57P05")
"""The server ended the session: shutdown, crash, database dropped, a time limit of sessions."""

CLIENT_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    ValueError,
    OverflowError,
)
"""All that asyncpg raises for what a server, a network or a value refused."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What is told of a refusal; `retry` says that the same may work later."""

    code: ErrorCode
    message: str
    hint: str | None = None
    retry: bool = False


class RefusedError(Exception):
    """A server, or the way to it, refused.

    `is_lost` says that the connection is gone and nothing of its transaction was written;
    `is_unknown` that it is gone and nobody knows.
    """

    def __init__(
        self, meaning: Meaning, *, is_lost: bool = False, is_unknown: bool = False
    ) -> None:
        super().__init__(meaning.message)
        self.meaning = meaning
        self.is_lost = is_lost
        self.is_unknown = is_unknown

    def explained(self) -> ClewError:
        """Return the error of the product that this stands for, a new one each time."""
        meaning = self.meaning
        kind = OutcomeUnknownError if self.is_unknown else ClewError
        return kind(
            meaning.code,
            meaning.message,
            hint=meaning.hint,
            retry_after_ms=RETRY_MS if meaning.retry else None,
        )


def lost(shown: str) -> RefusedError:
    """Return the refusal of a connection that is gone."""
    return RefusedError(
        Meaning(
            ErrorCode.UNAVAILABLE,
            f"the connection to the registry at {shown} was lost",
            "see that the PostgreSQL server runs; it is tried again by itself",
            retry=True,
        ),
        is_lost=True,
    )


def interpret(error: Exception, shown: str, *, is_closed: bool) -> RefusedError:
    """Return what a refusal of a statement means; `is_closed` says that the connection is gone."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return RefusedError(
            Meaning(ErrorCode.TIMEOUT, "asking the registry took too long", "ask for less")
        )
    if is_closed or isinstance(error, OSError):
        return lost(shown)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if state in _GONE or state.startswith("08"):
            return lost(shown)
        return RefusedError(_meaning_of_state(error, shown))
    return RefusedError(_misunderstood(error))


def interpret_opening(error: Exception, shown: str) -> RefusedError:
    """Return what it means that no connection could be opened."""
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate not in _WRONG_SETTING:
        return RefusedError(_meaning_of_state(error, shown))
    if isinstance(error, ssl.SSLError):
        meaning = Meaning(
            ErrorCode.UNAVAILABLE,
            f"no secure connection to the registry at {shown}: {error}",
            "see sslmode and sslrootcert in the address, and the server's certificate",
        )
    elif isinstance(error, TimeoutError):
        meaning = Meaning(
            ErrorCode.UNAVAILABLE,
            f"the registry at {shown} does not answer",
            "see that the address is right and no firewall is between",
            retry=True,
        )
    elif isinstance(error, OSError):
        meaning = Meaning(
            ErrorCode.UNAVAILABLE,
            f"the registry at {shown} cannot be reached: {error.strerror or error}",
            "start the PostgreSQL server, or correct the address",
            retry=True,
        )
    elif isinstance(error, asyncpg.InternalClientError):
        meaning = Meaning(
            ErrorCode.UNAVAILABLE,
            f"the registry at {shown} is not what the address asks for: {error}",
            "see target_session_attrs in the address",
            retry=True,
        )
    else:
        meaning = Meaning(
            ErrorCode.INVALID_ARGUMENT,
            f"the address of the registry makes no sense: {error}",
            "give postgresql://user:password@host:port/database",
        )
    return RefusedError(meaning)


def _meaning_of_state(error: asyncpg.PostgresError, shown: str) -> Meaning:
    """Return what the server's own code means (PostgreSQL's appendix of error codes)."""
    state, said = error.sqlstate or "", str(error.args[0] if error.args else error)
    match state:
        case "28P01" | "28000":
            return Meaning(
                ErrorCode.FORBIDDEN,
                f"the registry at {shown} lets nobody in by this name and password: {said}",
                "correct user and password in the address, or the server's pg_hba.conf",
            )
        case "3D000":
            return Meaning(
                ErrorCode.NOT_FOUND,
                f"the server of {shown} has no such database: {said}",
                "make it with createdb, or correct the address",
            )
        case "42501" | "25006":
            return Meaning(
                ErrorCode.FORBIDDEN,
                f"the registry at {shown} may not be written: {said}",
                "make the user the owner of the database, or of a schema of its own",
            )
        case "22021":
            return Meaning(
                ErrorCode.INVALID_ARGUMENT,
                "a text for the registry holds a character of the code zero",
                "leave the character out",
            )
        case _ if state in _MEMORY_OR_DISK:
            return Meaning(
                ErrorCode.UNAVAILABLE,
                f"the registry at {shown} is full: {said}",
                "make room for the PostgreSQL server; writing goes on by itself",
                retry=True,
            )
        case _ if state in _BUSY:
            return Meaning(
                ErrorCode.UNAVAILABLE,
                f"the registry at {shown} is busy: {said}",
                "try again after the time given; see pg_stat_activity and max_connections",
                retry=True,
            )
        case _ if state in _GONE or state.startswith(("08", "58", "XX")):
            return Meaning(
                ErrorCode.UNAVAILABLE,
                f"the registry at {shown} cannot be read or written: {said}",
                "see the PostgreSQL server's log",
                retry=True,
            )
    return _misunderstood(error)


def _misunderstood(error: Exception) -> Meaning:
    return Meaning(ErrorCode.INTERNAL, f"the registry did not understand: {error}")
