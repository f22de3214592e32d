"""Flags are the REST parameters: same names, same choices, none missing."""

from __future__ import annotations

import dataclasses
import shlex
import types
import typing
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from clew.app.generate.cli_reference import PAGE, write_page
from clew.app.main import build, commands
from clew.base.errors import ClewError, ErrorCode
from clew.lineage import parameters as lineage
from clew.lineage.terms import LeaseQuery
from clew.surfaces.cli.commands.apps import AppFlags, CrashFlags, MessageFlags
from clew.surfaces.cli.commands.export import QUERIES, ExportFlags
from clew.surfaces.cli.commands.genai import AgentFlags, ConversationFlags, TranscriptFlags
from clew.surfaces.cli.commands.lineage_lists import ItemFlags, LeaseFlags
from clew.surfaces.cli.commands.live import LiveFlags, plan_feeds
from clew.surfaces.cli.flags import (
    AnomalyFlags,
    AttributeFlags,
    BaselineFlags,
    DiffFlags,
    LogFlags,
    MetricFlags,
    PageFlags,
    PatternFlags,
    SeriesFlags,
    ServiceFlags,
    SpanFlags,
    SummaryFlags,
    TimeFlags,
    TopologyFlags,
    to_query,
)
from clew.surfaces.cli.program import globals_last
from clew.surfaces.cli.tree.table import COMMANDS
from clew.surfaces.cli.twin_flags import (
    DifferenceFlags,
    GraphFlags,
    HistoryFlags,
    ObjectFlags,
    ProcessFlags,
    RejectedFlags,
    StateFlags,
    TimelineFlags,
    TouchedFlags,
    TraceProcessFlags,
)
from clew.telemetry.analytics import parameters as about
from clew.telemetry.genai import parameters as genai
from clew.telemetry.query import parameters as ask
from clew.telemetry.remote import to_pairs
from clew.tree import parameters as tree
from clew.twin import parameters as twin

PAIRS: list[tuple[type[Any], type[msgspec.Struct], set[str]]] = [
    (TimeFlags, ask.TimeParameters, set()),
    (PageFlags, ask.PageParameters, set()),
    (SpanFlags, ask.SpanQuery, set()),
    (LogFlags, ask.LogQuery, set()),
    (MetricFlags, ask.MetricQuery, set()),
    (SeriesFlags, ask.SeriesQuery, {"name"}),
    (ServiceFlags, ask.ServiceQuery, set()),
    (ServiceFlags, ask.OperationQuery, {"service"}),
    (AttributeFlags, ask.AttributeQuery, set()),
    (SummaryFlags, about.SummaryQuery, set()),
    (TopologyFlags, about.TopologyQuery, set()),
    (BaselineFlags, about.BaselineParameters, set()),
    (AnomalyFlags, about.AnomalyQuery, set()),
    (DiffFlags, about.DiffQuery, set()),
    (PatternFlags, about.PatternQuery, set()),
    (ConversationFlags, genai.ConversationQuery, set()),
    (AgentFlags, genai.AgentQuery, set()),
    (TranscriptFlags, genai.TranscriptQuery, set()),
    (AppFlags, tree.AppQuery, set()),
    (MessageFlags, tree.MessageQuery, set()),
    (CrashFlags, tree.CrashQuery, set()),
    (ObjectFlags, twin.ObjectQuery, {"type"}),
    (StateFlags, twin.StateQuery, set()),
    (TimelineFlags, twin.TimelineQuery, set()),
    (HistoryFlags, twin.HistoryQuery, set()),
    (DifferenceFlags, twin.DifferenceQuery, set()),
    (GraphFlags, twin.GraphQuery, set()),
    (TouchedFlags, twin.TouchedQuery, set()),
    (RejectedFlags, twin.RejectedQuery, set()),
    (ProcessFlags, twin.ProcessQuery, {"type"}),
    (TraceProcessFlags, twin.TraceProcessQuery, set()),
    (ItemFlags, lineage.ItemQuery, set()),
    (LeaseFlags, LeaseQuery, set()),
]


@pytest.mark.parametrize(("flags", "parameters", "arguments"), PAIRS)
def test_every_parameter_has_its_flag_with_the_same_choices(
    flags: type[Any], parameters: type[msgspec.Struct], arguments: set[str]
) -> None:
    ours = typing.get_type_hints(flags)
    theirs = typing.get_type_hints(parameters)
    assert set(ours) == set(theirs) - arguments
    for name, kind in ours.items():
        assert _choices(kind) == _choices(theirs[name]), name
        assert dataclasses.fields(flags), name


