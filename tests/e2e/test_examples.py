"""The examples run as their pages say, and the twin says of them what happened.

Each page is followed from top to bottom in a shell, against one real server; what a page shows is
what its commands print. The checkout stays as it is: a link to the examples stands in for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clew.testing.server import ServerProcess
from clew.twin import Registry
from tests.guides import read_blocks, run_shell
from tests.integration.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"


class Reader:
    """Somebody who follows pages, in a folder of his own, and asks the server."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.folder = folder
        self.server = server
        (folder / "examples").symlink_to(EXAMPLES)

    def run(self, commands: str) -> str:
        """Run commands as a page has them; return what they print."""
        environ = {"CLEW_SERVER": self.server.url, "PYTHONPATH": str(self.folder)}
        done = run_shell(commands, self.folder, environ | {"PYTHONWARNINGS": "error"})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def follow(self, name: str) -> None:
        """Follow the page of an example; what it shows must be what is printed."""
        printed = ""
        for kind, block in read_blocks(EXAMPLES / name / "README.md"):
            if kind == "sh":
                printed = self.run(block)
            else:
                assert (kind, printed) == ("text", block)

    def get(self, path: str) -> Any:
        """Return a document of the server."""
        answer = ask(self.server.url, "GET", f"/api/v1/{path}")
        assert answer.status == 200, answer.body
        return answer.document

    def touched(self, obj_type: str, obj_id: str) -> Any:
        """Return what the trace touched that changed an object last."""
        trace_id = self.get(f"objects/{obj_type}/{obj_id}")["last_event"]["trace_id"]
        return self.get(f"traces/{trace_id}/objects")


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    with ServerProcess(folder / "data") as server:
        yield Reader(folder, server)


@pytest.fixture(scope="module")
def cart(reader: Reader) -> Reader:
    reader.follow("cart")
    return reader


@pytest.fixture(scope="module")
def services(reader: Reader) -> Reader:
    reader.follow("two_services")
    return reader


@pytest.fixture(scope="module")
def editor(reader: Reader) -> Reader:
    reader.follow("graph_editor")
    return reader


def test_the_cart_is_what_was_bought_and_its_checkouts_ended_as_they_did(cart: Reader) -> None:
    now = cart.get("objects/ShoppingCart/cart_123")
    assert now["state"] == {
        "items": ["SKU-001", "SKU-002"],
        "item_count": 2,
        "total_value": 25.49,
        "status": "paid",
    }
    flows = [each["id"] for each in cart.get("objects?type=CheckoutFlow")["objects"]]
    ended = [cart.get(f"objects/CheckoutFlow/{each}") for each in flows]
    assert [(each["phase"], each["status"]) for each in ended] == [
        ("shipping", "completed"),
        ("payment", "failed"),
    ]
    assert {each["state"]["card"] for each in ended} == {"[redacted]"}
    paid = cart.touched("ShoppingCart", "cart_123")
    assert [each["twin"]["type"] for each in paid["objects"]] == ["CheckoutFlow", "ShoppingCart"]


def test_one_trace_touches_objects_of_both_services(services: Reader) -> None:
    touched = services.touched("Order", "order-1")
    assert [each["twin"]["type"] for each in touched["objects"]] == [
        "Fulfilment",
        "Order",
        "StockItem",
        "StockItem",
        "Shipment",
    ]
    trace = services.get(f"traces/{touched['trace_id']}")
    assert {span["service"] for span in trace["spans"]} == {"orders", "warehouse"}
    parcel = services.get("objects/Shipment/parcel-order-1")
    assert (parcel["state"]["order"], parcel["warnings"]) == ("order-1", [])


def test_the_warehouse_speaks_of_an_order_that_it_knows_from_headers_alone(
    services: Reader,
) -> None:
    events = services.get("objects/Order/order-2/timeline")["events"]
    said = [(each["service"], each["name"] or each["type"]) for each in events]
    assert said == [
        ("orders", "created"),
        ("warehouse", "out_of_stock"),
        ("orders", "state_change"),
    ]
    assert services.get("objects/Order/order-2")["state"]["status"] == "refused"
    assert services.get("objects/StockItem/SKU-001")["state"] == {"on_hand": 2}


STRANGER = """
import httpx
from examples.two_services.order import running

forged = {
    "baggage": "trilog.obj.id=order-1,trilog.obj.type=Order",
    "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
}
order = {"id": "order-3", "customer": "Eve", "skus": ["SKU-002", "SKU-002"]}
with running("warehouse") as warehouse, running("orders", WAREHOUSE=warehouse) as orders:
    httpx.post(f"{orders}/orders", json=order, headers=forged, timeout=150).raise_for_status()
"""


def test_a_stranger_can_neither_speak_of_an_object_nor_choose_a_trace(services: Reader) -> None:
    before = services.get("objects/Order/order-1/timeline")
    services.run(f"python - <<'END'\n{STRANGER}\nEND")
    assert services.get("objects/Order/order-1/timeline") == before
    refused = services.touched("Order", "order-3")
    assert refused["trace_id"] != "ab" * 16
    assert {each["twin"]["id"] for each in refused["objects"]} == {"order-3", refused["trace_id"]}


def test_the_model_of_the_graph_editor_is_as_large_as_it_says(editor: Reader) -> None:
    written = Registry.load(EXAMPLES / "graph_editor" / "registry.json")
    assert len(written.get_all_objects()) == 21
    assert len(written.get_all_processes()) == 10
    listed = editor.get("objects?service=graph-editor&limit=1000&deleted=true")["objects"]
    used = {each["type"] for each in listed}
    assert len(used & set(written.get_all_objects())) >= 16
    assert len(used & set(written.get_all_processes())) >= 9


def test_the_registry_of_the_graph_editor_is_that_of_its_blueprint(editor: Reader) -> None:
    said = editor.run(
        "clew registry export --module examples.graph_editor.blueprint -o now.json\n"
        "clew registry diff now.json examples/graph_editor/registry.json"
    )
    assert '"count":0' in said, "clew registry export -o examples/graph_editor/registry.json"


def test_a_cut_holds_what_was_there_at_its_instant_and_nothing_else(editor: Reader) -> None:
    edits = editor.get("objects/Diagram/diagram-1/history/edits")["values"]
    removed = next(each for each in edits if each["value"] == 4)
    graph = editor.get(f"objects/Diagram/diagram-1/graph?at=event:{removed['event_id']}")
    there = {(each["type"], each["id"]) for each in graph["objects"]}
    assert ("Node", "diagram-1.node-2") in there
    assert ("Node", "diagram-1.node-1") not in there
    assert not {kind for kind, _ in there} & {"Edge", "Revision"}
    assert not [each for each in graph["references"] if each["is_dangling"]]


def test_an_invariant_that_does_not_hold_is_told_with_the_state(editor: Reader) -> None:
    assert editor.get("objects/Subscription/studio")["warnings"] == []
    editor.run(
        "python - <<'END'\n"
        "from clew.twin import TriLogLogger, anchor\n"
        "from examples.graph_editor.blueprint.people import Subscription\n"
        "with anchor('studio', Subscription):\n"
        "    TriLogLogger('test', validation='off').state_change(seats_taken=9)\n"
        "END"
    )
    (warning,) = editor.get("objects/Subscription/studio")["warnings"]
    assert (warning["code"], "seats_taken <= seats" in warning["message"]) == ("invariant", True)


def test_every_example_has_a_page_that_the_list_names() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for page in EXAMPLES.glob("*/README.md"):
        assert f"({page.relative_to(EXAMPLES)})" in listed
