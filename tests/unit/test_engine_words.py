"""The engine's texts made readable, ours made SQL, and clients lent in turn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from clew.base.errors import ClewError, ErrorCode
from clew.store.engine.allowlist import select_allowed
from clew.store.engine.clients import ClientPool
from clew.store.engine.contract import Scan, Snapshot
from clew.store.engine.ddl import quote_name, quote_text
from clew.store.engine.failure import failure, readable
from clew.store.engine.scan import expand, hot_columns, hot_rows, stored_rows
from clew.telemetry.tables import LOGS, TRACES

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            (
                "Code: 62. DB::Exception: Syntax error: failed at position 7 (1): 1."
                " Expected one of: token, OR. (SYNTAX_ERROR)"
            ),
            "syntax error: failed at position 7 (1): 1",
        ),
        (
            "Code: 47. DB::Exception: Unknown identifier `x`. In scope SELECT x.\n(UNKNOWN)",
            "unknown identifier `x`",
        ),
        (
            (
                "Code: 107. DB::Exception: Code: 107. DB::Exception: File /srv/clew/data/x.csv"
                " gone. (FILE_DOESNT_EXIST) (version 26.9.2.1 (official build))"
            ),
            "file … gone",
        ),
        (
            (
                "Code: 241. DB::Exception: Limit. (MEMORY_LIMIT_EXCEEDED) (version 26.9.2.1)."
                " (MEMORY_LIMIT_EXCEEDED) (version 26.9.2.1)"
            ),
            "limit",
        ),
        ("UInt8 overflow", "UInt8 overflow"),
        ("SQL is hard.", "SQL is hard"),
        ("x" * 1000, "x" * 399 + "…"),
    ],
)
def test_the_engines_words_become_readable(text: str, words: str) -> None:
    assert readable(text) == words


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (159, ErrorCode.TIMEOUT),
        (241, ErrorCode.TOO_LARGE),
        (396, ErrorCode.TOO_LARGE),
        (202, ErrorCode.OVERLOADED),
        (252, ErrorCode.OVERLOADED),
        (164, ErrorCode.FORBIDDEN),
        (497, ErrorCode.FORBIDDEN),
        (243, ErrorCode.UNAVAILABLE),
        (62, ErrorCode.INVALID_ARGUMENT),
        (49, ErrorCode.INTERNAL),
        (9999, ErrorCode.INTERNAL),
        (None, ErrorCode.UNAVAILABLE),
    ],
)
def test_the_engines_numbers_become_our_codes(number: int | None, code: ErrorCode) -> None:
    assert failure(DatabaseError("text", code=number)).code is code


def test_a_statement_of_a_user_is_its_own_fault_unless_the_engine_broke() -> None:
    default = ErrorCode.INVALID_ARGUMENT
    assert failure(DatabaseError("x", code=9999), default=default).code is default
    assert failure(DatabaseError("x", code=49), default=default).code is ErrorCode.INTERNAL
    assert failure(OperationalError("refused")).retry_after_ms


def test_quoting_keeps_a_text_a_text() -> None:
    assert quote_text("it's \\ \n") == "'it\\'s \\\\ \n'"
    assert quote_name("Events.Name") == "`Events.Name`"
    assert quote_name("a`b\\") == "`a\\`b\\\\`"


def test_only_names_of_scans_are_replaced() -> None:
    text = expand("SELECT 'a@b.c' FROM @spans JOIN @spans2", {"spans": "S", "spans2": "T"})
    assert text == "SELECT 'a@b.c' FROM (S) JOIN (T)"


def test_both_sides_of_a_scan_are_cut_at_the_same_frame() -> None:
    scan = Scan(TRACES, ("SpanName",), where="a OR b", order_by="Timestamp DESC", limit=3)
    stored = stored_rows("otel", scan, up_to=7)
    hot = hot_rows(scan, "hot_0", Snapshot(7, 9))
    tail = "(a OR b) ORDER BY Timestamp DESC LIMIT 3"
    assert stored == f"SELECT SpanName FROM `otel`.`otel_traces` WHERE Frame <= 7 AND {tail}"
    assert hot.endswith(f"FROM Python(hot_0)) WHERE Frame > 7 AND Frame <= 9 AND {tail}")


def test_the_hot_side_reads_what_the_text_names_and_no_more() -> None:
    scan = Scan(TRACES, ("SpanName",), where="has(SpanAttributeItems, 'a=b')")
    assert hot_columns(scan) == ("SpanName", "SpanAttributes", "Frame")
    assert hot_columns(Scan(LOGS, ("TimestampTime",))) == ("Timestamp", "Frame")
    assert len(hot_columns(Scan(TRACES, ("*",)))) == len(TRACES.columns)


class _Client:
    """Stands for a connection: it can only be closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def _pool(clients_max: int = 1) -> tuple[ClientPool, list[_Client]]:
    opened: list[_Client] = []

    def open_client() -> Client:
        opened.append(_Client())
        return cast("Client", opened[-1])

    return ClientPool(open_client, clients_max=clients_max, wait_seconds=0.02), opened


def test_a_client_is_lent_again_unless_its_call_failed() -> None:
    pool, opened = _pool()
    for _ in range(3):
        with pool.borrow():
            assert len(opened) == 1
    with pytest.raises(ZeroDivisionError), pool.borrow():
        raise ZeroDivisionError
    assert opened[0].is_closed
    with pool.borrow() as client:
        assert client is cast("Client", opened[1])


def test_who_finds_no_client_in_time_is_told_to_come_again() -> None:
    pool, _ = _pool()
    with pool.borrow(), pytest.raises(ClewError) as caught, pool.borrow():
        pass
    assert caught.value.code is ErrorCode.OVERLOADED
    assert caught.value.retry_after_ms


def test_who_waits_gets_the_client_that_comes_back() -> None:
    pool, opened = _pool()
    pool._wait_seconds = 60.0
    lent, done = threading.Event(), threading.Event()

    def hold() -> None:
        with pool.borrow():
            lent.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    assert lent.wait(60)
    threading.Timer(0.01, done.set).start()
    with pool.borrow():
        assert len(opened) == 1
    holder.join()


def test_a_closed_pool_closes_what_is_out_when_it_comes_back() -> None:
    pool, opened = _pool(2)
    with pool.borrow():
        with pool.borrow():
            pass
        pool.close()
        pool.close()
        assert [client.is_closed for client in opened] == [False, True]
    assert all(client.is_closed for client in opened)
    with pytest.raises(ClewError) as caught, pool.borrow():
        pass
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_an_alias_of_a_function_is_allowed_with_it() -> None:
    rows = [
        ("upper", "", "String", 0, 1, 0),
        ("ucase", "upper", "", 0, 1, 0),
        ("file", "", "Other", 0, 0, 0),
        ("datei", "file", "", 0, 0, 0),
        ("sum", "", "Aggregate Functions", 1, 0, 0),
        ("arrayMap", "", "Arrays", 0, 0, 1),
    ]
    sets = select_allowed(rows)
    assert sets["ANY_CASE"] == {"upper", "ucase"}
    assert {"sum", "arrayMap", "lambda"} <= sets["EXACT"]
    assert not {"file", "datei"} & sets["EXACT"]
    assert sets["AGGREGATES"] == {"sum"}
    assert sets["HIGHER_ORDER"] == {"arraymap"}
