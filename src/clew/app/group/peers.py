"""The other servers of a group, as one of them asks before its role changes."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.remote.http import Server
from clew.store.replication.said import Shipment
from clew.store.replication.wire import CONTENT_TYPE, POSITION_PATH, RECORDS_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clew.store.replication.part import Part
    from clew.store.replication.said import Extent
    from clew.store.replication.standing import Led, Standing

logger = logging.getLogger(__name__)

ANSWER_SECONDS_MAX: Final = 3.0
"""How long another server may take to say where it is, a sync of its disk included. Who is not
heard by then counts as away; a change of leader waits so long at most, two or three times."""

CONNECT_SECONDS_MAX: Final = 1.0
"""How long a machine may take to answer a connection: one that is gone says nothing at all, and a
packet that was lost is sent again within this."""

AGAIN_SECONDS: Final = 0.1
"""A server that is about to open its doors is asked again after this."""

ALL_SECONDS_MAX: Final = 2 * (ANSWER_SECONDS_MAX + CONNECT_SECONDS_MAX)
"""When those that still say something, byte by byte, count as away as well: a try that begins at
the end of the time for one that is opening its doors has its own time."""

SAID_BYTES_MAX: Final = 1 << 20
"""What servers of a group answer one another is a few kilobytes."""

GRACE_SECONDS: Final = 0.3
"""How much longer than the others the last ones may take, where enough have answered."""


STANDBY: Final = "standby"
LEADER: Final = "leader"
"""As roles."""

CANDIDATE: Final = "candidate"
"""As the role of a server that is about to lead, and finds out whether it may."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What another server says of itself.

    `last` is the newest frame on its disk. `led_epoch` and `led_by` are of the newest leadership
    that came to be, as far as it knows; a server of an older version does not say.
    """

    epoch: int
    node_id: str | None = None
    leader: str | None = None
    leader_url: str | None = None
    led_epoch: int | None = None
    led_by: str | None = None
    role: str | None = None
    group: str | None = None
    acked: int = 0
    last: int = 0
    last_epoch: int | None = None

    @property
    def extent(self) -> Extent:
        """How much of the log it has."""
        return (self.last_epoch or 0, self.last)

    @property
    def led(self) -> Led:
        """The newest leadership that came to be; of one that does not say, the one it goes by."""
        if self.led_epoch is not None:
            return (self.led_epoch, self.led_by)
        return (self.epoch, self.leader) if self.leader else (0, None)


REFUSALS: Final = frozenset({ErrorCode.UNAUTHENTICATED, ErrorCode.FORBIDDEN})
"""What a server says to one whose key it does not know, or that has not the role."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One server of the group: what it told, or why nothing was heard of it."""

    url: str
    told: Told | None
    error: ClewError | None = None


