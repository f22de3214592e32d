"""What an answered question was a look at, and that the way back to it leads there."""

from __future__ import annotations

import shlex
from typing import Any
from urllib.parse import unquote

import pytest

from clew.app.main import build
from clew.base.errors import ClewError
from clew.base.times import parse_time
from clew.surfaces.rest import visits
from clew.surfaces.rest.parameters import parse_parameters
from clew.surfaces.rest.routes.table import ROUTES
from clew.surfaces.rest.visits import is_look, named, visit_from
from clew.team.sessions.targets import Visit

NOW = parse_time("2026-11-21T12:00:00Z", now=0)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
APP = "01964b2e-7c1f-7d3a-9c55-0d6f3a1b2c4d"

BY_NAME = {named(route.path): route for route in ROUTES if route.method == "GET"}


def look(name: str, query: str = "", /, **parts: str) -> Visit:
    assert is_look(name)
    asked = parse_parameters(query.encode(), BY_NAME[name].parameters)
    return visit_from(name, parts, asked, NOW)


THINGS: list[tuple[str, str, dict[str, str], tuple[str, str]]] = [
    ("/traces/{trace_id}", "", {"trace_id": TRACE.upper()}, ("trace", TRACE)),
    ("/traces/{trace_id}/comments", "limit=5", {"trace_id": TRACE}, ("trace", TRACE)),
    ("/traces/{trace_id}/objects", "", {"trace_id": TRACE}, ("trace", TRACE)),
    ("/correlate", f"trace={TRACE}&margin=5m", {}, ("trace", TRACE)),
    ("/traces", f"trace_id={TRACE}&limit=1", {}, ("trace", TRACE)),
    ("/logs", f"trace_id={TRACE}", {}, ("trace", TRACE)),
    ("/logs", f"trace_id={TRACE}&span_id={SPAN}", {}, ("span", f"{TRACE}/{SPAN}")),
    ("/traces", f"trace_id={TRACE}&q=span_id+%3D+{SPAN}", {}, ("span", f"{TRACE}/{SPAN}")),
    ("/apps/{app_id}", "", {"app_id": APP}, ("app", APP)),
    ("/apps/{app_id}/messages", "", {"app_id": APP}, ("app", APP)),
    ("/apps/{app_id}/children", "recursive=true", {"app_id": APP}, ("app", APP)),
    ("/objects/{type}/{id}", "at=5m", {"type": "Cart", "id": "a/b"}, ("object", "Cart/a/b")),
    ("/objects/{type}/{id}/timeline", "", {"type": "Cart", "id": "7"}, ("object", "Cart/7")),
    ("/objects/{type}/{id}", "", {"type": "Cart", "id": "--x"}, ("object", "Cart/--x")),
    ("/lineage/{trace_id}", "direction=down", {"trace_id": "0xff"}, ("lineage", "255")),
    ("/lineage/path", "from=1&to=2", {}, ("lineage", "1..2")),
    ("/metrics/{name}", "", {"name": "http.server.duration"}, ("metric", "http.server.duration")),
    ("/metrics/query", "name=a.b&step=1m", {}, ("metric", "a.b")),
    ("/services/{service}/operations", "", {"service": "-shop"}, ("service", "-shop")),
    ("/transcript/{name}", "full=true", {"name": TRACE}, ("trace", TRACE)),
    ("/processes/{trace_id}", "", {"trace_id": TRACE}, ("trace", TRACE)),
]


@pytest.mark.parametrize(("name", "query", "parts", "link"), THINGS)
def test_what_is_about_one_thing_is_a_look_at_it(
    name: str, query: str, parts: dict[str, str], link: tuple[str, str]
) -> None:
    visit = look(name, query, **parts)
    assert (visit.kind, visit.id) == link
    assert visit.how is not None
    assert visit.path is not None
    _check_leads_back(visit)


