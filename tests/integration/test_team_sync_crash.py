"""A process that is killed while it syncs, and a line that delays, resets and truncates."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clew.team.ledger.rows import RoundOutcome
from clew.team.merging.operation import SyncOperationType as Do
from clew.testing.chaos import ChaosProxy, Harm
from clew.testing.trailbase import FakeTrailBase
from tests.integration.team_sides import Side, add_users, comment, found_team, saved_query
from tests.property.team_town import watch_effects

ROOT = Path(__file__).parents[2]

KILLS = int(os.environ.get("CLEW_TEAM_KILLS", "20"))

STORMS = int(os.environ.get("CLEW_TEAM_STORMS", "2"))

LIFE_S_MAX = 0.3

ROUNDS_MAX = 30


def live_and_die(nursery: subprocess.Popen[str], prefix: str, seconds: float) -> dict[str, str]:
    """Have a child write and sync until it is killed; return the last text of each entity."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write(f"{prefix}\n")
    nursery.stdin.flush()
    last: dict[str, str] = {}
    pid, killer = 0, None
    for line in nursery.stdout:
        match line.split():
            case ["pid", number]:
                pid = int(number)
            case ["wrote", entity, text]:
                last[entity] = text
            case ["dead"]:
                break
        if pid and last and killer is None:
            killer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
            killer.start()
    assert killer is not None, "it died by itself"
    killer.join()
    return last


@pytest.mark.slow
@pytest.mark.timeout(300 + 3 * KILLS)
def test_killed_while_it_syncs_nothing_is_lost_doubled_or_done_twice(tmp_path: Path) -> None:
    with FakeTrailBase() as fake:
        add_users(fake, "ann", "bob")
        watch_effects(fake)
        ann, bob = (Side(name, tmp_path / name, fake.url) for name in ("ann", "bob"))

        async def begin() -> str:
            for side in (ann, bob):
                side.open()
                await side.connect()
            team = await found_team(ann, bob)
            for side in (ann, bob):
                await side.client.close()
                side.close()
            return team

        wrote: dict[str, str] = {}
        team = asyncio.run(begin())
        command = [sys.executable, "-m", "tests.integration.team_sync_child"]
        with subprocess.Popen(
            [*command, str(ann.folder), fake.url, team],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as nursery:
            for number in range(KILLS):
                wrote |= live_and_die(nursery, f"r{number}", random.uniform(0.0, LIFE_S_MAX))
            assert nursery.stdin is not None
            nursery.stdin.close()

        async def end() -> None:
            for side in (ann, bob):
                side.open()
                await side.connect()
            while ann.ledger.stats(ann.account_id).pending:
                assert (await ann.sync()).outcome is RoundOutcome.DONE
            await bob.sync()
            assert ann.ledger.stats(ann.account_id).failed == 0
            assert ann.ledger.count_conflicts(ann.account_id) == 0
            assert said_by(ann, team) == said_by(bob, team)
            for entity, text in wrote.items():
                said = said_by(bob, team)[entity]
                # The last one that was acknowledged, or one after it that nobody heard of.
                assert said.rpartition("-")[0] == text.rpartition("-")[0]
                assert int(said.rpartition("-")[2]) >= int(text.rpartition("-")[2])
            for side in (ann, bob):
                await side.client.close()
                side.close()

        asyncio.run(end())
        check_effects(fake)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(STORMS))
def test_over_a_line_that_delays_resets_and_truncates_both_end_with_the_same(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    with FakeTrailBase() as fake, ChaosProxy(fake.port, seed=seed) as proxy:
        add_users(fake, "ann", "bob")
        watch_effects(fake)

        async def play() -> None:
            sides = [Side(name, tmp_path / name, proxy.url) for name in ("ann", "bob")]
            for side in sides:
                side.open()
                await side.connect()
            team = await found_team(*sides)
            proxy.change_weather(latency_s=0.002, jitter_s=0.002, piece_bytes=700)
            proxy.storm(0.6, Harm.RESET, Harm.TRUNCATE)
            wrote: list[str] = []
            for number in range(30):
                side = chance.choice(sides)
                if number % 3:
                    query = saved_query(team, f"w{number}")
                    side.write(query, Do.CREATE)
                    wrote.append(query.local_id)
                else:
                    said = comment(team, f"w{number}")
                    side.write(said, Do.CREATE)
                    wrote.append(said.local_id)
                if number % 2:
                    # Without connections that lived through the last one.
                    proxy.cut()
                    await side.sync()
            assert sum(proxy.struck.values()) > 0
            proxy.calm()
            for _ in range(ROUNDS_MAX):
                for side in sides:
                    side.ledger.retry_failed(side.account_id).result()
                    await side.sync()
                if not any(side.ledger.stats(side.account_id).pending for side in sides):
                    break
            for side in sides:
                assert (await side.sync()).outcome is RoundOutcome.DONE
            assert sorted(said_by(sides[0], team)) == sorted(wrote)
            assert said_by(sides[0], team) == said_by(sides[1], team)
            for side in sides:
                assert side.ledger.count_conflicts(side.account_id) == 0
                await side.client.close()
                side.close()

        asyncio.run(play())
        check_effects(fake)


def said_by(side: Side, team: str) -> dict[str, str]:
    rows = [*side.rows("saved_queries", team), *side.rows("comments", team)]
    return {row.remote_id: row.document.get("query") or row.document["body"] for row in rows}


def check_effects(fake: FakeTrailBase) -> None:
    effects = fake.read("SELECT id, version, op_id FROM effects")
    assert effects
    assert len({each["op_id"] for each in effects}) == len(effects), "something was done twice"
    versions = {(each["id"], each["version"]) for each in effects}
    assert len(versions) == len(effects)
