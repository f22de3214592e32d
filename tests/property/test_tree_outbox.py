"""Whatever is lost on the way: messages arrive once each, in order, and the result always does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clew.tree.client.outbox import WAITING_MAX, Entry, Outbox
from clew.tree.frames.fields import MessageKind

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(1, 5)),
        st.tuples(st.just("send"), st.integers(1, 6)),
        st.tuples(st.just("arrive"), st.integers(1, 6)),
        st.tuples(st.just("ack"), st.integers(1, 6)),
        st.tuples(st.just("drop"), st.integers(1, 8)),
        st.tuples(st.just("later"), st.just(1)),
    ),
    max_size=40,
)


class Server:
    """Keeps what arrives in order and once, as `(epoch, seq)` demands; the oracle."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, bytes]] = []

    @property
    def durable_seq(self) -> int:
        return self.kept[-1][0] if self.kept else 0

    def take(self, entry: Entry) -> None:
        if entry.seq > self.durable_seq:
            self.kept.append((entry.seq, entry.payload))


def status(number: int) -> Entry:
    return Entry(MessageKind.STATUS, str(number).encode(), 0)


@given(STEPS)
def test_what_is_said_is_kept_once_and_in_order_whatever_is_lost(
    steps: list[tuple[str, int]],
) -> None:
    outbox, server = Outbox(), Server()
    said = 0
    on_the_line: list[Entry] = []
    acks: list[int] = []
    for step, count in steps:
        match step:
            case "say":
                for _ in range(count):
                    outbox.put(status(said))
                    said += 1
            case "send":
                for _ in range(count):
                    entry = outbox.take()
                    if entry is not None:
                        on_the_line.append(entry)
            case "arrive":
                for entry in on_the_line[:count]:
                    server.take(entry)
                    acks.append(entry.seq)
                del on_the_line[:count]
            case "ack":
                for seq in acks[:count]:
                    outbox.ack(seq)
                del acks[:count]
            case "drop":
                on_the_line.clear()
                acks.clear()
                outbox.resume(server.durable_seq, count)
            case "later":
                outbox.retry()
    # At last the line is good: the rest goes over it, and the result after it.
    outbox.resume(server.durable_seq, None)
    outbox.put(Entry(MessageKind.RESULT, b'"end"', 0))
    while (entry := outbox.take()) is not None:
        server.take(entry)
        is_end = outbox.ack(entry.seq)
        assert is_end == (entry.kind is MessageKind.RESULT)
    assert [payload for _, payload in server.kept] == [
        *(str(number).encode() for number in range(said)),
        b'"end"',
    ]
    assert [seq for seq, _ in server.kept] == list(range(1, said + 2))
    assert len(outbox) == 0
    assert outbox.acked == said + 1


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_the_newest_status_and_the_result_are_never_given_up(before: int, after: int) -> None:
    outbox = Outbox()
    for number in range(before + after):
        outbox.put(status(number))
        if number == before:
            outbox.take()
    outbox.put(Entry(MessageKind.RESULT, b'"end"', 0))
    assert len(outbox) <= WAITING_MAX + 1
    assert outbox.has_terminal
    outbox.resume(0, 10_000)
    sent = []
    while (entry := outbox.take()) is not None:
        sent.append(entry.payload)
    assert sent[-1] == b'"end"'
    if before + after:
        assert sent[-2] == str(before + after - 1).encode()
    assert len(sent) - 1 + outbox.coalesced == before + after


def test_what_the_server_knows_and_the_client_does_not_is_not_said_again() -> None:
    outbox = Outbox()
    outbox.resume(7, None)
    outbox.put(status(1))
    entry = outbox.take()
    assert entry is not None
    assert entry.seq == 8
