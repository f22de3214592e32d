"""The page where things are not as on a laptop: behind a proxy, with keys, without an answer."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.page.chromium import find_chromium
from tests.e2e.page.prefix import open_prefix
from tests.e2e.page.shop import RANGE, Shop
from tests.e2e.telemetry import Trace
from tests.integration.test_access_doors import SPANS, Guarded, open_guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import StartServer
    from tests.e2e.page.chromium import Visit


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    find_chromium()
    with open_guarded(tmp_path_factory.mktemp("keys") / "data") as opened:
        headers = {"content-type": "application/x-protobuf"}
        assert opened.ask("POST", "/v1/traces", "writer", SPANS, headers).status == 200
        yield opened


def test_the_page_works_below_a_prefix_of_a_proxy(shop: Shop, visit: Visit) -> None:
    with open_prefix(shop.server.addresses["http"], "/tools/clew") as address:
        page = visit.look(f"{address}#/find?{RANGE}")
        page.get_by_role("listitem").filter(has_text="POST /checkout").first.click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("POST /checkout")
        assert page.url.startswith(address)
        for screen in ("Twin", "Services", "Health", "Live"):
            page.get_by_role("navigation").get_by_role("link", name=screen).click()
            expect(page.get_by_role("heading", level=1)).to_contain_text(screen)
        page.goto("about:blank")


def test_without_a_key_it_asks_for_one_and_then_works(guarded: Guarded, visit: Visit) -> None:
    visit.is_live = True
    page = visit.look(f"{guarded.server.url}/#/find?last=30d")
    page.get_by_label("An API key").first.fill("clew_0123456789abcdef_" + "0" * 64)
    page.keyboard.press("Enter")
    expect(page.get_by_label("An API key").first).to_be_visible()
    page.get_by_label("An API key").first.fill(guarded.keys["reader"])
    page.keyboard.press("Enter")
    expect(page.get_by_label(re.compile("^Traces|^Spans")).first).to_be_visible()
    page.reload()
    expect(page.get_by_role("search")).to_be_visible()
    expect(page.get_by_label("An API key")).to_have_count(0)
    assert guarded.keys["reader"] not in page.content()
    assert guarded.keys["reader"] not in page.url


def test_whoever_may_only_read_is_told_so_where_he_tries_more(
    guarded: Guarded, visit: Visit
) -> None:
    visit.is_live = True
    key = guarded.keys["reader"]
    visit.page.add_init_script(f"sessionStorage.setItem('clew.key', '{key}')")
    trace = guarded.ask("GET", "/api/v1/traces?last=30d", "reader").document["spans"][0]["trace_id"]
    page = visit.look(f"{guarded.server.url}/#/trace/{trace}?pane=comments")
    page.get_by_label("Comment").fill("may I?")
    page.get_by_role("button", name="Say it").click()
    expect(
        page.get_by_role("alert").filter(has_text=re.compile("may|not|role")).first
    ).to_be_visible()
    # What was written is still there for whoever brings a better key.
    expect(page.get_by_label("Comment")).to_have_value("may I?")


def test_a_server_that_goes_leaves_what_was_known_and_comes_back(
    start_server: StartServer, visit: Visit
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = start_server({"http": f"127.0.0.1:{port}"})
    trace = Trace("steady", 1)
    trace.span("beat", 0, 5)
    trace.send(server)
    visit.is_live = True
    visit.excused = ("Failed to fetch",)
    page = visit.look(f"{server.url}/#/find?last=1h")
    expect(page.get_by_text("beat").first).to_be_visible()
    server.kill()
    # It asks anew by itself, and says that nobody answered; what was known stays.
    notice = page.get_by_role("alert").filter(has_text="cannot be reached").first
    expect(notice).to_be_visible()
    expect(page.get_by_text("beat").first).to_be_visible()
    start_server({"http": f"127.0.0.1:{port}"})
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_text("beat").first).to_be_visible()
