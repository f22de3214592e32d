"""How events of objects are shown on a terminal."""

from __future__ import annotations

from clew.surfaces.cli.views.graph import touched_table
from clew.surfaces.cli.views.timeline import event_table
from clew.twin import documents as doc

WIDE = 10_000


def failure() -> doc.TimelineEvent:
    return doc.TimelineEvent(
        event_id="e-1",
        at="2026-11-21T10:00:00.000000000Z",
        seq=1,
        type="phase_change",
        obj_type="Checkout",
        obj_id="c-1",
        name=None,
        changes={},
        data={"exception.message": "declined", "exception.stacktrace": "Traceback\n" * 50},
        body="Failed",
        phase=None,
        status="failed",
        trace_id=None,
        span_id=None,
        service="shop",
        writer=None,
        registry_checksum=None,
        verdict="accepted",
        issues=[],
        received_at="2026-11-21T10:00:00.000000000Z",
    )


def test_a_failure_is_shown_with_its_message_and_without_its_stack() -> None:
    event = failure()
    touched = doc.TouchedObjects(
        trace_id="0" * 32,
        step=1,
        steps=1,
        at=event.at,
        event=event,
        objects=[],
        count=0,
        truncated=False,
    )
    timeline = doc.Timeline(events=[event], count=1, truncated=False)
    for lines in (touched_table(touched, WIDE), event_table(timeline, WIDE)):
        shown = "\n".join("".join(text for text, _ in line) for line in lines)
        assert "failed exception.message=declined" in shown
        assert "Traceback" not in shown
