"""One run of one scenario: each step in turn, until one of them fails."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import msgspec

from clew.base.errors import ClewError
from clew.base.times import NS_PER_MS
from clew.testing.conformance import scenario as steps
from clew.testing.conformance.client import Frame, Transcript
from clew.testing.conformance.conversation import Conversation, FailureError, fail
from clew.testing.conformance.matching import find_differences, find_failures, pick, show
from clew.testing.conformance.values import UnknownPlaceholderError, Values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clew.testing.conformance.gate import Member
    from clew.testing.conformance.rest import Rest
    from clew.testing.conformance.scenario import AnyStep, Scenario
    from clew.testing.conformance.target import Target

POLL_SECONDS: Final = 0.01
POLL_SECONDS_MAX: Final = 0.2
"""Between two looks at the server's state: at first as long as a commit takes."""

OK: Final = 200

CREATED: Final = (200, 201)
LATER: Final = (429, 503)

# What an announcement by a frame and one by REST call the same thing.
_REST_NAMES: Final = {"tier": "sec_level", "start_deadline_s": "start_deadline"}


class Verdict(StrEnum):
    """How a scenario went."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(kw_only=True)
class Outcome:
    """What came of one scenario. `left_out` counts checks that could not be made."""

    name: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0
    left_out: int = 0
    transcript: list[str] = field(default_factory=list)


class Trial:
    """One run. Nothing of it is shared with another but the server."""

    def __init__(self, target: Target, scenario: Scenario, member: Member | None) -> None:
        self._target = target
        self._scenario = scenario
        self._member = member
        self._transcript = Transcript()
        self._values = Values(target.windows.placeholders())
        self._talk = Conversation(target, self._values, self._transcript)
        self._left_out = 0
        self._client_of: dict[str, str] = {}

    async def run(self, sequence: Sequence[AnyStep]) -> Outcome:
        """Run the steps; whatever happens, there is an outcome."""
        started = time.monotonic()
        number = 0
        reason = ""
        try:
            for number, step in enumerate(sequence, 1):  # noqa: B007 - told below
                await self._take(step)
        except (FailureError, UnknownPlaceholderError) as error:
            reason = str(error)
        except ClewError as error:
            reason = error.message
        finally:
            self._talk.end()
        if reason:
            step = sequence[number - 1]
            told = f" ({step.description})" if step.description else ""
            reason = f"step {number}, {_name(step)}{told}: {reason}"
        return Outcome(
            name=self._scenario.name,
            verdict=Verdict.FAILED if reason else Verdict.PASSED,
            reason=reason,
            seconds=time.monotonic() - started,
            left_out=self._left_out,
            transcript=self._transcript.lines,
        )

    async def _take(self, step: AnyStep) -> None:
        match step:
            case steps.Setup():
                await self._set_up(step)
            case steps.ClientConnect():
                await self._talk.connect(
                    step.client,
                    challenge=step.challenge,
                    headers=step.headers,
                    refused=step.refused,
                )
            case steps.ClientSend():
                await self._talk.send(step)
            case steps.Expectation():
                await self._talk.expect(step)
            case steps.ServerExpect():
                self._check_sent(step)
            case steps.ClientExpectClose():
                await self._talk.expect_close(step)
            case steps.ClientAction():
                is_abrupt = step.action_type == "drop_connection"
                await self._talk.leave(step.client, abruptly=is_abrupt)
            case steps.ServerAction():
                await self._restart()
            case steps.StateCheck():
                await self._check_state(step)
            case steps.Rest():
                await self._ask(step)

    # Bringing apps to where a scenario begins.

    async def _set_up(self, step: steps.Setup) -> None:
        name = step.app
        client = self._client_of[name] = step.client or name.lower()
        app_id = str(self._values.resolve(f"{{{{{name}_ID}}}}"))
        parent_id = None
        if step.parent is not None:
            parent_id = str(self._values.resolve(f"{{{{{step.parent}_ID}}}}"))
        if step.announce or step.status == "scheduled" or self._target.tier != "open":
            await self._announce(step, app_id, parent_id)
        if step.status in {"scheduled", "expected"}:
            return
        if not self._talk.has(client):
            await self._talk.connect(client, challenge=step.challenge)
        frame: Frame = {
            "type": "register",
            "app_id": app_id,
            "parent_id": parent_id,
            "app_name": f"conformance-{name.lower()}",
            "child_pub_key": self._values.signer(name).pub_key,
            "process_info": {"pid": 4711, "ppid": 1, "uid": 1000, "gid": 1000, "hostname": "host"},
            "role_refs": [],
            "sig": None,
        }
        await self._talk.say(client, frame | self._values.resolve(step.register))
        await self._hear(client, {"type": "registered", "app_id": app_id})
        if step.status == "running":
            header = {"msg_type": "Status", "timestamp": time.time_ns() // NS_PER_MS, "seq": 1}
            payload = {"phase": "begun"}
            said = {"type": "message", "app_id": app_id, "header": header, "payload": payload}
            await self._talk.say(client, said)
            await self._hear(client, {"type": "ack", "seq": 1})

    async def _announce(self, step: steps.Setup, app_id: str, parent_id: str | None) -> None:
        """Announce an app: by its parent's socket where there is one, else over REST."""
        fields = self._values.resolve(step.announce)
        if self._target.tier != "open":
            fields = {"tier": self._target.tier} | fields
        name = f"conformance-{step.app.lower()}"
        parent_client = self._client_of.get(step.parent or "", "")
        if parent_id is not None and self._talk.has(parent_client):
            frame = {"type": "spawn", "app_id": parent_id, "child_id": app_id, "app_name": name}
            await self._talk.say(parent_client, frame | fields)
            await self._hear(parent_client, {"type": "spawned", "child_id": app_id})
            return
        document = {_REST_NAMES.get(key, key): value for key, value in fields.items()}
        document |= {"app_id": app_id, "app_name": name, "parent_id": parent_id}

        def look(status: int, answer: Any) -> Iterator[str]:
            if status not in CREATED:
                yield f"the app cannot be announced: {status} {show(answer)}"

        body = msgspec.json.encode(document)
        answer = await self._poll("POST", "/api/v1/children", look, body=body, within_ms=0)
        self._talk.give_token(app_id, pick(answer, "join_token"))

    async def _hear(self, client: str, message: Frame) -> None:
        await self._talk.expect(steps.ClientExpect(client=client, message=message, skip=["notice"]))

    # What the other steps do.

    def _check_sent(self, step: steps.ServerExpect) -> None:
        frame = self._talk.last_sent(step.client)
        if step.message_type is not None and frame.get("type") != step.message_type:
            raise FailureError(f"the scenario sent {show(frame)}, and not {step.message_type}")
        fail(find_failures(step.checks, frame, self._values.resolve))

    async def _restart(self) -> None:
        assert self._member is not None
        self._transcript.add("~", "server", "is started anew")
        await self._member.restart()
        # Only now: a connection that is cut while others still come to the restart is a drop.
        self._talk.end()

    async def _check_state(self, step: steps.StateCheck) -> None:
        if not self._target.has_tree:
            self._left_out += 1
            return
        app_id = self._values.resolve(step.app_id)
        path = {
            "app": f"/api/v1/apps/{app_id}",
            "messages": f"/api/v1/apps/{app_id}/messages",
            "snapshots": f"/api/v1/apps/{app_id}/snapshots",
            "crashes": f"/api/v1/crashes?app_id={app_id}",
        }[step.of]

        def look(status: int, document: Any) -> Iterator[str]:
            if status != OK:
                yield f"the answer is {status}"
                return
            found = document
            if step.of != "app":
                items = document[step.of]
                if step.count is not None and len(items) != step.count:
                    yield f"there are {len(items)} {step.of}, not {step.count}"
                found = items[0] if items else None
            if step.expect:
                yield from find_differences(self._values.resolve(step.expect), found)
            yield from find_failures(step.checks, document, self._values.resolve)

        await self._poll("GET", path, look, within_ms=step.within_ms)

    async def _ask(self, step: steps.Rest) -> None:
        statuses = step.status if isinstance(step.status, list) else [step.status]
        has_body = step.body is not msgspec.UNSET
        body = json.dumps(self._values.resolve(step.body)).encode() if has_body else None

        def look(status: int, document: Any) -> Iterator[str]:
            if status not in statuses:
                yield f"the answer is {status} {show(document)}, not {step.status}"
                return
            if step.expect:
                yield from find_differences(self._values.resolve(step.expect), document)
            yield from find_failures(step.checks, document, self._values.resolve)

        document = await self._poll(
            step.method,
            str(self._values.resolve(step.path)),
            look,
            body=body,
            headers=self._values.resolve(step.headers),
            within_ms=step.within_ms,
        )
        for name, field_name in step.keep.items():
            self._values.keep(name, pick(document, field_name))

    async def _poll(
        self,
        method: str,
        path: str,
        look: Callable[[int, Any], Iterator[str]],
        *,
        within_ms: int | str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Ask until `look` finds nothing amiss; return the document.

        A server that has no room at present is asked again, as any client would.
        """
        started = time.monotonic()
        deadline = started + self._values.number(within_ms) / 1000
        pause = POLL_SECONDS
        while True:
            status, document = await self._rest.ask(method, path, body, headers)
            problems = list(look(status, document))
            if problems and status in LATER:
                deadline = max(deadline, started + steps.WITHIN_MS / 1000)
            if not problems:
                self._transcript.add("~", "REST", f"{method} {path}: {status}, as wanted")
                return document
            if time.monotonic() >= deadline:
                self._transcript.add("~", "REST", f"{method} {path}: {status} {show(document)}")
                raise FailureError("; ".join(problems))
            await asyncio.sleep(pause)
            pause = min(pause * 2, POLL_SECONDS_MAX)

    @property
    def _rest(self) -> Rest:
        assert self._target.rest is not None
        return self._target.rest


def _name(step: AnyStep) -> str:
    return str(step.__struct_config__.tag)
