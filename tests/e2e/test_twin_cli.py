"""The commands of the twin as a person and as a program meet them: what objects were, and why."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clew.base.times import format_time
from clew.surfaces.cli.text import width_of
from clew.testing.server import ServerProcess
from tests.e2e.terminal import Ended, clew, clew_on_terminal
from tests.integration.fingerprints import MORNING, fingerprint, request_of

NOWHERE = "http://127.0.0.1:9"
S = 1_000_000_000
TRACE = "c1ec1ec1ec1ec1ec1ec1ec1ec1ec1ec1"
FIRST_SPAN, LAST_SPAN = "c1ec1ec1ec1ec101", "c1ec1ec1ec1ec102"
HOSTILE = "a\x1b[2Jb\u202e \x07\nnext line"
CART, ORDER = ("CliCart", "cart/7"), ("CliOrder", "order-9")

REGISTRY = {
    "registry": {"name": "cli-shop", "version": "1.0.0"},
    "objects": {
        "CliCart": {
            "name": "CliCart",
            "prefix": "cli_cart",
            "fields": {
                "item_count": {"name": "item_count", "type": "integer"},
                "total": {"name": "total", "type": "float"},
                "items": {"name": "items", "type": "list"},
                "status": {"name": "status", "type": "string"},
            },
        },
        "CliOrder": {
            "name": "CliOrder",
            "prefix": "cli_order",
            "fields": {
                "cart": {"name": "cart", "type": "reference", "ref_type": "CliCart"},
                "total": {"name": "total", "type": "float", "min_value": 0},
                "note": {"name": "note", "type": "string"},
            },
        },
    },
}


def cart(kind: str, seq: int, second: int, span: str, **fields: Any) -> dict[str, Any]:
    named = {"obj_type": CART[0], "prefix": "cli_cart"}
    record = fingerprint(kind, CART[1], MORNING + second * S, seq, fields, **named)
    return record | {"trace_id": TRACE, "span_id": span}


def order(kind: str, seq: int, second: int, obj_id: str = ORDER[1], **fields: Any) -> Any:
    named = {"obj_type": ORDER[0], "prefix": "cli_order"}
    return fingerprint(kind, obj_id, MORNING + second * S, seq, fields, **named)


def event_id(seq: int, second: int) -> str:
    return f"{CART[1]}-{MORNING + second * S}-{seq}"


@pytest.fixture(scope="module")
def shop(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cart, an order that names it, an order that is gone, an event that was refused."""
    file = tmp_path_factory.mktemp("twin") / "registry.json"
    file.write_text(json.dumps(REGISTRY))
    pushed = clew("registry", "push", str(file), server=server.url)
    assert (pushed.code, pushed.document["created"]) == (0, True), pushed.stderr
    send(
        server,
        cart("created", 1, 0, FIRST_SPAN, item_count=1, status="active", items=["book"]),
        cart("state_change", 2, 5, FIRST_SPAN, item_count=2, total=19.5),
        cart("state_change", 3, 9, LAST_SPAN, status="ordered", total=None),
        order("created", 1, 8, cart=CART[1], total=19.5, note=HOSTILE),
        order("state_change", 2, 10, total=-1.0),
        order("created", 1, 1, "order-1", total=1.0, cart="nowhere"),
        order("deleted", 2, 2, "order-1"),
    )
    return file


