"""What one socket says, as events of the tree, and what is answered, as frames.

A session checks what can be checked without the tree: the form of a frame, its signature, how fast
frames come, and that an app which asks something of others is one that has registered here. All
else is the machine's to decide.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode
from clew.surfaces.ws import translation
from clew.surfaces.ws.limits import TICKETS_PER_LINK_MAX
from clew.tree.frames import inbound, outbound
from clew.tree.frames.codec import decode_inbound
from clew.tree.frames.codes import CLOSE_OF, FRAME_ERROR_OF, CloseCode, FrameError
from clew.tree.frames.fields import MessageKind
from clew.tree.frames.keys import new_nonce, verify_frame
from clew.tree.machine import events, outcomes
from clew.tree.machine.app import Tier

if TYPE_CHECKING:
    from collections.abc import Callable

    from clew.access.caller import Origin
    from clew.surfaces.ws.connection import Connection
    from clew.surfaces.ws.door import TrailsDoor
    from clew.tree.frames.inbound import AnyInbound
    from clew.tree.frames.outbound import Outbound

RETRY_MS: Final = 1000
"""Told to who asked for too much at a time: most commands are answered within it."""

_JOINING: Final = (inbound.Register, inbound.ReRegister, inbound.Attach)
"""Frames that may come first on a socket."""

_REVOKED: Final = "this key has been revoked"

_NUL: Final = b"\\u0000"
_ESCAPE: Final = b"\\"

_GONE: Final = frozenset(
    {FrameError.SUPERSEDED, FrameError.REVOKED, FrameError.TERMINAL, FrameError.ANCESTOR_CANCELLED}
)
"""Refusals after which an app speaks on this socket no more."""

_UNJOINED: Final = frozenset({*CLOSE_OF, FrameError.QUOTA_EXCEEDED})
"""Refusals with which an app that wants to join does not."""


class Session:
    """The apps of one socket. Belongs to the event loop."""

    __slots__ = (
        "_agents",
        "_bound",
        "_connection",
        "_door",
        "_has_spoken",
        "_keys",
        "_nonce",
        "_origin",
        "_proved",
        "_stray_paid_at",
        "_tickets",
    )

    def __init__(
        self, connection: Connection, door: TrailsDoor, origin: Origin, *, asks: bool
    ) -> None:
        """`asks` tells whether the client wants a challenge where none comes unasked."""
        self._connection = connection
        self._origin = origin
        self._door = door
        self._has_spoken = False
        needs_proof = door.tier is not Tier.OPEN or asks
        self._nonce = new_nonce() if needs_proof else None
        # By app, when all of its frames are paid for (`rate.Pace`).
        self._bound: dict[str, float] = {}
        self._stray_paid_at = 0.0
        # Those of them for which only an agent speaks: it watches a process, and asks for nothing.
        self._agents: set[str] | None = None
        # Keys that registered here with a proof: of apps that wait for an answer, and that have it.
        self._proved: dict[str, str] | None = None
        self._keys: dict[str, str] | None = None
        self._tickets: set[int] | None = None

    @property
    def identities(self) -> int:
        """How many apps speak here."""
        return len(self._bound)

    def open(self) -> None:
        """Say the first word, where it is the server's."""
        if self._nonce is not None:
            self._connection.send(outbound.Challenge(nonce=self._nonce))

    def close(self) -> None:
        """Forget what was asked here; idempotent."""
        tickets, self._tickets = self._tickets, None
        for ticket in tickets or ():
            self._door.keeper.forget(ticket)

    def hang_up_revoked(self) -> None:
        """Close the socket if an app speaks here whose key has been revoked.

        Whoever has that key has the socket, and all else that is said on it. Agents only watch
        processes, and have no key of the app's.
        """
        for app_id in self._bound.keys() - (self._agents or set()):
            app = self._door.keeper.find(app_id)
            if app is not None and app.pub_key and self._door.is_revoked(app.pub_key):
                self._connection.send(
                    outbound.Error(code=FrameError.REVOKED, message=_REVOKED, app_id=app_id)
                )
                self._connection.close(CLOSE_OF[FrameError.REVOKED], _REVOKED)
                return

    # What comes in.

    def take(self, octets: bytes, *, is_last: bool = False) -> float:
        """Take a message, or return how many seconds later it may be taken.

        `is_last` takes it at once, since its peer is gone. Nothing stands for what is no message.
        """
        if not octets:
            return 0.0 if is_last else self._pay_stray()
        try:
            frame = decode_inbound(octets)
        except ClewError as error:
            wait = 0.0 if is_last else self._pay_stray()
            if not wait:
                self._refuse_unread(error)
            return wait
        wait = 0.0 if is_last else self._pay(frame)
        if wait:
            return wait
        self._door.counters.frames_in += 1
        # A text has a NUL character only where its JSON wrote it so, and a message has no more.
        is_plain = type(frame) is inbound.Message and (_ESCAPE not in octets or _NUL not in octets)
        wrong = None if is_plain else translation.find_wrong(frame)
        if wrong is not None:
            self._refuse(ClewError(ErrorCode.INVALID_ARGUMENT, wrong), frame)
            return 0.0
        if not self._has_spoken:
            if not isinstance(frame, _JOINING):
                self._refuse_first(frame)
                return 0.0
            self._has_spoken = True
            self._connection.expect_answer()
        if self._keys is None or self._is_signed(frame, octets):
            self._hear(frame, octets)
        return 0.0

    def _pay(self, frame: AnyInbound) -> float:
        """Count a frame against whoever sent it; return how long it must wait."""
        door = self._door
        now = door.now()
        if type(frame) is not inbound.Message and isinstance(frame, _JOINING):
            # The first one of a socket was paid for at the upgrade.
            return door.pay_registration(now) if self._has_spoken else 0.0
        paid_at = self._bound.get(frame.app_id)
        if paid_at is None:
            return self._pay_stray()
        pace = door.pace
        # Where all is paid for there is nothing to reckon, and so it is for nearly every frame.
        wait = 0.0 if paid_at <= now else pace.wait(paid_at, now)
        if not wait:
            self._bound[frame.app_id] = paid_at = pace.take(paid_at, now)
            if pace.is_calm(paid_at, now):
                self._connection.calm()
        return wait

    def _pay_stray(self) -> float:
        now = self._door.now()
        pace = self._door.pace
        wait = pace.wait(self._stray_paid_at, now)
        if not wait:
            self._stray_paid_at = pace.take(self._stray_paid_at, now)
        return wait

    def _is_signed(self, frame: AnyInbound, octets: bytes) -> bool:
        """Whether a frame is as its app must send it: what a proved app says is signed.

        A Status may come bare: there are many, and none changes what becomes of an app.
        """
        key = self._keys.get(frame.app_id) if self._keys else None
        if key is None or isinstance(frame, _JOINING):
            return True
        is_status = isinstance(frame, inbound.Message) and (
            frame.header.msg_type is MessageKind.STATUS
        )
        if frame.sig is None and is_status:
            return True
        if verify_frame(key, octets, self._nonce):
            return True
        self._send_refusal(
            FrameError.UNAUTHORISED, "the frame is not signed by the app's key", frame
        )
        return False

    def _hear(self, frame: AnyInbound, octets: bytes) -> None:
        post = self._door.keeper.post
        link = self._connection.link
        match frame:
            # The most usual one first.
            case inbound.Message():
                post(translation.received(link, frame))
            case inbound.ControlAck():
                post(translation.acked(link, frame))
            case inbound.Register() if self._door.is_revoked(frame.child_pub_key):
                self._refuse_key(frame)
            case inbound.ReRegister() if self._door.is_revoked(frame.pub_key):
                self._refuse_key(frame)
            case inbound.Register():
                is_proved = self._is_proved(frame.app_id, frame.child_pub_key, octets)
                post(translation.register(link, frame, is_proved=is_proved, origin=self._origin))
            case inbound.ReRegister():
                is_proved = self._is_proved(frame.app_id, frame.pub_key, octets)
                post(translation.resume(link, frame, is_proved=is_proved, origin=self._origin))
            case inbound.Disconnect():
                post(events.Left(link=link, app_id=frame.app_id, reason=frame.reason))
                self._let_go(frame.app_id)
            case inbound.Attach():
                process = translation.process_of(frame.process_info)
                post(
                    events.Attach(
                        link=link,
                        app_id=frame.app_id,
                        token=frame.join_token,
                        process=process,
                        origin=self._origin,
                    )
                )
            case inbound.Exited():
                post(
                    events.Exited(
                        link=link,
                        app_id=frame.app_id,
                        exit_code=frame.exit_code,
                        signal=frame.signal,
                    )
                )
            case inbound.Issue():
                self._issue(frame)
            case inbound.Spawn():
                self._spawn(frame)

    def _is_proved(self, app_id: str, pub_key: str, octets: bytes) -> bool:
        if self._nonce is None or not verify_frame(pub_key, octets, self._nonce):
            return False
        self._proved = self._proved or {}
        self._proved[app_id] = pub_key
        return True

    # What an app asks of the tree.

    def _issue(self, frame: inbound.Issue) -> None:
        event = translation.command_of(frame, translation.caller_of(frame, self._origin))
        self._ask(frame, event, partial(self._answer_issue, frame))

    def _answer_issue(self, frame: inbound.Issue, outcome: outcomes.Outcome) -> None:
        assert isinstance(outcome, outcomes.Issued)
        self._connection.send(translation.issued(frame.app_id, outcome))
        if not outcome.is_over:
            caller = translation.caller_of(frame, self._origin)
            event = events.Await(ticket=0, caller=caller, correlation_id=frame.correlation_id)
            self._ask(frame, event, partial(self._answer_issue, frame))

    def _spawn(self, frame: inbound.Spawn) -> None:
        caller = translation.caller_of(frame, self._origin)
        event = translation.schedule_of(frame, caller, self._door.tier)
        self._ask(frame, event, partial(self._answer_spawn, frame))

    def _answer_spawn(self, frame: inbound.Spawn, outcome: outcomes.Outcome) -> None:
        assert isinstance(outcome, outcomes.Scheduled)
        self._connection.send(
            outbound.Spawned(
                app_id=frame.app_id,
                child_id=frame.child_id,
                join_token=outcome.token,
                is_new=outcome.is_new,
            )
        )

    def _ask(
        self,
        frame: inbound.Issue | inbound.Spawn,
        event: events.Event,
        answer: Callable[[outcomes.Outcome], None],
    ) -> None:
        """Post an event that carries a ticket, and answer its frame when the tree has."""
        if frame.app_id not in self._bound or frame.app_id in (self._agents or ()):
            text = "this socket does not speak for that app"
            self._send_refusal(FrameError.NOT_REGISTERED, text, frame)
            return
        tickets = self._tickets = set() if self._tickets is None else self._tickets
        keeper = self._door.keeper

        def hear(outcome: outcomes.Outcome | ClewError) -> None:
            tickets.discard(ticket)
            if isinstance(outcome, ClewError):
                self._refuse(outcome, frame)
            else:
                answer(outcome)

        if len(tickets) >= TICKETS_PER_LINK_MAX:
            text = f"{TICKETS_PER_LINK_MAX} of this socket wait for an answer already"
            self._send_refusal(FrameError.OVERLOADED, text, frame, retry_after_ms=RETRY_MS)
            return
        try:
            ticket = keeper.take_ticket(hear, is_new=not isinstance(event, events.Await))
        except ClewError as error:
            self._refuse(error, frame)
            return
        tickets.add(ticket)
        keeper.post(msgspec.structs.replace(event, ticket=ticket))

    # What goes out.

    def see_off(self, frame: Outbound) -> Outbound | None:
        """Take note of what is about to be sent; sign what must be, None when that cannot be.

        What says that something is kept says how many servers have it, where there are several.
        """
        count = self._door.count_copies
        if count is not None and isinstance(frame, outbound.Kept):
            frame = msgspec.structs.replace(frame, copies=count())
        if type(frame) is outbound.Ack:
            return frame
        match frame:
            case outbound.Registered():
                (self._agents or set()).discard(frame.app_id)
                self._bind(frame.app_id)
                return msgspec.structs.replace(frame, server_pub_key=self._door.pub_key())
            case outbound.Attached():
                if frame.app_id not in self._bound:
                    self._agents = self._agents or set()
                    self._agents.add(frame.app_id)
                self._bind(frame.app_id)
            case outbound.Error() if frame.app_id is not None and frame.code in _GONE:
                self._let_go(frame.app_id)
            case outbound.Error() if frame.app_id is not None and frame.code in _UNJOINED:
                # It has not joined, so its proof is worth nothing any more.
                (self._proved or {}).pop(frame.app_id, None)
            case outbound.Control() if frame.app_id in (self._keys or {}):
                return self._sign(frame, frame.app_id or "")
        return frame

    def _sign(self, frame: outbound.Control, app_id: str) -> outbound.Control | None:
        """Return a command as an app takes it that signs; refuse for it what has no signature."""
        try:
            return self._door.signer().sign_frame(frame)
        except ClewError as error:
            self._door.keeper.post(
                events.Acked(
                    link=self._connection.link,
                    app_id=app_id,
                    correlation_id=frame.correlation_id,
                    action=frame.action,
                    ack=False,
                    error=f"it could not be signed: {error.message}",
                )
            )
            return None

    def _let_go(self, app_id: str) -> None:
        """Forget an app that speaks here no more."""
        self._bound.pop(app_id, None)
        (self._keys or {}).pop(app_id, None)
        (self._proved or {}).pop(app_id, None)

    def _bind(self, app_id: str) -> None:
        self._bound.setdefault(app_id, 0.0)
        key = (self._proved or {}).pop(app_id, None)
        if key is not None:
            self._keys = self._keys or {}
            self._keys[app_id] = key
        self._connection.settle()

    # Refusals of the door's own.

    def _refuse_unread(self, error: ClewError) -> None:
        """Refuse what is no frame: the first one, and what is too large, end the socket."""
        code = FRAME_ERROR_OF[error.code]
        self._connection.send(outbound.Error(code=code, message=error.message, hint=error.hint))
        if code is FrameError.TOO_LARGE:
            self._connection.close(CloseCode.TOO_LARGE, error.message)
        elif not self._has_spoken:
            self._connection.close(CloseCode.BAD_VERSION, error.message)

    def _refuse_first(self, frame: AnyInbound) -> None:
        text = "the first frame is register, re_register or attach"
        self._send_refusal(FrameError.REGISTRATION_FAILED, text, frame)
        self._connection.close(CloseCode.BAD_VERSION, text)

    def _refuse_key(self, frame: AnyInbound) -> None:
        self._send_refusal(FrameError.REVOKED, _REVOKED, frame)
        if not self._bound:
            self._connection.close(CLOSE_OF[FrameError.REVOKED], _REVOKED)

    def _refuse(self, error: ClewError, frame: AnyInbound) -> None:
        self._send_refusal(
            FRAME_ERROR_OF[error.code],
            error.message,
            frame,
            hint=error.hint,
            retry_after_ms=error.retry_after_ms,
        )

    def _send_refusal(
        self,
        code: FrameError,
        message: str,
        frame: AnyInbound,
        *,
        hint: str | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        self._connection.send(
            outbound.Error(
                code=code,
                message=message,
                app_id=frame.app_id,
                correlation_id=translation.correlation_of(frame),
                seq=frame.header.seq if isinstance(frame, inbound.Message) else None,
                hint=hint,
                retry_after_ms=retry_after_ms,
            )
        )
