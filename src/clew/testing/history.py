"""What clients of a group of servers were told, and whether it is what the servers have.

A client writes down each thing that it sent before it sends it, and what became of it. The check
reads every line of every client and every row of every server: what was acknowledged is there,
nothing is there twice, all servers have the same, and no epoch had two leaders.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from clew.store.replication.reader import LogReader, list_segments
from clew.testing.load import Load, trace_id
from clew.testing.requests import logs_request, spans_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

SPANS_PER_TRACE: Final = 5

OPERATION: Final = "work"
"""Of a load's spans. The tree writes spans of its own about its apps."""

ANSWER_SECONDS_MAX: Final = 30.0
"""How long a client waits for an answer before it asks another server."""

AGAIN_SECONDS: Final = 0.05
"""Before the same is sent to the next server."""

PAUSE_SECONDS: Final = 0.01
"""Between two traces of a client: something is on its way at every moment, and the servers, not
the load, have the cores."""

TRACES_PER_PAGE: Final = 5000

ROWS_MAX: Final = 10_000
"""Of one answer: what every list gives at the most."""

LOG_BYTES_MAX: Final = 1 << 30
"""Of a log that is read at once: far more than a drill writes."""

_LED = re.compile(r"this server leads epoch (\d+)")


class Outcome(StrEnum):
    """What a client knows of something that it sent."""

    SENT = "sent"
    """Nothing yet, or for ever: the answer never came."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"


@dataclass(slots=True)
class ClientHistory:
    """What one client sent, by its number, and the last it heard of it."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    notes: dict[str, Outcome] = field(default_factory=dict)
    """Comments, by their text."""
    lines: dict[str, Outcome] = field(default_factory=dict)
    """Log records, by their body."""

    def acknowledged(self) -> set[int]:
        """Return the numbers that were acknowledged."""
        return {each for each, outcome in self.outcomes.items() if outcome is Outcome.ACKNOWLEDGED}


@dataclass(slots=True)
class AppHistory:
    """What one app of the tree said, by its number, and the last it heard of it.

    `heard` counts how often each command reached it, and `durable` holds what it knew to be kept
    when it returned, with what the server then said was. `last` is the number of its Result, once
    it has begun to say it.
    """

    app_id: str
    messages: dict[int, Outcome] = field(default_factory=dict)
    commands: dict[str, Outcome] = field(default_factory=dict)
    """Commands for this app, by their correlation id."""
    heard: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    durable: list[tuple[int, int]] = field(default_factory=list)
    last: int | None = None
    has_joined: bool = False
    has_ended: bool = False

    def acknowledged(self) -> set[int]:
        """Return the numbers of the messages that were acknowledged."""
        return {each for each, outcome in self.messages.items() if outcome is Outcome.ACKNOWLEDGED}


class GroupLoad(Load):
    """Clients that send traces to whichever server takes them, until told to stop.

    As exporters do, a client sends the same bytes again when it does not know what became of them,
    to the next of `urls`. Every tenth trace gets a comment, which is sent once, and a log record.
    """

    def __init__(
        self, urls: Sequence[str], *, service: str, first: int = 1, clients: int = 3
    ) -> None:
        self.histories = [ClientHistory() for _ in range(clients)]
        super().__init__(partial(self._run, each) for each in self.histories)
        self._urls = list(urls)
        self._service = service
        self._next = first
        self._acknowledged = 0

    @property
    def acknowledged(self) -> int:
        """How many traces were acknowledged so far."""
        return self._acknowledged

    def _run(self, history: ClientHistory) -> None:
        turn = 0
        while not self.is_stopping.is_set():
            with self.changed:
                number, self._next = self._next, self._next + 1
            ids = [
                (trace_id(number), bytes([1]) * 7 + bytes([i + 1])) for i in range(SPANS_PER_TRACE)
            ]
            body = spans_request(self._service, ids, operation=OPERATION).SerializeToString()
            history.outcomes[number] = Outcome.SENT
            turn, is_kept = self._send("/v1/traces", body, turn)
            if not is_kept:
                return
            history.outcomes[number] = Outcome.ACKNOWLEDGED
            with self.changed:
                self._acknowledged += 1
                self.changed.notify_all()
            if number % 10 == 0:
                self._comment(self._urls[turn % len(self._urls)], number, history)
                line = f"line {number}"
                history.lines[line] = Outcome.SENT
                body = logs_request(self._service, [line]).SerializeToString()
                turn, is_kept = self._send("/v1/logs", body, turn)
                if is_kept:
                    history.lines[line] = Outcome.ACKNOWLEDGED
            self.is_stopping.wait(PAUSE_SECONDS)

    def _send(self, path: str, body: bytes, turn: int) -> tuple[int, bool]:
        """Send a body to one server after the other until one takes it, or the end.

        Returns whose turn it is then, and whether it was taken.
        """
        while not self.is_stopping.is_set():
            url = self._urls[turn % len(self._urls)]
            if post(url, path, body, "application/x-protobuf") == http.client.OK:
                return turn, True
            turn += 1
            self.is_stopping.wait(AGAIN_SECONDS)
        return turn, False

    def _comment(self, url: str, number: int, history: ClientHistory) -> None:
        text = f"note {number}"
        history.notes[text] = Outcome.SENT
        body = json.dumps({"author": "drill", "body": text}).encode()
        path = f"/api/v1/traces/{trace_id(number).hex()}/comments"
        status = post(url, path, body, "application/json")
        if status is not None:
            is_kept = http.client.OK <= status < http.client.MULTIPLE_CHOICES
            # A refusal says that nothing was written only where it says that it is not unknown.
            history.notes[text] = Outcome.ACKNOWLEDGED if is_kept else Outcome.SENT


