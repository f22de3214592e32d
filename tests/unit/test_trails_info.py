"""What a parent tells a child: `TRAILS_INFO`, as upstream's clients write and read it."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.tree.frames.info import VARIABLE, TrailsConfig, read_environment
from clew.tree.machine.app import Tier

APP = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
PARENT = "0e37df36-f698-41d7-8d0a-1f0c5e6b8f9c"
FULL: dict[str, Any] = {
    "v": 1,
    "appId": APP,
    "parentId": PARENT,
    "appName": "worker",
    "serverEp": "ws://trails.example:8443/ws",
    "serverPubKey": "ed25519:AAAA",
    "secLevel": "signed",
    "scheduledAt": 1772064000000,
    "startDeadline": 120,
    "originator": {"sub": "ada@example.org", "groups": ["ops"], "tenant": "t1"},
    "roleRefs": ["ops-role"],
    "tags": {"job": 7},
}


def encoded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def decoded(text: str) -> Any:
    return json.loads(base64.b64decode(text, validate=True))


def config(**changes: Any) -> TrailsConfig:
    return TrailsConfig.decode(encoded({**FULL, **changes}))


def test_everything_comes_back_as_it_was_written() -> None:
    text = encoded(FULL)
    assert decoded(TrailsConfig.decode(f"  {text}\n").encode()) == FULL


def test_what_is_left_out_has_the_defaults_of_trails() -> None:
    short = TrailsConfig.decode(
        encoded({"appId": APP, "appName": "a", "serverEp": "ws://127.0.0.1:1"})
    )
    assert (short.v, short.mode, short.tier, short.start_deadline) == (1, "full", Tier.OPEN, 300)
    assert (short.parent_id, short.role_refs, short.tags, short.originator) == (
        None,
        (),
        None,
        None,
    )
    assert "originator" not in decoded(short.encode())


def test_unknown_fields_are_ignored() -> None:
    assert config(ofTomorrow=1).app_id == APP


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"mode": "bootstrap"}, ErrorCode.UNSUPPORTED, "bootstrap"),
        ({"secLevel": "encrypted"}, ErrorCode.UNSUPPORTED, "encrypted"),
        ({"v": 2}, ErrorCode.UNSUPPORTED, "version 2"),
        ({"appName": ""}, ErrorCode.INVALID_ARGUMENT, "appName is empty"),
        ({"serverEp": "mqtt://h"}, ErrorCode.UNSUPPORTED, "mqtt"),
        ({"serverEp": "h:8443"}, ErrorCode.INVALID_ARGUMENT, "serverEp"),
        ({"serverEp": "ws://h:99999"}, ErrorCode.INVALID_ARGUMENT, "serverEp"),
        ({"serverEp": "ws://[h"}, ErrorCode.INVALID_ARGUMENT, "serverEp"),
        ({"appId": "42"}, ErrorCode.INVALID_ARGUMENT, "not an id"),
        ({"appName": 7}, ErrorCode.INVALID_ARGUMENT, "appName"),
        ({"secLevel": "full"}, ErrorCode.UNSUPPORTED, "full over ws"),
    ],
)
def test_what_this_client_does_not_speak_is_refused_clearly(
    change: dict[str, Any], code: ErrorCode, words: str
) -> None:
    with pytest.raises(ClewError, match=words) as caught:
        config(**change)
    assert caught.value.code is code
    assert caught.value.hint


def test_the_form_of_a_device_that_waits_to_be_claimed_is_recognised() -> None:
    with pytest.raises(ClewError, match="bootstrap"):
        TrailsConfig.decode(
            encoded({"v": 1, "mode": "bootstrap", "parentPubKey": "k", "serverEp": "ws://h"})
        )


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("ws://h:8443", "ws://h:8443/ws"),
        ("ws://h:8443/", "ws://h:8443/ws"),
        ("ws://h:8443/ws", "ws://h:8443/ws"),
        ("ws://wshost:8443", "ws://wshost:8443/ws"),
        ("http://h", "ws://h/ws"),
        ("https://h/x/y?a=b#c", "wss://h/x/y?a=b"),
        ("WSS://h", "wss://h/ws"),
        ("ws://[::1]:9", "ws://[::1]:9/ws"),
    ],
)
def test_an_address_becomes_that_of_the_socket(given: str, url: str) -> None:
    assert config(serverEp=given).socket_url() == url


def test_the_tier_full_may_use_an_open_line_within_this_machine() -> None:
    assert config(secLevel="full", serverEp="ws://127.0.0.1:1").tier is Tier.FULL
    assert config(secLevel="full", serverEp="wss://h").tier is Tier.FULL


def test_a_child_inherits_what_upstream_lets_it_inherit() -> None:
    parent = config(joinToken="t", grants=[{"sub": "x", "roles": ["read"], "expiresAt": 1}])
    child = parent.create_child("sub")
    assert child.parent_id == parent.app_id
    assert child.app_id != parent.app_id
    for name in (
        "server_ep",
        "server_pub_key",
        "sec_level",
        "start_deadline",
        "originator",
        "role_refs",
    ):
        assert getattr(child, name) == getattr(parent, name)
    assert (child.tags, child.join_token, child.grants) == (None, None, ())
    assert decoded(child.encode())["originator"] == FULL["originator"]


def test_the_start_day_counts_from_2025() -> None:
    assert config().start_day == 421
    assert config(scheduledAt=1735689600000).start_day == 0


def test_a_process_without_the_variable_is_no_part_of_a_tree() -> None:
    assert read_environment({}) is None
    assert read_environment({VARIABLE: "  "}) is None


@pytest.mark.parametrize("text", ["?", "e30", encoded([]), encoded({}), "AAAA", "A" * 70_000])
def test_a_variable_that_does_not_decode_is_told_of_and_not_used(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_environment({VARIABLE: text}) is None
    assert VARIABLE in caplog.text


def test_the_environment_is_read() -> None:
    found = read_environment({VARIABLE: encoded(FULL)})
    assert found is not None
    assert found.app_id == APP
