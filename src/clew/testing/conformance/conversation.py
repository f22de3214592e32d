"""All clients of one scenario: what they send is signed where the tier asks for it."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from clew.base.errors import ClewError
from clew.testing.conformance.client import Client, Closed, Frame, RefusedError, Transcript
from clew.testing.conformance.matching import find_differences, find_failures, pick, show
from clew.testing.conformance.scenario import WITHIN_MS, Expectation
from clew.testing.conformance.target import with_challenge
from clew.tree.frames.canonical import signing_bytes
from clew.tree.frames.keys import verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from clew.testing.conformance.scenario import ClientExpectClose, ClientSend
    from clew.testing.conformance.target import Target
    from clew.testing.conformance.values import Values


class FailureError(Exception):
    """The server did not do what the scenario says."""


class Conversation:
    """The sockets of one run, by the names of their clients."""

    def __init__(self, target: Target, values: Values, transcript: Transcript) -> None:
        self._target = target
        self._values = values
        self._transcript = transcript
        self._clients: dict[str, Client] = {}
        # By client and app: somebody else may show another key for the same app.
        self._keys: dict[tuple[str, str], str] = {}
        self._tokens: dict[str, str] = {}
        self._kept: dict[str, str] = {}

    def has(self, name: str) -> bool:
        """Whether a client has a socket."""
        return name in self._clients

    def give_token(self, app_id: str, token: object) -> None:
        """Take note of the join token of an app: its register frames carry it."""
        if isinstance(token, str):
            self._tokens[app_id] = token

    async def connect(
        self,
        name: str,
        *,
        challenge: bool = False,
        headers: Mapping[str, str] | None = None,
        refused: int | None = None,
    ) -> None:
        """Open the socket of a client, and take the challenge where one comes.

        Raises:
            FailureError: it was not let in, or was although it should not have been.
        """
        url = with_challenge(self._target.url) if challenge else self._target.url
        try:
            client = await Client.open(name, url, self._transcript, headers or {})
        except RefusedError as error:
            if error.status is not None and error.status == refused:
                return
            raise FailureError(str(error)) from error
        if refused is not None:
            client.drop()
            raise FailureError(f"the door let {name} in, wanted: HTTP {refused}")
        self._clients[name] = client
        if challenge or self._target.tier != "open":
            frame = await self._hear(client, WITHIN_MS / 1000)
            if frame.get("type") != "challenge":
                raise FailureError(f"the first frame is {show(frame)}, wanted: a challenge")
            client.nonce = frame.get("nonce")

    async def send(self, step: ClientSend) -> None:
        """Send what a step says, on a socket that is opened when there is none."""
        client = await self._client(step.client)
        if step.binary is not None:
            await client.send(str(self._values.resolve(step.binary)).encode())
            return
        if step.resend is not None:
            if step.resend not in self._kept:
                raise FailureError(f"the scenario kept no frame {step.resend}")
            text = self._kept[step.resend]
        elif step.text is not None:
            text = str(self._values.resolve(step.text))
        else:
            frame = self._finish(client, self._values.resolve(step.message or {}), step.sign)
            frame |= self._values.resolve(step.alter)
            client.last_sent = frame
            self._note_sent(frame)
            text = _write(frame)
        if step.keep is not None:
            self._kept[step.keep] = text
        await client.send(text)

    async def say(self, name: str, frame: Frame) -> None:
        """Send a frame of the runner's own making."""
        client = await self._client(name)
        frame = self._finish(client, frame, sign=True)
        self._note_sent(frame)
        await client.send(_write(frame))

    async def expect(self, step: Expectation) -> None:
        """Take the next frame of a client and hold it to what a step says.

        Raises:
            FailureError: it is another, or none came in time.
        """
        client = self._clients.get(step.client)
        if client is None:
            raise FailureError(f"the client {step.client} has no socket")
        seconds = self._values.number(step.within_ms) / 1000
        async with _deadline(seconds, f"no frame came to {step.client}"):
            frame = await self._hear(client, seconds)
            while frame.get("type") in step.skip:
                frame = await self._hear(client, seconds)
        resolve = self._values.resolve
        fail(find_differences(resolve(step.message), frame))
        fail(find_failures(step.checks, frame, resolve))
        if step.signed_by is not None:
            _check_signature(frame, str(resolve(step.signed_by)))
        for name, field in step.keep.items():
            self._values.keep(name, pick(frame, field))
        if frame.get("type") == "spawned":
            self.give_token(str(frame.get("child_id")), frame.get("join_token"))

    async def expect_close(self, step: ClientExpectClose) -> None:
        """Wait until the server closes a client's socket.

        Raises:
            FailureError: it does not, or with another code, or says something more.
        """
        client = self._clients.pop(step.client, None)
        if client is None:
            raise FailureError(f"the client {step.client} has no socket")
        codes = step.code if isinstance(step.code, list) else [step.code]
        seconds = self._values.number(step.within_ms) / 1000
        try:
            async with _deadline(seconds, f"the socket of {step.client} stays open"):
                frame = await client.hear(seconds)
        except Closed as closed:
            if closed.code not in codes:
                raise FailureError(f"{closed}, wanted: {show(step.code)}") from None
            return
        raise FailureError(f"{step.client} got {show(frame)}, wanted: a close with {step.code}")

    async def leave(self, name: str, *, abruptly: bool) -> None:
        """Let a client go, its name free for another socket.

        Raises:
            FailureError: it has no socket.
        """
        client = self._clients.pop(name, None)
        if client is None:
            raise FailureError(f"the client {name} has no socket")
        if abruptly:
            client.drop()
        else:
            await client.close()

    def last_sent(self, name: str) -> Frame:
        """Return the frame that a client sent last."""
        client = self._clients.get(name)
        return client.last_sent if client is not None else {}

    def end(self) -> None:
        """Let go of every socket; idempotent."""
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.drop()

    async def _client(self, name: str) -> Client:
        if name not in self._clients:
            await self.connect(name)
        return self._clients[name]

    async def _hear(self, client: Client, seconds: float) -> Frame:
        try:
            return await client.hear(seconds)
        except Closed as closed:
            raise FailureError(f"the socket of {client.name} was {closed}") from None
        except TimeoutError:
            raise FailureError(f"no frame came to {client.name} within {seconds:g} s") from None

    def _finish(self, client: Client, frame: Frame, sign: bool | str) -> Frame:
        """Add what the tier asks for and the scenario does not write: token, nonce, signature."""
        app_id = str(frame.get("app_id"))
        if frame.get("type") in {"register", "attach"} and app_id in self._tokens:
            frame = {"join_token": self._tokens[app_id]} | frame
        pub_key = frame.get("child_pub_key") or frame.get("pub_key")
        if isinstance(pub_key, str) and sign is True:
            self._keys[client.name, app_id] = pub_key
        if client.nonce is None or sign is False or frame.get("sig") is not None:
            return frame
        if isinstance(sign, str):
            signer = self._values.signer(sign)
        else:
            found = self._values.signer_of(self._keys.get((client.name, app_id)))
            if found is None:
                return frame
            signer = found
        frame = {name: each for name, each in frame.items() if name != "sig"}
        frame = {"nonce": client.nonce} | frame
        try:
            return frame | {"sig": signer.sign(signing_bytes(_write(frame).encode()))}
        except ClewError:
            # It has no canonical form: the server has to refuse it for that.
            return frame

    def _note_sent(self, frame: Frame) -> None:
        seq = pick(frame, "header.seq")
        if frame.get("type") == "message" and isinstance(seq, int):
            seqs, app_id = self._values.last_seqs, str(frame.get("app_id"))
            seqs[app_id] = max(seq, seqs.get(app_id, 0))


def fail(problems: Iterable[str]) -> None:
    """Raise a FailureError that tells of all the problems, if there are any."""
    found = list(problems)
    if found:
        raise FailureError("; ".join(found))


def _check_signature(frame: Frame, pub_key: str) -> None:
    signature = frame.get("sig")
    octets = signing_bytes(_write(frame).encode())
    if not isinstance(signature, str) or not verify(pub_key, octets, signature):
        raise FailureError(f"the frame is not signed by {pub_key}")


def _write(frame: Any) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


@asynccontextmanager
async def _deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Turn a timeout into a failure of the scenario."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise FailureError(f"{what} within {seconds:g} s") from None
