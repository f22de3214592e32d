"""Runs that are recorded: what a program said of its objects, to be asked, kept and played again.

A recording holds events, not states. So a question about it is answered by the same fold as one to
a server, at any moment of it; and a run that went wrong in production, fetched and put beside the
tests, shows there what the server shows.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from opentelemetry import trace

from clew.base.errors import ClewError, ErrorCode
from clew.base.times import format_time
from clew.testing.run_file import encode_run, parse_run
from clew.testing.sending import send_events
from clew.twin import attributes as names
from clew.twin.anchoring.kinds import find_kind
from clew.twin.blueprint.registry import Registry
from clew.twin.events import Event
from clew.twin.ingest.fingerprint import is_fingerprint, read_fingerprint
from clew.twin.ingest.record import LogRecord
from clew.twin.logger.diversion import listening
from clew.twin.reconstructor.moments import read_time
from clew.twin.reconstructor.naming import read_subject
from clew.twin.reconstructor.reconstructor import Reconstructor, flush_own_events
from clew.twin.reconstructor.recorded import RecordedEvents
from clew.twin.reconstructor.server import open_source
from clew.twin.reconstructor.source import find_type
from clew.twin.schema.lookup import types_of
from clew.twin.schema.references import referred_types
from clew.twin.schema.values import ProcessSchema, RegistrySchema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from clew.twin.logger.record import Told
    from clew.twin.reconstructor.moments import When
    from clew.twin.reconstructor.reconstructor import Named
    from clew.twin.reconstructor.source import Source, Subject
    from clew.twin.schema.values import ObjectSchema

REGISTRY_NAME: Final = "recorded"
"""Of the types that a recording holds, wherever they came from."""


class RecordedRun(RecordedEvents):
    """Events of one run, and the types that they are of. `Reconstructor(run)` answers from it.

    Safe to use from any thread, while it is recorded too.
    """

    def __init__(
        self, events: Iterable[Event] = (), registry: Registry | RegistrySchema | None = None
    ) -> None:
        """`registry` describes the types; without it this process's classes do."""
        if isinstance(registry, Registry):
            registry = registry.to_schema()
        super().__init__(events, registry)

    @property
    def events(self) -> list[Event]:
        """Every event in order: by time, then by the count of its writer, then by id."""
        return sorted(self.read_all(), key=lambda each: each.order)

    @property
    def objects(self) -> list[Subject]:
        """The objects that events are of, by type and id."""
        return self.list_subjects()

    def reconstructor(self, registry: Registry | str | Path | None = None) -> Reconstructor:
        """Return one that answers from this run."""
        return Reconstructor(self, registry)

    def to_schema(self) -> RegistrySchema | None:
        """Return the types of the run, with those that they refer to; None where none is known."""
        return self._registry or describe_types((kind for kind, _ in self.objects), _own_schema)

    def save(self, path: str | Path) -> None:
        """Write the run to a file, whole or not at all: JSON, a line for each event.

        Raises:
            ClewError: INVALID_ARGUMENT when the types contradict themselves.
            OSError: it cannot be written.
        """
        content = encode_run(self.events, self.to_schema())
        target = Path(path)
        beside = target.with_name(f".{target.name}.new")
        beside.write_bytes(content)
        beside.replace(target)

    def send(self, server: Any = None, *, api_key: str | None = None) -> None:
        """Give a server the events, as if their writers had sent them now, and wait until it has.

        Their times and ids stay: sent twice they are there once, and a server keeps them for as
        long as it keeps log records of that age. `server` is what `Reconstructor` takes for one.

        Raises:
            ClewError: UNAVAILABLE when it does not answer, INVALID_ARGUMENT when it refuses events.
        """
        schema = self.to_schema()
        prefixes: dict[str, str] = {}
        if schema is not None:
            prefixes = {each.name: each.prefix for each in types_of(schema)}
        send_events(self.events, prefixes, server, api_key)


@contextmanager
def record_run(registry: Registry | None = None, *, forward: bool = False) -> Iterator[RecordedRun]:
    """Record what this process says of objects while the block runs, in all of its threads.

    Nothing of it leaves the process, unless `forward` lets it go its way as well. The run that is
    given may be asked at any time, and after the block. `registry` describes the types; the classes
    that this process defined do without it.

    Heard is what loggers and tracked objects of clew say, not log records that others export.
    """
    run = RecordedRun(registry=registry)
    lock = threading.Lock()

    def hear(told: Told) -> bool:
        event = _read_event(told, run)
        if event is not None:
            with lock:
                run.append(event)
        return forward

    with listening(hear):
        yield run


def replay(path: str | Path) -> RecordedRun:
    """Return the run that a file holds.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no recording.
        OSError: it cannot be read.
    """
    return RecordedRun(*parse_run(Path(path).read_bytes()))


