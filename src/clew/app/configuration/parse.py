"""The parsers of settings: what each kind of text means, and why it is refused."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from clew.app.configuration.values import SQLITE, Address, Role
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard
from clew.base.sharding import endpoint_of
from clew.base.times import NS_PER_S, parse_duration_ns
from clew.lineage.transport.address import Address as LinksAddress
from clew.lineage.transport.address import parse_address as parse_links_address
from clew.store.database.address import hide_password, is_postgres
from clew.store.replication.lease.gateway import is_etcd
from clew.team.merging.strategy import ConflictStrategy
from clew.tree.machine.app import Tier
from clew.twin.ingest.judge import ReferencePolicy

if TYPE_CHECKING:
    pass

SIZE_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
}

_SHARD_NAME = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")


def _refuse(text: str, what: str, hint: str) -> ClewError:
    return ClewError(ErrorCode.INVALID_ARGUMENT, f"{text!r} is not {what}", hint=hint)


def parse_address(text: str) -> Address:
    """Read ``HOST:PORT``, ``[IPV6]:PORT``, or a port alone (then on 127.0.0.1)."""
    hint = "give HOST:PORT or PORT, such as 127.0.0.1:4318"
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = "127.0.0.1", text
    host = host.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise _refuse(text, "an address", "put an IPv6 address into brackets: [::1]:4318")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535 or not host:
        raise _refuse(text, "an address", hint)
    return Address(host, int(port))


def parse_door(text: str) -> Address | None:
    """Read an address, or ``off`` for a door that stays shut."""
    if text.strip().lower() == "off":
        return None
    try:
        return parse_address(text)
    except ClewError as error:
        raise ClewError(error.code, error.message, hint=f"{error.hint}, or off") from None


def parse_links(text: str) -> tuple[LinksAddress, ...]:
    """Read addresses for datagrams, separated by commas; ``off`` gives none."""
    parts = parse_list(text)
    if [part.lower() for part in parts] in ([], ["off"]):
        return ()
    return tuple(parse_links_address(part) for part in parts)


def parse_switch(text: str) -> bool:
    """Read yes or no."""
    match text.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off" | "":
            return False
    raise _refuse(text, "a yes or no", "give true or false")


def parse_size(text: str) -> int:
    """Read a number of bytes: ``4GiB``, ``500MB``, ``1048576``."""
    match = re.fullmatch(r"\s*(\d{1,18})(?:\.(\d{1,3}))?\s*([a-zA-Z]{0,3})\s*", text, re.ASCII)
    unit = SIZE_UNITS.get(match[3].lower()) if match else None
    if match is None or unit is None:
        raise _refuse(text, "a size", "give bytes, or a number with kB, MB, GB, KiB, MiB or GiB")
    return int(match[1]) * unit + int(float(f"0.{match[2] or 0}") * unit)


def parse_count(text: str) -> int:
    """Read a whole number from 0 up."""
    if not re.fullmatch(r"\d{1,12}", text.strip(), re.ASCII):
        raise _refuse(text, "a count", "give a whole number, 0 or more")
    return int(text)


def parse_positive(text: str) -> int:
    """Read a whole number from 1 up."""
    count = parse_count(text)
    if count == 0:
        raise _refuse(text, "a positive count", "give a whole number, 1 or more")
    return count


def parse_seconds(text: str) -> float:
    """Read a positive number of seconds, with or without the ``s``."""
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError:
        seconds = math.nan
    if not (0 < seconds <= 86_400):
        raise _refuse(text, "a time", "give seconds, more than 0 and at most 86400")
    return seconds


def parse_retention(text: str) -> int | None:
    """Read how long rows are kept, in seconds: ``30d``, ``12h``, ``8w``; ``off`` is for ever."""
    if text.strip().lower() == "off":
        return None
    try:
        seconds = parse_duration_ns(text.strip()) // NS_PER_S
    except ClewError as error:
        raise ClewError(error.code, error.message, hint=f"{error.hint}, or off") from None
    if seconds == 0:
        raise _refuse(text, "a retention", "give at least a second, or off to keep for ever")
    return seconds


def parse_interval(text: str) -> float | None:
    """Read how often something is done, in seconds; ``off`` is never."""
    if text.strip().lower() == "off":
        return None
    try:
        return parse_seconds(text)
    except ClewError as error:
        raise ClewError(error.code, error.message, hint=f"{error.hint}, or off") from None


def parse_list(text: str) -> tuple[str, ...]:
    """Read names separated by commas; nothing gives none."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def parse_folder(text: str) -> Path:
    """Read the path of a folder; ``~`` is the home folder."""
    if not text.strip() or "\0" in text:
        raise _refuse(text, "a folder", "give a path")
    return _absolute(text)


def parse_file(text: str) -> Path | None:
    """Read the path of a file, ``~`` being the home folder; nothing gives none."""
    if "\0" in text:
        raise _refuse(text, "a file", "give a path")
    return _absolute(text.strip()) if text.strip() else None


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().absolute()
    except (RuntimeError, FileNotFoundError) as error:
        missing = "that home" if path.startswith("~") else "the working directory"
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT,
            f"{path!r} is no absolute path, and nobody knows {missing}",
            hint="give one that begins with /",
        ) from error


def parse_files(text: str) -> tuple[Path, ...]:
    """Read paths of files separated by commas; nothing gives none."""
    return tuple(path for part in parse_list(text) if (path := parse_file(part)) is not None)


def parse_store(text: str) -> str:
    """Read where rows are kept: ``chdb``, or the address of a ClickHouse server."""
    if text == "chdb" or re.match(r"clickhouses?://[^/]", text):
        return text
    raise _refuse(text, "a store", "give chdb, or clickhouse://user:password@host:port/database")


