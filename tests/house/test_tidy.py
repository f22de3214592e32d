"""Rules about the code that a linter does not know."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Collection
from pathlib import Path

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


def _calls(path: Path, names: Collection[str]) -> list[tuple[str, int]]:
    """Return which of some names with dots a file calls, and on which line."""
    text = path.read_text()
    # A file that does not even have the words need not be parsed.
    if not any(name.rpartition(".")[2] in text for name in names):
        return []
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    called = [(_dotted(node.func), node.lineno) for node in nodes]
    return [(name, line) for name, line in called if name in names]


def _dotted(node: ast.expr) -> str:
    """Return a name with dots; empty for any other expression."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(attributes)]) if isinstance(node, ast.Name) else ""


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tracked_files() -> list[Path]:
    # A checkout may be another user's than the one who runs its tests.
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_module_says_what_it_is_and_can_be_read_in_one_sitting() -> None:
    written = [path for path in SOURCES if "_gen" not in path.parts]
    silent = [
        _named(path) for path in written if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, "no docstring"
    long = [_named(path) for path in written if path.read_text().count("\n") > MODULE_LINES_MAX]
    assert not long, f"more than {MODULE_LINES_MAX} lines"


def test_no_module_makes_a_banned_call() -> None:
    made = []
    for path in SOURCES:
        relative = str(path.relative_to(ROOT / "src" / "clew"))
        for name, line in _calls(path, BANNED_CALLS):
            instead, allowed = BANNED_CALLS[name]
            if not relative.startswith(allowed):
                made.append(f"{_named(path)}:{line}: {name}; use {instead}")
    assert not made


def test_no_test_sleeps() -> None:
    sleeps = [
        f"{_named(path)}:{line}"
        for path in TESTS
        for _, line in _calls(path, {"time.sleep", "sleep"})
    ]
    assert not sleeps, "wait for a condition instead"


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
