"""A browser for tests: the system's Chromium, and what a page may do in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from tests.e2e.page.shop import NOON, SECOND

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT: Final = Path(__file__).parents[3]

ARGUMENTS: Final = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

DESK: Final = (1440, 900)
PHONE: Final = (390, 844)

PATIENCE_MS: Final = 60_000
"""A deadline, not an expectation."""


def find_chromium() -> str:
    """Return the browser of this machine, or skip; CI says which it must be."""
    wanted = os.environ.get("CLEW_CHROMIUM")
    found = wanted or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium here: apt-get install chromium, or name one by CLEW_CHROMIUM")
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start a browser; everything of it ends with the block.

    While it is open the playwright of this thread has an event loop, so no other test may run one:
    open it for one file of tests, not for all.
    """
    path = find_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=ARGUMENTS, timeout=2 * PATIENCE_MS
        )
        yield browser
        browser.close()


_GO: Final = """
(hash) => new Promise((done) => {
    const before = window.location.href;
    // The page hears of it first, and has drawn the place when this is over.
    window.addEventListener("hashchange", () => setTimeout(done), { once: true });
    window.location.hash = hash;
    if (window.location.href === before) done();
})
"""


def go(page: Page, address: str) -> None:
    """Go to another place of the page; what is seen afterwards is of that place, or on its way."""
    page.evaluate(_GO, address)


def press_at_once(page: Page, *keys: str) -> None:
    """Press keys quicker than a page can draw what the one before did."""
    page.evaluate(
        "(keys) => keys.forEach((key) => document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })))",
        list(keys),
    )


def settle(page: Page) -> None:
    """Wait until nothing is on its way any more, and the time bar says how much there is."""
    expect(page.locator(".loading-line")).to_have_count(0)
    expect(page.get_by_role("img", name=re.compile("Density.*span"))).to_be_visible()


@dataclass
class Visit:
    """A page in a context of its own, and what it did that no page of ours may do."""

    page: Page
    is_live: bool = False
    """Whether the clock runs: for what happens now, such as the tree."""
    complaints: list[str] = field(default_factory=list)
    excused: tuple[str, ...] = ()
    """What a test brings about on purpose, as a part of the complaint."""

    def look(self, address: str) -> Page:
        """Go to an address; the clock stands at noon unless it is to run."""
        if not self.is_live:
            self.page.clock.set_fixed_time(NOON / SECOND)
        self.page.goto(address)
        return self.page

    def hear(self, what: str) -> None:
        self.complaints.append(what)

    def assert_clean(self) -> None:
        """Nothing threw, nothing was refused by the rules for content, nothing went elsewhere."""
        left = [
            each for each in self.complaints if not any(excuse in each for excuse in self.excused)
        ]
        assert not left, left


@contextmanager
def open_visit(browser: Browser, **more: Any) -> Iterator[Visit]:
    """Open a page of its own."""
    options: dict[str, Any] = {
        "viewport": {"width": DESK[0], "height": DESK[1]},
        "timezone_id": "UTC",
        "locale": "en-GB",
        "reduced_motion": "reduce",
        "color_scheme": "light",
    }
    context = browser.new_context(**options | more)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    visit = Visit(page)
    page.on("pageerror", lambda error: visit.hear(f"threw: {error}"))
    page.on("dialog", lambda dialog: visit.hear(f"asked: {dialog.message}"))
    page.on(
        "console",
        lambda said: visit.hear(f"said: {said.text}") if _is_grave(said) else None,
    )
    page.on(
        "request",
        lambda asked: visit.hear(f"went to {asked.url}") if _is_elsewhere(asked.url) else None,
    )
    try:
        yield visit
    finally:
        context.close()


def _is_grave(said: ConsoleMessage) -> bool:
    # That the server said no is an answer, which the page shows; the browser notes it as well.
    return said.type == "error" and not said.text.startswith("Failed to load resource")


def _is_elsewhere(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "data:image/svg+xml", "blob:"))
