"""One standby, as its leader speaks to it: a thread with one connection and one request in flight.

Theory of operation. It says hello (a request without frames): the standby cuts off what this leader
does not have, and answers up to where it has the log. From there it is sent what follows: from
memory, or from the log's files where it is further behind. While a request is on its way the next
frames gather. Whatever goes wrong, the next thing is a hello again, so there is one way to find out
where the standby is. Frames that it has already do no harm.
"""

from __future__ import annotations

import logging
import threading
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.store.replication import wire
from clew.store.replication.reader import LogReader, measure_after
from clew.store.replication.said import TWIN_HINT, Said
from clew.store.replication.status import StandbyStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from clew.store.replication.leader import Leader
    from clew.store.replication.window import Window
    from clew.store.replication.wire import Record

logger = logging.getLogger(__name__)

REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
"""Frames of one request: some twenty requests of 500 spans. A larger one is on its way alone."""

RETRY_S_MIN: Final = 0.05
RETRY_S_MAX: Final = 1.0
"""A standby that does not answer is tried again after these times: at first soon, since it may only
have been restarted; at most a second, since everybody waits for it."""

TELL_S: Final = 0.02
"""What was acknowledged goes with the next frames, or alone after this: a standby shows it so much
later at the most. Told at once it would be a second request for each first one, and frames that
come meanwhile would wait for its answer."""

READ_TIMEOUT_S_MIN: Final = 5.0
"""A standby may need this long to sync on a busy disk, whatever clients are made to wait."""


LAST_WORDS_S: Final = 0.5
"""How long a leader that ends waits for an answer to what it has sent."""


class PeerState(StrEnum):
    """Where a standby is."""

    CONNECTING = "connecting"
    FOLLOWING = "following"
    CATCHING_UP = "catching_up"
    NEEDS_SNAPSHOT = "needs_snapshot"


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What another server's position says of leadership."""

    epoch: int
    leader: str | None = None
    leader_url: str | None = None


class Answer(Protocol):
    """What another server answered."""

    @property
    def body(self) -> bytes:
        """The body, as it came."""
        ...