class Peers:
    """The servers that `--standby` names. Belongs to one event loop."""

    def __init__(
        self, urls: Sequence[str], *, own_url: str, key: str, required: int | None = None
    ) -> None:
        """`required` is how many standbys each record would wait for if this server led."""
        self.urls = tuple(urls)
        self._own_url = own_url
        self._required = required
        self._key = key or None
        self._refusals: dict[str, str] = {}

    def connect(self, url: str, timeout_s: float) -> Server:
        """Open a connection to a server of the group, which has so many seconds to answer."""
        return Server(
            url,
            api_key=self._key,
            read_timeout_s=timeout_s,
            connect_timeout_s=CONNECT_SECONDS_MAX,
            answer_bytes_max=SAID_BYTES_MAX,
        )

    async def ask(self, enough: int | None = None) -> list[Heard]:
        """Ask every other server where it is, at once; those that do not answer say why.

        Once `enough` have answered the others are not waited for any longer than `GRACE_SECONDS`.
        """
        return await self._all(lambda server: server.get(POSITION_PATH).body, enough)

    async def claim(
        self, epoch: int, node_id: str, extent: Extent | None, enough: int | None = None
    ) -> list[Heard]:
        """Have every other server refuse whoever led before, and say what it has from then on.

        Who has more than `extent` says so and refuses nobody; None is for one that leads whatever
        others have. Who refuses because it knows of a newer leadership is an error of the code
        CONFLICT. `enough` is as for `ask`.
        """
        claim = Shipment(epoch, node_id, self._own_url, required=self._required, extent=extent)
        headers = claim.headers()
        return await self._all(
            lambda server: server.post(RECORDS_PATH, b"", CONTENT_TYPE, headers=headers).body,
            enough,
        )

    async def _all(self, call: Callable[[Server], bytes], enough: int | None) -> list[Heard]:
        asked = {url: asyncio.create_task(self._reach(url, call)) for url in self.urls}
        waiting = set(asked.values())
        deadline = time.monotonic() + ALL_SECONDS_MAX
        while waiting:
            answered = sum(
                each.done() and each.result().told is not None for each in asked.values()
            )
            patience = max(0.0, deadline - time.monotonic())
            if enough is not None and answered >= enough:
                patience = min(patience, GRACE_SECONDS)
            done, waiting = await asyncio.wait(
                waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
        for task in waiting:
            # Its thread ends by itself, within the time that an answer may take.
            task.cancel()
        late = ClewError(ErrorCode.TIMEOUT, "it did not answer in time")
        heard = [
            Heard(url, None, late) if task in waiting else task.result()
            for url, task in asked.items()
        ]
        for each in heard:
            self._tell_refusal(each)
        return heard

    def _tell_refusal(self, heard: Heard) -> None:
        """Say it once when another server does not know our key, or why it lets us not in."""
        error = heard.error
        if error is None or error.code not in REFUSALS:
            self._refusals.pop(heard.url, None)
        elif self._refusals.get(heard.url) != error.message:
            self._refusals[heard.url] = error.message
            logger.warning(
                "%s does not let this server in: %s; give every server of the group the same "
                "--peer-key, a key of the role admin",
                heard.url,
                error.message,
            )

    async def _reach(self, url: str, call: Callable[[Server], bytes]) -> Heard:
        """Ask one server; one that is about to open its doors again and again."""
        deadline = time.monotonic() + ANSWER_SECONDS_MAX
        while True:
            heard = await asyncio.to_thread(self._one, url, call)
            is_opening = heard.error is not None and heard.error.code is ErrorCode.OVERLOADED
            if not is_opening or time.monotonic() > deadline:
                return heard
            await asyncio.sleep(AGAIN_SECONDS)

    def _one(self, url: str, call: Callable[[Server], bytes]) -> Heard:
        try:
            with self.connect(url, ANSWER_SECONDS_MAX) as server:
                return Heard(url, msgspec.json.decode(call(server), type=Told))
        except msgspec.DecodeError as error:
            strange = ClewError(
                ErrorCode.UNSUPPORTED,
                f"{url} does not speak of its log as this version does: {error}",
                hint="run the same version of clew on every server of the group",
            )
            return Heard(url, None, strange)
        except ClewError as error:
            return Heard(url, None, error)


def extent_of(part: Part) -> Extent:
    """Return how much of the log a server has; also when its store was closed."""
    return part.tell().extent


def count_needed(servers: int, required: int) -> int:
    """Return of how many servers one must hear to know of everything that was acknowledged.

    `required` others have each frame besides the leader. So many servers and that many have one in
    common.
    """
    return servers - required


def find_required(standing: Standing, configured: int) -> tuple[int, str]:
    """Return how many standbys have each acknowledged frame that this one may lack, and why.

    What is configured here says how it will be when this server leads; what counts is how it was
    under those that led before. Whoever has fewer wait than that leader had must be known to every
    server that may lead by the larger number, of which few need one another: what this one
    acknowledges may be at none of those few. So it has to hear all.
    """
    if standing.group is None:
        return 0, "; this server has followed nobody yet, so it holds nothing of the group"
    noted = standing.required
    if noted is None:
        return configured, ""
    if not noted:
        return 0, (
            "; this server was still catching up, or whoever led last waited for no standby, so "
            "any of the others may have more"
        )
    most = standing.required_most
    if configured < most:
        return 0, (
            f"; whoever led last, or was let lead, had each record wait for {most} standbys and "
            f"this server would for {configured}, so one that is not heard may lead by the larger "
            "number"
        )
    if noted < configured:
        return noted, (
            f"; whoever led last, or was let lead, had each record wait for {noted} standbys"
        )
    return configured, ""


def check_extent(own: Extent, heard: Sequence[Heard], *, required: int, why: str = "") -> None:
    """Raise unless nothing acknowledged can be missing from the log of this server.

    `why` says what else there is to say about `required`.

    Raises:
        ClewError: UNAVAILABLE when too few were heard; CONFLICT when one of them has more.
    """
    needed = count_needed(len(heard) + 1, required)
    answered = [each for each in heard if each.told is not None]
    if 1 + len(answered) < needed:
        missing = ", ".join(
            f"{each.url} ({each.error.message})" for each in heard if each.error is not None
        )
        raise ClewError(
            ErrorCode.UNAVAILABLE,
            f"only {1 + len(answered)} of the {needed} servers it takes were heard, so what was "
            f"acknowledged may be missing here{why}; not heard: {missing}",
            hint="bring one of them back; or lead all the same with --force: what was acknowledged "
            "and is not here is lost then, and is cut off the others when they come back",
        )
    for each in answered:
        assert each.told is not None
        if each.told.extent > own:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{each.url} has more of the log than this server: up to {each.told.last} of epoch "
                f"{each.told.last_epoch or 0}, against {own[1]} of epoch {own[0]}",
                hint=f"let that one lead: clew promote --server {each.url}",
            )


