"""No statement of the registry asks for chance, the clock or the number of a row that is gone.

The statements of a leader's registry are run again by those of its standbys. What the strands run
in their suites is held to more (`tests/conformance/registry_replay.py`); this looks at all that is
written anywhere, whether a test comes by or not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "clew"

STRANDS = ("access", "lineage/leases", "team", "tree", "twin/registries")
"""Whose modules keep records in the registry's database."""

FORBIDDEN = re.compile(
    r"""\b(?:
        random(?:blob)?\s*\( | strftime\s*\( | julianday\s*\( | unixepoch\s*\( | timediff\s*\(
      | (?:date)?time\s*\( | date\s*\( | current_(?:time|date|timestamp)\b | now\s*\(\s*\)
      | last_insert_rowid\b | (?:total_)?changes\s*\(\s*\) | lastval\s*\( | nextval\s*\(
      | gen_random_uuid\b | clock_timestamp\b | sqlite_version\s*\(
    )""",
    re.VERBOSE | re.IGNORECASE,
)

STATEMENT = re.compile(r"\b(?:SELECT|INSERT|UPDATE|DELETE|WHERE|SET|VALUES|FROM)\b")


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module that are no docstrings, f-strings put together."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [each.value for each in node.values if isinstance(each, ast.Constant)]
            yield node.lineno, " ? ".join(map(str, parts))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.lineno, node.value


@pytest.mark.parametrize("strand", STRANDS)
def test_no_statement_depends_on_chance_or_the_clock(strand: str) -> None:
    found = [
        f"{path.relative_to(SOURCES)}:{line}: {forbidden[0]}"
        for path in sorted((SOURCES / strand).rglob("*.py"))
        for line, text in texts(path)
        if STATEMENT.search(text) and (forbidden := FORBIDDEN.search(text))
    ]
    assert found == [], "bind what the statement needs as a value"


def test_what_is_forbidden_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text('"""UPDATE t SET x = random()"""\nSQL = f"UPDATE {t} SET x = random()"\n')
    assert {line for line, text in texts(module) if FORBIDDEN.search(text)} == {2}
