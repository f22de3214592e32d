"""What a client of the tree promises on the wire, told by a server that plays by a script."""

from __future__ import annotations

import itertools
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clew.base.errors import ClewError, ErrorCode
from clew.testing.network import HeldPorts
from clew.tree.client import handlers, membership
from clew.tree.client.client import TrailsClient
from clew.tree.client.handlers import WORKERS_MAX
from clew.tree.frames.canonical import SIGNING_PREFIX, canonical
from clew.tree.frames.codes import STOP, CloseCode
from clew.tree.frames.info import TrailsConfig
from clew.tree.frames.keys import Signer, new_nonce, verify_frame
from tests.integration.scripted_peer import SECONDS_MAX, ScriptedPeer, Talk


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have clients of this process take their time for a goodbye."""
    monkeypatch.setattr(membership, "GOODBYE_S_MAX", SECONDS_MAX)


@pytest.fixture
def peer() -> Iterator[ScriptedPeer]:
    with ScriptedPeer() as server:
        yield server


@pytest.fixture
def join() -> Iterator[Callable[..., TrailsClient]]:
    """Make clients that are gone when the test is over, whatever they still have to say."""
    clients: list[TrailsClient] = []

    def make(config: TrailsConfig) -> TrailsClient:
        clients.append(TrailsClient.init_with(config))
        return clients[-1]

    yield make
    for client in clients:
        client.shutdown(0.0)


Join = Callable[[TrailsConfig], TrailsClient]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds, for as long as a test may take."""
    deadline = time.monotonic() + SECONDS_MAX
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        pause.wait(0.002)


def control(talk: Talk, client: TrailsClient, action: str, **fields: Any) -> None:
    values = {"correlation_id": f"c-{action}", "payload": None, "app_id": client.app_id}
    talk.send("control", action=action, **values | fields)