def check_distinct(own_id: str, heard: Sequence[Heard]) -> None:
    """Raise INVALID_ARGUMENT where two addresses are of one server, or of two with one id.

    One server would count as two that have a record, and the fence tells servers apart by their
    ids.
    """
    seen = {own_id: "this server"}
    for each in heard:
        if each.told is None or each.told.node_id is None:
            continue
        known = seen.get(each.told.node_id)
        if known is not None:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                f"--standby {each.url} and {known} are one server, or have copies of one folder",
                hint="name each of the other servers once; a standby begins with an empty "
                "--data-dir and copies what there is by itself",
            )
        seen[each.told.node_id] = each.url


def check_one_group(group: str | None, heard: Sequence[Heard]) -> None:
    """Raise CONFLICT where a server is of another group: what one of the two has is put aside."""
    for each in heard:
        other = None if each.told is None else each.told.group
        if group is not None and other is not None and other != group:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{each.url} was started to lead as well, and its data is not this server's",
                hint="have the one lead whose data is to stay: clew promote --server URL; the "
                "other puts what it has aside",
            )


def check_nobody_leads(heard: Sequence[Heard]) -> None:
    """Raise CONFLICT where a leader answers, or one that is about to lead."""
    for each in heard:
        if each.told is not None and each.told.role in (LEADER, CANDIDATE):
            raise _led_by(each.url, each.told)


def check_nobody_goes_first(node_id: str, own: Extent, heard: Sequence[Heard]) -> None:
    """Raise CONFLICT where a leader answers, or one that is about to lead and goes before this one.

    Of two that are about to lead at once the one with more goes on, and of two with as much the
    one with the larger id: they find the same, and one of them does.
    """
    for each in heard:
        told = each.told
        if told is None or told.role not in (LEADER, CANDIDATE):
            continue
        if told.role == LEADER or (told.extent, told.node_id or "") > (own, node_id):
            raise _led_by(each.url, told)


def check_first_of_all(standing: Standing, own: Extent, heard: Sequence[Heard]) -> None:
    """Raise CONFLICT unless all servers are there, whoever led last too, and this one goes first.

    That is the one with most; of several the one that led last, then the one with the largest id.
    All find the same.
    """
    told = [each.told for each in heard if each.told is not None]
    ids = {standing.node_id, *(each.node_id for each in told)}
    leaders = {standing.leader, *(each.leader for each in told if each.leader)}
    if standing.group is None or len(told) < len(heard) or not leaders <= ids:
        raise ClewError(
            ErrorCode.CONFLICT,
            f"{standing.leader_url or standing.leader} may lead by now, under epoch "
            f"{standing.epoch}",
            hint="to have this server lead: clew promote",
        )
    rank = (own, _find_last_led(standing.led, standing.node_id), standing.node_id)
    for each in told:
        if (each.extent, _find_last_led(each.led, each.node_id), each.node_id or "") > rank:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{each.node_id} has as much of the log, and goes first",
                hint="to have this server lead: clew promote",
            )


def _find_last_led(led: Led, node_id: str | None) -> int:
    """Return the epoch under which a server led, -1 where somebody else did last, as it knows."""
    epoch, leader = led
    return epoch if leader is not None and leader == node_id else -1


def _led_by(url: str, told: Told) -> ClewError:
    does = "leads and answers" if told.role == LEADER else "is about to lead"
    return ClewError(
        ErrorCode.CONFLICT,
        f"{url} {does}",
        hint="end it first, so that its standbys have everything; or --force",
    )


def check_not_fenced(claimed: Sequence[Heard]) -> None:
    """Raise CONFLICT where one that was to be claimed knows of a newer leadership."""
    for each in claimed:
        if each.error is not None and each.error.code is ErrorCode.CONFLICT:
            raise ClewError(
                ErrorCode.CONFLICT,
                f"{each.url} knows of another leadership: {each.error.message}",
                hint="ask who leads: GET /internal/cluster; promote again if nobody does",
            )