def check_histories(
    urls: Sequence[str], histories: Iterable[ClientHistory], apps: Sequence[AppHistory] = ()
) -> dict[int, tuple[int, int]]:
    """Hold what every server has against everything that clients were told.

    Returns what was found of each trace at the first server: spans, and different ones.

    Raises:
        AssertionError: something acknowledged is missing, something is there twice or in part, or
            two servers have different things.
    """
    found = [read_traces(url) for url in urls]
    sent: set[int] = set()
    acknowledged: set[int] = set()
    notes: dict[str, Outcome] = {}
    lines: dict[str, Outcome] = {}
    for history in histories:
        sent |= history.outcomes.keys()
        acknowledged |= history.acknowledged()
        notes |= history.notes
        lines |= history.lines
    whole = (SPANS_PER_TRACE, SPANS_PER_TRACE)
    for url, traces in zip(urls, found, strict=True):
        lost = sorted(number for number in acknowledged if number not in traces)
        assert not lost, f"{url} lost {len(lost)} acknowledged traces: {lost[:10]}"
        wrong = {number: counts for number, counts in traces.items() if counts != whole}
        assert not wrong, f"{url} has traces in part or twice: {dict(list(wrong.items())[:10])}"
        assert traces.keys() <= sent, f"{url} has traces that nobody sent"
        assert traces.keys() == found[0].keys(), f"{url} and {urls[0]} have different traces"
        _check_each(f"comments at {url}", notes, Counter(read_notes(url)))
        _check_each(f"log records at {url}", lines, read_lines(url))
    for app in apps:
        _check_app(urls, app)
    return found[0]


def _check_each(what: str, told: Mapping[Any, Outcome], kept: Mapping[Any, int]) -> None:
    """Hold how often things are kept against what was sent: acknowledged once, else at most."""
    acknowledged = [each for each, outcome in told.items() if outcome is Outcome.ACKNOWLEDGED]
    lost = [each for each in acknowledged if not kept.get(each)]
    assert not lost, f"{what}: {len(lost)} acknowledged are lost: {lost[:10]}"
    twice = [each for each, count in kept.items() if count != 1]
    assert not twice, f"{what}: some are there twice: {twice[:10]}"
    assert kept.keys() <= told.keys(), f"{what}: nobody sent {list(kept.keys() - told.keys())[:10]}"


def _check_app(urls: Sequence[str], app: AppHistory) -> None:
    """Hold what every server has of an app against what it said and heard."""
    for acked, durable in app.durable:
        assert durable >= acked, f"{app.app_id}: {acked} was acknowledged, {durable} was kept"
    documents = [_ask(url, f"/api/v1/apps/{app.app_id}") for url in urls]
    for url, document in zip(urls, documents, strict=True):
        assert document == documents[0], f"{url} and {urls[0]} differ about {app.app_id}"
        said = read_messages(url, app.app_id)
        _check_each(f"messages of {app.app_id} at {url}", app.messages, said)
        for correlation_id, outcome in app.commands.items():
            status, command = ask(url, "GET", f"/api/v1/control/{correlation_id}")
            what = f"command {correlation_id} at {url}: {command}"
            if outcome is Outcome.ACKNOWLEDGED:
                assert status == http.client.OK, what
                assert app.heard[correlation_id], f"{what}: it never reached the app"
            if app.heard[correlation_id]:
                assert command is not None, what
                assert [each["status"] for each in command["targets"]] == ["done"], what
    if app.has_ended:
        assert documents[0]["status"] == "done", documents[0]
        assert documents[0]["result"]["seq"] == app.last, documents[0]


