"""What `config.textproto` says: the record APIs, with what the server checks when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from clew.testing.trailbase.textproto import parse_textproto

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clew.testing.trailbase.textproto import Message

LISTING_MAX: Final = 1024
"""The server's own hard limit of a list."""

BODY_BYTES_MAX: Final = 10 * 1024 * 1024
"""The server's own limit of a body."""

_KNOWN: Final = {
    "name",
    "table_name",
    "acl_world",
    "acl_authenticated",
    "enable_subscriptions",
    "listing_hard_limit",
    "create_access_rule",
    "read_access_rule",
    "update_access_rule",
    "delete_access_rule",
    "schema_access_rule",
}
"""Fields of a record API that are done here as the server does them; any other is refused."""

_MAGIC: Final = ("_user_", "_req_", "_row_", "_req_fields_")

_FORBIDDEN: Final = {
    "create": ("_ROW_",),
    "read": ("_REQ_",),
    "update": (),
    "delete": ("_REQ_",),
    "schema": ("_ROW_", "_REQ_"),
}
"""What a rule of a kind must not name; the server does not start with it."""


class Permission(StrEnum):
    """What may be done with a record API."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True)
class RecordApi:
    """One record API of the configuration."""

    name: str
    table: str
    world: frozenset[Permission]
    authenticated: frozenset[Permission]
    has_subscriptions: bool
    listing_max: int
    rules: Mapping[Permission, str]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the fake follows of a configuration."""

    apis: Mapping[str, RecordApi]
    has_transactions: bool
    body_bytes_max: int
    auth_ttl_s: int | None
    refresh_ttl_s: int | None
    password_chars_min: int
    auth_posts_per_ip: int | None


def read_configuration(text: str) -> Configuration:
    """Return what a configuration says.

    Raises:
        ValueError: the server would not start with it, or has something that the fake cannot do.
    """
    message = parse_textproto(text)
    for required in ("email", "server", "auth", "jobs"):
        if required not in message:
            raise ValueError(f"the configuration has no {required}")
    server, auth = _first(message, "server"), _first(message, "auth")
    apis = [_read_api(one) for one in message.get("record_apis", []) if isinstance(one, dict)]
    named = {api.name: api for api in apis}
    if len(named) != len(apis):
        raise ValueError("two record APIs have one name")
    return Configuration(
        apis=named,
        has_transactions=server.get("enable_record_transactions") == [True],
        body_bytes_max=_number(server, "request_size_limit_bytes") or BODY_BYTES_MAX,
        auth_ttl_s=_number(auth, "auth_token_ttl_sec"),
        refresh_ttl_s=_number(auth, "refresh_token_ttl_sec"),
        password_chars_min=_number(auth, "password_minimal_length") or 8,
        auth_posts_per_ip=_number(server, "auth_ip_rate_limit"),
    )


def _read_api(fields: Message) -> RecordApi:
    unknown = fields.keys() - _KNOWN
    if unknown:
        raise ValueError(f"the fake does not know these fields: {sorted(unknown)}")
    name = _text(fields, "name")
    rules = {
        permission: rule
        for permission in Permission
        if (rule := _text(fields, f"{permission}_access_rule"))
    }
    for permission, rule in rules.items():
        _check_rule(name, permission, rule)
    return RecordApi(
        name=name,
        table=_text(fields, "table_name"),
        world=_permissions(fields, "acl_world"),
        authenticated=_permissions(fields, "acl_authenticated"),
        has_subscriptions=fields.get("enable_subscriptions") == [True],
        listing_max=_number(fields, "listing_hard_limit") or LISTING_MAX,
        rules=rules,
    )


def _check_rule(name: str, permission: Permission, rule: str) -> None:
    for magic in _MAGIC:
        if magic in rule:
            raise ValueError(f"{name}: {magic} in a rule is written in capitals")
    for magic in _FORBIDDEN[permission]:
        if magic in rule:
            raise ValueError(f"{name}: the rule of {permission} cannot name {magic}")


def _first(message: Message, name: str) -> Message:
    found = message[name][0]
    if not isinstance(found, dict):
        raise TypeError(f"{name} is no message")
    return found


def _text(fields: Message, name: str) -> str:
    return str(fields.get(name, [""])[0])


def _number(fields: Message, name: str) -> int | None:
    found = fields.get(name)
    return None if not found or not isinstance(found[0], int) else found[0]


def _permissions(fields: Message, name: str) -> frozenset[Permission]:
    return frozenset(Permission(str(one).lower()) for one in fields.get(name, []))