def send(server: ServerProcess, *records: Any) -> None:
    body = request_of(records)
    asked = urllib.request.Request(
        f"{server.otlp_url}/v1/logs", body, {"content-type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(asked, timeout=150) as answer:
        assert answer.status == 200


def ask(server: ServerProcess, *arguments: str) -> Any:
    said = clew(*arguments, server=server.url)
    assert said.code == 0, said.stderr
    assert said.stderr == ""
    return said.document


def test_piped_output_is_the_very_document_of_the_rest_door(
    server: ServerProcess, shop: Path
) -> None:
    at = format_time(MORNING + 20 * S)
    said = clew("twin", *CART, "--at", at, server=server.url)
    address = f"{server.url}/api/v1/objects/CliCart/cart%2F7?at={at}"
    with urllib.request.urlopen(address, timeout=150) as answer:
        assert said.stdout.encode().rstrip(b"\n") == answer.read().rstrip(b"\n")
    assert (said.code, said.stderr) == (0, "")


def test_a_state_is_that_of_a_time_an_event_or_a_span(server: ServerProcess, shop: Path) -> None:
    def state(at: str) -> Any:
        found = ask(server, "twin", *CART, "--at", at)
        return (found["version"], found["state"].get("item_count"), found["state"].get("status"))

    assert state(format_time(MORNING + 5 * S)) == (2, 2, "active")
    assert state(f"event:{event_id(1, 0)}") == (1, 1, "active")
    assert state(f"span:{FIRST_SPAN}") == (2, 2, "active")
    assert state(FIRST_SPAN) == (2, 2, "active")
    assert state("now") == (3, 2, "ordered")
    before = ask(server, "twin", *CART, "--at", format_time(MORNING - S))
    assert before["exists"] is False
    assert [each["code"] for each in before["warnings"]] == ["before_first_event"]


def test_lists_narrow_as_the_parameters_do(server: ServerProcess, shop: Path) -> None:
    def ids(*flags: str) -> list[str]:
        return [each["id"] for each in ask(server, "objects", "CliOrder", *flags)["objects"]]

    assert ids() == ["order-9"]
    assert ids("--deleted") == ["order-9", "order-1"]
    assert ids("--text", "ORDER-9", "--service", "shop") == ["order-9"]
    lines = clew("objects", "CliOrder", "--deleted", "--limit", "1", "--format", "ndjson",
                 server=server.url)  # fmt: skip
    (line,) = lines.lines
    assert json.loads(line)["id"] == "order-9"
    following = json.loads(lines.stderr)["next"]
    rest = clew("objects", "CliOrder", "--deleted", "--limit", "1", "--next", following,
                server=server.url)  # fmt: skip
    assert [each["id"] for each in rest.document["objects"]] == ["order-1"]


def test_a_value_is_followed_to_the_span_that_set_it(server: ServerProcess, shop: Path) -> None:
    found = ask(server, "timeline", *CART, "--field", "status", "--event-type", "state_change")
    assert [(each["event_id"], each["span_id"]) for each in found["events"]] == [
        (event_id(3, 9), LAST_SPAN)
    ]
    segments = ask(server, "timeline", *CART, "--segment", "5s", "--changes")["segments"]
    assert sum(each["changes"] for each in segments) == 3
    (last, first) = ask(server, "history", *CART, "status", "--newest-first")["values"]
    assert (last["value"], last["previous"], last["span_id"]) == ("ordered", "active", LAST_SPAN)
    assert (first["value"], first["version"]) == ("active", 1)
    differs = ask(server, "state-diff", *CART, "--from", f"event:{event_id(1, 0)}")
    assert differs["changed"]["status"]["event"]["span_id"] == LAST_SPAN
    assert differs["added_by"]["total"]["event_id"] == event_id(3, 9)
    assert (differs["unchanged"], differs["versions"]) == (1, 2)


def test_a_graph_and_a_trace_are_shown_at_one_instant(server: ServerProcess, shop: Path) -> None:
    graph = ask(server, "graph", *ORDER, "--at", format_time(MORNING + 8 * S))
    assert [(each["id"], each["version"]) for each in graph["objects"]] == [
        ("order-9", 1),
        ("cart/7", 2),
    ]
    touched = ask(server, "touched", TRACE, "--step", "2")
    (object_,) = touched["objects"]
    assert (touched["steps"], object_["twin"]["state"]["item_count"]) == (3, 2)
    refused = ask(server, "rejected", "--type", "CliOrder")
    assert (refused["by_code"], refused["count"]) == ({"INVALID_VALUE": 1}, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["twin", "CliCart", "cart/8"], 2, "did you mean cart/7?"),
        (["twin", "CliOrder", "cart/7"], 2, "did you mean CliCart cart/7?"),
        (["timeline", "CliCrt", "x"], 2, "did you mean CliCart"),
        (["history", *CART, "statu"], 2, "did you mean status?"),
        (["objects", "CliCrt"], 2, "did you mean CliCart"),
        (["objects", "CliCart", "--last", "1s"], 2, "--deleted"),
        (["rejected", "--type", "CliCart"], 2, "--warned"),
        (["twin", *CART, "--at", "soon"], 3, "15m"),
        (["twin", *CART, "--at", "event:none"], 2, "clew timeline"),
        (["state-diff", *CART], 3, "clew state-diff --help"),
        (["state-diff", *CART, "--from", "now", "--to", "1h"], 3, "earlier"),
        (["graph", *CART, "--depth", "1.5"], 3, "100"),
        (["touched", "no-trace"], 3, "32 hex digits"),
        (["timeline", *CART, "--event-type", "birth"], 3, "created"),
        (["registry", "push", "/nowhere/r.json"], 3, "clew registry export"),
        (["registry", "show", "no-such"], 2, "clew registry push"),
        (["export", "objects", "--status", "ok"], 3, "--deleted"),
        (["export", "events", "--format", "otlp-json"], 3, "parquet"),
        (["export", "events", "--type", "CliNothing"], 2, "widen"),
    ],
)
def test_each_kind_of_trouble_has_its_exit_code_and_says_what_would_be_right(
    server: ServerProcess, shop: Path, arguments: list[str], code: int, hint: str
) -> None:
    said = clew(*arguments, server=server.url)
    assert said.code == code, said
    assert set(said.error) == {"error", "code", "hint"}
    assert hint in said.error["hint"]


