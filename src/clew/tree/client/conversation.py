"""The client's side of the protocol for one app: no socket, no clock, no thread.

`Link` gives it what came in and sends what it returns. It knows which epoch it is in, what must be
said first on a connection, and whether there is anything left to come back for.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import msgspec

from clew.base.errors import ClewError
from clew.tree.client.identity import describe_process
from clew.tree.client.outbox import Entry, Outbox
from clew.tree.client.payload import left_out
from clew.tree.frames.codec import encode
from clew.tree.frames.codes import FrameError, is_retryable
from clew.tree.frames.fields import MessageKind
from clew.tree.frames.inbound import (
    CAN_HEAR_NOTICES,
    ControlAck,
    Disconnect,
    Header,
    Inbound,
    Message,
    Register,
    ReRegister,
)
from clew.tree.frames.keys import Signer, verify_frame
from clew.tree.machine.app import Tier

if TYPE_CHECKING:
    from clew.tree.frames.info import TrailsConfig
    from clew.tree.frames.outbound import Control, Error, Registered

CAPABILITIES: Final = (CAN_HEAR_NOTICES,)

logger = logging.getLogger("clew.tree")


class Conversation:
    """One app's side of the protocol. Used by one thread."""

    def __init__(self, config: TrailsConfig) -> None:
        self.config = config
        self.outbox = Outbox()
        self.epoch: int | None = None
        self.is_over = False
        """Whether the end of the app is durable: a result or an error was acknowledged."""
        self.copies: int | None = None
        """How many servers have what was acknowledged last, where several keep the tree."""
        self._signer = Signer()
        self._nonce: str | None = None
        self._has_joined = False
        self._must_prove = config.tier is not Tier.OPEN
        self._registers_sent = 0
        self._start_day = config.start_day

    @property
    def pub_key(self) -> str:
        """The key of this process, made when it started."""
        return self._signer.pub_key

    @property
    def has_joined(self) -> bool:
        """Whether the server has ever known this process as the app."""
        return self._has_joined

    @property
    def waits_for_challenge(self) -> bool:
        """Whether the server speaks first: it does but in the open tier."""
        return self._must_prove

    @property
    def url(self) -> str:
        """Where to connect to; a client that wants to prove itself says so in the query."""
        url = self.config.socket_url()
        if not self._must_prove:
            return url
        return f"{url}{'&' if '?' in url else '?'}challenge"

    def demanded(self) -> None:
        """Take note that the server wants a proof, whatever the parent said."""
        self._must_prove = True

    def challenge(self, nonce: str | None) -> None:
        """Take the nonce of a new connection; None in the open tier."""
        self._nonce = nonce

    def opening(self) -> bytes:
        """Return the first frame of a connection: to join, or to return."""
        if self._has_joined:
            return self._encode(
                ReRegister(
                    app_id=self.config.app_id,
                    start_day=self._start_day,
                    last_seq=self.outbox.acked_seq,
                    pub_key=self.pub_key,
                    epoch=self.epoch,
                    capabilities=CAPABILITIES,
                )
            )
        self._registers_sent += 1
        return self._encode(
            Register(
                app_id=self.config.app_id,
                start_day=self._start_day,
                app_name=self.config.app_name,
                child_pub_key=self.pub_key,
                parent_id=self.config.parent_id,
                process_info=describe_process(),
                role_refs=self.config.role_refs,
                capabilities=CAPABILITIES,
                join_token=self.config.join_token,
            )
        )

    def registered(self, frame: Registered) -> None:
        """Take the server's word that the app is in the tree."""
        self._has_joined = True
        self.epoch = frame.epoch or None
        if frame.durable_seq:
            self.copies = frame.copies
        if self.outbox.resume(frame.durable_seq, frame.credit):
            self.is_over = True

    def is_server(self, frame: Registered) -> bool:
        """Whether it is the server whose key the parent told, where it told one."""
        pinned = self.config.server_pub_key
        return not self.waits_for_challenge or pinned in {None, "", frame.server_pub_key}

    def is_genuine(self, control: Control, octets: bytes) -> bool:
        """Whether a command is the server's own; in the open tier, nobody can tell."""
        pinned = self.config.server_pub_key
        if not pinned or not self.waits_for_challenge:
            return True
        return control.sig is not None and verify_frame(pinned, octets)

    def next_message(self) -> bytes | None:
        """Return the next message that may be sent now, None when there is none."""
        entry = self.outbox.take()
        if entry is None:
            return None
        message = self._message(entry)
        try:
            return self._encode(message)
        except ClewError as error:
            # Numbers that cannot be signed. Nobody can be told but by the message itself.
            note = msgspec.Raw(left_out(error.message))
            logger.warning("what a %s says is left out: %s", entry.kind, error.message)
            return self._encode(msgspec.structs.replace(message, payload=note))

    def acked(self, seq: int, copies: int | None) -> None:
        """Take an acknowledgement; so many servers have it, None where there is one."""
        self.copies = copies
        self.is_over = self.outbox.ack(seq) or self.is_over

    def refused(self, error: Error) -> Entry | None:
        """Take the refusal of a message; return it when it will never be taken."""
        if error.seq is None:
            return None
        if is_retryable(error.code):
            self.outbox.retry()
            return None
        return self.outbox.refuse(error.seq)

    def tries_otherwise(self, error: Error) -> bool:
        """Whether the refusal to let the app join is one of how it asked, not of the app.

        The server may have forgotten it, and then it joins anew. Or its answer to an earlier
        registration was lost, and then it returns: once, because the key decides.
        """
        if error.code == FrameError.NOT_FOUND and self._has_joined:
            self._has_joined = False
            return True
        is_state = error.code in {FrameError.REGISTRATION_FAILED, FrameError.CONFLICT}
        if is_state and not self._has_joined and self._registers_sent > 1:
            self._has_joined = True
            self._registers_sent = 0
            return True
        return False

    def control_ack(self, ack: ControlAck) -> bytes:
        """Return what answers a command."""
        try:
            return self._encode(ack)
        except ClewError as error:
            note = msgspec.Raw(left_out(error.message))
            return self._encode(msgspec.structs.replace(ack, result=note))

    def request(self, frame: Inbound) -> bytes:
        """Return a frame that asks the server for something.

        Raises:
            ClewError: INVALID_ARGUMENT when it has to be signed and has numbers that cannot be.
        """
        return self._encode(frame)

    def goodbye(self, reason: str) -> bytes:
        """Return the frame that ends the app."""
        return self._encode(
            Disconnect(app_id=self.config.app_id, start_day=self._start_day, reason=reason)
        )

    def _message(self, entry: Entry) -> Message:
        return Message(
            app_id=self.config.app_id,
            start_day=self._start_day,
            header=Header(
                msg_type=entry.kind,
                timestamp=entry.at_ms,
                seq=entry.seq,
                correlation_id=entry.correlation_id,
            ),
            payload=msgspec.Raw(entry.payload),
        )

    def _encode(self, frame: Inbound) -> bytes:
        is_status = isinstance(frame, Message) and frame.header.msg_type is MessageKind.STATUS
        if self._nonce is None or is_status:
            # There are many statuses, and none of them changes what becomes of an app.
            return encode(frame)
        return encode(self._signer.sign_frame(frame, self._nonce))
