"""Scenarios as they are written: JSON files, checked when they are read.

The names of steps and fields are those of TRAILS' own scenarios where it has them. What differs is
told in `contracts/trails/scenarios/README.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from clew.base.errors import ClewError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WITHIN_MS: Final = 60_000
"""How long an expectation waits where none says: a busy disk holds a server up for ten seconds now
and then."""

FILE_BYTES_MAX: Final = 256 * 1024
"""A scenario is a page or two."""

Milliseconds = int | str
"""A number, or a placeholder that stands for one."""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must hold of one field: everything that is given.

    `field` is a path with dots; a number in it picks from a list. `contains` is an item that a list
    has, or a part of a text; items and `equals` of objects match when all that they name is there.
    """

    field: str
    equals: Any = msgspec.UNSET
    not_equals: Any = msgspec.UNSET
    one_of: list[Any] | msgspec.UnsetType = msgspec.UNSET
    starts_with: str | msgspec.UnsetType = msgspec.UNSET
    contains: Any = msgspec.UNSET
    at_least: int | str | msgspec.UnsetType = msgspec.UNSET
    at_most: int | str | msgspec.UnsetType = msgspec.UNSET
    count: int | msgspec.UnsetType = msgspec.UNSET
    exists: bool | msgspec.UnsetType = msgspec.UNSET


class Step(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="action"
):
    """One step. `description` is for whoever reads."""

    description: str = ""


class Setup(Step, frozen=True, kw_only=True, tag="setup"):
    """Bring an app to where the scenario begins, by the frames that any app would send.

    `app` is a name: ``WORKER`` has the placeholders ``WORKER_ID`` and ``WORKER_PUB_KEY``, and
    speaks on the client ``worker`` unless `client` names another. `status` says how far:
    ``scheduled`` is announced by its parent, or over REST; ``expected`` is announced only where the
    tier asks for it, so that a register frame may follow; ``connected`` has registered; ``running``
    has said a Status, number 1. `announce` are more fields of the announcement, `register` of the
    register frame. With `challenge` the client asks for one where none comes unasked.
    """

    app: str = "APP"
    parent: str | None = None
    status: Literal["scheduled", "expected", "connected", "running"] = "running"
    client: str | None = None
    announce: dict[str, Any] = {}
    register: dict[str, Any] = {}
    challenge: bool = False


class ClientConnect(Step, frozen=True, kw_only=True, tag="client_connect"):
    """Open a client's socket; a step that sends on a client without one does so by itself.

    `refused` is the HTTP status of a door that does not let it in.
    """

    client: str = "app"
    challenge: bool = False
    headers: dict[str, str] = {}
    refused: int | None = None


class ClientSend(Step, frozen=True, kw_only=True, tag="client_send"):
    """Send a frame: `message`, or a `text` or a `binary` message that may be none.

    Where the server sent a challenge, the frame gets its nonce and a signature, unless it has a
    `sig` or `sign` is false; `sign` may name the key of another app. `alter` are members that are
    set once it is signed. `keep` names what was sent, so that `resend` can send the very same text
    again.
    """

    client: str = "app"
    message: dict[str, Any] | None = None
    text: str | None = None
    binary: str | None = None
    resend: str | None = None
    sign: bool | str = True
    alter: dict[str, Any] = {}
    keep: str | None = None


class Expectation(Step, frozen=True, kw_only=True):
    """What the next frame of a client must be: `message` names members that it must have.

    `keep` gives names to fields of it. `signed_by` is the public key whose signature it must bear.
    Frames whose type is in `skip` are passed over.
    """

    client: str = "app"
    message: dict[str, Any] = {}
    checks: list[Check] = []
    keep: dict[str, str] = {}
    signed_by: str | None = None
    skip: list[str] = []
    within_ms: Milliseconds = WITHIN_MS


class ClientExpect(Expectation, frozen=True, kw_only=True, tag="client_expect"):
    """The client gets a frame."""


class ServerSend(Expectation, frozen=True, kw_only=True, tag="server_send"):
    """The server sends a frame: the same, told from its side."""


class ServerExpect(Step, frozen=True, kw_only=True, tag="server_expect"):
    """What the frame that a client sent last was: holds the scenario to what it says."""

    client: str = "app"
    message_type: str | None = None
    checks: list[Check] = []


class ClientExpectClose(Step, frozen=True, kw_only=True, tag="client_expect_close"):
    """The server closes the socket, with this code; no frame comes before."""

    client: str = "app"
    code: int | list[int]
    within_ms: Milliseconds = WITHIN_MS


class ClientAction(Step, frozen=True, kw_only=True, tag="client_action"):
    """Cut the connection without a word, or close the WebSocket without a `disconnect`."""

    client: str = "app"
    action_type: Literal["drop_connection", "close_connection"]


class ServerAction(Step, frozen=True, kw_only=True, tag="server_action"):
    """Start the server anew, where there is a hook that can; all sockets are gone then."""

    action_type: Literal["simulate_restart"]


