"""What apps are told while the registry holds the tree up."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from clew.access.schema import SCHEMA as ACCESS
from clew.store.database.sqlite import DatabaseOptions, SqliteDatabase
from clew.tree.registry.schema import SCHEMA as TREE
from tests.integration.tree_house import message, new_id, open_house, run, until


def test_who_gave_a_command_hears_of_its_end_however_busy_the_tree_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        root, child = new_id(), new_id()
        # It waits for whoever writes for as long as that takes.
        database = SqliteDatabase.open(tmp_path, [ACCESS, TREE], DatabaseOptions(lock_s=60.0))
        async with open_house(database) as house, house.client() as above, house.client() as below:
            await above.register(root)
            await below.register(child, root)
            other = sqlite3.connect(tmp_path / "registry.db", timeout=60.0, isolation_level=None)
            # Somebody else writes: the command cannot be kept until they have.
            other.execute("BEGIN IMMEDIATE")
            commits = house.keeper.counters.events
            await above.send(
                type="issue", app_id=root, correlation_id="one", target_id=child, action="drain"
            )
            await until(lambda: house.keeper.counters.events > commits)
            await below.send(**message(child, 1))
            await until(lambda: house.keeper.waiting)
            house.clock.advance(1.0)
            assert house.keeper.is_busy
            other.execute("ROLLBACK")
            other.close()
            first = await above.hear()
            assert (first["type"], first["is_over"]) == ("issued", False)
            assert (await below.hear())["type"] == "control"
            assert (await below.hear())["type"] == "ack"
            await below.send(
                type="control_ack", app_id=child, correlation_id="one", action="drain", ack=True
            )
            last = await above.hear()
            assert (last["type"], last["is_over"]) == ("issued", True)
        database.close()

    run(scenario())