@pytest.mark.parametrize("flags", [ExportFlags, LiveFlags])
def test_flags_of_several_signals_are_parameters_of_at_least_one(flags: type[Any]) -> None:
    known = {field.name for kind in QUERIES.values() for field in msgspec.structs.fields(kind)}
    theirs: dict[str, Any] = {}
    for kind in QUERIES.values():
        theirs |= typing.get_type_hints(kind)
    for name, hint in typing.get_type_hints(flags).items():
        if name == "signal":
            continue
        assert name in known
        assert _choices(hint) == _choices(theirs[name]), name


def test_a_flag_that_is_not_given_is_not_sent() -> None:
    query = to_query(SpanFlags(service="shop", min_duration_ms=1.5, root=True), ask.SpanQuery)
    assert to_pairs(query) == [
        ("service", "shop"),
        ("min_duration_ms", "1.5"),
        ("root", "true"),
    ]
    between = to_query(DifferenceFlags(from_="15m"), twin.DifferenceQuery)
    assert to_pairs(between) == [("from", "15m")]
    repeated = to_query(SpanFlags(attribute=["a=1", "!b"]), ask.SpanQuery)
    assert to_pairs(repeated) == [("attribute", "a=1"), ("attribute", "!b")]
    assert to_pairs(to_query(None, ask.SpanQuery)) == []


def test_a_filter_that_one_feed_knows_leaves_the_other_out() -> None:
    def signals(**given: Any) -> list[str]:
        return [feed.signal for feed in plan_feeds(LiveFlags(**given))]

    assert signals() == ["traces", "logs"]
    assert signals(service="shop") == ["traces", "logs"]
    assert signals(status="error") == ["traces"]
    assert signals(min_severity="warn") == ["logs"]
    assert signals(status="error", min_severity="warn") == ["traces", "logs"]
    assert signals(status="error", signal="both") == ["traces", "logs"]
    assert signals(signal="logs") == ["logs"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--server", "x:1", "traces", "--q", "a"], ["traces", "--q", "a", "--server", "x:1"]),
        (["--format=json", "traces"], ["traces", "--format=json"]),
        (["--format", "json", "sql", "--", "-1"], ["sql", "--format", "json", "--", "-1"]),
        (["traces", "--server", "x:1"], ["traces", "--server", "x:1"]),
        (["--help"], ["--help"]),
        (["--server", "x:1"], ["--server", "x:1"]),
    ],
)
def test_flags_of_all_commands_may_stand_before_the_command(
    given: list[str], meant: list[str]
) -> None:
    assert globals_last(given) == meant


def test_every_command_says_what_it_does_and_shows_an_example() -> None:
    app = build()
    for command in (*commands(), *COMMANDS):
        assert command.summary.endswith(".")
        assert command.examples
        for line, why in command.examples:
            assert line.startswith(f"clew {command.name}"), line
            assert why
        found = app
        for name in command.name.split():
            found = found[name]
            assert found.name[0] == name


def test_every_example_is_a_command_line_that_parses() -> None:
    app = build()
    for command in (*commands(), *COMMANDS):
        for line, _ in command.examples:
            _, bound, _ = app.parse_args(shlex.split(line)[1:])
            assert bound is not None


def test_a_duration_that_does_not_parse_names_its_flag() -> None:
    with pytest.raises(ClewError) as caught:
        build().parse_args(["traces", "--min-duration", "fast"])
    assert caught.value.code is ErrorCode.INVALID_ARGUMENT
    assert caught.value.message == "--min-duration: not a duration: 'fast'"


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("100ms", 100.0), ("1s", 1000.0), ("1.5s", 1500.0), ("25", 25.0)]
)
def test_a_duration_takes_units_or_bare_milliseconds(text: str, milliseconds: float) -> None:
    for flag in ("--min-duration", "--min-duration-ms"):
        _, bound, _ = build().parse_args(["traces", flag, text])
        assert bound.arguments["flags"].min_duration_ms == milliseconds


def _choices(kind: Any) -> set[Any] | None:
    """Return the choices of a Literal, wherever it hides in a type, None where there is none."""
    if get_origin(kind) is Literal:
        return set(get_args(kind))
    if get_origin(kind) in {typing.Union, types.UnionType, typing.Annotated}:
        found = [_choices(part) for part in get_args(kind)]
        return next((choices for choices in found if choices is not None), None)
    return None


def test_the_reference_page_is_what_the_command_tree_says_today() -> None:
    root = Path(__file__).parents[2]
    assert (root / PAGE).read_text() == write_page(), "write it anew: clew.app.generate"


@pytest.mark.parametrize(
    "page",
    ["README.md", "docs/guide/first-five-minutes.md", "docs/guide/what-happened.md"],
)
def test_every_command_line_of_a_page_parses(page: str) -> None:
    root = Path(__file__).parents[2]
    app = build()
    lines = [line for line in (root / page).read_text().splitlines() if line.startswith("clew ")]
    assert lines
    for line in lines:
        words = shlex.split(line.partition("|")[0], comments=True)
        _, bound, _ = app.parse_args(words[1:])
        assert bound is not None
