"""What keeps somebody from using a page: axe-core's rules, run in the page itself."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.page.chromium import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE: Final = ROOT / "ui/node_modules/axe-core/axe.min.js"

_RUN: Final = """
async (runOnly) => {
    const { violations } = await window.axe.run(document, {
        resultTypes: ["violations"],
        runOnly,
    });
    return violations.map(({ id, help, nodes }) => {
        const places = nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} :: ${
            node.any.concat(node.all, node.none).map((check) => check.message).join("; ")
        }`);
        return `${id}: ${help}\\n  ${places.join("\\n  ")}`;
    });
}
"""


_RULES: Final = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}

_COLOURS: Final = {"type": "rule", "values": ["color-contrast"]}


@functools.cache
def _axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: make ui/node_modules (needs npm)")
    return AXE.read_text()


def find_barriers(page: Page, *, colours_alone: bool = False) -> list[str]:
    """Return what keeps somebody out, a rule each, with the elements; empty is well.

    With `colours_alone` only colours are looked at: the rest of a page that was looked at already
    is the same in the dark.
    """
    # By the debugger: the page's own rules for content let no script in, and that is tested too.
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe())
    found: list[str] = page.evaluate(_RUN, _COLOURS if colours_alone else _RULES)
    return found
