"""The examples of lineage run as their page says, and a running server has the graphs right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clew.testing.server import ServerProcess
from tests.guides import read_blocks, run_shell
from tests.integration.wire import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"


class Reader:
    """Somebody who followed the page, in a folder of his own."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.folder = folder
        self.server = server
        (folder / "examples").symlink_to(EXAMPLES)
        environ = {
            "CLEW_SERVER": server.url,
            "CLEW_LINKS": server.links_address,
            "PYTHONPATH": str(folder),
            "PYTHONWARNINGS": "error",
        }
        printed = ""
        for kind, block in read_blocks(EXAMPLES / "lineage" / "README.md"):
            if kind == "sh":
                done = run_shell(block, folder, environ)
                assert done.returncode == 0, done.stdout + done.stderr
                printed = done.stdout
            else:
                assert (kind, printed) == ("text", block)

    def lineage(self, name: str) -> dict[str, Any]:
        """Return what the output in a file was made of."""
        trace_id = (self.folder / name).read_text().strip()
        answer = ask(self.server.url, "GET", f"/api/v1/lineage/{trace_id}")
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.document
        assert (document["root"], document["missing"], document["truncated"]) == (
            trace_id,
            0,
            False,
        )
        return document


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    with ServerProcess(folder / "data") as server:
        yield Reader(folder, server)


def streams_of(document: dict[str, Any]) -> list[list[int]]:
    """Return the streams that each node has items of, the root's first."""
    return [[item["stream_id"] for item in node["items"]] for node in document["nodes"]]


def test_a_scene_is_made_of_a_sweep_and_the_frames_around_it(reader: Reader) -> None:
    document = reader.lineage("braked")
    root, *inputs = document["nodes"]
    parents = [edge["parent_trace_id"] for edge in document["edges"]]
    assert {edge["trace_id"] for edge in document["edges"]} == {document["root"]}
    assert sorted(parents) == sorted(node["trace_id"] for node in inputs)
    assert len(parents) == 4
    assert {item["stream_id"] for item in root["items"]} == {4, 5}
    frames = [node for node in inputs if {item["stream_id"] for item in node["items"]} == {1, 2}]
    sweeps = [node for node in inputs if {item["stream_id"] for item in node["items"]} == {3}]
    assert (len(frames), len(sweeps)) == (3, 1)


def test_a_scene_tells_the_windows_that_it_took_of_camera_and_lidar(reader: Reader) -> None:
    document = reader.lineage("braked")
    root = document["nodes"][0]
    # The straightened frames, of stream 2, went in, and not those of stream 1 that they were.
    assert [(each["stream_id"], each["count"]) for each in root["windows"]] == [(2, 3), (3, 1)]
    assert all(0 <= each["newest_ms"] <= each["oldest_ms"] for each in root["windows"])
    records = [item["record"] for node in document["nodes"] for item in node["items"]]
    assert {(each["kind"], each["service"]) for each in records} == {("span", "driving")}


def test_each_node_has_its_stages_with_their_times(reader: Reader) -> None:
    for node in reader.lineage("braked")["nodes"]:
        assert node["stages"]
        for stage in node["stages"]:
            assert stage["service"] == "driving"
            assert stage["status"] == "unset"
            assert stage["start_time"] < stage["end_time"]


def test_a_diamond_has_one_parent(reader: Reader) -> None:
    document = reader.lineage("card")
    (edge,) = document["edges"]
    _, photo = document["nodes"]
    assert edge["parent_trace_id"] == photo["trace_id"]
    assert {item["stream_id"] for item in photo["items"]} == {11, 12, 13}


def test_an_answer_rests_on_three_tools_and_one_question(reader: Reader) -> None:
    document = reader.lineage("answer")
    by_depth = [node["depth"] for node in document["nodes"]]
    assert by_depth == [0, 1, 1, 1, 2]
    assert len(document["edges"]) == 6
    (question,) = {
        edge["parent_trace_id"]
        for edge in document["edges"]
        if edge["trace_id"] != document["root"]
    }
    assert question == document["nodes"][-1]["trace_id"]


def test_the_nodes_of_the_programs_were_lent_and_given_back(reader: Reader) -> None:
    told = ask(reader.server.url, "GET", "/api/v1/lineage/nodes").document["leases"]
    assert len(told) == 3
    assert all(each["released_at"] for each in told)
