"""Who may lead goes by what others say of themselves, and a claim that came to nothing is none."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from clew.app.group.claims import Claims
from clew.app.group.peers import (
    CANDIDATE,
    LEADER,
    STANDBY,
    Heard,
    Peers,
    Told,
    check_nobody_goes_first,
    check_one_group,
    count_needed,
    find_required,
)
from clew.app.group.turn import Change, Changes, Turn
from clew.base.errors import ClewError
from clew.store.replication.standing import Standing
from clew.testing.network import HeldPorts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

B, C = "http://b:7701", "http://c:7701"
OWN = (4, 100)


def heard(
    url: str, epoch: int, leader: str, *, last: int = 100, role: str = STANDBY, node: str = ""
) -> Heard:
    told = Told(epoch=epoch, node_id=node or url, leader=leader, role=role, last=last, last_epoch=4)
    return Heard(url, told)


def learn(standing: Standing, *others: Heard) -> bool:
    """Return whether a server still leads, by what it knows, once it has heard others."""
    claims = Claims(standing, Peers([], own_url="http://a", key=""), required=1, url="http://a")
    asyncio.run(claims.learn(OWN, others))
    return standing.is_leading


@pytest.fixture
def standing(tmp_path: Path) -> Standing:
    found = Standing.open(tmp_path)
    found.lead(4, "http://a")
    return found


def test_an_epoch_that_its_owner_knows_nothing_of_was_claimed_and_is_not_led(
    standing: Standing,
) -> None:
    assert learn(standing, heard(C, 5, B), heard(B, 4, standing.node_id))
    assert not learn(standing, heard(C, 6, B), heard(B, 6, B, role=LEADER))
    assert (standing.epoch, standing.leader) == (6, B)


def test_an_owner_that_says_nothing_may_lead(standing: Standing) -> None:
    assert not learn(standing, heard(C, 5, B), Heard(B, None))


def test_a_server_that_was_ended_while_it_claimed_goes_on_where_nobody_has_more(
    standing: Standing,
) -> None:
    standing.accept(5, C, C)
    assert not learn(standing, heard(B, 7, standing.node_id, last=101))
    assert learn(standing, heard(B, 7, standing.node_id))
    assert standing.epoch == 7


def test_of_two_that_are_about_to_lead_one_goes_first(standing: Standing) -> None:
    for last, first in ((99, True), (101, False)):
        other = heard(B, 4, B, last=last, role=CANDIDATE)
        if first:
            check_nobody_goes_first("a", OWN, [other])
        else:
            with pytest.raises(ClewError, match="about to lead"):
                check_nobody_goes_first("a", OWN, [other])
    # Of two with as much, each finds the same.
    check_nobody_goes_first("z", OWN, [heard(B, 4, B, role=CANDIDATE)])
    with pytest.raises(ClewError, match="about to lead"):
        check_nobody_goes_first("a", OWN, [heard(B, 4, B, role=CANDIDATE)])
    with pytest.raises(ClewError, match="leads and answers"):
        check_nobody_goes_first("z", OWN, [heard(B, 4, B, last=1, role=LEADER)])


def test_of_two_groups_nobody_but_people_says_whose_data_stays() -> None:
    told = Told(epoch=1, node_id="b", leader="b", role=STANDBY, group="theirs")
    check_one_group("theirs", [Heard(B, told), heard(C, 1, C)])
    with pytest.raises(ClewError, match=f"{B} was started to lead as well") as refused:
        check_one_group("ours", [Heard(B, told)])
    assert "clew promote" in str(refused.value.hint)


def test_a_server_that_leads_passes_over_what_it_needed_before() -> None:
    async def listen() -> Turn:
        changes = Changes()
        for turn in (Turn.LEAD, Turn.SNAPSHOT, Turn.FOLLOW):
            changes.add(Change(turn, "x"))
        return (await changes.wait(leads=True)).turn

    assert asyncio.run(listen()) is Turn.FOLLOW


def test_two_that_lead_by_force_without_hearing_of_one_another_take_epochs_of_their_own(
    tmp_path: Path,
) -> None:
    held = HeldPorts(2)
    urls = [f"http://127.0.0.1:{port}" for port in held.numbers]
    epochs = set()
    for number, url in enumerate(urls):
        standing = Standing.open(tmp_path / str(number))
        standing.accept(3, C, C)
        peers = Peers([urls[1 - number]], own_url=url, key="")
        claims = Claims(standing, peers, required=1, url=url)
        asyncio.run(claims.claim((3, 10), Change(Turn.LEAD, "by hand", force=True)))
        assert standing.is_leading
        epochs.add(standing.epoch)
    assert len(epochs) == 2
    assert min(epochs) > 3


def sets_of(servers: range, size: int, *, with_: int) -> Iterator[set[int]]:
    """Yield the sets of some of the servers, one of which is in all."""
    others = (each for each in servers if each != with_)
    return ({with_, *some} for some in itertools.combinations(others, size - 1))


def is_enough(servers: range, hears: int, *, noted: int, most: int, configured: int) -> bool:
    """Return whether nothing acknowledged is lost where the first server leads, heard by so many.

    Before it, some leader had each record on `noted` others or more. From then on it has each on
    `configured` others. Those that let it lead go by that; the others by any number up to `most`,
    and do not know of it.
    """
    heard = {0, *servers[1:hears]}
    for leader in servers:
        if not all(heard & has for has in sets_of(servers, noted + 1, with_=leader)):
            return False
    unheard = set(servers) - heard
    return all(
        has & hear
        for has in sets_of(servers, configured + 1, with_=0)
        for other in unheard
        for number in range(most + 1)
        for hear in sets_of(servers, count_needed(len(servers), number), with_=other)
    )


def test_whoever_leads_has_heard_as_many_as_nothing_acknowledged_can_be_missing_of(
    tmp_path: Path,
) -> None:
    for noted, most in itertools.combinations_with_replacement(range(5), 2):
        standing = Standing.open(tmp_path / f"{noted} of {most}")
        standing.lead(1, "http://a", most)
        standing.accept(2, C, C, noted)
        assert (standing.required, standing.required_most) == (noted, most)
        for count in range(max(2, most + 1), 6):
            servers = range(count)
            for configured in servers:
                setting = {"noted": noted, "most": most, "configured": configured}
                found, _ = find_required(standing, configured)
                needed = count_needed(count, found)
                assert is_enough(servers, needed, **setting), (count, setting)
                # And no more than that: a server that is away is to keep nobody from leading.
                for fewer in range(1, needed):
                    assert not is_enough(servers, fewer, **setting), (count, setting, fewer)
