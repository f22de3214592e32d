"""The flags of `clew comment` and `clew correlate` are the REST parameters, none missing."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest

from clew.answers.documents import CorrelateReport, Sections
from clew.answers.parameters import CorrelateQuery
from clew.surfaces.cli.commands.comments import CommentFlags, NewCommentFlags
from clew.surfaces.cli.commands.correlate import CorrelateFlags
from clew.surfaces.cli.views.correlate import LISTS
from clew.team.comments.parameters import CommentQuery, NewComment, TraceCommentQuery


@pytest.mark.parametrize(
    ("flags", "parameters", "arguments"),
    [
        (CommentFlags, CommentQuery, {"trace_id", "text"}),
        (CommentFlags, TraceCommentQuery, {"text"}),
        # The command line makes an id of its own.
        (NewCommentFlags, NewComment, {"body", "id"}),
        (CorrelateFlags, CorrelateQuery, {"trace"}),
    ],
)
def test_every_parameter_has_its_flag_or_its_argument(
    flags: type[Any], parameters: type[msgspec.Struct], arguments: set[str]
) -> None:
    ours = {field.name for field in dataclasses.fields(flags)}
    theirs = {field.name for field in msgspec.structs.fields(parameters)}
    assert ours == theirs - arguments


def test_every_list_of_the_page_is_shortened_by_a_budget() -> None:
    lists = {name for name in CorrelateReport.__struct_fields__ if name in LISTS}
    assert lists == set(LISTS) == set(Sections.__struct_fields__)