def parse_tier(text: str) -> Tier:
    """Read how apps show who they are."""
    try:
        return Tier(text.strip().lower())
    except ValueError:
        raise _refuse(text, "a tier", f"give {', '.join(Tier)}") from None


def parse_references(text: str) -> ReferencePolicy:
    """Read what becomes of events that refer to objects which are not there."""
    try:
        return ReferencePolicy(text.strip().lower())
    except ValueError:
        raise _refuse(text, "a way with references", f"give {', '.join(ReferencePolicy)}") from None


def parse_strategy(text: str) -> ConflictStrategy:
    """Read how conflicts of two versions are settled."""
    try:
        return ConflictStrategy(text.strip().lower().replace("-", "_"))
    except ValueError:
        raise _refuse(text, "a strategy", f"give {', '.join(ConflictStrategy)}") from None


def parse_registry(text: str) -> str:
    """Read where the registry is kept: ``sqlite``, or the address of a PostgreSQL database."""
    if text == SQLITE or is_postgres(text):
        return text
    shown = hide_password(text) if "://" in text else text
    raise _refuse(
        shown, "a registry", "give sqlite, or postgresql://user:password@host:port/database"
    )


def parse_role(text: str) -> Role:
    """Read how a server of a group starts."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise _refuse(text, "a role", f"give {', '.join(Role)}") from None


def parse_acks(text: str) -> int | None:
    """Read how many standbys must have what is acknowledged; None stands for ``all`` of them."""
    if text.strip().lower() == "all":
        return None
    try:
        return parse_count(text)
    except ClewError:
        raise _refuse(text, "a number of standbys", "give all, or a whole number from 0") from None


def parse_server(text: str) -> str | None:
    """Read the URL of a server, without a slash at its end; nothing gives none."""
    text = text.strip()
    if not text:
        return None
    hint = "give http://HOST:PORT, such as http://10.0.0.2:7701"
    try:
        parts = urlsplit(text)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.query or parts.fragment or parts.username is not None:
        # What stands before an @ may be a password.
        raise _refuse(text.rpartition("@")[2], "the URL of a server", hint)
    return text.rstrip("/")


def parse_servers(text: str) -> tuple[str, ...]:
    """Read URLs of servers, separated by commas; nothing gives none, and one named twice is one."""
    found = (parse_server(part) for part in parse_list(text))
    return tuple(dict.fromkeys(url for url in found if url is not None))


def parse_shards(text: str) -> tuple[Shard, ...]:
    """Read the shards of a query tier, ``[NAME=]URL`` with commas between; nothing gives none.

    Addresses with one name are one shard: the servers of a group. Without a name a shard has the
    one by which Collectors send to it: its host, with OTLP's port. Where two would be called alike,
    their own ports tell them apart. Order means nothing.
    """
    # No second separator for the servers of a group: `|` and `;` are the shell's, and `+` and `/`
    # may be in a URL. So its name is repeated, as VictoriaMetrics does, and is never made up.
    named: dict[str, list[str]] = {}
    unnamed: list[str] = []
    for part in parse_list(text):
        name, equals, url = part.partition("=")
        if "|" in part:
            raise _refuse(
                part.rpartition("@")[2], "one address", "repeat the name for a group: a=URL,a=URL"
            )
        # A URL of a server has no query, so what stands before an equals sign is a name.
        url = parse_server(url if equals else part) or ""
        if not url:
            raise _refuse(part, "a shard", "give NAME=URL, such as a=http://10.0.0.2:7701")
        if equals and (not name.strip() or not _SHARD_NAME.fullmatch(name.strip())):
            raise _refuse(name, "a name of a shard", "letters, digits, and . : _ - [ ] are in one")
        if equals:
            named.setdefault(name.strip(), []).append(url)
        else:
            unnamed.append(url)
    shards = [Shard(name, *_split_off(sorted(urls))) for name, urls in named.items()]
    usual = [endpoint_of(url) for url in unnamed]
    for url in unnamed:
        own = endpoint_of(url) if usual.count(endpoint_of(url)) == 1 else _place(url)
        shards.append(Shard(own, url))
    for what, hint in (
        ([url for shard in shards for url in shard.urls], "it is there twice; name it once"),
        ([shard.name for shard in shards], "two are called so; give each a name: NAME=URL"),
    ):
        twice = next((each for each in what if what.count(each) > 1), None)
        if twice is not None:
            raise _refuse(twice, "one shard", hint)
    return tuple(sorted(shards, key=lambda shard: shard.name))


def _split_off(urls: list[str]) -> tuple[str, tuple[str, ...]]:
    return urls[0], tuple(urls[1:])


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}" if parts.port else endpoint_of(url)


def parse_lease(text: str) -> str | None:
    """Read where the lease of leadership is kept: PostgreSQL or etcd; nothing gives none."""
    text = text.strip()
    if not text or is_postgres(text) or is_etcd(text):
        return text or None
    shown = hide_password(text) if "://" in text else text
    raise _refuse(
        shown,
        "where a lease is kept",
        "give postgresql://user:password@host:port/database or etcd://host:port,host:port, with "
        "TLS etcds://host:port?cacert=FILE&cert=FILE&key=FILE",
    )


def parse_secret(text: str) -> str:
    """Read what is shown to nobody."""
    text = text.strip()
    if not text.isascii() or not text.isprintable():
        # What was given is not repeated: it is a secret that somebody mistyped.
        raise _refuse("…", "a key", "give it as `clew keys create` printed it")
    return text
