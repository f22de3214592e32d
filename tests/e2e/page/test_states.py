"""Every view in each state: without data, without a server, refused, cut, slow."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from clew.testing.network import HeldPorts
from clew.testing.server import ServerProcess
from tests.e2e.page.accessibility import find_barriers
from tests.e2e.page.chromium import find_chromium, go, settle
from tests.e2e.page.shop import RANGE, Shop
from tests.e2e.telemetry import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Route

    from tests.e2e.page.chromium import Visit

EMPTY: Final = {
    "#/live": "Waiting for what comes",
    "#/find": "Nothing came in this time",
    "#/find?show=spans": "Nothing came in this time",
    "#/find?show=logs": "Nothing came in this time",
    "#/find?service=none": "Nothing matches",
    "#/find?show=sql": "Ask anything of what is stored",
    "#/find?show=sql&sql=SELECT+1+WHERE+0": "No rows",
    "#/trace": "None came in this time",
    "#/tree": "Nothing runs in the tree now",
    "#/tree?all=true": "Nothing ran in the tree yet",
    "#/twin": "No object said anything in this time",
    "#/twin?show=processes": "No process ran in this time",
    "#/twin?show=steps": "Of which trace?",
    "#/twin?show=rejected": "None was rejected in this time",
    "#/lineage": "Nothing was joined in this time",
    "#/lineage/123456789012": "Nothing is known of this id",
    "#/services": "No service said anything in this time",
    "#/services?show=metrics": "No metric was sent in this time",
    "#/services?show=agents": "No agent called a model in this time",
    "#/services?show=changes": "There is nothing to compare yet",
    "#/services/none": "sent no span in this time",
    "#/team": "No session was begun yet",
    "#/team/activity": "Nobody worked in a session in this time",
    "#/team/members": "belongs to no team yet",
    "#/team/sync": "belongs to no team yet",
    "#/team/conflicts": "belongs to no team yet",
}
"""What each view says where there is nothing; Health always has something."""

BROUGHT: Final = {
    "#/find": "hello",
    "#/find?show=logs": "hello",
    "#/services?show=metrics": "hello",
    "#/services?show=agents": "helper",
    "#/twin": "cart_123",
    "#/twin?show=processes": "order_7",
    "#/lineage": "lambda",
}
"""What the lines bring that a view shows where it is empty."""

SCREENS: Final = {
    "#/live": "Live",
    "#/find": "Find",
    "#/trace": "Trace",
    "#/tree": "Tree",
    "#/twin": "Twin",
    "#/lineage": "Lineage",
    "#/services": "Services",
    "#/team": "Team",
    "#/health": "Health",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states") / "data"


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, str]]:
    """An address that is nobody else's, also while no server is there."""
    with contextlib.closing(HeldPorts(1)) as held:
        yield {"http": held.addresses[0]}


@pytest.fixture(scope="module")
def server(folder: Path, settings: dict[str, str]) -> Iterator[ServerProcess]:
    """A server that nobody told anything; what a test ends comes back where it was."""
    find_chromium()
    with ServerProcess(folder, settings) as opened:
        yield opened


