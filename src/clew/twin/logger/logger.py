"""`TriLogLogger`: what a program says of the object that it is anchored to.

Theory of operation. A call becomes a `Saying`; the anchor gives whom it is about; `encoding` makes
attributes of its fields, `checks` says what is wrong with them, `record` makes the log record, and
`outlet` hands it to OpenTelemetry, whose queue is bounded. Trouble on the way is counted and told
through `logging`; it is the program's business only where the program asked for it.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from clew.base.beginning import BeginningError
from clew.twin.anchoring.context import get_current_anchor
from clew.twin.anchoring.kinds import NO_KIND
from clew.twin.anchoring.scope import make_context
from clew.twin.blueprint.entity import Entity
from clew.twin.blueprint.fields import VALUES
from clew.twin.blueprint.processes import COMPLETED, FAILED, STARTED
from clew.twin.events import EventType
from clew.twin.logger.checks import (
    EventError,
    describe_failure,
    describe_problem,
    find_problems,
    name_problem,
    needs_a_look,
)
from clew.twin.logger.complaints import COMPLAINTS
from clew.twin.logger.encoding import encode_fields, to_text
from clew.twin.logger.record import NOTHING, Saying, Severity, make_records

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

    from clew.twin.anchoring.context import AnchorContext
    from clew.twin.logger.outlet import Outlet

Validation = Literal["warn", "raise", "off"]

_CHANGED: Final = "state_change"
"""The category of everything that alters an object."""


class UnanchoredError(RuntimeError):
    """A change of no object, with ``strict=True``. It was not emitted."""


class TriLogLogger:
    """Emits events of the object that the code is anchored to, as log records of OpenTelemetry.

    `level` holds for words alone (`debug`, `info`, `warning`, `error`): an event that were left out
    would make the object another one. `validation` says what becomes of an event that its type
    does not allow: a warning through `logging`, and the event goes out to be judged by the server;
    an `EventError`; or nothing. `strict` makes an error of a change outside of any anchor, which is
    otherwise a warning and a log record about no object. `span_events` adds every event to the span
    as well. `provider` is a logger provider other than the process's.

    Nothing blocks on the network, and nothing raises but what was asked for.
    """

    def __init__(
        self,
        name: str,
        level: int | str = logging.INFO,
        strict: bool = False,
        validation: Validation = "warn",
        *,
        span_events: bool = False,
        provider: LoggerProvider | None = None,
    ) -> None:
        if validation not in get_args(Validation):
            raise ValueError(f"validation is one of {', '.join(get_args(Validation))}")
        self.name = name
        self.level = _read_level(level)
        self.strict = strict
        self.validation: Validation = validation
        self.failures = 0
        """How many events could not be handed over; what the queue drops counts `clew.Run`."""
        self._provider = provider
        self._span_events = span_events
        self._outlet: Outlet | None = None

    def created(self, given: Entity | Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Tell that an object is there now, with these fields: one that is given, else this one."""
        anchor, said = _whole(given, fields)
        status = STARTED if anchor is not None and anchor.kind.is_process else ""
        self._change(anchor, Saying(type=EventType.CREATED, body="Created", status=status), said)

    def state_change(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Tell which fields of the object have which values now; the others stay as they were.

        None sets a field to null. Lists and dictionaries are replaced whole.
        """
        said = {**changes, **fields} if changes else fields
        saying = Saying(
            type=EventType.STATE_CHANGE,
            body=f"State change: {_list(said)}",
            category=_CHANGED,
            fields=said,
        )
        self.emit(saying, get_current_anchor())

    def snapshot(self, given: Entity | Mapping[str, Any] | None = None, /, **fields: Any) -> None:
        """Tell all of an object: what is not named is gone."""
        anchor, said = _whole(given, fields)
        saying = Saying(type=EventType.SNAPSHOT, body=f"Snapshot: {_list(said)}")
        self._change(anchor, saying, said)

    def deleted(self, given: Entity | None = None, /) -> None:
        """Tell that an object is gone."""
        anchor, _ = _whole(given, {}, is_empty=True)
        self._change(anchor, Saying(type=EventType.DELETED, body="Deleted"), NOTHING)

    def phase_change(self, phase: str, /, **fields: Any) -> None:
        """Tell that a process is in a phase now; fields may change with it."""
        phase = to_text(phase)
        saying = Saying(
            type=EventType.PHASE_CHANGE, body=f"Phase change: {phase}", phase=phase, status=STARTED
        )
        self._change(get_current_anchor(), saying, fields)

    def completed(self, **fields: Any) -> None:
        """Tell that a process ended well; fields may change with it."""
        saying = Saying(type=EventType.PHASE_CHANGE, body="Completed", status=COMPLETED)
        self._change(get_current_anchor(), saying, fields)

    def failed(self, error: BaseException | str = "", /, **fields: Any) -> None:
        """Tell that a process ended badly; fields may change with it."""
        body = f"Failed: {to_text(error)}" if str(error) else "Failed"
        saying = Saying(
            type=EventType.PHASE_CHANGE,
            body=body,
            severity=Severity.ERROR,
            status=FAILED,
            error=error if isinstance(error, BaseException) else None,
        )
        self._change(get_current_anchor(), saying, fields)

    def event(self, name: str, /, **data: Any) -> None:
        """Tell that something happened to the object; its state stays as it is."""
        name = to_text(name)
        self._say(Saying(type=EventType.EVENT, body=f"Event: {name}", name=name, data=data))

    def action(self, name: str, /, **params: Any) -> None:
        """Tell that something was done with the object; its state stays as it is."""
        name = to_text(name)
        self._say(Saying(type=EventType.ACTION, body=f"Action: {name}", name=name, data=params))

    def debug(self, message: object, /, *args: object, **context: Any) -> None:
        """Say something of use to whoever looks for a fault. `args` are as in `logging`."""
        self._log(logging.DEBUG, Severity.DEBUG, message, args, context)

    def info(self, message: object, /, *args: object, **context: Any) -> None:
        """Say what goes as it should."""
        self._log(logging.INFO, Severity.INFO, message, args, context)

    def warning(self, message: object, /, *args: object, **context: Any) -> None:
        """Say what somebody should look at."""
        self._log(logging.WARNING, Severity.WARN, message, args, context)

    def error(self, message: object, /, error: BaseException | None = None, **context: Any) -> None:
        """Say what went wrong, and by which exception."""
        self._log(logging.ERROR, Severity.ERROR, message, (), context, error)

    def exception(self, message: object, /, **context: Any) -> None:
        """Say what went wrong, by the exception that is being handled."""
        self._log(logging.ERROR, Severity.ERROR, message, (), context, sys.exc_info()[1])

    def _log(
        self,
        level: int,
        severity: Severity,
        message: object,
        args: tuple[object, ...],
        data: Mapping[str, Any],
        error: BaseException | None = None,
    ) -> None:
        if level < self.level:
            return
        saying = Saying(
            type=EventType.LOG,
            category=logging.getLevelName(level).lower(),
            severity=severity,
            body="",
            data=data,
            error=error,
        )
        try:
            body = to_text(str(message) % args if args else message)
        except (TypeError, ValueError):
            body = to_text(f"{message} {args}")
        self._say(saying.with_body(body))

    def _say(self, saying: Saying) -> None:
        self.emit(saying, get_current_anchor())

    def _change(
        self, anchor: AnchorContext | None, saying: Saying, fields: Mapping[str, Any]
    ) -> None:
        self.emit(saying.with_fields(fields, _CHANGED), anchor)

    def emit(self, saying: Saying, anchor: AnchorContext | None) -> None:
        """Emit an event of the object of an anchor.

        Raises:
            UnanchoredError: it is a change of no object, and the logger is strict.
            EventError: its type does not allow it, and validation raises.
        """
        try:
            self._emit(saying, anchor)
        except (UnanchoredError, EventError):
            raise
        except BeginningError as error:
            self.failures += 1
            COMPLAINTS.tell(
                ("beginning",),
                f"telemetry could not be set up, and the program goes on without: {error}",
            )
        except Exception as error:  # noqa: BLE001 - telemetry must never break a program
            self.failures += 1
            kind = type(error).__name__
            COMPLAINTS.tell(
                ("failed", self.name, kind),
                f"an event could not be emitted, and the program goes on: {kind} ({_place(error)})",
            )

    def _emit(self, saying: Saying, anchor: AnchorContext | None) -> None:
        if saying.is_change and (anchor is None or not anchor.obj_id):
            self._miss_an_anchor(saying)
        kind = NO_KIND if anchor is None else anchor.kind
        encoded = encode_fields(kind, saying.fields)
        fits = encoded.fits
        is_checked = self.validation != "off" and needs_a_look(saying, kind, fits=fits)
        if is_checked and anchor is not None:
            self._check(saying, anchor, fits=fits)
        outlet = self._outlet or self._open_outlet()
        for record in make_records(saying, encoded, anchor):
            outlet.hand_over(record)

    def _miss_an_anchor(self, saying: Saying) -> None:
        message = f"{saying.body}: no object to tell it of; wrap the code in anchor(…)"
        if self.strict:
            raise UnanchoredError(message)
        COMPLAINTS.tell(("unanchored", self.name, saying.body), message)

    def _check(self, saying: Saying, anchor: AnchorContext, *, fits: bool) -> None:
        try:
            problems = find_problems(saying, anchor, fits=fits)
        except Exception as error:  # noqa: BLE001 - an invariant is the program's own code
            whom = f"{anchor.type_name} {anchor.obj_id}"
            COMPLAINTS.tell(
                ("check", anchor.type_name),
                f"{whom}: an invariant could not be checked: {describe_failure(error, anchor)}",
            )
            return
        if problems and self.validation == "raise":
            raise EventError(problems)
        for problem in problems:
            COMPLAINTS.tell(
                (anchor.type_name, *name_problem(problem)),
                f"{anchor.type_name} {anchor.obj_id}: {describe_problem(problem)}",
            )

    def _open_outlet(self) -> Outlet:
        from clew.twin.logger.outlet import Outlet

        self._outlet = Outlet(self.name, self._provider, span_events=self._span_events)
        return self._outlet


def _whole(
    given: Entity | Mapping[str, Any] | None, fields: Mapping[str, Any], *, is_empty: bool = False
) -> tuple[AnchorContext | None, dict[str, Any]]:
    """Return whom an event of a whole object is about, and all that is known of it."""
    anchor = get_current_anchor()
    if isinstance(given, Entity):
        if anchor is None or anchor.entity is not given:
            anchor = make_context(given, parent=anchor)
        given = None
    entity = None if anchor is None else anchor.entity
    # Fields that are given stand for the whole, but for what an object itself knows.
    held = {} if entity is None or is_empty else read_state(entity)
    return anchor, {**held, **(given or NOTHING), **fields}


def read_state(entity: Entity) -> dict[str, Any]:
    """Return the fields of an object that have a value, and those that were set to null."""
    was_set = entity.__dict__[VALUES]
    document = entity.to_dict()
    return {
        name: document[name]
        for name in entity.get_fields()
        if document[name] is not None or name in was_set
    }


def _list(names: Mapping[str, Any]) -> str:
    # Of a mapping they may be any objects.
    return to_text(", ".join(map(str, names)))


def _place(error: Exception) -> str:
    """Return where an exception was raised. Its words may hold a value of the program."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{PurePath(last.filename).name}:{last.lineno}"


def _read_level(level: int | str) -> int:
    if isinstance(level, int):
        return level
    known = logging.getLevelNamesMapping().get(level.upper())
    if known is None:
        raise ValueError(f"not a level of logging: {level!r}")
    return known
