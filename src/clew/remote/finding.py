"""What one of several servers keeps, and which one: asked of all, because nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import gather_apart, note_standby

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.base.gathering import Shard
    from clew.remote.http import Server
    from clew.remote.shards import Shards

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """Who has something, with what they say of it, and who did not answer, and why."""

    found: list[tuple[Shard, T]]
    missing: list[tuple[Shard, ClewError]]


def find_keeper(
    shards: Shards, call: Callable[[Server], T], what: str, *, hint: str | None = None
) -> tuple[Shard, T]:
    """Return the first shard that has something, and what it says of it.

    A `call` says NOT_FOUND where a shard has it not.

    Raises:
        ClewError: NOT_FOUND when no shard has it, UNAVAILABLE when those that answer have it not
            and others do not answer; what `Shards.ask` raises.
    """
    kept = find_keepers(shards, call)
    if kept.found:
        return kept.found[0]
    if kept.missing:
        names = ", ".join(f"{shard.name} ({why.message})" for shard, why in kept.missing)
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"there is no {what} on the shards that answer, and these do not: {names}",
            hint="ask again when they do: clew servers shows how each is",
            retry_after_ms=1000,
        )
    raise ClewError(ErrorCode.NOT_FOUND, f"there is no {what}", hint=hint)


def find_keepers(shards: Shards, call: Callable[[Server], T]) -> Kept[T]:
    """Return every shard that has something, with what each says of it.

    Raises:
        ClewError: as `Shards.ask`.
    """
    # What is found is whole, whoever else is away: that is no part of the answer.
    with gather_apart() as apart:
        gathered = shards.ask(lambda server: none_if_absent(lambda: call(server)))
    found = [(shard, told) for shard, told in gathered.answers if told is not None]
    # Whoever has it says it; that nobody has it, all of them say.
    for name in apart.standbys & {shard.name for shard, _ in found or gathered.answers}:
        note_standby(name)
    return Kept(found, gathered.missing)


def none_if_absent(call: Callable[[], T]) -> T | None:
    """Return what a call gives, None when it says that there is no such thing."""
    try:
        return call()
    except ClewError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise
