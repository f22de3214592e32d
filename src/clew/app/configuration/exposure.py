"""Whether other machines may reach the doors that a server is told to open."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing

from clew.app.configuration.settings import BY_NAME, Configuration
from clew.app.configuration.values import SQLITE, Address
from clew.base.errors import ClewError, ErrorCode
from clew.lineage.transport.address import UdpAddress
from clew.store.database.sqlite import FILE_NAME
from clew.tree.machine.app import Tier

logger = logging.getLogger(__name__)


def check_exposure(configuration: Configuration, *, is_guarded: bool) -> None:
    """Refuse addresses that other machines reach, unless doors ask for keys or nobody minds.

    API keys are not what apps of the tree show: their door is guarded by the tier.

    Raises:
        ClewError: FORBIDDEN, naming the flag.
    """
    if configuration.insecure:
        return
    make_key = "make a key first: clew keys create NAME --role admin --offline"
    if configuration.shards:
        # A tier keeps nothing, keys among it.
        make_key = "a query tier has no keys of its own: let what stands in front of it ask for one"
    guards = dict.fromkeys(("http", "otlp_http", "otlp_grpc"), (is_guarded, make_key))
    is_signing = configuration.trails_tier is not Tier.OPEN
    guards["trails"] = (is_signing, "let apps prove who they are: --trails-tier signed")
    for name, (is_safe, hint) in guards.items():
        address: Address | None = getattr(configuration, name)
        if address is not None and not address.is_loopback and not is_safe:
            raise ClewError(
                ErrorCode.FORBIDDEN,
                f"{BY_NAME[name].flag} {address} can be reached from other machines, "
                "and whoever reaches it may read and write",
                hint=f"{hint}; or use 127.0.0.1, or accept that with --insecure",
            )
    for place in configuration.links:
        if isinstance(place, UdpAddress) and not Address(place.host, place.port).is_loopback:
            raise ClewError(
                ErrorCode.FORBIDDEN,
                f"--links {place} can be reached from other machines, and datagrams carry no key",
                hint="use 127.0.0.1 or unix:///PATH, or accept that with --insecure",
            )


def is_registry_guarded(configuration: Configuration) -> bool:
    """Return whether keys are in use, by a registry that this process has not open. Blocks.

    What cannot be read, as one in PostgreSQL here, counts as guarded: whoever opens it will know.
    """
    if configuration.registry != SQLITE:
        return True
    path = configuration.data_dir / FILE_NAME
    try:
        if not path.exists():
            return False
        with closing(sqlite3.connect(path)) as connection:
            (found,) = connection.execute("SELECT EXISTS(SELECT 1 FROM api_keys)").fetchone()
    except (OSError, sqlite3.Error) as error:
        # Whoever opens it says so, and as an error.
        logger.debug("whether keys are in use is not known yet: %s", error)
        return True
    return bool(found)
