"""The demo's system: two services and an agent as processes, and people who order things."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from clew.base.errors import ClewError, ErrorCode
from clew.demo.service import send
from clew.sdk.tree import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A part imports OpenTelemetry and opens a port: under a second here, more on a busy machine.
READY_S_MAX: Final = 30.0

# What a part says of what it did is the demo: it has the time to arrive at a server whose disk is
# held up, where a program of one's own would rather go on.
EXPORT_S_MAX: Final = 20.0

# A part gives its node id back within five seconds, and has that long to say that it is done and to
# send its last telemetry; all of it takes a tenth of a second where the server is well.
END_S_MAX: Final = 45.0

# One in so many requests is a conversation of the assistant, which makes two requests itself.
REQUESTS_PER_CONVERSATION: Final = 6

# People who order at the same time: few enough that the slow bank shows in the figures.
PEOPLE: Final = 4

PARTS: Final = ("payments", "shop", "assistant")

_END: Final = object()


@dataclass(slots=True)
class Outcome:
    """What the people and the assistant met with."""

    requests: int = 0
    refused: int = 0
    failed: int = 0
    conversations: int = 0
    dropped: int = 0
    seconds: float = 0.0
    answer_id: str | None = None
    """The trace id of an answer of the assistant, of one that an order came of if there is any."""


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the system."""

    name: str
    process: subprocess.Popen[str]
    lines: queue.Queue[Any] = field(default_factory=queue.Queue)

    def tell(self, what: dict[str, Any]) -> None:
        """Tell the part whom it depends on."""
        assert self.process.stdin is not None
        # A part that has ended is noticed where its answer is waited for.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Tell the part that there is no more to do; idempotent."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def hear(self, timeout_s: float) -> dict[str, Any] | None:
        """Return the next thing that the part says, None when it has ended.

        Raises:
            ClewError: TIMEOUT when it says nothing.
        """
        try:
            line = self.lines.get(timeout=timeout_s)
        except queue.Empty:
            raise ClewError(
                ErrorCode.TIMEOUT, f"the demo's {self.name} says nothing for {timeout_s:g} s"
            ) from None
        if line is _END:
            return None
        said: dict[str, Any] = json.loads(line)
        return said


def run_system(
    endpoint: str,
    *,
    requests: int,
    seed: int,
    progress: Callable[[int], object],
    api_key: str | None = None,
    join: Callable[[str], dict[str, str]] = lambda _name: {},
) -> Outcome:
    """Run the system until all requests are answered; tell `progress` how many came to pass.

    `join` gives what a part needs in its environment to be an app of the tree.

    Raises:
        ClewError: when a part does not start or ends early.
    """
    conversations = max(1, requests // REQUESTS_PER_CONVERSATION)
    people = max(1, requests - conversations)
    outcome = Outcome()
    started = time.monotonic()
    with contextlib.ExitStack() as parts:
        payments, shop, assistant = (
            parts.enter_context(
                _part(environment(endpoint, name, api_key) | join(name), outcome, name, seed)
            )
            for name in PARTS
        )
        shop.tell({"port": _port(payments)})
        shop_port = _port(shop)
        assistant.tell({"port": shop_port, "count": conversations})
        with ThreadPoolExecutor(PEOPLE, thread_name_prefix="person") as pool:
            for status in pool.map(lambda n: _ask(shop_port, n), range(people)):
                _note(outcome, status)
                progress(1)
        while outcome.conversations < conversations:
            said = assistant.hear(READY_S_MAX)
            if said is None:
                raise ClewError(ErrorCode.INTERNAL, "the demo's assistant ended early")
            outcome.conversations += 1
            _note_answer(outcome, said)
            progress(1)
        # All at once: each has its last telemetry to send.
        for part in (assistant, shop, payments):
            part.end()
    outcome.seconds = time.monotonic() - started
    return outcome


def _ask(port: int, number: int) -> int:
    """Be a person: look at the products, or order; return the status."""
    if number % 3 == 0:
        return send(port, "GET", f"/products?page={number}").status
    return send(port, "POST", "/checkout", {"order_id": f"web-{number}"}).status


def _note(outcome: Outcome, status: int) -> None:
    outcome.requests += 1
    outcome.refused += 400 <= status < 500
    outcome.failed += status >= 500


def _note_answer(outcome: Outcome, said: dict[str, Any]) -> None:
    """Keep which answer to ask about; without lineage its id is 0."""
    if said["answer_id"] != "0" and (said["ordered"] or outcome.answer_id is None):
        outcome.answer_id = said["answer_id"]


@contextlib.contextmanager
def _part(environ: dict[str, str], outcome: Outcome, name: str, seed: int) -> Iterator[Part]:
    """Run one part; at the end close its stdin, hear its last words, and see it end."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "clew.demo.process", name, str(seed)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    part = Part(name, process)
    threading.Thread(target=_listen, args=(part,), daemon=True).start()
    try:
        yield part
        part.end()
        while (said := part.hear(END_S_MAX)) is not None:
            outcome.dropped += said.get("dropped", 0)
        process.wait(END_S_MAX)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _listen(part: Part) -> None:
    assert part.process.stdout is not None
    with contextlib.suppress(ValueError):  # The pipe was closed under us: the part was killed.
        for line in part.process.stdout:
            part.lines.put(line)
    part.lines.put(_END)


def _port(part: Part) -> int:
    said = part.hear(READY_S_MAX)
    if said is None or "port" not in said:
        raise ClewError(ErrorCode.INTERNAL, f"the demo's {part.name} did not start")
    return int(said["port"])


def environment(endpoint: str, name: str, api_key: str | None) -> dict[str, str]:
    """Return the environment of a part: the user's own, but for what says where telemetry goes.

    `payments` shows the other forms of metrics: exponential histograms and delta temporality.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    # Whoever started the demo may be an app of the tree; the parts are none of its processes.
    clean.pop(VARIABLE, None)
    clean["OTEL_EXPORTER_OTLP_ENDPOINT"] = clean["CLEW_SERVER"] = endpoint
    clean["OTEL_METRIC_EXPORT_INTERVAL"] = "1000"
    clean["OTEL_EXPORTER_OTLP_TIMEOUT"] = str(EXPORT_S_MAX)
    if api_key:
        clean["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{api_key}"
        clean["CLEW_API_KEY"] = api_key
    if name == "payments":
        clean["OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"] = (
            "base2_exponential_bucket_histogram"
        )
        clean["OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"] = "delta"
    return clean
