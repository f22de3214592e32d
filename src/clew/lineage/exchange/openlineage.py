"""OpenLineage events to link sets: each output of a run that completed was made of all its inputs.

Datasets have names there, and ids here: `clew.lineage.exchange.identity` says which. A dataset
whose ``version`` facet names a version is that version, another thing than the dataset without one;
so who writes it and who reads it must both say the version, or neither. A set's stream is that of
the job and its number that of the run; the epoch is 0. An output of no inputs is an item alone.

Only ``COMPLETE`` says that outputs are there. What other events of the same run say in the same
request about inputs and outputs counts with it, as the standard has it; beyond a request nothing is
remembered, so a run whose inputs were told in an earlier request must name them again.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from clew.base.errors import ClewError, ErrorCode, shorten
from clew.base.times import parse_time
from clew.lineage.exchange.identity import dataset_trace_id, job_stream_id, run_seq
from clew.lineage.parameters import PARENTS_TEXT_MAX, NewItem, NewLinks, NewLinkSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EVENTS_MAX: Final = 1000
"""Of one request; the standard's clients send one, or some dozens."""

EDGES_MAX: Final = 100_000
"""Of one request. A hundred inputs and outputs each make ten thousand edges of a kilobyte, so the
bytes of a request are no bound."""

NAME_CHARS_MAX: Final = 4096
"""Of a namespace, a name, a version: paths and URLs are names too."""

# Neither what parts names before they are hashed, nor halves of characters, which no bytes spell.
_PATTERN: Final = r"^[^\x00\ud800-\udfff]+\Z"
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARS_MAX, pattern=_PATTERN)]

_ZONED: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")
_HINT: Final = "send OpenLineage RunEvents: eventType, eventTime, run.runId, job, inputs, outputs"


class EventVersion(msgspec.Struct, rename="camel"):
    """The facet that says which version of a dataset is meant."""

    dataset_version: _Name | None = None


class EventFacets(msgspec.Struct):
    """What is read of a dataset's facets."""

    version: EventVersion | None = None


class EventDataset(msgspec.Struct):
    """A dataset that a run read or wrote."""

    namespace: _Name
    name: _Name
    facets: EventFacets | None = None


class EventJob(msgspec.Struct):
    """What runs."""

    namespace: _Name
    name: _Name


class EventRun(msgspec.Struct, rename="camel"):
    """One time that it ran."""

    run_id: _Name


class RunEvent(msgspec.Struct, rename="camel"):
    """An event of OpenLineage: what is read of it; all else is passed over."""

    event_time: Annotated[str, msgspec.Meta(max_length=64)]
    event_type: str | None = None
    run: EventRun | None = None
    job: EventJob | None = None
    dataset: EventDataset | None = None
    inputs: list[EventDataset] | None = None
    outputs: list[EventDataset] | None = None


class NamedDataset(msgspec.Struct, kw_only=True, frozen=True):
    """A dataset, and the trace id that it has here."""

    namespace: str
    name: str
    version: str | None
    trace_id: str


class EventsTaken(msgspec.Struct, kw_only=True, frozen=True):
    """What became of events: sets and items that are kept, those that are not, and why.

    `passed_over` counts, by reason, events that complete no run, and outputs that were left out of
    their own inputs.
    """

    accepted: int
    rejected: int
    reasons: dict[str, int]
    passed_over: dict[str, int]
    datasets: list[NamedDataset]


@dataclass(frozen=True, slots=True)
class Translation:
    """What events say: sets and items, whom they are about, and why other events say nothing."""

    links: NewLinks
    datasets: tuple[NamedDataset, ...]
    """The datasets of completed runs, each once, in the order in which they are named."""

    passed_over: dict[str, int]
    """How often it was so, by reason: events that complete no run, by their type (``start``, …) or
    kind (``dataset``, ``job``); runs with ``no_outputs``; ``self_parent``, an output that is among
    its own inputs, which is left out of them."""


@dataclass(slots=True)
class _Told:
    """What was told of a run."""

    job: EventJob
    completed_at: str | None = None
    inputs: dict[int, NamedDataset] = field(default_factory=dict)
    outputs: dict[int, NamedDataset] = field(default_factory=dict)


