"""Fixtures for pytest: ``pytest_plugins = ["clew.testing.fixtures"]`` in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Final

import pytest

from clew.base.times import format_time
from clew.testing.recording import RecordedRun, record_run

if TYPE_CHECKING:
    from clew.twin.events import Event

EVENTS_SHOWN: Final = 50
"""The last events of a run that a failed test shows."""

_RUN: Final = pytest.StashKey[RecordedRun]()


@pytest.fixture
def twin_run(request: pytest.FixtureRequest) -> Iterator[RecordedRun]:
    """What this test says of objects, recorded; a test that fails shows the last events of it."""
    with record_run() as run:
        request.node.stash[_RUN] = run
        yield run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the events of a test that failed."""
    report = yield
    run = item.stash.get(_RUN, None)
    if run is not None and call.when == "call" and report.failed and run.events:
        lines = [_tell(each) for each in run.events]
        left_out = [f"… {len(lines) - EVENTS_SHOWN} before"] if len(lines) > EVENTS_SHOWN else []
        text = "\n".join([*left_out, *lines[-EVENTS_SHOWN:]])
        report.sections.append(("events of objects", text))
    return report


def _tell(event: Event) -> str:
    said = ", ".join(f"{name}={value!r}" for name, value in event.patch.items())
    whom = f"{event.obj_type} {event.obj_id}"
    return f"{format_time(event.at)} {whom}: {event.body or event.type} {said}".rstrip()
