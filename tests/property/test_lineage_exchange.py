"""OpenLineage events come in: nothing that they say is lost, and nothing is made up."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clew.base.errors import ClewError, ErrorCode
from clew.lineage.exchange.identity import dataset_trace_id, job_stream_id, run_seq
from clew.lineage.exchange.openlineage import (
    EDGES_MAX,
    EVENTS_MAX,
    decode_events,
    translate_events,
)

AT = "2026-11-21T17:00:00.000000000Z"

# How long drawing takes is no matter of the tests, on a machine that others use as well.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = ("a", "b", "c", "ä/ö", " ")
# Drawn whole, not put together in each example: making one must cost next to nothing.
DATASETS = [
    {"namespace": "files", "name": name} | more
    for name in NAMES
    for more in ({}, {"facets": {"version": {"datasetVersion": "1", "_producer": "tests"}}})
]
datasets = st.sampled_from(DATASETS)
events = st.builds(
    lambda run, kind, inputs, outputs: event(run, kind, inputs=inputs, outputs=outputs),
    st.sampled_from(["run 1", "run 2", "run 3"]),
    st.sampled_from(["START", "RUNNING", "COMPLETE", "FAIL", "complete"]),
    st.lists(datasets, max_size=4),
    st.lists(datasets, max_size=3),
)


def event(run: str, kind: str, **rest: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": AT,
        "run": {"runId": run, "facets": {}},
        "job": {"namespace": "jobs", "name": "nightly"},
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json",
        **rest,
    }


def number_of(*parts: str) -> int:
    """Compute what `identity` does once more, as its text says it."""
    return int(hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16], 16)


def id_of(dataset: dict[str, Any]) -> int:
    parts = ["dataset", dataset["namespace"], dataset["name"]]
    if "facets" in dataset:
        parts.append(dataset["facets"]["version"]["datasetVersion"])
    return number_of(*parts) | 2**63


@untimed
@given(st.lists(events, max_size=5))
def test_every_output_of_a_completed_run_was_made_of_all_its_inputs(
    given_events: list[dict[str, Any]],
) -> None:
    edges: set[tuple[int, int, str]] = set()
    made: set[tuple[int, str]] = set()
    for run in {each["run"]["runId"] for each in given_events}:
        of_run = [each for each in given_events if each["run"]["runId"] == run]
        if any(each["eventType"].upper() == "COMPLETE" for each in of_run):
            inputs = {id_of(each) for one in of_run for each in one["inputs"]}
            outputs = {id_of(each) for one in of_run for each in one["outputs"]}
            made |= {(output, run) for output in outputs}
            edges |= {(out, each, run) for out in outputs for each in inputs if out != each}
    translated = translate_events(given_events)
    runs = {str(number_of("run", f"run {n}")): f"run {n}" for n in (1, 2, 3)}
    sets, items = translated.links.sets, translated.links.items
    assert sorted(
        (int(each.trace_id), int(parent), runs[str(each.seq)])
        for each in sets
        for parent in each.parents
    ) == sorted(edges)
    told_of = [(each.trace_id, each.seq) for each in sets]
    told_of += [(each.trace_id, each.seq) for each in items]
    assert {(int(trace_id), runs[str(seq)]) for trace_id, seq in told_of} == made
    assert len(sets) + len(items) == len(made), "each is told once"
    stream = number_of("job", "jobs", "nightly") >> 32
    assert all((each.stream_id, each.epoch, each.at) == (stream, 0, AT) for each in sets)
    assert all((each.stream_id, each.epoch, each.at) == (stream, 0, AT) for each in items)
    named = {int(each.trace_id) for each in translated.datasets}
    assert named >= {output for output, _ in made} | {parent for _, parent, _ in edges}
    ignored = sum(each["eventType"].upper() != "COMPLETE" for each in given_events)
    told = translated.passed_over
    assert sum(told.get(reason, 0) for reason in ("start", "running", "fail")) == ignored


@untimed
@given(st.lists(events, max_size=4))
def test_the_order_of_events_changes_nothing_that_is_said(
    given_events: list[dict[str, Any]],
) -> None:
    def said(some: list[dict[str, Any]]) -> set[tuple[str, str, frozenset[str]]]:
        return {
            (str(each.trace_id), str(each.seq), frozenset(map(str, each.parents)))
            for each in translate_events(some).links.sets
        }

    assert said(given_events) == said(given_events[::-1])


@untimed
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["eventTime", "eventType", "run", "job", "inputs", "outputs", "name"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=10,
    )
)
def test_what_is_no_event_is_a_bad_argument_and_nothing_else(document: Any) -> None:
    body = json.dumps(document).encode()
    told: ClewError | None = None
    try:
        translate_events(decode_events(body))
    except ClewError as error:
        told = error
    assert told is None or (told.code is ErrorCode.INVALID_ARGUMENT and told.hint)


def test_ids_are_those_that_other_programs_compute() -> None:
    """Such as: printf 'dataset\\0s3://lake\\0orders' | sha256sum | cut -c1-16."""
    assert dataset_trace_id("s3://lake", "orders") != dataset_trace_id("s3://lake", "orders", "1")
    assert dataset_trace_id("s3://lake", "orders") == 0xA9B25F3FAFB548D1
    assert job_stream_id("airflow", "nightly") == 0xFDC089E9
    assert run_seq("d46e465b-d358-4d32-83d4-df660ff614dd") == 0x257C89D4B471F4AA


COMPLETE = event("run 1", "COMPLETE", inputs=[], outputs=[{"namespace": "n", "name": "x"}])


@pytest.mark.parametrize(
    ("malformed", "said"),
    [
        (7, "got `int`"),
        ({}, "eventTime"),
        (COMPLETE | {"run": None}, "it has no run"),
        (COMPLETE | {"job": None}, "it has no job"),
        (COMPLETE | {"eventTime": "now"}, "eventTime"),
        (COMPLETE | {"eventTime": "2026-02-30T00:00:00Z"}, "not a time"),
        (COMPLETE | {"eventTime": "2026-02-03T00:00:00"}, "eventTime"),
        (COMPLETE | {"inputs": [{"name": "x"}]}, r"\$.inputs\[0\]"),
        (COMPLETE | {"outputs": [{"namespace": "n", "name": ""}]}, r"\$.outputs\[0\].name"),
        (COMPLETE | {"outputs": [{"namespace": "n", "name": "a\0b"}]}, r"outputs\[0\].name"),
        (COMPLETE | {"inputs": [{"namespace": "n", "name": "x" * 5000}]}, r"inputs\[0\].name"),
        (COMPLETE | {"job": {"namespace": "jobs", "name": "another"}}, "another job"),
    ],
)
def test_a_malformed_event_is_named_with_what_is_wrong(malformed: Any, said: str) -> None:
    with pytest.raises(ClewError, match=f"event 1 is no OpenLineage event: .*{said}") as refused:
        translate_events([COMPLETE, malformed])
    assert refused.value.code is ErrorCode.INVALID_ARGUMENT


def test_events_of_datasets_and_jobs_are_passed_over() -> None:
    static = [
        {"eventTime": AT, "dataset": {"namespace": "n", "name": "x"}},
        {"eventTime": AT, "job": {"namespace": "n", "name": "j"}, "inputs": []},
    ]
    assert translate_events(static).passed_over == {"dataset": 1, "job": 1}


def test_what_is_too_much_is_refused_before_it_is_made() -> None:
    many = [{"namespace": "n", "name": str(n)} for n in range(317)]
    assert len(many) ** 2 > EDGES_MAX
    with pytest.raises(ClewError) as refused:
        translate_events([event("run 1", "COMPLETE", inputs=many, outputs=many)])
    assert refused.value.code is ErrorCode.TOO_LARGE
    with pytest.raises(ClewError) as refused:
        decode_events(json.dumps([{}] * (EVENTS_MAX + 1)).encode())
    assert refused.value.code is ErrorCode.TOO_LARGE
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ClewError) as refused:
            decode_events(body)
        assert refused.value.code is ErrorCode.INVALID_ARGUMENT
