"""Who asks: the holder of an API key, an app of the tree, or whoever is on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Verb(StrEnum):
    """What may be asked of something. Closed: roles are sets of these."""

    OBSERVE = "observe"
    INGEST = "ingest"
    MESSAGE = "message"
    COMMAND = "command"
    SPAWN = "spawn"
    CANCEL = "cancel"
    GRANT = "grant"
    ADMIN = "admin"


class Role(StrEnum):
    """What an API key, a role ref or a grant gives; each includes those before it."""

    READER = "reader"
    WRITER = "writer"
    OPERATOR = "operator"
    ADMIN = "admin"


ROLE_VERBS: Final = {
    Role.READER: frozenset({Verb.OBSERVE}),
    Role.WRITER: frozenset({Verb.OBSERVE, Verb.INGEST, Verb.MESSAGE}),
    Role.OPERATOR: frozenset(
        {Verb.OBSERVE, Verb.INGEST, Verb.MESSAGE, Verb.COMMAND, Verb.SPAWN, Verb.CANCEL}
    ),
    Role.ADMIN: frozenset(Verb),
}

ROLE_NAMES: Final = {
    **{role.value: verbs for role, verbs in ROLE_VERBS.items()},
    # The names of TRAILS. Its table lets `write` control and cancel, so it is our operator and not
    # our writer, which may add to the record and steer nothing. Who may steer an app may see it:
    # an answer about what one cannot see would have to be that it is not there.
    "read": ROLE_VERBS[Role.READER],
    "write": ROLE_VERBS[Role.OPERATOR],
    "control": frozenset({Verb.OBSERVE, Verb.COMMAND}),
    "cancel": frozenset({Verb.OBSERVE, Verb.CANCEL}),
}
"""What each role gives that a role ref or a grant may name, ours and those of TRAILS."""


class CallerKind(StrEnum):
    """How a caller showed who it is."""

    LOCAL = "local"
    """Nothing was asked for: the doors are on loopback and there are no API keys."""
    KEY = "key"
    """An API key."""
    APP = "app"
    """An app of the tree: by its socket, or by a signed request."""
    UNKNOWN = "unknown"
    """It did not: what it asked for was refused, or is for everybody."""
    SERVER = "server"
    """clew itself: a deadline that passed, an orphan policy."""


_NAMED: Final = frozenset({CallerKind.KEY, CallerKind.APP})


@dataclass(frozen=True, slots=True)
class Origin:
    """From where somebody asks: an address, and what its program calls itself. Proves nothing."""

    address: str | None = None
    user_agent: str | None = None


NOWHERE: Final = Origin()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as the door that let them in found out.

    `name` is the name of the key, the id of the app, or ``local``. `verbs` are what a key may do
    anywhere in its scope; an app has none of its own: where it stands in the tree decides.
    `scope` is the id of the app to whose subtree a key is bound, None when it is bound to none.
    `subjects` are the names under which grants and role refs may speak of the caller. `key_id` is
    that of the key that was shown. `at_most`, where it is set, bounds all of this: an app that did
    not prove who it is can only lose rights of whoever let it in by naming itself. `origin` is
    for the audit log: the same caller may ask from anywhere.
    """

    kind: CallerKind
    name: str
    verbs: frozenset[Verb] = frozenset()
    scope: str | None = None
    subjects: frozenset[str] = frozenset()
    key_id: str | None = None
    at_most: frozenset[Verb] | None = None
    origin: Origin = field(default=NOWHERE, compare=False)

    @property
    def subject(self) -> str:
        """The caller in one word: ``key:ann``, ``app:…``, ``local``; two callers never share it."""
        return f"{self.kind}:{self.name}" if self.kind in _NAMED else self.name


LOCAL: Final = Caller(CallerKind.LOCAL, "local", frozenset(Verb))
SERVER: Final = Caller(CallerKind.SERVER, "server", frozenset(Verb))
