"""`clew registry` as a person and a pipeline meet it; no server is there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.terminal import CLEW, SECONDS_MAX, Ended, environment

SCHEMA = """
from clew.twin.dsl import Float, Integer, List, Object, Process, String

class ShoppingCart(Object):
    "What a customer is about to buy"
    item_count = Integer(default=0, indexed=True)
    total_value = Float(default=0.0)
    items = List(String())
    status = String(default="active")

class CheckoutFlow(Process):
    "Distributed workflow for purchasing"
    phases = ["cart", "payment"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a package `app` that has a blueprint."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("")
    (tmp_path / "app" / "schema.py").write_text(SCHEMA)
    return tmp_path


def registry(project: Path, *arguments: str) -> Ended:
    # Where no server is, nothing is asked of one.
    done = subprocess.run(
        [*CLEW, "registry", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        env=environment("http://127.0.0.1:1"),
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def test_a_module_is_exported_checked_and_turned_into_types(project: Path) -> None:
    first = registry(
        project, "export", "--module", "app.schema", "-o", "old.json", "--name", "shop"
    )
    assert first.code == 0, first.stderr
    document = json.loads((project / "old.json").read_text())
    assert document["registry"]["name"] == "shop"
    assert set(document["objects"]) == {"ShoppingCart"}
    assert set(document["processes"]) == {"CheckoutFlow"}
    assert "shopping_cart.item_count" in document["expected_keys"]

    again = registry(
        project, "export", "--module", "app.schema", "-o", "old.json", "--name", "shop"
    )
    assert (again.code, json.loads(again.stderr)["note"]) == (0, "old.json says so already")
    assert json.loads((project / "old.json").read_text()) == document

    schema = project / "app" / "schema.py"
    schema.write_text(SCHEMA.replace("total_value", "total").replace('["cart", ', '["cart", "x", '))
    new = registry(project, "export", "--module", "app.schema", "--version", "2.0.0")
    assert new.code == 0, new.stderr
    (project / "new.json").write_text(new.stdout)
    assert new.document["registry"]["version"] == "2.0.0"

    check = registry(project, "check", "old.json", "new.json")
    assert check.code == 1
    assert [each["path"] for each in check.document["differences"]] == ["ShoppingCart.total_value"]
    same = registry(project, "check", "old.json", "old.json")
    assert (same.code, same.document["count"]) == (0, 0)

    diff = registry(project, "diff", "old.json", "new.json", "--format", "table")
    assert diff.code == 0
    assert [line.split()[0] for line in diff.lines[1:4]] == ["breaking", "compatible", "compatible"]

    types = registry(project, "types", "new.json")
    assert "export interface ShoppingCart {" in types.stdout
    written = registry(project, "types", "new.json", "-o", "trilog.d.ts")
    assert written.code == 0
    assert (project / "trilog.d.ts").read_text() == types.stdout


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("typescript", "namespace TriLog"),
        ("configmap", "kind: ConfigMap"),
        ("otel", "memory_limiter"),
        ("clickhouse", "attr_shopping_cart_item_count"),
    ],
)
def test_a_registry_is_written_for_others(project: Path, language: str, says: str) -> None:
    done = registry(project, "export", "--module", "app.schema", "--format", language)
    assert (done.code, done.stderr) == (0, "")
    assert says in done.stdout


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("x = (", 3, "was never closed (schema.py, line 1)"),
        ("x = 1\nx.nobody", 3, "AttributeError: 'int' object has no attribute 'nobody' (schema.py"),
        ("import nobody_has_this", 3, "it imports nobody_has_this, which is not there (schema.py"),
        ("raise SystemExit(3)", 3, "SystemExit: 3 (schema.py, line 1)"),
        ("x = 1", 2, "app.schema defines no Object and no Process"),
        ("from clew.twin import *\na = Registry()\nb = Registry()", 3, "holds 2 registries"),
        (
            "from clew.twin import *\nclass A(Object):\n    r = Reference('Nobody')",
            3,
            "A.r: it refers to Nobody, which is none",
        ),
        (
            "from clew.twin import *\n\nclass A(Object):\n    n = Integer(min_value=2,max_value=1)",
            3,
            "A.n: min_value 2 is above max_value 1 (schema.py, line 3)",
        ),
    ],
)
def test_what_is_wrong_with_a_module_is_told_in_one_line(
    project: Path, source: str, code: int, says: str
) -> None:
    (project / "app" / "schema.py").write_text(source)
    done = registry(project, "export", "--module", "app.schema", "-o", "registry.json")
    assert done.code == code
    assert says in done.error["error"]
    assert not (project / "registry.json").exists()


def test_files_and_modules_that_are_not_there_are_told(project: Path) -> None:
    missing = registry(project, "export", "--module", "nobody.schema")
    assert (missing.code, missing.error["error"]) == (3, "there is no module nobody")
    unread = registry(project, "check", "old.json", "new.json")
    assert unread.code == 3
    assert unread.error["error"] == "cannot read old.json: no such file or directory"
    (project / "bad.json").write_text("[]")
    wrong = registry(project, "types", "bad.json")
    assert wrong.code == 3
    assert wrong.error["error"].startswith("bad.json: not a registry")
    nowhere = registry(project, "export", "--module", "app.schema", "-o", "no/where.json")
    assert nowhere.code == 3
    assert nowhere.error["error"].startswith("cannot write no/where.json")
