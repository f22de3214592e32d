"""Rules about the code that a linter does not know."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

# What: what to use instead, and the places where it is the right thing.
BANNED_CALLS = {
    "time.sleep": ("an event, a condition or a timeout of what is waited for", ("demo/",)),
    "uuid.uuid4": ("an id from clew.base.ids", ()),
    "print": ("the surface's own writer", ("surfaces/cli/", "demo/", "app/")),
    "os._exit": ("a return from main", ("app/", "tree/agent/process.py")),
}

OUTER_ROOMS = {
    *("native", "contracts", "deploy", "examples", "bench", "tests", "docs", "requirements", "ui")
}
"""Folders beside the package that the map may name."""

FILE_BYTES_MAX = 512 * 1024
"""A file larger than this is not read by anyone, and makes every clone slower for ever."""

MODULE_LINES_MAX = 600
"""Past this a module is not read in one sitting; split it by noun."""


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _calls(tree: ast.AST) -> list[tuple[str, int]]:
    """Return what is called by a name with dots, and on which line."""
    called = ((node.func, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [(name, line) for what, line in called if (name := _dotted(what))]


def _dotted(node: ast.expr) -> str:
    """Return a name with dots; empty for any other expression."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(attributes)]) if isinstance(node, ast.Name) else ""


def _tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_can_be_read_in_one_sitting(path: Path) -> None:
    if "_gen" in path.parts:
        return
    assert ast.get_docstring(_parsed(path)), "no docstring"
    assert path.read_text().count("\n") <= MODULE_LINES_MAX


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_makes_a_banned_call(path: Path) -> None:
    relative = str(path.relative_to(ROOT / "src" / "clew"))
    for name, line in _calls(_parsed(path)):
        if name in BANNED_CALLS:
            instead, allowed = BANNED_CALLS[name]
            assert relative.startswith(allowed), f"line {line}: {name}; use {instead}"


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_test_sleeps(path: Path) -> None:
    names = {name for name, _ in _calls(_parsed(path))}
    assert not names & {"time.sleep", "sleep"}, "wait for a condition instead"


def test_no_room_is_called_utils() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [path for path in SOURCES if vague & {path.stem, *path.parts}]


def test_no_tracked_file_is_too_large_to_read() -> None:
    large = [path for path in _tracked_files() if path.stat().st_size > FILE_BYTES_MAX]
    assert not large


def test_every_markdown_page_has_one_title() -> None:
    for path in _tracked_files():
        if path.suffix != ".md" or "third_party" in path.parts:
            continue
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        titles = re.findall(r"^# .+$", prose, flags=re.MULTILINE)
        assert len(titles) == 1, f"{path.relative_to(ROOT)}: {titles}"


def test_locks_carry_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        assert not re.search(r"https?://", path.read_text()), path
    for path in _tracked_files():
        if path.name == "package-lock.json":
            assert '"resolved"' not in path.read_text(), path


def test_the_changelog_says_what_is_not_released_yet() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_every_decision_record_has_its_four_parts() -> None:
    for path in (ROOT / "docs" / "adr").glob("[0-9]*.md"):
        text = path.read_text()
        for part in ("Status", "Context", "Decision", "Consequences"):
            assert re.search(rf"^## {part}", text, flags=re.MULTILINE), f"{path.name}: no {part}"


def test_the_architecture_names_every_package_and_no_dead_one() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    packages = {
        str(path.parent.relative_to(ROOT / "src" / "clew"))
        for path in SOURCES
        if path.name == "__init__.py" and "_gen" not in path.parts
    } - {"."}
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*)/`", text))
    assert packages <= named, f"not named: {sorted(packages - named)}"
    outside = {name for name in named if name.partition("/")[0] in OUTER_ROOMS}
    dead = named - packages - outside
    assert not dead, f"named and not there: {sorted(dead)}"
