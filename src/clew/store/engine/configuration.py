"""The files that bound what the embedded engine may do, whatever statement reaches it.

The embedded engine knows one user, and that user has every right unless a file takes rights away.
The rights given here are what our own statements need: our database and its tables. No file, no
network, no other database, no table that is a file or an address. (The engine's own `system` tables
can be read without a right; keeping users' statements away from them is the guard's.)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from clew.store.engine.ddl import quote_name

if TYPE_CHECKING:
    from pathlib import Path

MARK_CACHE_BYTES: Final = 256 << 20
"""Marks of about a billion rows; the engine's default of 5 GB would be a leak in a small one."""

BACKGROUND_THREADS: Final = 2
"""Merges run beside ingest; more of them than cores only take turns."""

MEMORY_BYTES_MAX: Final = 4 << 30
MEMORY_PARTS_MAX: Final = 2
"""All queries and merges together: 4 GiB, and never more than half of the machine, which also holds
the page cache that makes reads fast."""

FREE_BYTES_MIN: Final = 256 << 20
"""The engine (26.9) takes no notice of a write that fails: a part that meets a full disk is in the
table all the same, cut short, and what it was merged from is deleted. So it must not meet one. It
reserves room for each part before it writes it, and this is what it leaves over: for what the log
and the registry, which do notice, write meanwhile."""


@dataclass(frozen=True, slots=True)
class ChdbOptions:
    """Bounds of the embedded engine. `memory_bytes_max` None means 4 GiB or half of the machine.

    Where less than `free_bytes_min` would be left on the disk, inserts are refused and merges wait.
    With `has_session_tables` a connection may make tables of its own, which go with it.
    """

    memory_bytes_max: int | None = None
    mark_cache_bytes: int = MARK_CACHE_BYTES
    background_threads: int = BACKGROUND_THREADS
    free_bytes_min: int = FREE_BYTES_MIN
    has_session_tables: bool = False


def write_configuration(folder: Path, database: str, options: ChdbOptions) -> Path:
    """Write the engine's configuration and its users into a folder; return the configuration."""
    users = folder / "users.xml"
    configuration = folder / "config.xml"
    _write(users, _users(database, options))
    _write(configuration, _server(users, options))
    return configuration


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.replace(path)


def _server(users: Path, options: ChdbOptions) -> str:
    memory = options.memory_bytes_max or min(MEMORY_BYTES_MAX, _memory_bytes() // MEMORY_PARTS_MAX)
    return f"""<clickhouse>
    <mark_cache_size>{options.mark_cache_bytes}</mark_cache_size>
    <max_server_memory_usage>{memory}</max_server_memory_usage>
    <background_pool_size>{options.background_threads}</background_pool_size>
    <storage_configuration><disks><default>
        <keep_free_space_bytes>{options.free_bytes_min}</keep_free_space_bytes>
    </default></disks></storage_configuration>
    <user_directories><users_xml><path>{escape(str(users))}</path></users_xml></user_directories>
</clickhouse>
"""


def _users(database: str, options: ChdbOptions) -> str:
    place = f"{quote_name(database)}.*"
    grants = [
        f"GRANT SELECT, INSERT, ALTER TABLE, OPTIMIZE, TRUNCATE, SHOW ON {place}",
        f"GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW ON {place}",
        # What the table function over rows in this process asks for.
        "GRANT CREATE TEMPORARY TABLE ON *.*",
        "GRANT TABLE ENGINE ON MergeTree",
        "GRANT TABLE ENGINE ON Atomic",
    ]
    if options.has_session_tables:
        grants.append("GRANT CREATE ARBITRARY TEMPORARY TABLE ON *.*")
    queries = "\n".join(f"        <query>{escape(grant)}</query>" for grant in grants)
    # Times in columns are those of the zone that was the default when their table was loaded, which
    # a session is too late for; and <timezone> is a setting of servers, not of the library.
    return f"""<clickhouse>
    <profiles><default><session_timezone>UTC</session_timezone></default></profiles>
    <quotas><default/></quotas>
    <users><default>
        <password></password>
        <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
        <profile>default</profile>
        <quota>default</quota>
        <grants>
{queries}
        </grants>
    </default></users>
</clickhouse>
"""


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
