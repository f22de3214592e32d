"""The page where things are not as on a laptop: behind a proxy, and with keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.page.chromium import find_chromium
from tests.e2e.page.prefix import open_prefix
from tests.e2e.page.shop import RANGE, Shop
from tests.integration.test_access_doors import SPANS, Guarded, open_guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    expect(page.get_by_role("heading", name="the API key is not valid").first).to_be_visible()
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
