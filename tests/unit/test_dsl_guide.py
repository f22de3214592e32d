"""The page about blueprints runs as it stands, and its tables say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from clew.twin.schema.values import FieldType
from clew.twin.validation.issues import IssueCode
from tests.guides import GUIDE, read_program, run_page

PAGE = GUIDE / "dsl.md"


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    done = run_page(PAGE, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "registry.json").exists()


def test_the_page_has_a_program() -> None:
    assert read_program(PAGE).count("assert ") > 20


def test_the_tables_name_every_kind_of_field_and_every_issue() -> None:
    named = set(re.findall(r"^\| `([A-Za-z_]+)` \|", PAGE.read_text(), re.MULTILINE))
    assert {each.value.capitalize() for each in FieldType} <= named
    assert {each.value for each in IssueCode} <= named
