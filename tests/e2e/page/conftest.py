"""What tests of the page share: a browser for each file, a shop for each process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from clew.testing.server import ServerProcess
from tests.e2e.page.chromium import PATIENCE_MS, Visit, find_chromium, open_browser, open_visit
from tests.e2e.page.shop import Shop, open_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A server that knows of the shop's morning; started only where there is a browser."""
    find_chromium()
    # What it tells of itself is seen soon, and stands in nothing that the tests count.
    settings = {"own_telemetry": "5"}
    with ServerProcess(tmp_path_factory.mktemp("shop") / "data", settings) as server:
        yield open_shop(server)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page of its own, which must have done nothing that a page may not do."""
    with open_visit(browser) as opened:
        yield opened
        opened.assert_clean()