def decode_events(body: bytes | bytearray | memoryview) -> list[Any]:
    """Return the events of a request's body: one object, or an array of them.

    Raises:
        ClewError: INVALID_ARGUMENT for what is no JSON, and for no event; TOO_LARGE for too many.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ClewError(
            ErrorCode.INVALID_ARGUMENT, f"the events are not JSON: {error}", hint=_HINT
        ) from error
    events = document if isinstance(document, list) else [document]
    if not events:
        raise ClewError(ErrorCode.INVALID_ARGUMENT, "there are no events in it", hint=_HINT)
    if len(events) > EVENTS_MAX:
        raise ClewError(
            ErrorCode.TOO_LARGE,
            f"{len(events)} events are more than {EVENTS_MAX}",
            hint="send them in several requests, each run in one",
        )
    return events


def translate_events(events: Sequence[Any]) -> Translation:
    """Return what events say, as decoded JSON has them. Nothing is kept where one is malformed.

    Order: a set for each output, runs in the order in which they were named first.
    Bounds: 100 000 edges, and as many parents of an output as the wire has room for.

    Raises:
        ClewError: INVALID_ARGUMENT for an event that is none, and which; TOO_LARGE for too much.
    """
    runs: dict[str, _Told] = {}
    passed_over: Counter[str] = Counter()
    for place, given in enumerate(events):
        event = _read_event(given, place)
        _check_time(event, place)
        if event.run is None or event.job is None:
            passed_over[_kind_without_run(event, place)] += 1
            continue
        told = _tell(runs, event, place)
        if event.event_type is not None and event.event_type.upper() == "COMPLETE":
            told.completed_at = event.event_time
        else:
            passed_over[_type_of(event)] += 1
    completed = {run: told for run, told in runs.items() if told.completed_at is not None}
    _check_size(completed.values())
    links = NewLinks(sets=[], items=[])
    datasets: dict[int, NamedDataset] = {}
    for run_id, told in completed.items():
        _link(run_id, told, links, passed_over)
        datasets |= told.inputs | told.outputs
    return Translation(links, tuple(datasets.values()), dict(passed_over))


def _read_event(given: Any, place: int) -> RunEvent:
    try:
        return msgspec.convert(given, RunEvent)
    except msgspec.ValidationError as error:
        raise _wrong(place, str(error)) from error


def _check_time(event: RunEvent, place: int) -> None:
    if not _ZONED.fullmatch(event.event_time):
        raise _wrong(place, f"eventTime is no RFC 3339 time with a zone: {event.event_time!r}")
    try:
        # Such a text is no time that is told from now.
        parse_time(event.event_time, now=0)
    except ClewError as error:
        raise _wrong(place, error.message) from error


def _kind_without_run(event: RunEvent, place: int) -> str:
    """Return which of the standard's other events one is: they tell of no run.

    Raises:
        ClewError: INVALID_ARGUMENT when it is none.
    """
    if event.run is None and event.event_type is None:
        if event.dataset is not None:
            return "dataset"
        if event.job is not None:
            return "job"
    raise _wrong(place, "it has no job" if event.run is not None else "it has no run")


_TYPES: Final = frozenset({"start", "running", "complete", "abort", "fail", "other"})


def _type_of(event: RunEvent) -> str:
    kind = (event.event_type or "other").lower()
    # Reasons are a closed set, whatever a writer invents.
    return kind if kind in _TYPES else "other"


def _tell(runs: dict[str, _Told], event: RunEvent, place: int) -> _Told:
    """Add what an event says of its run."""
    assert event.run is not None
    assert event.job is not None
    told = runs.setdefault(event.run.run_id, _Told(event.job))
    if told.job != event.job:
        raise _wrong(place, f"run {shorten(event.run.run_id, 80)!r} is of another job before")
    for given, kept in ((event.inputs, told.inputs), (event.outputs, told.outputs)):
        for dataset in given or ():
            named = _name(dataset)
            kept.setdefault(int(named.trace_id), named)
    return told


def _name(dataset: EventDataset) -> NamedDataset:
    facet = dataset.facets.version if dataset.facets is not None else None
    version = facet.dataset_version if facet is not None else None
    return NamedDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        version=version,
        trace_id=str(dataset_trace_id(dataset.namespace, dataset.name, version)),
    )


def _check_size(runs: Iterable[_Told]) -> None:
    edges = 0
    for told in runs:
        if len(told.inputs) > PARENTS_TEXT_MAX:
            raise _too_large(f"a run has {len(told.inputs)} inputs", PARENTS_TEXT_MAX)
        edges += len(told.inputs) * len(told.outputs)
    if edges > EDGES_MAX:
        raise _too_large(f"the events make {edges} edges", EDGES_MAX)


def _link(run_id: str, told: _Told, links: NewLinks, passed_over: Counter[str]) -> None:
    """Add a set for each output of a run that has inputs, and an item for each that has none."""
    if not told.outputs:
        passed_over["no_outputs"] += 1
    stream_id = job_stream_id(told.job.namespace, told.job.name)
    seq = str(run_seq(run_id))
    at = told.completed_at
    for output in told.outputs:
        trace_id = str(output)
        parents: list[str | int] = [str(each) for each in told.inputs if each != output]
        if len(parents) < len(told.inputs):
            passed_over["self_parent"] += 1
        if parents:
            made = NewLinkSet(
                trace_id=trace_id, parents=parents, stream_id=stream_id, seq=seq, at=at
            )
            links.sets.append(made)
        else:
            links.items.append(NewItem(trace_id=trace_id, stream_id=stream_id, seq=seq, at=at))


def _wrong(place: int, why: str) -> ClewError:
    return ClewError(
        ErrorCode.INVALID_ARGUMENT,
        f"event {place} is no OpenLineage event: {shorten(why, 300)}",
        hint=_HINT,
    )


def _too_large(what: str, most: int) -> ClewError:
    return ClewError(
        ErrorCode.TOO_LARGE,
        f"{what}, more than {most}",
        hint="send fewer events at once, or name fewer datasets of a run",
    )