class Connection(Protocol):
    """One kept connection to another server; used by one thread at a time.

    Refusals and failures are ClewErrors, with the code that the other server named.
    """

    def get(self, path: str) -> Answer:
        """Ask with GET."""
        ...

    def post(
        self, path: str, body: bytes, content_type: str, *, headers: Mapping[str, str]
    ) -> Answer:
        """Send a body with POST."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...

    def abort(self) -> None:
        """End what is being asked, with an error for whoever asks. From any thread."""
        ...


class Peer:
    """A standby. What is told of it is guarded by the leader's lock."""

    def __init__(self, leader: Leader, url: str) -> None:
        self.url = url
        self.position = 0
        self.state = PeerState.CONNECTING
        self.node_id: str | None = None
        self.error: str | None = None
        self.required: int | None = None
        self._leader = leader
        timeout = max(leader.options.ack_timeout_s, READ_TIMEOUT_S_MIN)
        self._server = leader.options.connect(url, timeout)
        self._told = -1
        log = leader.inside.log
        self._reader = LogReader(log.folder, log.id)
        self._thread = threading.Thread(target=self._run, name="clew-ship", daemon=True)

    @property
    def is_ready(self) -> bool:
        """Whether it would have a frame soon that were written now."""
        return self.state is PeerState.FOLLOWING

    def describe(self) -> str:
        """Return its address, and what is wrong with it."""
        why = self.error or self.state.replace("_", " ")
        # What went wrong on the way to it names it already.
        return why if self.url in why else f"{self.url} ({why})"

    def status(self, window: Window, folder: Path, last: int) -> StandbyStatus:
        """Return how it is. The caller holds the leader's lock."""
        behind = window.bytes_after(self.position)
        if not window.has(self.position):
            behind = measure_after(folder, self.position, last)
        return StandbyStatus(
            url=self.url,
            node_id=self.node_id,
            state=self.state.value,
            acked=self.position,
            frames_behind=max(0, max(last, window.last) - self.position),
            bytes_behind=behind,
            error=self.error,
            required=self.required,
        )

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def close(self) -> None:
        """Stop; the leader has said that it is closing. Waits a little for the request on its way.

        Longer it does not: a server that says nothing would hold up a change of role, and frames
        whose answer is not heard are undecided at the next opening.
        """
        if self._thread.is_alive():
            self._thread.join(LAST_WORDS_S)
            if self._thread.is_alive():
                self._server.abort()
                self._thread.join()
        self._server.close()
        self._reader.close()

    def _run(self) -> None:
        delay = RETRY_S_MIN
        while not self._is_over():
            try:
                self._say_hello()
                delay = RETRY_S_MIN
                while not self._is_over() and self.state is not PeerState.NEEDS_SNAPSHOT:
                    self._send_next()
            except (ClewError, OSError, msgspec.DecodeError) as error:
                self._note_trouble(error)
                if isinstance(error, ClewError) and error.code is ErrorCode.OVERLOADED:
                    # It is there, and about to take what it is sent.
                    delay = RETRY_S_MIN
            except Exception as error:
                # The boundary of the thread: without it nothing would ever be acknowledged again.
                logger.exception("shipping to %s failed", self.url)
                self._note_trouble(error)
            if self._wait(delay):
                break
            delay = min(2 * delay, RETRY_S_MAX)

    def _is_over(self) -> bool:
        return self._leader.is_closing or self._leader.is_fenced

    def _wait(self, seconds: float) -> bool:
        with self._leader.changed:
            return self._leader.changed.wait_for(self._is_over, seconds)

    def _say_hello(self) -> None:
        """Find out where the standby is."""
        said = self._post(b"", 0)
        with self._leader.changed:
            self._check_other(said)
            self.node_id, self.error = said.node_id, said.snapshot
            if said.snapshot is not None:
                self._begin_anew()
                return
            self.position = said.acked
            is_near = self._leader.window.has(said.acked)
            self._change(PeerState.FOLLOWING if is_near else PeerState.CATCHING_UP)
            self._leader.hear_of_peer()

    def _check_other(self, said: Said) -> None:
        """Raise unless it is a server of its own, with nothing that was never written here."""
        twin = self._leader.find_twin(self, said.node_id)
        if twin is not None:
            raise ClewError(
                ErrorCode.CONFLICT, f"it is the same server as {twin.url}", hint=TWIN_HINT
            )
        if said.snapshot is None:
            self._check_written(said)

    def _check_written(self, said: Said) -> None:
        if said.acked > self._leader.window.last:
            raise ClewError(
                ErrorCode.CONFLICT, f"it says that it has frame {said.acked}, which nobody wrote"
            )

    def _send_next(self) -> None:
        """Send what follows, or that there is nothing."""
        from clew.store.replication.leader import HEARTBEAT_S

        leader = self._leader
        with leader.changed:
            leader.changed.wait_for(self._has_news, HEARTBEAT_S)
            leader.changed.wait_for(self._has_frames, TELL_S)
            if self._is_over():
                return
            after = self.position
            is_near = leader.window.has(after)
            records = leader.window.read(after, REQUEST_BYTES_MAX) if is_near else None
            if is_near:
                self._change(PeerState.FOLLOWING)
        if records is None:
            records = self._read_files(after)
        said = self._post(wire.encode_records(records), after)
        with leader.changed:
            self.error = said.snapshot
            if said.snapshot is not None:
                self._begin_anew()
                return
            self._check_written(said)
            if said.acked < after:
                # Another disk answers than before: a hello says what is there.
                raise ClewError(ErrorCode.CONFLICT, f"it has lost frames up to {after}")
            self.position = said.acked
            if leader.window.has(self.position):
                # At once: until then it does not count, and writes are refused.
                self._change(PeerState.FOLLOWING)
            leader.hear_of_peer()

    def _has_news(self) -> bool:
        return self._has_frames() or self._leader.settled > self._told

    def _has_frames(self) -> bool:
        return self._leader.window.last > self.position or self._is_over()

    def _read_files(self, after: int) -> list[Record]:
        with self._leader.changed:
            self._change(PeerState.CATCHING_UP)
        records = self._reader.read(after, bytes_max=REQUEST_BYTES_MAX)
        if records is None:
            # The hello that comes next says so to the standby.
            raise ClewError(
                ErrorCode.NOT_FOUND, f"the log here does not reach back to frame {after + 1}"
            )
        return records

    def _post(self, body: bytes, after: int) -> Said:
        leader = self._leader
        shipment = leader.describe_shipment(after)
        try:
            answer = self._server.post(
                wire.RECORDS_PATH, body, wire.CONTENT_TYPE, headers=shipment.headers()
            )
        except ClewError as error:
            if error.code is ErrorCode.CONFLICT:
                self._find_fence()
            raise
        self._told = max(self._told, shipment.acked)
        said = msgspec.json.decode(answer.body, type=Said)
        if said.required != self.required:
            self.required = said.required
            if said.required is not None:
                leader.options.on_required(self.url, said.required)
        return said

    def _find_fence(self) -> None:
        """Find out who leads instead, after a standby said that we do not.

        It may be this server: a claim of its own that was held up arrived after it led anew.
        """
        known = msgspec.json.decode(self._server.get(wire.POSITION_PATH).body, type=_Known)
        is_own = known.leader == self._leader.standing.node_id
        if known.epoch > self._leader.epoch or (known.epoch == self._leader.epoch and not is_own):
            self._leader.fence(known.epoch, known.leader, known.leader_url)

    def _note_trouble(self, error: Exception) -> None:
        message = error.message if isinstance(error, ClewError) else str(error)
        with self._leader.changed:
            if self.error != message:
                logger.warning("the standby %s: %s", self.url, message)
            self.error = message
            self._change(PeerState.CONNECTING)

    def _begin_anew(self) -> None:
        """Count on nothing that it had: it is about to be thrown away."""
        self.position = 0
        self._change(PeerState.NEEDS_SNAPSHOT)

    def _change(self, state: PeerState) -> None:
        if state is PeerState.FOLLOWING and self.state is not state:
            self.error = None
            logger.info("the standby %s follows from frame %d", self.url, self.position + 1)
        self.state = state