def read_traces(url: str) -> dict[int, tuple[int, int]]:
    """Return how many spans, and how many different ones, each trace of a load has at a server."""
    found: dict[int, tuple[int, int]] = {}
    after = ""
    while True:
        statement = (
            "SELECT TraceId, count() AS n, uniqExact(SpanId) AS different FROM otel_traces"  # noqa: S608 - our own text
            f" WHERE SpanName = '{OPERATION}' AND TraceId > '{after}'"
            f" GROUP BY TraceId ORDER BY TraceId LIMIT {TRACES_PER_PAGE}"
        )
        rows = _ask(url, f"/api/v1/sql?q={quote(statement)}&limit={TRACES_PER_PAGE}")["rows"]
        for row in rows:
            found[int(row["TraceId"], 16)] = (int(row["n"]), int(row["different"]))
        if len(rows) < TRACES_PER_PAGE:
            return found
        after = rows[-1]["TraceId"]


def read_notes(url: str) -> list[str]:
    """Return the text of every comment at a server."""
    texts: list[str] = []
    path = "/api/v1/comments?limit=500&last=30d"
    following = path
    while True:
        page = _ask(url, following)
        texts.extend(each["body"] for each in page["comments"])
        if not page.get("next"):
            return texts
        following = f"{path}&next={quote(page['next'])}"


def read_lines(url: str) -> dict[str, int]:
    """Return how often each log record of a load is at a server, by its body."""
    statement = "SELECT Body, count() AS n FROM otel_logs WHERE Body LIKE 'line %' GROUP BY Body"
    path = f"/api/v1/sql?q={quote(statement)}&limit={ROWS_MAX}"
    return {row["Body"]: int(row["n"]) for row in _ask(url, path)["rows"]}


def read_messages(url: str, app_id: str) -> Counter[int]:
    """Return how often each message of an app is at a server, by its number.

    A drill's app has one epoch, so its numbers are enough to tell messages apart.
    """
    found: Counter[int] = Counter()
    path = f"/api/v1/apps/{app_id}/messages?limit={ROWS_MAX}"
    following = path
    while True:
        page = _ask(url, following)
        found.update(each["seq"] for each in page["messages"])
        if not page.get("next"):
            return found
        following = f"{path}&next={quote(page['next'])}"


def check_fence(folders: Sequence[Path], told: Sequence[str]) -> None:
    """Hold the logs of servers that have ended against one another, and what they said of epochs.

    `told` is what each server wrote to stderr.

    Raises:
        AssertionError: an epoch was led by two servers, or a number has two different frames.
    """
    leaders: dict[int, int] = {}
    for server, text in enumerate(told):
        for epoch in map(int, _LED.findall(text)):
            assert leaders.setdefault(epoch, server) == server, f"epoch {epoch} had two leaders"
    frames: dict[int, tuple[int, bytes]] = {}
    for folder in folders:
        for number, frame in read_frames(folder).items():
            kept = frames.setdefault(number, frame)
            assert kept == frame, f"{folder} has another frame {number}: {frame[0]}, not {kept[0]}"


def read_frames(folder: Path) -> Mapping[int, tuple[int, bytes]]:
    """Return epoch and payload of every frame in the log of a data folder that nobody has open."""
    log = folder / "log"
    segments = list_segments(log)
    if not segments:
        return {}
    reader = LogReader(log, segments[0].log_id)
    try:
        records = reader.read(segments[0].first - 1, bytes_max=LOG_BYTES_MAX) or []
    finally:
        reader.close()
    return {each.number: (each.epoch, each.payload) for each in records}


def ask(
    url: str, method: str, path: str, body: bytes | None = None
) -> tuple[int, dict[str, Any] | None]:
    """Return status and document of an answer; 0 and None when none came."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, None
    finally:
        connection.close()


def post(url: str, path: str, body: bytes, kind: str) -> int | None:
    """Return the status of an answer, None when none came."""
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("POST", path, body, {"content-type": kind})
        response = connection.getresponse()
        response.read()
    except (OSError, http.client.HTTPException):
        return None
    else:
        return response.status
    finally:
        connection.close()


def _ask(url: str, path: str) -> Any:
    connection = http.client.HTTPConnection(str(urlsplit(url).netloc), timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        assert response.status == http.client.OK, body
        return json.loads(body)
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool], seconds_max: float, what: str) -> None:
    """Return once a condition holds.

    Raises:
        TimeoutError: it does not in time; the message says what was waited for.
    """
    pause = threading.Event()
    for _ in range(int(seconds_max / AGAIN_SECONDS) + 1):
        if condition():
            return
        pause.wait(AGAIN_SECONDS)
    raise TimeoutError(f"not in {seconds_max:g} s: {what}")