def test_a_server_that_is_away_is_exit_code_four() -> None:
    assert clew("objects", server=NOWHERE).code == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["objects", "CliOrder", "--deleted"],
        ["twin", *ORDER],
        ["timeline", *ORDER],
        ["history", *ORDER, "note"],
        ["state-diff", *ORDER, "--from", "1d"],
        ["graph", *ORDER],
        ["touched", TRACE],
        ["rejected", "--type", "CliOrder"],
        ["registry", "list"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_terminal_of_eighty_columns_holds_every_line_and_nothing_hostile(
    server: ServerProcess, shop: Path, arguments: list[str]
) -> None:
    said: Ended = clew_on_terminal(*arguments, server=server.url, columns=80)
    assert said.code == 0, said.stdout
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.stdout).replace("\r\n", "\n")
    assert max(width_of(line) for line in plain.splitlines()) <= 80
    assert not set(plain) & set("\x1b\x07\u202e\r")


def test_a_person_can_copy_the_id_and_reads_each_remark_once(
    server: ServerProcess, shop: Path
) -> None:
    obj_id = "019a8f2e-7c1b-7f3a-9d2e-2b7b5a1c9e01"
    note = "a note that takes more room than there is on a line of eighty columns of text"
    send(server, *(order("created", n, 20 + n, obj_id, note=note) for n in range(4)))
    listed = clew_on_terminal("objects", ORDER[0], server=server.url, columns=80)
    assert obj_id in listed.stdout
    shown = clew_on_terminal("twin", ORDER[0], obj_id, server=server.url, columns=80)
    assert shown.stdout.count("created_again") == 1
    assert "(3 times)" in shown.stdout


def test_a_budget_of_tokens_bounds_an_answer_and_says_what_is_missing(
    server: ServerProcess, shop: Path
) -> None:
    for arguments in (
        ["twin", *ORDER],
        ["timeline", *CART],
        ["graph", *ORDER],
        ["state-diff", *CART, "--from", "1d"],
    ):
        said = clew(*arguments, "--max-tokens", "100", server=server.url)
        assert (said.code, len(said.stdout.encode()) <= 400) == (0, True), said
        assert said.document["truncated"] is True
        assert "max-tokens" in said.document["hint"]


def test_registries_of_a_server_are_listed_shown_and_a_gate_for_new_ones(
    server: ServerProcess, shop: Path
) -> None:
    (mine,) = [
        each for each in ask(server, "registry", "list")["registries"] if each["name"] == "cli-shop"
    ]
    assert (mine["objects"], mine["is_current"]) == (2, True)
    shown = ask(server, "registry", "show", mine["checksum"])
    assert set(shown["objects"]) == {"CliCart", "CliOrder"}
    assert ask(server, "registry", "check", "server", str(shop))["breaking"] == 0
    changed = json.loads(json.dumps(REGISTRY))
    del changed["objects"]["CliCart"]["fields"]["total"]
    new = shop.parent / "new.json"
    new.write_text(json.dumps(changed))
    gate = clew("registry", "check", "server", str(new), server=server.url)
    assert (gate.code, gate.document["breaking"]) == (1, 1)


def test_objects_and_events_leave_as_tables(
    server: ServerProcess, shop: Path, tmp_path: Path
) -> None:
    at = format_time(MORNING + 5 * S)
    file = tmp_path / "carts.parquet"
    said = clew("export", "objects", "--type", "CliCart", "--at", at, "-o", str(file),
                server=server.url)  # fmt: skip
    assert said.code == 0, said.stderr
    (row,) = pq.read_table(file).to_pylist()
    assert (row["id"], row["state.item_count"], row["state.total"]) == ("cart/7", 2, 19.5)
    assert json.loads(row["state"])["items"] == ["book"]
    lines = clew("export", "events", "--type", "CliCart", "--id", CART[1], server=server.url)
    events = [json.loads(line) for line in lines.lines]
    assert [each["event_id"] for each in events] == [
        each["event_id"] for each in ask(server, "timeline", *CART)["events"]
    ]
    none = tmp_path / "none.parquet"
    nothing = clew("export", "events", "--type", "CliNo", "-o", str(none), server=server.url)
    assert (nothing.code, pq.read_table(none).num_rows) == (2, 0)


def test_completion_knows_types_ids_and_fields(server: ServerProcess, shop: Path) -> None:
    assert "CliCart" in clew("__complete", "twin", "", server=server.url).lines
    assert "cart/7" in clew("__complete", "twin", "CliCart", "", server=server.url).lines
    fields = clew("__complete", "history", *CART, "", server=server.url).lines
    assert {"item_count", "status"} <= set(fields)