QUESTIONS = [
    (
        "/traces",
        "service=shop&last=15m&min_duration_ms=500&root=true&limit=7&attribute=a%3D-b",
        (
            "clew traces --service shop --min-duration-ms 500 --root --attribute a=-b"
            " --start 2026-11-21T11:45:00Z --end 2026-11-21T12:00:00Z"
        ),
    ),
    ("/traces", "view=traces", "clew traces --view traces"),
    (
        "/logs",
        "min_severity=warn&text=no+money&start=2h&end=1h",
        (
            "clew logs --min-severity warn --text 'no money'"
            " --start 2026-11-21T10:00:00Z --end 2026-11-21T11:00:00Z"
        ),
    ),
    ("/metrics", "name=a.b&metric_type=gauge", "clew metrics --name a.b --metric-type gauge"),
    ("/services", "", "clew services"),
    ("/summary", "service=shop", "clew summary --service shop"),
    ("/topology", "", "clew topology"),
    (
        "/anomalies",
        "service=shop&baseline_start=2h&baseline_end=1h",
        (
            "clew anomalies --service shop --baseline-start 2026-11-21T10:00:00Z"
            " --baseline-end 2026-11-21T11:00:00Z"
        ),
    ),
    ("/diff", "bad=status+%3D+error&against=baseline", None),
    ("/logs/patterns", "min_severity=warn", "clew patterns --min-severity warn"),
    ("/conversations", "errors=true", "clew conversations --errors"),
    ("/conversations", "errors=false", "clew conversations --no-errors"),
    ("/agents", "service=shop", "clew agents --service shop"),
    ("/apps", "status=crashed&status=error", "clew apps --status crashed --status error"),
    ("/crashes", f"since=1h&within={APP}", None),
    ("/objects", "type=Cart&text=--x&deleted=true", "clew objects --text=--x --deleted -- Cart"),
    ("/processes", "type=Checkout&status=failed", "clew processes --status failed -- Checkout"),
    ("/rejected", "code=INVALID_VALUE", "clew rejected --code INVALID_VALUE"),
    ("/sql", "q=SELECT+1%0AFROM+spans", "clew sql 'SELECT 1\nFROM spans'"),
]


@pytest.mark.parametrize(("name", "query", "how"), QUESTIONS)
def test_a_question_is_a_link_with_the_command_that_asks_it_again(
    name: str, query: str, how: str | None
) -> None:
    visit = look(name, query)
    assert visit.kind == "query"
    if how is not None:
        assert visit.how == how
    _check_leads_back(visit)


def test_a_conversation_that_is_no_trace_is_a_question() -> None:
    visit = look("/transcript/{name}", name="-chat 7")
    assert (visit.kind, visit.how) == ("query", "clew transcript -- '-chat 7'")
    _check_leads_back(visit)


def _check_leads_back(visit: Visit) -> None:
    """Raise unless the command parses, and the address is the same look."""
    assert visit.how is not None
    words = shlex.split(visit.how)
    assert words[0] == "clew"
    _, _, unused, _ = build().parse_known_args(words[1:])
    assert not unused
    if visit.path is None:
        return
    path, _, query = visit.path.partition("?")
    # As the door finds it: what is fixed stands before what is a part.
    (name, parts), *_ = [
        (name, found)
        for name in sorted(BY_NAME, key=lambda each: each.count("{"))
        if is_look(name) and (found := _match(path.removeprefix("/api/v1"), name)) is not None
    ]
    again = look(name, query, **parts)
    assert (again.kind, again.id) == (visit.kind, visit.id)


def _match(path: str, name: str) -> dict[str, str] | None:
    """Return the parts of a path by a route's name, the last one with its slashes."""
    asked, wanted = path.split("/"), name.split("/")
    if len(asked) != len(wanted):
        return None
    parts = {}
    for given, part in zip(asked, wanted, strict=True):
        if part.startswith("{"):
            parts[part[1:-1]] = unquote(given)
        elif part != given:
            return None
    return parts


def test_the_same_question_at_another_time_and_page_is_the_same_link() -> None:
    once = look("/traces", "service=shop&last=15m&limit=10")
    again = look("/traces", "service=shop&start=2h&limit=500&count=exact&attributes=typed")
    other = look("/traces", "service=bank&last=15m")
    assert once.id == again.id != other.id
    assert once.how != again.how


@pytest.mark.parametrize(
    "name",
    [
        "/traces/live",
        "/suggest",
        "/attributes",
        "/ingest/status",
        "/audit",
        "/keys",
        "/sessions",
        "//metrics",
    ],
)
def test_feeds_vocabularies_and_what_administers_are_no_looks(name: str) -> None:
    assert name in BY_NAME
    assert not is_look(name)


def test_every_look_is_at_the_answer_of_a_route() -> None:
    named_there: set[str] = {*visits._THINGS, *visits._LISTS, *visits._RUNS, visits._SQL}
    assert named_there <= set(BY_NAME)


def test_a_name_that_no_link_can_have_is_told() -> None:
    kind: Any = {"type": "", "id": "x"}
    with pytest.raises(ClewError):
        look("/objects/{type}/{id}", **kind)
