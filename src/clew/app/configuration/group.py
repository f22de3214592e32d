"""What a server is told of its group, and whether that can be: peers, role, lease, acks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clew.app.configuration.values import SQLITE, Role
from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clew.app.configuration.settings import Configuration

PEERS_MAX: Final = 8
"""Standbys that one leader feeds. Each is a copy of everything; whoever has more than a handful
wants shards, and a mistake in a script would make it hundreds."""

LEASE_SECONDS_MIN: Final = 1.0
"""A lease is renewed in a third of its time, and a busy database may take a third of a second."""


EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - to be recognised, not bound
"""As a host: all addresses of this machine, and none by which another could find it."""

_GIVE_LEASE: Final = (
    "give --lease postgresql://user:password@host:port/database, or etcd://host:port, or --role "
    "leader at one server and --role standby at the others"
)


def check_group(configuration: Configuration) -> None:
    """Refuse settings of a group that contradict one another.

    Raises:
        ClewError: INVALID_ARGUMENT, naming the flags; the hint says what to give instead.
    """
    for is_wrong, message, hint in (*_about_peers(configuration), *_about_lease(configuration)):
        if is_wrong:
            raise ClewError(ErrorCode.INVALID_ARGUMENT, message, hint=hint)


def _about_peers(configuration: Configuration) -> tuple[tuple[bool, str, str], ...]:
    peers, acks = configuration.standby, configuration.required_acks
    name_others = "name the others of the group: --standby http://HOST:PORT, once for each"
    return (
        (
            configuration.role is not Role.LEADER and not peers,
            f"--role {configuration.role} without --standby: a group has at least two servers",
            name_others,
        ),
        (
            bool(peers) and bool(configuration.shards),
            "--shards with --standby: a query tier keeps nothing that could be copied",
            "give --standby to each of the shards",
        ),
        (
            any(find_url(configuration) in shard.urls for shard in configuration.shards),
            f"--shards {find_url(configuration)} is this server itself",
            "name the servers that hold the data; a query tier over them has an --http of its own",
        ),
        (
            acks is not None and acks > 0 and not peers,
            f"--required-acks {acks} without --standby: there is nobody to acknowledge",
            name_others,
        ),
        (
            acks is not None and acks > len(peers) > 0,
            f"--required-acks {acks} with {_count(peers)}: it could never be kept",
            f"give at most {len(peers)}, or all",
        ),
        (
            len(peers) > PEERS_MAX,
            f"--standby names {len(peers)} servers; a group has at most {PEERS_MAX + 1}",
            "each standby is a copy of everything; to spread the load, use --shards",
        ),
        (
            find_url(configuration) in peers,
            f"--standby {find_url(configuration)} is this server itself",
            "--standby names the others; --advertise is how they reach this one",
        ),
        (
            bool(peers) and configuration.store != "chdb",
            "--standby with a store of several: rows in a ClickHouse server are there once for all",
            "leave --store to each server's own folder, or let ClickHouse replicate",
        ),
        (
            bool(peers) and configuration.registry != SQLITE,
            "--standby with a registry of several: PostgreSQL keeps it outside of the log",
            "leave --registry to each server's folder; docs/guide/high-availability.md says why",
        ),
        (
            bool(peers) and configuration.http.port == 0 and configuration.advertise is None,
            "--standby with --http on a port that the system chooses: nobody could find it",
            "give --http a port, or say with --advertise how others reach this server",
        ),
        (
            bool(peers) and not _can_be_found(configuration),
            f"--http {configuration.http} is every address of this machine, not one to be found by",
            "say with --advertise http://HOST:PORT how the others reach this server",
        ),
    )


def _about_lease(configuration: Configuration) -> tuple[tuple[bool, str, str], ...]:
    return (
        (
            configuration.role is Role.AUTO and configuration.lease is None,
            "--role auto without --lease: there is nothing to decide who leads",
            _GIVE_LEASE,
        ),
        (
            configuration.lease is not None and configuration.role is not Role.AUTO,
            f"--lease with --role {configuration.role}: the lease decides who leads",
            "give --role auto, or leave --lease out and promote by hand",
        ),
        (
            configuration.lease_seconds < LEASE_SECONDS_MIN,
            f"--lease-seconds {configuration.lease_seconds:g} is too short to be renewed in time",
            f"give at least {LEASE_SECONDS_MIN:g}",
        ),
    )


def _count(peers: Sequence[str]) -> str:
    return "one standby" if len(peers) == 1 else f"{len(peers)} standbys"


def _can_be_found(configuration: Configuration) -> bool:
    return configuration.advertise is not None or configuration.http.host not in EVERY_ADDRESS


def find_url(configuration: Configuration) -> str:
    """Return how others reach this server."""
    return configuration.advertise or f"http://{configuration.http}"
