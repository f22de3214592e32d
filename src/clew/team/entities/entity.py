"""`SyncableEntity`: what a kind of thing needs so that it can be synced.

A dataclass or a msgspec Struct that names its type and has three fields::

    @dataclass
    class Finding(SyncableEntity):
        local_id: str
        data: str
        remote_id: str | None = None
        last_modified: datetime = field(default_factory=utc_now)

        @classmethod
        def entity_type(cls) -> str:
            return "findings"

Light install.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final, Self

LOCAL_FIELDS: Final = frozenset({"local_id", "remote_id"})
"""What no document holds: the server and each machine name an entity in their own way."""


def utc_now() -> datetime:
    """Return the time of this machine, in UTC."""
    return datetime.now(UTC)


class SyncableEntity:
    """Mixed into a class with the three fields below. Only `entity_type` must be written.

    `local_id` names it here and never changes; of entities that are made here it is a UUID of
    version 7, and the server's id as well. `last_modified` is when somebody last changed it, UTC.

    `local_fields` mean something here alone and are never sent. Of `server_fields` the server's
    value holds, whichever side wins otherwise.
    """

    if not TYPE_CHECKING:
        # What mixes it in has the fields, in slots of its own if it wants.
        __slots__ = ()

    local_fields: ClassVar[frozenset[str]] = LOCAL_FIELDS
    server_fields: ClassVar[frozenset[str]] = frozenset()

    local_id: str
    remote_id: str | None
    last_modified: datetime

    @classmethod
    def entity_type(cls) -> str:
        """Return the plural that names the kind here, in the queue and on the server: ``teams``."""
        raise NotImplementedError(f"{cls.__name__} names no entity_type()")

    def set_remote_id(self, remote_id: str) -> None:
        """Learn the server's id."""
        self.remote_id = remote_id

    def set_last_modified(self, at: datetime) -> None:
        """Learn when it was changed."""
        self.last_modified = at

    def validate(self) -> None:
        """Accept what may be synced.

        Raises:
            ValidationError: something is not as it must be.
        """

    def merge_with(self, remote: Self) -> Self:
        """Return what becomes of this and the server's version: the later, the server's in a tie.

        Neither side is changed.
        """
        return self if self.last_modified > remote.last_modified else remote

    def merge_from(self, base: Self | None, remote: Self) -> Self:
        """Return the merge of two versions that were made from `base`, None where there is none.

        Fields that one side alone changed are that side's; where both did, `merge_with` decides.
        Neither side is changed. `clew.team.merging` does it; override this for another way.
        """
        from clew.team.merging.threeway import merge_fields

        return merge_fields(base, self, remote)
