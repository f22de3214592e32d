"""`Team` and the codes that people join it by."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final, Self

from clew.team.entities.codec import replace_fields
from clew.team.entities.entity import LOCAL_FIELDS, SyncableEntity, utc_now
from clew.team.errors import ValidationError

TEAM_NAME_CHARS_MAX: Final = 100
"""Characters of a team's name, as the integration documents it."""

INVITE_CODE_CHARS: Final = 26
"""Of a code of ours behind its dash: 5 bits each, so 130 bits that nobody guesses."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: no letter that could be taken for a digit when somebody reads it out."""

_PREFIX: Final = "CLEW-"

_FORMS: Final = re.compile(rf"FOCUS-[0-9A-Z]{{6}}|{_PREFIX}[{_ALPHABET}]{{{INVITE_CODE_CHARS}}}")

_OTHER: Final = re.compile(r"[A-Za-z0-9_-]{6,128}")
"""A code that some other program made, which is left as it is."""


def new_invite_code() -> str:
    """Return a code that nobody else has: ``CLEW-`` and 130 random bits."""
    return _PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(INVITE_CODE_CHARS))


def parse_invite_code(text: str) -> str:
    """Return a code as the server knows it: ours, the documented ``FOCUS-7K2P9A``, or another's.

    Case and blanks around it do not matter in the first two.

    Raises:
        ValidationError: it is no code. The message does not repeat it.
    """
    given = text.strip()
    if _FORMS.fullmatch(given.upper()):
        return given.upper()
    if _OTHER.fullmatch(given):
        return given
    raise ValidationError(
        "this is no invite code", hint=f"one looks like {_PREFIX}… or FOCUS-7K2P9A"
    )


@dataclass(slots=True, kw_only=True)
class Team(SyncableEntity):
    """A team. Its `invite_code` is never part of what its members read: an invite is its own thing.

    `created_by` is the server's id of a user.
    """

    local_fields: ClassVar[frozenset[str]] = LOCAL_FIELDS | {"invite_code"}

    local_id: str
    name: str
    remote_id: str | None = None
    invite_code: str = ""
    created_by: str = ""
    created_at: datetime = field(default_factory=utc_now)
    last_modified: datetime = field(default_factory=utc_now)

    @classmethod
    def entity_type(cls) -> str:
        """Return ``teams``."""
        return "teams"

    def validate(self) -> None:
        """Accept a name of 1 to 100 characters that is not blank.

        Raises:
            ValidationError: it is not.
        """
        if not self.name.strip():
            raise ValidationError("the name of a team is empty", hint="give it one")
        if len(self.name) > TEAM_NAME_CHARS_MAX:
            raise ValidationError(
                f"the name of a team has more than {TEAM_NAME_CHARS_MAX} characters",
                hint="give it a shorter one",
            )

    def merge_with(self, remote: Self) -> Self:
        """Return the later of both, the server's in a tie."""
        # Outright, since `super` does not see through what slots make of a class.
        chosen = SyncableEntity.merge_with(self, remote)
        return replace_fields(
            chosen,
            invite_code=chosen.invite_code or self.invite_code,
            last_modified=max(self.last_modified, remote.last_modified),
        )
