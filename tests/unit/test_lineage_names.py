"""Lineage is there for who asks for it, and costs nothing whoever does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import clew.lineage

SECONDS_MAX = 150.0


def imported_by(statement: str) -> set[str]:
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=SECONDS_MAX
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def test_importing_clew_imports_nothing_of_lineage() -> None:
    assert not {name for name in imported_by("import clew") if name.startswith("clew.lineage")}


def test_who_wants_ids_gets_no_sockets() -> None:
    found = imported_by("from clew.lineage import TraceIdGenerator")
    assert "clew.lineage.generator" in found
    assert not {"socket", "clew.lineage.publisher", "msgspec", "opentelemetry"} & found


@pytest.mark.parametrize("name", clew.lineage.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(clew.lineage, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        clew.lineage.nothing  # noqa: B018
