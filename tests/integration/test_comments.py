"""Comments at the REST door: durable before 201, edited, listed, searched, removed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from clew.surfaces.errors import Problem
from clew.surfaces.rest.questions import Readiness
from clew.team.comments import documents as doc
from clew.team.comments.parameters import BODY_BYTES_MAX
from clew.testing.requests import ids_of
from clew.testing.server import ServerProcess
from tests.integration.wire import Answer, ask

if TYPE_CHECKING:
    from clew.testing.postgres import PostgresProcess

StartServer = Callable[..., ServerProcess]

JSON = {"content-type": "application/json"}
# Far from the small numbers that other tests of the shared server use.
TRACE = ids_of(0x7E57_0000_C033)[0].hex()
OTHER = ids_of(0x7E57_0000_C034)[0].hex()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(
    request: pytest.FixtureRequest, server: ServerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """The shared server, and one whose registry is on PostgreSQL."""
    if request.param == "sqlite":
        yield server
        return
    url = request.getfixturevalue("postgres_server").new_url()
    with ServerProcess(tmp_path_factory.mktemp("server") / "data", {"registry": url}) as process:
        yield process


def send(server: ServerProcess, method: str, path: str, document: Any) -> Answer:
    return ask(server.url, method, f"/api/v1/{path}", json.dumps(document).encode(), JSON)


def say(server: ServerProcess, trace: str, body: str, **more: Any) -> doc.Comment:
    answer = send(server, "POST", f"traces/{trace}/comments", {"body": body, **more})
    assert answer.status == 201, answer.body
    return msgspec.json.decode(answer.body, type=doc.CommentAnswer).comment


def find(server: ServerProcess, path: str) -> doc.CommentList:
    answer = ask(server.url, path=f"/api/v1/{path}")
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=doc.CommentList)


def problem_of(answer: Answer) -> Problem:
    assert answer.headers["content-type"] == "application/problem+json"
    return msgspec.json.decode(answer.body, type=Problem)


def test_a_comment_lives_from_being_said_to_being_removed(server: ServerProcess) -> None:
    first = say(server, TRACE, "the bank was down")
    second = say(server, TRACE, "retries made it worse", author="ann", span_id="ab")
    assert (first.author, first.span_id, first.updated_at) == ("anonymous", None, None)
    assert (second.author, second.span_id) == ("ann", f"{0xAB:016x}")
    listed = find(server, f"traces/{TRACE}/comments")
    assert listed.comments == [first, second]
    assert (listed.count, listed.total, listed.truncated) == (2, 2, False)

    edited = send(server, "PATCH", f"comments/{first.id}", {"body": "the bank was slow"})
    assert edited.status == 200
    now = edited.document["comment"]
    assert (now["body"], now["created_at"]) == ("the bank was slow", first.created_at)
    assert now["updated_at"] > first.created_at
    assert ask(server.url, path=f"/api/v1/comments/{first.id}").document["comment"] == now

    assert find(server, f"comments?text=slow+bank&trace_id={TRACE}").count == 1
    assert find(server, f"comments?text=down&trace_id={TRACE}").count == 0
    assert find(server, f"comments?author=ann&span_id=ab&trace_id={TRACE}&last=1h").count == 1

    removed = ask(server.url, "DELETE", f"/api/v1/comments/{first.id}")
    assert removed.document["comment"] == now
    assert ask(server.url, "DELETE", f"/api/v1/comments/{first.id}").status == 404
    assert find(server, f"traces/{TRACE}/comments").comments == [second]


def test_all_comments_come_newest_first_and_page_by_page(server: ServerProcess) -> None:
    said = [say(server, OTHER, f"page {number}").id for number in range(5)]
    found: list[str] = []
    following = ""
    while True:
        page = find(server, f"comments?trace_id={OTHER}&limit=2{following}")
        found += [comment.id for comment in page.comments]
        say(server, TRACE, "meanwhile")
        if page.next is None:
            break
        following = f"&next={page.next}"
    assert found == said[::-1]
    everything = find(server, "comments?limit=100000")
    assert everything.count == everything.total


def test_a_repeat_with_an_id_of_the_clients_own_is_kept_once(server: ServerProcess) -> None:
    own = "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d"
    assert say(server, TRACE, "once", id=own) == say(server, TRACE, "once", id=own)
    clash = send(server, "POST", f"traces/{TRACE}/comments", {"body": "other", "id": own})
    assert problem_of(clash).status == 409
    assert find(server, f"comments?trace_id={TRACE}&text=once").count == 1


def test_many_at_once_are_all_kept(server: ServerProcess) -> None:
    trace = ids_of(0x7E57_0000_C035)[0].hex()
    with ThreadPoolExecutor(16) as threads:
        said = set(threads.map(lambda number: say(server, trace, f"n{number}").id, range(100)))
    assert {comment.id for comment in find(server, f"comments?trace_id={trace}").comments} == said


@pytest.mark.parametrize(
    ("path", "document", "status"),
    [
        ("traces/xyz/comments", {"body": "x"}, 400),
        (f"traces/{TRACE}/comments", {}, 400),
        (f"traces/{TRACE}/comments", {"body": ""}, 400),
        (f"traces/{TRACE}/comments", {"body": 7}, 400),
        (f"traces/{TRACE}/comments", {"body": "x", "auhtor": "ann"}, 400),
        (f"traces/{TRACE}/comments", {"body": "x", "span_id": "not hex"}, 400),
        (f"traces/{TRACE}/comments", {"body": "x" * (BODY_BYTES_MAX + 1)}, 413),
        (f"traces/{TRACE}/comments", {"body": "\u0001" * (2 * BODY_BYTES_MAX)}, 413),
        (f"traces/{TRACE}/comments", ["x"], 400),
    ],
)
def test_what_is_no_comment_is_a_problem_that_says_why(
    server: ServerProcess, path: str, document: Any, status: int
) -> None:
    answer = send(server, "POST", path, document)
    assert answer.status == status
    assert problem_of(answer).detail


def test_a_body_that_is_no_json_is_refused(server: ServerProcess) -> None:
    path = f"/api/v1/traces/{TRACE}/comments"
    for body in (b"", b"{", b'{"body": "\\ud800"}', b'{"body": "\xff"}'):
        assert ask(server.url, "POST", path, body, JSON).status == 400
    assert ask(server.url, "POST", path, b"body=x", {"content-type": "text/plain"}).status == 415
    assert ask(server.url, "PUT", path, b"{}", JSON).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "comments?text=%21%3F",
        "comments?limit=0",
        "comments?last=soon",
        "comments?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z",
        "comments?txet=x",
        "comments?next=AAAA",
        "comments?order=random",
        "comments/not-an-id",
        "traces/xyz/comments",
        f"traces/{TRACE}/comments?trace_id=1",
    ],
)
def test_a_question_that_makes_no_sense_is_400(server: ServerProcess, path: str) -> None:
    answer = ask(server.url, path=f"/api/v1/{path}")
    assert answer.status == 400
    assert problem_of(answer).hint


def test_pages_of_other_sites_cannot_say_anything(server: ServerProcess) -> None:
    answer = ask(
        server.url,
        "POST",
        f"/api/v1/traces/{TRACE}/comments",
        b'{"body": "x"}',
        JSON | {"origin": "https://evil.example"},
    )
    assert answer.status == 403


def test_the_registry_is_a_part_of_being_ready(server: ServerProcess) -> None:
    ready = msgspec.json.decode(ask(server.url, path="/readyz").body, type=Readiness)
    assert {check.name: check.ok for check in ready.checks}["registry"]


def test_comments_survive_kill_9_and_a_restart(start_server: StartServer) -> None:
    server = start_server()
    said = [say(server, TRACE, f"n{number}") for number in range(10)]
    server.kill()
    again = start_server()
    assert find(again, f"traces/{TRACE}/comments").comments == said
    assert (again.folder / "registry.db").stat().st_mode & 0o777 == 0o600
    assert again.terminate() == 0
    # Closed in order: what was in the log is in the file.
    assert not (again.folder / "registry.db-wal").exists()


def test_a_damaged_registry_is_told_at_the_start(start_server: StartServer) -> None:
    server = start_server()
    server.terminate()
    (server.folder / "registry.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RuntimeError, match="is damaged"):
        start_server()


def test_a_registry_on_postgresql_outlives_the_server_and_its_folder(
    start_server: StartServer, postgres_server: PostgresProcess
) -> None:
    url = postgres_server.new_url()
    server = start_server({"registry": url.replace("postgres@", "postgres:secret@")})
    said = [say(server, TRACE, f"n{number}") for number in range(10)]
    # One server at a time, also from another folder, as long as the first one lives.
    with pytest.raises(RuntimeError, match="belongs to another server"):
        start_server({"registry": url}, folder="other")
    server.kill()
    # Its session ends with it, and the lock with the session.
    again = start_server({"registry": url}, folder="other")
    assert find(again, f"traces/{TRACE}/comments").comments == said
    assert not (again.folder / "registry.db").exists()
    assert again.terminate() == 0
    for each in (server, again):
        shown = each.stderr_path.read_text()
        assert f"registry: postgresql://postgres{':…' if each is server else ''}@/postgres" in shown
        assert "secret" not in shown


def test_a_registry_that_is_not_there_is_told_at_the_start(start_server: StartServer) -> None:
    with pytest.raises(RuntimeError, match="cannot be reached") as caught:
        start_server({"registry": "postgresql://me:secret@127.0.0.1:1/clew"})
    assert "secret" not in str(caught.value)