class StateCheck(Step, frozen=True, kw_only=True, tag="state_check"):
    """What the server knows, asked for over REST until it is so.

    `of` is the app itself, or its messages, snapshots or crashes, the newest first. `expect` are
    members of the app, or of the newest item. `count` is how many items there are. `checks` are
    over the whole document. Left out, and told of, where there is no REST; one that is `required`,
    because what follows must not be earlier or there is nothing else to see, skips the scenario.
    """

    of: Literal["app", "messages", "snapshots", "crashes"] = "app"
    app_id: str = "{{APP_ID}}"
    expect: dict[str, Any] = {}
    checks: list[Check] = []
    count: int | None = None
    required: bool = False
    within_ms: Milliseconds = WITHIN_MS


class Rest(Step, frozen=True, kw_only=True, tag="rest"):
    """Ask over HTTP; with `within_ms` again and again until the answer is as it must be."""

    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    path: str
    body: Any = msgspec.UNSET
    headers: dict[str, str] = {}
    status: int | list[int] = 200
    expect: dict[str, Any] = {}
    checks: list[Check] = []
    keep: dict[str, str] = {}
    within_ms: Milliseconds = 0


AnyStep = (
    Setup
    | ClientConnect
    | ClientSend
    | ClientExpect
    | ServerSend
    | ServerExpect
    | ClientExpectClose
    | ClientAction
    | ServerAction
    | StateCheck
    | Rest
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation that a server must answer as written.

    `description` tells what happens, `promise` what a server promises that passes. `tiers` are
    those in which it makes sense. `precondition` names a scenario whose steps come first.
    `waits_ms` is how long a window of the server has to be waited for. `extension`: it needs frames
    or answers that TRAILS does not have.
    """

    name: str
    description: str
    promise: str
    phase: int = 1
    tiers: tuple[Literal["open", "signed"], ...] = ("open", "signed")
    precondition: str | None = None
    waits_ms: Milliseconds = 0
    extension: bool = False
    steps: list[AnyStep]


_decoder: Final = msgspec.json.Decoder(Scenario)


class Library:
    """All scenarios of a folder, in the order of their names.

    Raises:
        ClewError: NOT_FOUND for no such folder, or none in it; INVALID_ARGUMENT for a file that is
            no scenario, and UNAVAILABLE for one that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._scenarios: dict[str, Scenario] = {}
        for path in sorted(folder.glob("[0-9]*.json")):
            scenario = read_scenario(path)
            if scenario.name != path.stem:
                raise _broken(path, f"its name is {scenario.name}")
            self._scenarios[scenario.name] = scenario
        if not self._scenarios:
            raise ClewError(
                ErrorCode.NOT_FOUND,
                f"there are no scenarios in {folder}",
                hint="name the folder: --scenarios contracts/trails/scenarios",
            )

    def __iter__(self) -> Iterator[Scenario]:
        return iter(self._scenarios.values())

    def pick(self, names: Iterable[str]) -> list[Scenario]:
        """Return the scenarios that begin with one of the names; all of them for no name.

        Raises:
            ClewError: NOT_FOUND when one of the names is that of none.
        """
        wanted = list(names)
        for name in wanted:
            if not any(known.startswith(name) for known in self._scenarios):
                raise ClewError(
                    ErrorCode.NOT_FOUND,
                    f"there is no scenario {name}",
                    hint="see them all: --list",
                )
        return [
            scenario
            for scenario in self
            if not wanted or any(scenario.name.startswith(name) for name in wanted)
        ]

    def steps_of(self, scenario: Scenario) -> list[AnyStep]:
        """Return the steps of a scenario with those of its precondition before them.

        Raises:
            ClewError: NOT_FOUND when there is no such precondition.
        """
        steps = list(scenario.steps)
        seen = {scenario.name}
        while scenario.precondition is not None:
            before = self._scenarios.get(scenario.precondition)
            if before is None or before.name in seen:
                raise ClewError(
                    ErrorCode.NOT_FOUND,
                    f"{scenario.name} has no such precondition: {scenario.precondition}",
                )
            seen.add(before.name)
            steps = [*before.steps, *steps]
            scenario = before
        return steps


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of one file.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none, UNAVAILABLE when it cannot be read.
    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise ClewError(ErrorCode.UNAVAILABLE, f"{path} cannot be read: {error}") from error
    if len(octets) > FILE_BYTES_MAX:
        raise _broken(path, f"it has more than {FILE_BYTES_MAX} bytes")
    try:
        return _decoder.decode(octets)
    except msgspec.MsgspecError as error:
        raise _broken(path, str(error)) from error


def find_folder() -> Path:
    """Return where the scenarios of this version lie: beside the package, or in its checkout."""
    beside = Path(__file__).parent / "scenarios"
    return beside if beside.is_dir() else Path(__file__).parents[4] / "contracts/trails/scenarios"


def encode_schema() -> bytes:
    """Return the JSON schema of a scenario, as the file beside the scenarios has it."""
    schema = {"$comment": "written by: python -m clew.testing.conformance --schema"}
    schema |= msgspec.json.schema(Scenario)
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"


def _broken(path: Path, why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"{path.name} is no scenario: {why}",
        hint="the README beside the scenarios tells the format",
    )
