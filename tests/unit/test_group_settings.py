"""The settings of a group: what goes together, and what to do where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clew.app.configuration.group import check_group, find_url
from clew.app.configuration.load import load
from clew.app.configuration.shown import HIDDEN, show
from clew.app.configuration.values import Role
from clew.base.errors import ClewError, ErrorCode
from clew.base.gathering import Shard

if TYPE_CHECKING:
    from pathlib import Path

PEER = "http://10.0.0.2:7701"
OTHER = "http://10.0.0.3:7701/"
LEASE = "postgresql://clew:secret@10.0.0.9:5432/clew"


def test_a_server_alone_has_no_group_and_is_not_asked_for_one(tmp_path: Path) -> None:
    configuration = load({}, environ={}, folder=tmp_path).configuration
    check_group(configuration)
    assert (configuration.standby, configuration.role) == ((), Role.LEADER)


def test_standbys_are_named_one_by_one_or_with_commas(tmp_path: Path) -> None:
    by_flag = load({"standby": [PEER, OTHER, PEER]}, environ={}, folder=tmp_path)
    by_variable = load({}, environ={"CLEW_STANDBY": f"{PEER}, {OTHER}"}, folder=tmp_path)
    assert by_flag.configuration.standby == by_variable.configuration.standby
    assert by_flag.configuration.standby == (PEER, OTHER.rstrip("/"))


@pytest.mark.parametrize(
    "lease",
    [
        "etcd://10.0.0.9",
        "etcd://clew:secret@10.0.0.9:2379,etcd-2:2379/clew",
        "etcds://[fd00::9]:2379/",
        "etcds://10.0.0.9/orders?cacert=/etc/etcd/ca.pem",
        "etcds://clew:secret@10.0.0.9?cert=client.pem&key=client.key",
        LEASE,
    ],
)
def test_a_lease_is_kept_in_postgresql_or_in_etcd(lease: str, tmp_path: Path) -> None:
    given = load({"standby": [PEER], "role": "auto", "lease": lease}, environ={}, folder=tmp_path)
    check_group(given.configuration)
    assert given.configuration.lease == lease


@pytest.mark.parametrize(
    "lease",
    [
        *("etcd://", "etcd://clew:secret@", "etcd://10.0.0.9:port", "etcd://a,,b", "zk://a:2181"),
        *("etcd://a?cacert=ca.pem", "etcds://a?ca=ca.pem", "etcds://a?ca=x@b", "etcds://a?cacert="),
        *("etcds://a?cert=client.pem", "etcds://a?key=client.key", "etcds://a?"),
        "etcds://a?cacert=one.pem&cacert=other.pem",
    ],
)
def test_a_lease_that_nobody_can_keep_is_refused(lease: str, tmp_path: Path) -> None:
    with pytest.raises(ClewError) as refused:
        load({"standby": [PEER], "role": "auto", "lease": lease}, environ={}, folder=tmp_path)
    assert "etcd://host:port" in (refused.value.hint or "")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("flags", "message", "hint"),
    [
        ({"role": "standby"}, "--role standby without --standby", "--standby http"),
        ({"required_acks": "1"}, "nobody to acknowledge", "--standby http"),
        ({"standby": [PEER], "required_acks": "2"}, "never be kept", "at most 1, or all"),
        ({"standby": [PEER], "role": "auto"}, "--role auto without --lease", "give --lease"),
        ({"standby": [PEER], "lease": LEASE}, "--lease with --role leader", "--role auto"),
        ({"standby": [PEER], "advertise": PEER}, "is this server itself", "--advertise"),
        ({"standby": [PEER], "http": "10.0.0.2:7701"}, "is this server itself", "the others"),
        ({"shards": PEER, "http": "10.0.0.2:7701"}, "is this server itself", "hold the data"),
        ({"standby": [PEER], "http": "127.0.0.1:0"}, "nobody could find it", "--advertise"),
        ({"standby": [PEER], "http": "0.0.0.0:7701"}, "every address", "--advertise"),
        ({"standby": [PEER], "registry": LEASE}, "registry of several", "--registry"),
        ({"standby": [PEER], "store": "clickhouse://10.0.0.8/x"}, "of several", "--store"),
        (
            {"standby": [PEER], "role": "auto", "lease": LEASE, "lease_seconds": "0.2"},
            "too short",
            "at least 1",
        ),
        ({"standby": [f"http://10.0.1.{n}:1" for n in range(9)]}, "at most 9", "--shards"),
    ],
)
def test_what_contradicts_itself_is_refused_with_what_to_do(
    flags: dict[str, str], message: str, hint: str, tmp_path: Path
) -> None:
    configuration = load(flags, environ={}, folder=tmp_path).configuration
    with pytest.raises(ClewError) as refused:
        check_group(configuration)
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT
    assert message in refused.value.message
    assert hint in (refused.value.hint or "")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("standby", "10.0.0.2:7701"),
        ("standby", "ftp://10.0.0.2"),
        ("standby", "http://10.0.0.2:port"),
        ("standby", "http://user:secret@10.0.0.2"),
        ("advertise", "http://"),
        ("role", "primary"),
        ("required_acks", "most"),
        ("required_acks", "-1"),
        ("lease", "sqlite:///secret"),
        ("peer_key", "sécret"),
    ],
)
def test_what_is_no_such_value_is_refused_by_its_name(name: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ClewError, match=name.replace("_", "-")) as refused:
        load({name: text}, environ={}, folder=tmp_path)
    assert refused.value.hint
    if name == "peer_key":
        assert text not in str(refused.value)


def test_a_group_by_lease_and_one_by_hand_are_both_taken(tmp_path: Path) -> None:
    by_lease = {"standby": [PEER], "role": "auto", "lease": LEASE}
    by_hand = {"standby": [PEER, OTHER], "role": "standby", "required_acks": "1"}
    for flags in (by_lease, by_hand):
        check_group(load(flags, environ={}, folder=tmp_path).configuration)


def test_a_server_is_found_by_its_door_unless_told_otherwise(tmp_path: Path) -> None:
    door = load({"http": "10.0.0.1:80"}, environ={}, folder=tmp_path).configuration
    told = load({"advertise": "https://a.example/clew/"}, environ={}, folder=tmp_path).configuration
    assert (find_url(door), find_url(told)) == ("http://10.0.0.1:80", "https://a.example/clew")


def test_neither_the_key_of_the_group_nor_the_password_of_the_lease_is_shown(
    tmp_path: Path,
) -> None:
    loaded = load({"peer_key": "clew_secret", "lease": LEASE}, environ={}, folder=tmp_path)
    values = {each.name: each.value for each in show(loaded).settings}
    assert values["peer_key"] == HIDDEN
    assert "secret" not in values["lease"]


def test_addresses_with_one_name_are_one_shard_in_whatever_order(tmp_path: Path) -> None:
    (tmp_path / "clew.toml").write_text(f'shards = ["b=http://b", "a={PEER}", "a={OTHER}"]\n')
    for given in (f"a={OTHER},b=http://b,a={PEER}", [f"a={PEER},a={OTHER}", "b=http://b"]):
        shards = load({"shards": given}, environ={}, folder=tmp_path).configuration.shards
        assert shards == (Shard("a", PEER, (OTHER.rstrip("/"),)), Shard("b", "http://b"))
    environ = {"CLEW_CONFIG": str(tmp_path / "clew.toml")}
    assert load({}, environ=environ, folder=tmp_path).configuration.shards == shards
    flags = {"shards": f"a={OTHER},a={PEER}", "http": "10.0.0.2:7701"}
    itself = load(flags, environ={}, folder=tmp_path / "none").configuration
    with pytest.raises(ClewError, match="is this server itself"):
        check_group(itself)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"a={PEER},a={PEER}", "name it once"),
        (f"a={PEER},b={PEER}", "name it once"),
        (f"a={PEER}|{OTHER}", "a=URL,a=URL"),
        (f"{PEER}|{OTHER}", "a=URL,a=URL"),
        (f"a={PEER},a=", "give NAME=URL"),
    ],
)
def test_shards_that_are_none_are_refused_with_how_to_name_them(
    text: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(ClewError, match="shards") as refused:
        load({"shards": text}, environ={}, folder=tmp_path)
    assert hint in (refused.value.hint or "")
