"""Graphs that nobody would draw: every walk ends, within its limits, and says what it left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from clew.lineage.parameters import DEPTH_MAX, NODES_DEFAULT, NODES_MAX
from clew.lineage.query.cycles import CYCLES_MAX
from clew.testing.server import ServerProcess
from tests.integration.link_bodies import set_bytes
from tests.lineage_graphs import depths_of, pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WIDE: Final = 100_000
OUTPUTS: Final = 20_000
LONG: Final = 10_000
RING: Final = 1_000

STAR, CHAIN, PAIR, CIRCLE, MESH, NOBODY = (each << 40 for each in range(1, 7))
"""Where the ids of each graph begin."""

PARENTS_MAX: Final = 65_534
"""Of one set."""

BODY_SETS: Final = 20_000

CLIENT = httpx.Client(timeout=150)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("limits") / "data") as server:
        yield server


def tell(server: ServerProcess, sets: Iterable[bytes]) -> None:
    told = list(sets)
    headers = {"content-type": "application/octet-stream"}
    for first in range(0, len(told), BODY_SETS):
        body = b"".join(told[first : first + BODY_SETS])
        response = CLIENT.post(f"{server.url}/api/v1/links", content=body, headers=headers)
        assert response.status_code == 200, response.text


def get(server: ServerProcess, path: str, **parameters: Any) -> dict[str, Any]:
    response = CLIENT.get(f"{server.url}/api/v1/lineage/{path}", params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


@pytest.fixture(scope="module")
def star(server: ServerProcess) -> ServerProcess:
    """An id that was made of a hundred thousand others, and went into more than an answer holds."""
    inputs = [STAR + each for each in range(1, WIDE + 1)]
    tell(server, [set_bytes(STAR, inputs[:PARENTS_MAX]), set_bytes(STAR, inputs[PARENTS_MAX:])])
    tell(server, (set_bytes(STAR + WIDE + each, [STAR]) for each in range(1, OUTPUTS + 1)))
    return server


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("asked", [{}, {"start": "2000-01-01T00:00:00Z"}])
def test_of_a_hundred_thousand_neighbours_the_limit_is_told(
    star: ServerProcess, direction: str, asked: dict[str, str]
) -> None:
    document = get(star, str(STAR), direction=direction, **asked)
    assert len(document["nodes"]) == NODES_DEFAULT
    assert len(document["edges"]) == NODES_DEFAULT - 1
    assert (document["truncated"], document["stopped_by"]) == (True, ["nodes"])
    if direction == "up":
        # That is more than the answer holds, and more than are read to tell of windows.
        assert document["nodes"][0]["input_count"] == PARENTS_MAX


def test_the_largest_answer_there_is(star: ServerProcess) -> None:
    document = get(star, str(STAR), limit=NODES_MAX)
    assert len(document["nodes"]) == NODES_MAX
    assert document["missing"] == NODES_MAX - 1
    near = get(star, str(STAR), limit=1)
    assert (len(near["nodes"]), near["edges"], near["stopped_by"]) == (1, [], ["nodes"])


def test_a_way_through_a_hundred_thousand_neighbours_is_found(star: ServerProcess) -> None:
    last, first = STAR + WIDE + OUTPUTS, STAR + WIDE
    path = get(star, "path", **{"from": str(first), "to": str(last)})
    assert (path["found"], path["length"], path["direction"]) == (True, 2, "down")
    assert len(path["nodes"]) == 3
    path = get(star, "path", **{"from": str(STAR), "to": str(NOBODY)})
    assert (path["found"], path["truncated"]) == (False, True)
    assert path["stopped_by"] == ["nodes"]


def test_a_chain_of_ten_thousand_ends_at_the_depth(server: ServerProcess) -> None:
    tell(server, (set_bytes(CHAIN + each + 1, [CHAIN + each]) for each in range(LONG)))
    head = str(CHAIN + LONG)
    for depth, asked in ((20, {}), (DEPTH_MAX, {"depth": DEPTH_MAX, "limit": NODES_MAX})):
        document = get(server, head, **asked)
        assert max(depths_of(document).values()) == depth
        assert len(document["nodes"]) == depth + 1
        assert document["stopped_by"] == ["depth"]
    document = get(server, head, depth=DEPTH_MAX, limit=50)
    assert (len(document["nodes"]), document["stopped_by"]) == (50, ["nodes"])
    assert get(server, head, depth=0)["stopped_by"] == ["depth"]
    # Nothing is beyond the end, and that is no wall.
    end = get(server, str(CHAIN + 5), depth=5)
    assert (len(end["nodes"]), end["truncated"]) == (6, False)
    near = {"from": head, "to": str(CHAIN + LONG - DEPTH_MAX), "depth": DEPTH_MAX, "limit": 2000}
    assert get(server, "path", **near)["length"] == DEPTH_MAX
    far = {"from": head, "to": str(CHAIN), "depth": DEPTH_MAX}
    path = get(server, "path", **far)
    assert (path["found"], path["stopped_by"]) == (False, ["depth"])


def test_two_ids_that_are_made_of_each_other_are_a_cycle(server: ServerProcess) -> None:
    tell(server, [set_bytes(PAIR, [PAIR + 1]), set_bytes(PAIR + 1, [PAIR])])
    for direction in ("up", "down"):
        document = get(server, str(PAIR), direction=direction, depth=DEPTH_MAX)
        assert document["cycles"] == [[str(PAIR), str(PAIR + 1)]]
        assert pairs_of(document) == {(PAIR, PAIR + 1), (PAIR + 1, PAIR)}
        assert document["truncated"] is False
    path = get(server, "path", **{"from": str(PAIR), "to": str(PAIR + 1)})
    assert (path["found"], path["length"]) == (True, 1)


def test_a_circle_of_a_thousand_is_one_cycle(server: ServerProcess) -> None:
    tell(server, (set_bytes(CIRCLE + each, [CIRCLE + (each + 1) % RING]) for each in range(RING)))
    document = get(server, str(CIRCLE), depth=DEPTH_MAX)
    assert document["cycles"] == [[str(CIRCLE + each) for each in range(RING)]]
    assert (len(document["nodes"]), len(document["edges"])) == (RING, RING)
    assert document["truncated"] is False
    # A part of it is no cycle, and says that there is more.
    part = get(server, str(CIRCLE), depth=RING - 1)
    assert (part["cycles"], part["stopped_by"]) == ([], ["depth"])


def test_more_cycles_than_an_answer_holds_are_cut(server: ServerProcess) -> None:
    pairs = [(MESH + 2 * each + 1, MESH + 2 * each + 2) for each in range(2 * CYCLES_MAX)]
    tell(server, (set_bytes(one, [other]) for pair in pairs for one, other in (pair, pair[::-1])))
    tell(server, [set_bytes(MESH, [one for one, _ in pairs])])
    document = get(server, str(MESH))
    assert len(document["cycles"]) == CYCLES_MAX
    assert len(document["nodes"]) == 1 + 4 * CYCLES_MAX


def test_a_node_that_only_others_name_is_missing_and_counted(server: ServerProcess) -> None:
    tell(server, [set_bytes(NOBODY + 1, [NOBODY + 2, NOBODY + 3])])
    document = get(server, str(NOBODY + 1))
    assert document["missing"] == 2
    missing = [node["trace_id"] for node in document["nodes"] if node.get("missing")]
    assert missing == [str(NOBODY + 2), str(NOBODY + 3)]


@pytest.mark.parametrize(
    "asked",
    [
        {"depth": DEPTH_MAX + 1},
        {"depth": -1},
        {"limit": 0},
        {"limit": NODES_MAX + 1},
        {"direction": "sideways"},
        {"start": "soon"},
        {"depth": "20.5"},
        {"unknown": "1"},
    ],
)
def test_what_is_beyond_the_limits_is_refused(
    server: ServerProcess, asked: dict[str, object]
) -> None:
    for path in ("1", "path"):
        ends = {"from": "1", "to": "2"} if path == "path" else {}
        if path == "path" and "direction" in asked:
            continue
        url = f"{server.url}/api/v1/lineage/{path}"
        response = CLIENT.get(url, params={**ends, **{k: str(v) for k, v in asked.items()}})
        assert response.status_code == 400, response.text
