"""Which server of a shard is asked, by what each of them says of itself. Pure.

All servers of a group have the same log, with the same numbers, so any of them can answer a
reading; the one that leads has everything that was acknowledged, and it alone takes what is
written. A standby lacks what was acknowledged in the last moments before its leader went away until
somebody leads again, so it is asked only where no leader answers, and every answer says so
(`clew.base.gathering`).

A leader that is cut off from its group does not hear that it was deposed, and says to whoever
reaches it that it leads. What tells is its epoch: one under a smaller one than another server of
the group knows of, or than somebody was found to lead under before, counts as a standby.

Servers of one shard that are not of one group have different records, which a change from one to
the other would hide. They are refused as soon as two of them are heard, and so is a leader of
another group than the one that was found first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import LEADING, STANDBY, UNSURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clew.base.gathering import Shard


class Told(msgspec.Struct, frozen=True):
    """What a server says of itself: as much of ``GET /internal/frames`` as is needed here.

    `acked` is the newest frame that it shows, `data_id` is the same wherever the same records are.
    `role`, `epoch` and `group` are its place in a group; empty from a server of an older version,
    and `group` while its log is of none.
    """

    acked: int = 0
    data_id: str = ""
    role: str = ""
    epoch: int = 0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """The server of a shard that is asked. `group` is empty where the shard is one server.

    `role` is what it said of itself when it was asked, at `asked_at` by the monotonic clock or
    later; both say nothing of whether two choices are the same.
    """

    url: str
    leads: bool
    epoch: int = 0
    group: str = ""
    role: str = field(default="", compare=False)
    asked_at: float = field(default=float("-inf"), compare=False)

    @property
    def is_deposed(self) -> bool:
        """Whether it says that it leads, and does not know that its epoch is over."""
        return self.role in LEADING and not self.leads


def choose(
    shard: Shard,
    heard: Mapping[str, Told | ClewError],
    known_group: str = "",
    known_epoch: int = 0,
) -> Choice:
    """Return the server of a group to ask, by what each one that answered said of itself.

    `known_group` is the group that the shard was of before, and `known_epoch` the newest that
    somebody was found to lead it under.

    Raises:
        ClewError: CONFLICT where two of them are not of one group, or who leads is not of the
            known one; UNAVAILABLE where none can answer; else what all that answered refuse.
    """
    told = {url: each for url, each in heard.items() if isinstance(each, Told)}
    check_one_group(shard, told)
    able = {
        url: each
        for url, each in told.items()
        if each.role in LEADING or (each.role == STANDBY and each.group)
    }
    for url, each in able.items():
        if known_group and each.group not in ("", known_group) and each.role in LEADING:
            raise _another_group(url)
    if known_group:
        able = {url: each for url, each in able.items() if each.group in ("", known_group)}
    newest = max([known_epoch, *(each.epoch for each in able.values())])
    # One that was deposed and was not told yet says that it leads, under a smaller epoch. Nothing
    # that it shows is certain, so a standby that knows as much is asked before it.
    leaders = {u for u, each in able.items() if each.role in LEADING and each.epoch == newest}
    best = max(
        leaders or able,
        key=lambda url: (able[url].epoch, able[url].role not in LEADING, able[url].acked),
        default=None,
    )
    if best is not None:
        found = able[best]
        return Choice(best, best in leaders, found.epoch, found.group, found.role)
    refusals = [each for each in heard.values() if isinstance(each, ClewError)]
    for error in refusals:
        if error.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN):
            raise error
    reasons = "; ".join(f"{url}: {_explain(each, known_group)}" for url, each in heard.items())
    raise ClewError(
        ErrorCode.UNAVAILABLE,
        f"none of its servers can answer: {reasons}",
        hint="look at each with: clew servers --server URL",
        retry_after_ms=1000,
    )


def check_one_group(shard: Shard, told: Mapping[str, Told]) -> None:
    """Refuse servers of one shard whose records are not the same.

    Raises:
        ClewError: CONFLICT, naming them.
    """
    alone = [
        url for url, each in told.items() if each.role and each.role not in (*LEADING, STANDBY)
    ]
    if alone and len(shard.urls) > 1:
        raise _no_group(f"{alone[0]} belongs to no group of servers")
    first: dict[str, str] = {}
    for url, each in told.items():
        if each.group:
            first.setdefault(each.group, url)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise _no_group(f"{one} and {other} belong to different groups")


def _no_group(why: str) -> ClewError:
    return ClewError(
        ErrorCode.CONFLICT,
        f"its servers do not keep the same records: {why}",
        hint="one name in --shards is one server, or the servers of one group, which keep the same "
        "by --standby; give others names of their own",
    )


def _another_group(url: str) -> ClewError:
    return ClewError(
        ErrorCode.CONFLICT,
        f"{url} leads another group of servers than the one that was asked before, and has other "
        "records",
        hint="give each group a name of its own in --shards; if this one is to take the place of "
        "the other, start the query tier anew",
    )


def _explain(each: Told | ClewError, known_group: str) -> str:
    if isinstance(each, ClewError):
        return each.message
    if not each.role:
        return "it does not say whether it leads: it runs an older version"
    if each.group and known_group:
        return "it is a standby of another group"
    return "it is a standby that has followed nobody yet"


def is_unsure(choice: Choice, told: Told | ClewError) -> bool:
    """Return whether who is asked, and says this, may not show what was acknowledged last."""
    return choice.is_deposed or (isinstance(told, Told) and told.role in UNSURE)


def tell_unled(away: Sequence[str]) -> str:
    """Say that no server of a shard leads, of those that answer here; `away` are the others.

    One of these may lead, and be well: who cannot reach it may be this server alone.
    """
    if not away:
        return "no server of it leads"
    return f"no server of it that answers here leads (no answer: {', '.join(away)})"


def tell_unsure(choice: Choice) -> str:
    """Say who it is that is asked where no server of a shard leads."""
    return f"{choice.url}, which led before," if choice.is_deposed else f"the standby {choice.url}"


def tell_promotion(name: str, url: str, away: Sequence[str]) -> str:
    """Say what has a shard led again that no server leads, of those that answer here."""
    condition = ""
    if away:
        condition = f"if {' and '.join(away)} {'is' if len(away) == 1 else 'are'} gone, "
    return f"{condition}have one lead {name}: clew promote --server {url}"