def test_a_view_without_data_says_so_and_what_brings_some(
    server: ServerProcess, visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(f"{server.url}/#/nowhere")
    lines: dict[str, str] = {}
    for address, words in EMPTY.items():
        go(page, address)
        expect(page.get_by_text(words).first, address).to_be_visible()
        expect(page.get_by_role("alert"), address).to_have_count(0)
        if address in BROUGHT:
            lines[address] = page.locator(".main pre").first.inner_text()
    assert not find_barriers(page)
    # They are run as they stand there, one after the other, and each view shows what they brought.
    script = "\n".join(f"exec({text!r}, {{}})" for text in dict.fromkeys(lines.values()))
    environ = os.environ | {"CLEW_SERVER": server.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    subprocess.run([sys.executable, "-c", script], env=environ, check=True, timeout=200)
    for address, words in BROUGHT.items():
        go(page, address)
        expect(page.get_by_text(words).filter(visible=True).first, address).to_be_visible()


def test_a_server_that_goes_leaves_what_was_known_and_comes_back(
    server: ServerProcess, folder: Path, settings: dict[str, str], visit: Visit
) -> None:
    trace = Trace("steady", 1)
    trace.span("beat", 0, 5)
    trace.send(server)
    visit.is_live = True
    visit.excused = ("Failed to fetch",)
    page = visit.look(f"{server.url}/#/nowhere")
    for address, title in SCREENS.items():
        go(page, address)
        expect(page.get_by_role("heading", level=1)).to_contain_text(title)
        # The title stands there before the screen has come.
        expect(page.locator(".main .loading-line")).to_have_count(0)
    go(page, "#/services")
    expect(page.get_by_role("table", name="Services")).to_be_visible()
    server.kill()
    # It asks anew by itself, and says that nobody answered; what was known stays, and is grey.
    away = page.get_by_role("alert").filter(has_text="What you see is from")
    expect(away).to_be_visible()
    expect(page.locator(".is-stale").get_by_role("table", name="Services")).to_be_visible()
    assert not find_barriers(page)
    for address, title in SCREENS.items():
        go(page, address)
        expect(page.get_by_role("heading", level=1)).to_contain_text(title)
        expect(away).to_be_visible()
        # Never a blank: what is not known says why, and what to do.
        told = page.locator(".main").get_by_text(re.compile("cannot be reached|Waiting for what"))
        expect(told.first, address).to_be_visible()
    go(page, "#/find")
    expect(page.locator(".main pre").get_by_text("clew serve")).to_be_visible()
    with ServerProcess(folder, settings):
        # Nobody asked for it: it is there again.
        expect(away).to_have_count(0)
        expect(page.get_by_label("Traces", exact=True)).to_be_visible()
        for address, title in SCREENS.items():
            go(page, address)
            expect(page.get_by_role("heading", level=1)).to_contain_text(title)
            expect(page.get_by_role("alert"), address).to_have_count(0)
        page.goto("about:blank")


def test_a_shard_that_is_missing_is_told_of_on_every_screen(
    shop: Shop, tmp_path: Path, visit: Visit
) -> None:
    # The file's own server was ended by the test before.
    shards = {"shards": f"here={shop.server.url},gone=http://127.0.0.1:9", "shard_timeout": "60"}
    with ServerProcess(tmp_path / "tier", shards) as tier:
        visit.is_live = True
        page = visit.look(f"{tier.url}/#/find")
        told = page.get_by_role("status").filter(has_text="This shard does not answer: gone.")
        for address in ("#/find", "#/services", "#/twin"):
            go(page, address)
            expect(told, address).to_be_visible()
        # Why, and which server it is, is told in Health; what a tier does not keep has its places.
        told.get_by_role("link", name="Why?").click()
        panel = page.get_by_role("region", name="Its shards")
        expect(panel).to_contain_text("gone: no clew server answers at http://127.0.0.1:9")
        expect(panel.get_by_role("row", name="gone")).to_contain_text("does not answer")
        assert not find_barriers(page)
        go(page, "#/team/sync")
        there = page.get_by_role("heading", name="Teams are at the shards").locator("xpath=..")
        expect(there.get_by_role("link", name="here")).to_have_attribute(
            "href", f"{shop.server.url}/#/team"
        )
        assert not find_barriers(page)
        page.goto("about:blank")


def test_a_question_that_is_refused_says_what_to_do_next(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/nowhere")
    none = f"{1:032x}"
    for address, words, hint in (
        (f"#/trace/{none}?{RANGE}", f"no span of trace {none} is here", "clew traces"),
        (f"#/trace/{none}?show=transcript&{RANGE}", "is here", "clew"),
        (f"#/twin/ShoppingCart/none?{RANGE}", "nothing is known of an object", "clew objects"),
        ("#/lineage/not-an-id", "trace id", ""),
        (
            f"#/find?show=sql&sql=SELECT+nothing+FROM+nowhere&{RANGE}",
            "is not allowed",
            "clew sql --schema",
        ),
        (f"#/find?q=duration+%3E&{RANGE}", "cannot be read", ""),
        (f"#/team/sessions/none?{RANGE}", "not an id", "an id looks like"),
    ):
        go(page, address)
        state = page.locator(".state").filter(has_text=words).first
        expect(state, address).to_be_visible()
        expect(state, address).to_contain_text(hint)


def test_an_answer_that_is_cut_says_so(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?show=sql&sql=SELECT+number+FROM+numbers(5000)")
    expect(page.get_by_text("1,000 rows, and more")).to_be_visible()
    go(page, f"#/trace/{shop.slow}?spans=2&{RANGE}")
    expect(page.get_by_role("note").filter(has_text="The first 2 of")).to_be_visible()
    page.get_by_role("button", name=re.compile("Load")).click()
    expect(page.get_by_role("note").filter(has_text="The first")).to_have_count(0)


def test_an_answer_that_takes_long_moves_nothing(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    row = page.get_by_role("listitem").filter(has_text="POST /checkout").first
    expect(row).to_be_visible()
    settle(page)
    kept: list[Route] = []
    released = threading.Event()

    def keep(route: Route) -> None:
        if released.is_set():
            route.continue_()
        else:
            kept.append(route)

    page.route("**/api/v1/traces?*", keep)
    list_of = page.get_by_label("Traces", exact=True)
    before = list_of.bounding_box()
    page.get_by_label("Range").select_option("30d")
    expect(page.locator(".main .loading-line").first).to_be_attached()
    # What was known stands where it stood while the answer is on its way.
    assert list_of.bounding_box() == before
    expect(row).to_be_visible()
    # First this: what is asked for from now on is kept by nobody.
    released.set()
    while kept:
        kept.pop().continue_()
    expect(page.locator(".main .loading-line")).to_have_count(0)
    page.unroute("**/api/v1/traces?*")
    assert list_of.bounding_box() == before