def test_an_app_joins_says_how_it_goes_and_leaves(peer: ScriptedPeer, join: Join) -> None:
    config = peer.config("planner", parent_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    client = join(config)
    talk = peer.talk()
    register = talk.register()
    assert register["type"] == "register"
    assert register["app_name"] == "planner"
    assert register["parent_id"] == config.parent_id
    assert register["child_pub_key"].startswith("ed25519:")
    assert register["process_info"]["pid"] > 0
    assert client.wait_connected(SECONDS_MAX)
    client.status({"phase": "reading"})
    status = talk.expect("message")
    assert status["header"]["msg_type"] == "Status"
    assert status["header"]["seq"] == 1
    assert status["payload"] == {"phase": "reading"}
    talk.ack(status)
    leaving = threading.Thread(target=client.shutdown)
    leaving.start()
    assert talk.expect("disconnect")["reason"] == "completed"
    assert talk.closed() == 1000
    leaving.join(SECONDS_MAX)
    assert not client.is_active


def test_a_result_is_sent_again_until_it_is_acknowledged(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    client.status(1)
    client.result({"rows": 3})
    first = peer.talk()
    first.register()
    assert [first.expect("message")["header"]["seq"] for _ in range(2)] == [1, 2]
    first.drop()
    second = peer.talk()
    again = second.register(durable_seq=1)
    assert (again["type"], again["epoch"], again["last_seq"]) == ("re_register", 1, 0)
    result = second.expect("message")
    assert result["header"] | {"timestamp": 0} == {"msg_type": "Result", "timestamp": 0, "seq": 2}
    second.drop()
    third = peer.talk()
    assert third.register(durable_seq=1)["last_seq"] == 1
    assert third.expect("message")["payload"] == {"rows": 3}
    third.ack(result)
    assert third.closed() == 1000
    assert client.shutdown(SECONDS_MAX)
    assert client.delivery().acked == 2


def test_a_result_that_turns_out_to_be_durable_is_not_sent_again(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    client.result()
    first = peer.talk()
    first.register()
    first.expect("message")
    first.drop()
    second = peer.talk()
    second.register(durable_seq=1)
    assert second.closed() == 1000
    assert client.shutdown(SECONDS_MAX)


def test_an_acknowledgement_covers_all_before_it(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    for number in range(5):
        client.status(number)
    talk = peer.talk()
    talk.register()
    frames = [talk.expect("message") for _ in range(5)]
    talk.ack(frames[3])
    eventually(lambda: client.delivery().acked == 4)
    assert client.delivery().copies is None
    talk.drop()
    again = peer.talk()
    assert again.register(durable_seq=4, copies=2)["last_seq"] == 4
    last = again.expect("message")
    assert (last["payload"], client.delivery().copies) == (4, 2)
    again.send("ack", app_id=last["app_id"], seq=5, copies=3)
    eventually(lambda: client.delivery().acked == 5)
    assert client.delivery().copies == 3


def test_no_more_is_sent_than_the_server_gives_credit_for(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    client.on("ask")(lambda _: {})
    for number in range(5):
        client.status(number)
    talk = peer.talk()
    talk.register(credit=2)
    frames = [talk.expect("message") for _ in range(2)]
    # A command is answered at once, and nothing came before its answer.
    control(talk, client, "ask")
    assert talk.expect("control_ack")["ack"]
    talk.ack(frames[1])
    assert [talk.expect("message")["payload"] for _ in range(2)] == [2, 3]


@pytest.mark.parametrize("code", sorted(STOP))
def test_a_client_stops_when_coming_back_is_of_no_use(
    peer: ScriptedPeer, join: Join, code: CloseCode, caplog: pytest.LogCaptureFixture
) -> None:
    client = join(peer.config())
    talk = peer.talk()
    talk.register()
    with caplog.at_level(logging.WARNING):
        talk.close(code, "go away")
        eventually(lambda: not client.is_active)
        eventually(lambda: "left the tree" in caplog.text)
    assert not peer.has_talk


@pytest.mark.parametrize(
    "code", [CloseCode.RESTART, CloseCode.OVERLOADED, CloseCode.HEARTBEAT, 1001, 1011, 4999]
)
def test_a_client_comes_back_after_any_other_close(
    peer: ScriptedPeer, join: Join, code: int
) -> None:
    client = join(peer.config())
    talk = peer.talk()
    talk.register()
    talk.close(code)
    again = peer.talk()
    assert again.register()["type"] == "re_register"
    eventually(lambda: client.is_connected)


def test_a_refused_registration_is_not_repeated(
    peer: ScriptedPeer, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    client = join(peer.config())
    client.result(1)
    talk = peer.talk()
    talk.expect("register")
    with caplog.at_level(logging.WARNING):
        talk.send("error", code="registration_failed", message="the app is done")
        talk.close(1000)
        eventually(lambda: "the app is done" in caplog.text)
    assert not client.is_active
    assert not client.shutdown(), "the result never arrived"


def test_a_registration_whose_answer_was_lost_becomes_a_return(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    first = peer.talk()
    key = first.expect("register")["child_pub_key"]
    first.drop()
    second = peer.talk()
    second.expect("register")
    second.send("error", code="registration_failed", message="the app is connected")
    second.end()
    third = peer.talk()
    again = third.register(epoch=1)
    assert (again["type"], again["pub_key"]) == ("re_register", key)
    eventually(lambda: client.is_connected)


def test_an_app_that_the_server_has_forgotten_joins_anew(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    first = peer.talk()
    first.register()
    first.drop()
    second = peer.talk()
    second.expect("re_register")
    second.send("error", code="not_found", message="no such app")
    second.end()
    assert peer.talk().register()["type"] == "register"
    eventually(lambda: client.is_connected)


def test_a_message_that_the_server_refuses_is_given_up_and_the_next_ones_go_on(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    client.status("bad")
    client.status("good")
    talk = peer.talk()
    talk.register()
    bad, good = talk.expect("message"), talk.expect("message")
    talk.send("error", code="message_error", message="no", app_id=client.app_id, seq=1)
    assert (bad["header"]["seq"], good["payload"]) == (1, "good")
    talk.ack(good)
    eventually(lambda: client.delivery().waiting == 0)
    assert client.delivery().refused == 1


def test_a_message_is_sent_again_when_the_server_asks_for_time(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    client.result("kept")
    talk = peer.talk()
    talk.register()
    first = talk.expect("message")
    talk.send("error", code="overloaded", message="later", seq=1, retry_after_ms=5)
    assert talk.expect("message") == first
    talk.ack(first)
    assert client.shutdown(SECONDS_MAX)


def test_handlers_answer_commands_away_from_the_socket(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    release, threads = threading.Event(), []

    @client.on("slow")
    def _(payload: Any) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        release.wait(SECONDS_MAX)
        return {"seen": payload}

    @client.on("break")
    def _(_payload: Any) -> None:
        raise ValueError("wrong")

    @client.on("nothing")
    def _(_payload: Any) -> None:
        return None

    talk = peer.talk()
    talk.register()
    control(talk, client, "slow", payload={"n": 1})
    control(talk, client, "break")
    failed = talk.expect("control_ack")
    assert (failed["correlation_id"], failed["ack"]) == ("c-break", False)
    assert failed["error"] == "handler_error"
    assert "wrong" in failed["result"]["message"]
    control(talk, client, "sing")
    unknown = talk.expect("control_ack")
    assert (unknown["ack"], unknown["error"], unknown["action"]) == (
        False,
        "unknown_action",
        "sing",
    )
    control(talk, client, "nothing")
    assert talk.expect("control_ack")["ack"]
    release.set()
    slow = talk.expect("control_ack")
    assert (slow["ack"], slow["result"]) == (True, {"seen": {"n": 1}})
    assert threads != ["clew tree"]


def test_a_few_commands_run_at_a_time(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    together = threading.Barrier(WORKERS_MAX)
    client.on("meet")(lambda _: {"met": together.wait(SECONDS_MAX) >= 0})
    talk = peer.talk()
    talk.register()
    for number in range(WORKERS_MAX):
        control(talk, client, "meet", correlation_id=str(number))
    answers = [talk.expect("control_ack") for _ in range(WORKERS_MAX)]
    assert all(answer["result"] == {"met": True} for answer in answers)


def test_a_command_that_comes_twice_is_carried_out_once_and_answered_twice(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    count = itertools.count(1)
    client.on("add")(lambda _: {"count": next(count)})
    first = peer.talk()
    first.register()
    control(first, client, "add")
    answer = first.expect("control_ack")
    first.drop()
    second = peer.talk()
    second.register()
    control(second, client, "add")
    assert second.expect("control_ack") == answer
    assert answer["result"] == {"count": 1}
    assert next(count) == 2


def test_a_command_for_another_app_is_not_carried_out(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    done: list[str] = []
    client.on("one")(lambda _: done.append("one"))
    client.on("two")(lambda _: done.append("two"))
    talk = peer.talk()
    talk.register()
    control(talk, client, "one", app_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    control(talk, client, "two")
    assert talk.expect("control_ack")["action"] == "two"
    assert done == ["two"]


def test_a_cancel_calls_its_hook_and_is_acknowledged_when_the_hook_is_through(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    seen: list[Any] = []

    @client.on_cancel(300.0, exits=False)
    def _(context: Any) -> dict[str, bool]:
        seen.append((context.reason, context.initiated_by, 0 < context.grace_remaining <= 60.0))
        client.result({"partial": True})
        return {"saved": True}

    talk = peer.talk()
    talk.register()
    control(
        talk,
        client,
        "cancel",
        payload={"reason": "enough", "initiated_by": "ada", "cascade": True, "grace_ms": 60_000},
    )
    frames = [talk.receive(), talk.receive()]
    by_type = {frame["type"]: frame for frame in frames}
    assert by_type["message"]["payload"] == {"partial": True}
    assert by_type["control_ack"]["ack"]
    assert by_type["control_ack"]["result"] == {"saved": True}
    assert seen == [("enough", "ada", True)]
    assert client.is_cancelled
    assert client.wait_cancelled(0)


def test_a_cancel_without_a_hook_is_no_lie(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    talk = peer.talk()
    talk.register()
    control(talk, client, "cancel", payload={"reason": "enough"})
    answer = talk.expect("control_ack")
    assert (answer["ack"], answer["error"]) == (False, "unknown_action")
    assert client.wait_cancelled(SECONDS_MAX)
    # Better late than never: a hook that is named now hears of it, and the answer is another one.
    client.on_cancel(1.0, lambda context: {"because": context.reason}, exits=False)
    late = talk.expect("control_ack")
    assert (late["ack"], late["result"]) == (True, {"because": "enough"})


def test_what_comes_before_its_handler_is_named_waits_a_moment_for_it(
    peer: ScriptedPeer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "EARLY_S", SECONDS_MAX)
    client = join(peer.config())
    talk = peer.talk()
    talk.register()
    control(talk, client, "pause", payload=1)
    control(talk, client, "cancel", payload={"reason": "enough"})
    # The cancel overtakes nothing here: it says that the pause has come before it.
    assert client.wait_cancelled(SECONDS_MAX)
    client.on("pause")(lambda payload: {"seen": payload})
    assert talk.expect("control_ack")["result"] == {"seen": 1}
    client.on_cancel(1.0, lambda context: {"because": context.reason}, exits=False)
    assert talk.expect("control_ack")["result"] == {"because": "enough"}


def test_children_are_announced_and_cancelled_over_the_socket(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config("planner", role_refs=("ops",), originator={"sub": "ada"}))
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(client.spawn("worker", tags={"n": 1}, start_deadline_s=7))
    )
    asking.start()
    talk = peer.talk()
    talk.register()
    spawn = talk.expect("spawn")
    assert (spawn["app_name"], spawn["start_deadline_s"], spawn["tags"]) == ("worker", 7, {"n": 1})
    assert (spawn["role_refs"], spawn["originator"]) == (["ops"], {"sub": "ada"})
    talk.send("spawned", app_id=client.app_id, child_id=spawn["child_id"], join_token="once")
    asking.join(SECONDS_MAX)
    child = answers.pop()
    assert (child.app_id, child.parent_id) == (spawn["child_id"], client.app_id)
    assert (child.join_token, child.start_deadline) == ("once", 7)
    assert TrailsConfig.decode(child.encode()) == child

    asking = threading.Thread(
        target=lambda: answers.append(
            client.cancel(child.app_id, reason="done", wait_s=SECONDS_MAX)
        )
    )
    asking.start()
    issue = talk.expect("issue")
    assert (issue["action"], issue["cascade"], issue["grace_ms"]) == ("cancel", True, 30_000)
    target = {"app_id": child.app_id, "status": "sent", "app_status": "running"}
    fields = {"app_id": client.app_id, "correlation_id": issue["correlation_id"]}
    fields |= {"kind": "cancel", "action": "cancel"}
    talk.send("issued", is_over=False, targets=[target], **fields)
    done = target | {"status": "done", "app_status": "cancelled", "confirmed": True}
    talk.send("issued", is_over=True, targets=[done], copies=3, **fields)
    asking.join(SECONDS_MAX)
    (answer,) = answers
    assert (answer.is_over, answer.copies) == (True, 3)
    assert (answer.targets[0].app_status, answer.targets[0].confirmed) == ("cancelled", True)


def test_a_refused_command_is_an_error_with_the_servers_words(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    errors: list[ClewError] = []

    def ask() -> None:
        with pytest.raises(ClewError) as caught:
            client.send("6f9619ff-8b86-4d01-b42d-00cf4fc964ff", "pause", {"n": 1})
        errors.append(caught.value)

    asking = threading.Thread(target=ask)
    asking.start()
    talk = peer.talk()
    talk.register()
    issue = talk.expect("issue")
    talk.send(
        "error",
        code="not_found",
        message="there is no such app",
        hint="look at the tree",
        correlation_id=issue["correlation_id"],
    )
    asking.join(SECONDS_MAX)
    assert errors[0].code is ErrorCode.NOT_FOUND
    assert (errors[0].message, errors[0].hint) == ("there is no such app", "look at the tree")


def test_a_question_is_asked_again_after_a_loss(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(client.send(client.app_id or "", "pause"))
    )
    asking.start()
    first = peer.talk()
    first.register()
    issue = first.expect("issue")
    first.drop()
    second = peer.talk()
    second.register()
    assert second.expect("issue") == issue
    second.send(
        "issued",
        is_over=True,
        kind="command",
        targets=[],
        **{name: issue[name] for name in ("app_id", "correlation_id", "action")},
    )
    asking.join(SECONDS_MAX)
    assert answers[0].is_over


def test_what_becomes_of_children_is_told(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    client.on_notice(heard.put)
    talk = peer.talk()
    assert "notices" in talk.register()["capabilities"]
    child = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
    talk.send(
        "notice",
        app_id=client.app_id,
        child_id=child,
        kind="message",
        status="done",
        msg_type="Result",
        payload={"rows": 1},
    )
    notice = heard.get(timeout=SECONDS_MAX)
    assert (notice.app_id, notice.status, notice.payload) == (child, "done", {"rows": 1})


def test_in_the_tier_signed_everything_that_counts_is_signed_with_the_nonce_of_the_socket(
    peer: ScriptedPeer, join: Join
) -> None:
    server = Signer()
    config = peer.config(sec_level="signed", server_pub_key=server.pub_key, join_token="once")
    client = join(config)
    client.on("pause")(lambda _: {})
    client.status(0)
    nonce = new_nonce()
    talk = peer.talk()
    talk.send("challenge", nonce=nonce)
    register = talk.register(server_pub_key=server.pub_key)
    key = register["child_pub_key"]
    assert register["join_token"] == "once"
    assert verify_frame(key, json.dumps(register).encode(), nonce)
    assert "sig" not in talk.expect("message")
    # A command that the server did not sign is not carried out.
    control(talk, client, "pause")
    body: dict[str, Any] = {
        "type": "control",
        "app_id": client.app_id,
        "action": "pause",
        "payload": None,
    }
    body["correlation_id"] = "genuine"
    body["sig"] = server.sign(SIGNING_PREFIX + canonical(body))
    talk.send(body.pop("type"), **body)
    ack = talk.expect("control_ack")
    assert ack["correlation_id"] == "genuine"
    assert verify_frame(key, json.dumps(ack).encode(), nonce)
    client.result(1)
    assert verify_frame(key, json.dumps(talk.expect("message")).encode(), nonce)


def test_a_server_with_another_key_than_the_parent_told_is_left(
    peer: ScriptedPeer, join: Join, caplog: pytest.LogCaptureFixture
) -> None:
    client = join(peer.config(sec_level="signed", server_pub_key=Signer().pub_key))
    talk = peer.talk()
    talk.send("challenge", nonce="n")
    with caplog.at_level(logging.WARNING):
        talk.register()
        eventually(lambda: "another key" in caplog.text)
    assert not client.is_active


def test_a_server_that_wants_a_proof_gets_one_though_the_parent_did_not_know(
    peer: ScriptedPeer, join: Join
) -> None:
    client = join(peer.config())
    first = peer.talk()
    first.send("challenge", nonce="n1")
    first.expect("register")
    first.send("error", code="unauthorised", message="a proof is missing")
    first.end()
    second = peer.talk()
    second.send("challenge", nonce="n2")
    register = second.register()
    assert verify_frame(register["child_pub_key"], json.dumps(register).encode(), "n2")
    eventually(lambda: client.is_connected)


def test_what_nobody_understands_is_passed_over(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    client.on("ask")(lambda _: {})
    talk = peer.talk()
    talk.register()
    talk.send_bytes(b"\x00\x01")
    talk.send("of_tomorrow", what=1)
    talk.send("ack", seq="?")
    control(talk, client, "ask")
    assert talk.expect("control_ack")["correlation_id"] == "c-ask"


def test_a_payload_that_cannot_be_sent_says_so_instead(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config())
    loop: list[Any] = []
    loop.append(loop)
    for payload in (loop, "\ud800", "x" * 300_000):
        client.status(payload)
    client.status({"when": time, "nan": float("nan")})
    talk = peer.talk()
    talk.register()
    for _ in range(3):
        assert set(talk.expect("message")["payload"]) == {"left_out"}
    assert talk.expect("message")["payload"] == {"when": str(time), "nan": None}


class Rude:
    def __str__(self) -> str:
        raise KeyError("never ask")


def test_nothing_that_a_program_says_raises_into_it(peer: ScriptedPeer, join: Join) -> None:
    client = join(peer.config(sec_level="signed"))
    for payload in (Rude(), 2**80, {1: {2: b"\x00"}}, 2**53 + 1):
        client.status(payload)
    client.on("huge")(lambda _: {"n": 2**53 + 1})
    talk = peer.talk()
    talk.send("challenge", nonce="n")
    talk.register()
    assert "left_out" in talk.expect("message")["payload"]
    assert talk.expect("message")["payload"] == 2**80
    assert talk.expect("message")["payload"] == {"1": {"2": "AA=="}}
    # A status is not signed; what is, must have one form only.
    assert talk.expect("message")["payload"] == 2**53 + 1
    control(talk, client, "huge")
    assert "left_out" in talk.expect("control_ack")["result"]
    with pytest.raises(ClewError, match="no canonical form"):
        client.send(client.app_id or "", "huge", 2**53 + 1)
    client.result(2**53 + 1)
    assert "left_out" in talk.expect("message")["payload"]


def test_a_server_that_is_away_is_told_of(join: Join, caplog: pytest.LogCaptureFixture) -> None:
    held = HeldPorts(1)
    with ScriptedPeer(*held.numbers) as gone:
        config = gone.config()
    with caplog.at_level(logging.WARNING):
        join(config)
        eventually(lambda: "no connection to the tree" in caplog.text)
    assert gone.url in caplog.text


def test_statuses_give_way_to_newer_ones_while_nobody_answers_and_the_result_does_not(
    join: Join,
) -> None:
    held = HeldPorts(1)
    with ScriptedPeer(*held.numbers) as gone:
        config = gone.config()
    client = join(config)
    for number in range(1500):
        client.status(number)
    client.result("kept")
    eventually(lambda: client.delivery().coalesced > 0 and client.delivery().waiting <= 1025)
    with ScriptedPeer(gone.port) as back:
        talk = back.talk()
        talk.register(credit=2000)
        frames = [talk.expect("message") for _ in range(client.delivery().waiting)]
        talk.ack(frames[-1])
        talk.closed()
    payloads = [frame["payload"] for frame in frames]
    assert payloads[-2:] == [1499, "kept"]
    delivery = client.delivery()
    assert delivery.acked + delivery.coalesced == 1501


def test_without_a_tree_a_client_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAILS_INFO", raising=False)
    client = TrailsClient.init()
    client.status({})
    client.result()
    client.error("no")
    client.on("pause")(lambda _: None)
    client.on_cancel(1.0, lambda _: None)
    assert (client.is_active, client.is_connected, client.app_id) == (False, False, None)
    assert not client.wait_connected(5.0)
    assert client.shutdown()
    for ask in (
        lambda: client.create_child("x"),
        lambda: client.spawn("x"),
        lambda: client.cancel("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"),
    ):
        with pytest.raises(ClewError) as caught:
            ask()
        assert caught.value.code is ErrorCode.UNAVAILABLE
