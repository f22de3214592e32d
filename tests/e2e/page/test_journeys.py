"""What people come for, from the question to the answer, by what is on the page."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.executed import Runner, until
from tests.e2e.page.chromium import press_at_once, settle
from tests.e2e.page.shop import CAMERA, CART, LIDAR, OUTPUT, RANGE, Shop, ask
from tests.e2e.terminal import SECONDS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.e2e.page.chromium import Visit


@pytest.fixture
def runner(shop: Shop) -> Iterator[Runner]:
    runner = Runner(shop.server)
    yield runner
    runner.clear()


def wait_for_answer(page: Page) -> None:
    """Wait until what the address asks for is shown: one frame draws it, the next asks for it."""
    for _ in range(3):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    page.wait_for_function("() => !document.querySelector('.loading-line')")


def test_the_slow_purchase_is_found_and_commented_on(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    operation = page.get_by_role("combobox", name="operation")
    operation.fill("POST /ch")
    page.get_by_role("option", name="POST /checkout").first.click()
    page.get_by_label("Order").select_option("slowest")
    page.get_by_role("listitem").filter(has_text="POST /checkout").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("POST /checkout")
    expect(page.get_by_role("banner")).to_contain_text("4.21 s")
    # The statement that waited: two steps down from the purchase.
    expect(page).to_have_url(re.compile("span="))
    page.get_by_label(re.compile("^Spans")).first.focus()
    press_at_once(page, "j", "j")
    expect(page.get_by_role("heading", name="SELECT stock FOR UPDATE")).to_be_visible()
    expect(page.get_by_text("lock wait").filter(visible=True).first).to_be_visible()
    page.get_by_role("tab", name="comments").click()
    page.get_by_label("Comment").fill("the nightly export holds the lock")
    page.get_by_role("button", name="Say it").click()
    expect(page.get_by_role("article")).to_contain_text("the nightly export holds the lock")
    (comment,) = ask(shop.server, "GET", f"/api/v1/traces/{shop.slow}/comments")["comments"]
    assert comment["span_id"] == shop.slow_span
    # A link is a finding: whoever is sent it sees the same.
    page.reload()
    expect(page.get_by_role("article")).to_contain_text("the nightly export holds the lock")


def test_a_twin_is_scrubbed_to_the_change_that_broke_it_and_its_span(
    shop: Shop, visit: Visit
) -> None:
    page = visit.look(f"{shop.server.url}/#/twin?{RANGE}")
    page.get_by_role("searchbox", name="Object").fill(CART)
    page.keyboard.press("Tab")
    page.get_by_role("listitem").filter(has_text=CART).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(CART)
    broken = page.get_by_text("covered does not hold")
    expect(broken).to_be_visible()
    expect(page.get_by_text("6 events")).to_be_visible()
    # Back, change by change, until it holds; then the next one is the one.
    while broken.count():
        before = page.url
        page.keyboard.press("[")
        expect(page).not_to_have_url(before)
        wait_for_answer(page)
    page.keyboard.press("]")
    expect(broken).to_be_visible()
    expect(page).to_have_url(re.compile("at=[^&]*T10%3A30%3A00"))
    # All of it came later than it happened: at that moment nobody knew.
    switch = page.get_by_role("checkbox", name="What was known then")
    page.keyboard.press("t")
    expect(page.get_by_text("before_first_arrival")).to_be_visible()
    expect(page.get_by_text(re.compile("^As known then: without 5 events"))).to_be_visible()
    page.reload()
    expect(switch).to_be_checked()
    # Until its events are there the switch stands for the address alone, and goes with it.
    expect(page.get_by_text("6 events")).to_be_visible()
    switch.uncheck()
    expect(broken).to_be_visible()
    page.get_by_role("link", name="the span that last changed it").click()
    expect(page).to_have_url(re.compile(f"trace/{shop.broken}.*span={shop.broken_span}"))
    expect(page.get_by_role("heading", name="apply payment", exact=True)).to_be_visible()


def test_a_runaway_subtree_is_cancelled_and_seen_to_end(
    shop: Shop, visit: Visit, runner: Runner
) -> None:
    child = '$CLEW exec --name child-of-runaway -- sh -c "trap : TERM; sleep 600 & wait" & wait'
    run = runner.shell(child, name="runaway")
    run.until_status("connected")
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/tree")
    # The tree is heard, not asked: both come by themselves.
    expect(page.get_by_role("listitem").filter(has_text="child-of-runaway")).to_be_visible()
    rows = page.get_by_role("listitem").filter(has_text="runaway")
    rows.filter(has_not_text="child-of").get_by_role("link").first.click()
    page.get_by_role("button", name=re.compile("^Cancel")).click()
    asked = page.get_by_role("dialog", name="Cancel")
    asked.get_by_label("everything below it as well").check()
    # Whom it hits is named before anybody is hit.
    expect(asked).to_contain_text("child-of-runaway")
    asked.get_by_role("button", name="Cancel 2 apps").click()
    became = page.get_by_role("table", name="What became of each")
    expect(became.get_by_role("row")).to_have_count(2)
    expect(became).to_contain_text("cancelled")
    expect(page.get_by_label("App", exact=True).get_by_text("cancelled").first).to_be_visible()
    run.until_status("cancelled")
    run.process.wait(SECONDS_MAX)
    page.get_by_role("tab", name="audit").click()
    entry = page.get_by_role("listitem").filter(has_text=re.compile("cancel.*allowed", re.DOTALL))
    expect(entry.first).to_be_visible()


def test_an_output_is_walked_to_the_frames_it_was_made_of(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/lineage?{RANGE}")
    page.get_by_label("Id of an output").fill(str(OUTPUT))
    page.get_by_role("button", name="Show").click()
    evidence = page.get_by_role("complementary", name="Evidence")
    expect(evidence.get_by_role("heading", name="detect")).to_be_visible()
    page.get_by_role("link", name=re.compile("^fuse")).click()
    expect(evidence.get_by_role("heading", name="fuse")).to_be_visible()
    for sensor in (CAMERA, LIDAR):
        expect(
            evidence.get_by_role("button", name=re.compile(f"Go to .* {sensor}"))
        ).to_be_visible()
    page.get_by_role("link", name=re.compile("^grab frame")).click()
    evidence.get_by_role("link", name="grab frame").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("camera")


def test_what_failed_and_why_is_answered_by_what_sets_it_apart(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}&service=checkout&status=error")
    page.get_by_role("button", name=re.compile("Why different|What sets")).first.click()
    expect(page.get_by_role("row").filter(has_text="customer.tier").first).to_contain_text("gold")


def test_a_wrong_filter_says_what_is_wrong_beside_it(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    page.get_by_label(re.compile("^expression")).fill("http.status_code >=")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_be_visible()


def test_the_agent_that_spent_most_is_first(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/services?show=agents&{RANGE}")
    rows = page.get_by_role("table", name="Agents").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("researcher")
    expect(rows.nth(2)).to_contain_text("planner")


def test_what_comes_is_seen_live_and_waits_while_it_is_paused(shop: Shop, visit: Visit) -> None:
    from tests.e2e.telemetry import Trace

    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/live?service=breaking")
    following = page.get_by_role("button", name=re.compile("following")).first
    expect(following).to_be_visible()
    numbers = itertools.count()

    def is_seen() -> bool:
        news = Trace("breaking", next(numbers))
        news.span(f"news {news.number}", 0, 1)
        news.send(shop.server)
        return page.get_by_text(re.compile("^news")).first.is_visible()

    # The feed may open after any number of them were sent: what counts is that they come.
    until(is_seen)
    following.click()
    expect(page.get_by_role("button", name=re.compile("paused")).first).to_be_visible()
    late = Trace("breaking", next(numbers))
    late.span("late news", 0, 1)
    late.send(shop.server)
    expect(page.get_by_role("button", name=re.compile("paused, [1-9]"))).to_be_visible()
    expect(page.get_by_text("late news")).to_have_count(0)
    page.get_by_role("button", name=re.compile("paused")).first.click()
    expect(page.get_by_text("late news").first).to_be_visible()


def test_a_view_copies_itself_as_whatever_somebody_needs(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/trace/{shop.slow}?{RANGE}")
    page.get_by_text("Copy as").click()
    shown = {
        name: page.get_by_role("button", name=re.compile(f"^{name}")).get_attribute("title")
        for name in ("Link", "Command", "SQL", "curl", "MCP call")
    }
    assert shown["Command"] == f"clew trace {shop.slow}"
    assert shown["curl"] == f"curl {shop.server.url}/api/v1/traces/{shop.slow}"
    assert shop.slow in (shown["SQL"] or "")
    assert shop.slow in (shown["MCP call"] or "")
    assert (shown["Link"] or "").startswith(shop.server.url)


def test_a_range_that_is_chosen_goes_along_to_every_screen(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    expect(page.get_by_text("GET /products").first).to_be_visible()
    settle(page)
    box = page.locator(".timebar canvas").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.6, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=4)
    # The part that was drawn over is seen before it is taken.
    expect(page.locator(".timebar .brush")).to_be_visible()
    page.mouse.up()
    expect(page).not_to_have_url(re.compile("start=[^&]*10%3A00%3A00"))
    chosen = re.search("start=([^&]*)", page.url)
    assert chosen is not None
    for name in ("Services", "Twin", "Find"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        assert f"start={chosen[1]}" in page.url


def test_what_is_near_and_what_was_lost_is_told_and_shown_where_it_is(
    shop: Shop, visit: Visit
) -> None:
    # What the server tells of itself happens now.
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/health?last=1h")
    limits = page.get_by_role("region", name="Limits", exact=True)
    expect(limits).to_contain_text(re.compile("No limit is near; the nearest is|Near the limit:"))
    expect(limits.get_by_role("meter").first).to_be_visible()
    kept = page.get_by_role("region", name="What is kept", exact=True)
    expect(kept.get_by_role("row").filter(has_text="spans").first).to_contain_text("KiB")
    memory = page.get_by_role("region", name="Memory")
    expect(memory.locator("canvas")).to_be_visible()
    memory.get_by_text("as a table").click()
    expect(memory.get_by_role("cell").filter(has_text="MiB").first).to_be_visible()
    # One event of the morning broke its registry, and came today.
    lost = page.get_by_role("region", name="Rejected and dropped")
    lost.get_by_role("link", name="rejected: they break their registry").click()
    expect(page.get_by_role("table", name="Rejected events")).to_contain_text("expected an integer")
    # Looked for in the morning itself there is none, and the page says why.
    page.goto(f"{shop.server.url}/#/twin?show=rejected&{RANGE}")
    page.get_by_role("link", name="Look at the last year").click()
    expect(page.get_by_role("table", name="Rejected events")).to_contain_text("cart_9")
    services = {each["name"] for each in ask(shop.server, "GET", "/api/v1/services")["services"]}
    assert "clew" not in services