def fetch_run(
    client: Any = None,
    *,
    objects: Iterable[Named | Subject] = (),
    trace_id: str | None = None,
    until: When = None,
    api_key: str | None = None,
) -> RecordedRun:
    """Return the whole course of some objects, and of those that a trace touched, as a run.

    `client` is whatever `Reconstructor` takes. Objects are ids, instances, or pairs of type and
    id. Events after `until` are left out.

    Raises:
        ClewError: NOT_FOUND for an object or a trace that nothing is known of; CONFLICT for an id
            that objects of several types have; INVALID_ARGUMENT when nothing is asked for.
    """
    last = read_time(until)
    flush_own_events()
    source = open_source(client, api_key)
    try:
        subjects = _find_subjects(source, objects)
        if trace_id is not None:
            subjects |= _find_touched(source, trace_id)
        if not subjects:
            raise ClewError(
                ErrorCode.INVALID_ARGUMENT,
                "no object is named",
                hint="say which: fetch_run(objects=['cart_123']) or fetch_run(trace_id='…')",
            )
        events = [
            event
            for subject in subjects
            for event in source.read_events(subject, start=None, until=last, changes=False)
        ]
        checksums = {each.obj_type: each.checksum for each in events if each.checksum}
        schema = describe_types(
            (kind for kind, _ in subjects),
            lambda name: source.find_schema(name, checksums.get(name, "")) or _own_schema(name),
        )
        return RecordedRun(events, schema)
    finally:
        source.close()


def describe_types(
    wanted: Iterable[str], find: Callable[[str], ObjectSchema | ProcessSchema | None]
) -> RegistrySchema | None:
    """Return types as a registry, with all that they refer to; None where none is known."""
    objects: dict[str, ObjectSchema] = {}
    processes: dict[str, ProcessSchema] = {}
    waiting = list(wanted)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        schema = None if name in seen else find(name)
        seen.add(name)
        if schema is None:
            continue
        if isinstance(schema, ProcessSchema):
            processes[name] = schema
        else:
            objects[name] = schema
        waiting.extend(referred_types(schema))
    if not objects and not processes:
        return None
    return RegistrySchema(
        name=REGISTRY_NAME,
        version="1",
        created_at=format_time(time.time_ns()),
        checksum="",
        objects=dict(sorted(objects.items())),
        processes=dict(sorted(processes.items())),
    )


def _own_schema(name: str) -> ObjectSchema | ProcessSchema | None:
    return find_kind(name).schema


def _find_subjects(source: Source, objects: Iterable[Named | Subject]) -> dict[Subject, None]:
    """Return what is meant, each object once, in order."""
    named = [read_subject(each) for each in objects]
    return dict.fromkeys((kind or find_type(source, obj_id), obj_id) for kind, obj_id in named)


def _find_touched(source: Source, trace_id: str) -> dict[Subject, None]:
    touched = Reconstructor(source).objects_in_trace(trace_id)
    if touched.truncated:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"the trace touched more than {touched.count} objects",
            hint="name the objects that you need: fetch_run(objects=[…])",
        )
    return dict.fromkeys((each.twin.type, each.twin.id) for each in touched.objects)


def _read_event(told: Told, run: RecordedRun) -> Event | None:
    """Return what a server would read from a log record; None for one that is about no object."""
    span = trace.get_current_span().get_span_context()
    texts, literals = _write_attributes(told.attributes)
    if not is_fingerprint(texts):
        return None
    record = LogRecord(
        at=told.at,
        observed=told.at,
        received=told.at,
        severity=told.severity.number,
        body=told.body,
        trace_id=trace.format_trace_id(span.trace_id) if span.is_valid else "",
        span_id=trace.format_span_id(span.span_id) if span.is_valid else "",
        service="",
        texts=texts,
        literals=literals,
    )
    name = texts.get(names.OBJ_TYPE) or texts.get(names.PROCESS_TYPE) or ""
    schema = run.find_schema(name, "") or _own_schema(name)
    found = read_fingerprint(record, None if schema is None else schema.prefix)
    return Event(
        at=told.at,
        seq=found.seq,
        event_id=found.event_id,
        type=found.type,
        obj_type=found.obj_type,
        obj_id=found.obj_id,
        patch=_read_json(found.patch),
        name=found.name,
        data=_read_json(found.data),
        body=told.body,
        trace_id=record.trace_id,
        span_id=record.span_id,
        phase=found.phase,
        status=found.status,
        checksum=found.checksum,
    )


def _write_attributes(attributes: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Return attributes as the store has them: all as texts, those that are none as JSON too."""
    literals = {
        key: msgspec.json.encode(value).decode()
        for key, value in attributes.items()
        if not isinstance(value, str)
    }
    texts = {key: literals.get(key, value) for key, value in attributes.items()}
    return texts, literals


def _read_json(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: msgspec.json.decode(text) for name, text in values.items()}
