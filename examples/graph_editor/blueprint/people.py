"""Who works with the editor, and who pays for it."""

from __future__ import annotations

from typing import Final

from clew.twin import Boolean, Integer, Object, Reference, String, Timestamp, invariant


class User(Object):
    """A person with an account."""

    name = String(required=True, max_length=200)
    email = String(sensitive=True)
    joined = Timestamp(auto_now_add=True)
    is_active = Boolean(default=True)


class Team(Object):
    """People who share workspaces."""

    name = String(required=True)
    owner = Reference(User, required=True)


class Membership(Object):
    """That a user belongs to a team."""

    user = Reference(User, required=True)
    team = Reference(Team, required=True)
    role = String(default="editor", choices=["viewer", "editor", "admin"])


class Subscription(Object):
    """What a team pays for."""

    team = Reference(Team, required=True)
    plan = String(default="free", choices=["free", "studio", "enterprise"], indexed=True)
    seats = Integer(default=3, min_value=1)
    seats_taken = Integer(default=0, min_value=0)

    has_room = invariant("seats_taken <= seats")


TYPES: Final = (User, Team, Membership, Subscription)
