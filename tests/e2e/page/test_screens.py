"""Every screen shows what it is for, to everybody: in the light, in the dark, when it is read out.

With CLEW_SCREENSHOTS=1 (``make screenshots``) the same run writes the pictures of the guide.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from clew.base.times import format_time
from tests.e2e.page.accessibility import find_barriers
from tests.e2e.page.chromium import (
    DESK,
    PHONE,
    ROOT,
    go,
    open_visit,
    press_at_once,
    settle,
)
from tests.e2e.page.shop import CART, MORNING, OUTPUT, RANGE, SECOND, Shop
from tests.integration.test_tree_rest import peer
from tests.integration.tree_house import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.e2e.page.chromium import Visit

PICTURES: Final = ROOT / "docs/guide/img"

LOOKED_AT: Final = ROOT / "build/page"
"""Pictures that are looked at and not kept: small, and dark."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A screen as somebody finds it. `shows` must be there; `picture`: the guide shows it."""

    name: str
    address: str
    shows: tuple[str, ...]
    picture: bool = False
    is_live: bool = False


SCENES: Final = (
    Scene("find", f"#/find?{RANGE}", ("POST /checkout", "GET /products"), picture=True),
    Scene("find-spans", f"#/find?show=spans&{RANGE}", ("SELECT products",)),
    Scene("find-logs", f"#/find?show=logs&{RANGE}", ("provider answered 402",)),
    Scene("find-sql", f"#/find?show=sql&{RANGE}", ("SELECT",)),
    Scene(
        "trace",
        "#/trace/{slow}?span={slow_span}&" + RANGE,
        ("SELECT … FOR UPDATE", "lock wait"),
        picture=True,
    ),
    Scene("trace-agent", "#/trace/{agent}?" + RANGE, ("researcher",)),
    Scene("trace-none", f"#/trace?{RANGE}", ("Which trace?",)),
    Scene("tree", "#/tree/{worker}", ("planner", "reading"), picture=True, is_live=True),
    Scene("twin-objects", f"#/twin?{RANGE}", (CART, "ShoppingCart")),
    Scene(
        "twin",
        f"#/twin/ShoppingCart/{CART}?at={{broke_at}}&{RANGE}",
        ("covered does not hold", "129.5"),
        picture=True,
    ),
    Scene("twin-rejected", f"#/twin?show=rejected&{RANGE}", ("Rejected events",)),
    Scene("lineage-none", f"#/lineage?{RANGE}", ("Whose origin?",)),
    Scene("lineage", f"#/lineage/{OUTPUT}?{RANGE}", ("detect", "fuse", "grab frame"), picture=True),
    Scene("services", f"#/services?{RANGE}", ("checkout",), picture=True),
    Scene("services-metrics", f"#/services?show=metrics&{RANGE}", ("shop.queue.depth",)),
    Scene("services-agents", f"#/services?show=agents&{RANGE}", ("researcher", "$0.25")),
    Scene("services-changes", f"#/services?show=changes&{RANGE}", ("Services",)),
    Scene("team", f"#/team?{RANGE}", ("Team",)),
    Scene("live", "#/live", ("Live",), is_live=True),
    Scene("health", f"#/health?{RANGE}", ("Is it ready?",), picture=True, is_live=True),
    Scene("nowhere", "#/nowhere", ("There is no such screen",)),
)


@pytest.fixture(scope="module")
def tree(shop: Shop) -> Iterator[dict[str, str]]:
    """A planner with three workers, as long as the file's tests run."""
    ids = {name: new_id() for name in ("planner", "worker", "worker-1", "worker-2")}
    with peer(shop.server) as app:
        app.join(ids["planner"], app_name="planner")
        app.say(ids["planner"], "Status", {"phase": "planning", "progress": 0.4, "cost_usd": 0.31})
        for number, name in enumerate(("worker", "worker-1", "worker-2")):
            app.join(ids[name], ids["planner"], app_name=f"worker-{number}")
            said = {"phase": "reading", "progress": 0.2 + number * 0.3, "tokens": 4200 * number}
            app.say(ids[name], "Status", said)
        yield ids


@pytest.fixture(scope="module")
def rooms(shop: Shop, browser: Browser) -> Iterator[dict[bool, Visit]]:
    """Two pages in which one scene after the other is opened: with a clock that runs, and without.

    A page's start, and axe's in it, cost more than most scenes.
    """
    with open_visit(browser) as still, open_visit(browser) as live:
        live.is_live = True
        for visit in (still, live):
            visit.page.add_init_script(_HEAR_SHIFTS)
            visit.look(f"{shop.server.url}/#/nowhere")
        yield {False: still, True: live}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_screen_shows_what_it_is_for_and_keeps_nobody_out(
    scene: Scene, shop: Shop, tree: dict[str, str], rooms: dict[bool, Visit]
) -> None:
    visit = rooms[scene.is_live]
    page = visit.page
    page.emulate_media(color_scheme="light")
    for width, height in (PHONE, DESK):
        page.set_viewport_size({"width": width, "height": height})
        assert_opens_without_a_shift(visit, scene, fill(scene, shop, tree))
        assert not find_crowded(page), (width, find_crowded(page))
    if "CLEW_SCREENSHOTS" in os.environ:
        take_pictures(visit, scene)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        barriers = find_barriers(page, colours_alone=scheme == "dark")
        assert not barriers, "\n".join((scheme, *barriers))
    visit.assert_clean()


_HEAR_SHIFTS: Final = """
window.clewShifts = [];
const keep = (entries) => entries.forEach(({ value, sources }) => window.clewShifts.push({
    value,
    what: sources.map(({ node, previousRect, currentRect }) =>
        `${node?.outerHTML?.slice(0, 80) ?? node?.textContent} from ${previousRect.y} to ${
            currentRect.y}`),
}));
new PerformanceObserver((list) => keep(list.getEntries())).observe({ type: "layout-shift" });
"""

_TWO_FRAMES: Final = """
() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
    setTimeout(() => done(window.clewShifts.splice(0))))))
"""

SHIFT_MAX: Final = 0.001
"""A line of text that moves by its height within a large window is four times as much."""


def assert_opens_without_a_shift(visit: Visit, scene: Scene, address: str) -> None:
    """Open a scene; what is seen once must stay where it is while the rest comes."""
    page = visit.page
    go(page, re.sub(r"#/[^?]*", "#/nowhere", address))
    expect(page.get_by_role("heading", level=1)).to_have_text("Nowhere")
    page.evaluate(_TWO_FRAMES)
    go(page, address)
    expect(page.locator("h1, h2").first).to_be_visible()
    for text in scene.shows:
        expect(page.get_by_text(text).filter(visible=True).first).to_be_visible()
    settle(page)
    shifts = page.evaluate(_TWO_FRAMES)
    assert sum(each["value"] for each in shifts) < SHIFT_MAX, shifts


_CROWDED = """
() => {
    const wide = document.documentElement.clientWidth;
    const found = [];
    if (document.documentElement.scrollWidth > wide) found.push("wider than the window");
    for (const each of document.querySelectorAll("a, button, input, select, textarea, summary")) {
        const { width, height, left, right } = each.getBoundingClientRect();
        const style = getComputedStyle(each);
        // What is in a sentence need not be large, nor what has a label.
        if (width === 0 || style.display === "inline") continue;
        if (each.closest(".hidden, label, svg")) continue;
        const name = `${each.tagName} ${each.ariaLabel ?? each.textContent.slice(0, 40)}`;
        if (width < 23.5 || height < 23.5) found.push(`${name}: ${width} x ${height}`);
        // What scrolls by itself may go on behind its edge.
        const scrolls = each.closest(".scroll, .rail, .rows, table, .graph");
        if (right > wide + 1 && left < wide && !scrolls) found.push(`${name}: cut at the edge`);
    }
    return found;
}
"""


def find_crowded(page: Page) -> list[str]:
    """Return what is wider than the window, too small to be hit, or cut off."""
    found: list[str] = page.evaluate(_CROWDED)
    return found


def take_pictures(visit: Visit, scene: Scene) -> None:
    """Write what is seen: the guide's picture, and the others to be looked at."""
    page = visit.page
    LOOKED_AT.mkdir(parents=True, exist_ok=True)
    for scheme, (width, height), name in (
        ("light", DESK, "desk"),
        ("dark", DESK, "dark"),
        ("light", PHONE, "phone"),
    ):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        # As somebody opens it at this size.
        page.reload()
        expect(page.get_by_text(scene.shows[0]).filter(visible=True).first).to_be_visible()
        settle(page)
        # What is drawn is drawn in the next frame.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        page.screenshot(path=LOOKED_AT / f"{scene.name}-{name}.png")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.emulate_media(color_scheme="light")
    page.reload()
    expect(page.get_by_text(scene.shows[0]).filter(visible=True).first).to_be_visible()
    settle(page)
    if scene.picture:
        keep_picture(LOOKED_AT / f"{scene.name}-desk.png", PICTURES / f"{scene.name}.png")


def keep_picture(taken: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(taken.read_bytes())


def fill(scene: Scene, shop: Shop, tree: dict[str, str]) -> str:
    """Return a scene's address with the ids of this run."""
    broke_at = format_time(MORNING + 31 * 60 * SECOND)
    known = {"slow": shop.slow, "slow_span": shop.slow_span, "agent": shop.agent}
    return scene.address.format(broke_at=broke_at, **known, **tree)


def test_the_page_can_be_used_without_a_mouse(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    expect(page.get_by_text("POST /checkout").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Go to anything")
    page.keyboard.press("Escape")
    # One after the other within a second, however slow the machine is.
    press_at_once(page, "g", "w")
    expect(page.get_by_role("heading", name="Twin")).to_be_visible()
    assert RANGE.split("&", 1)[0].partition("=")[2].replace(":", "%3A") in page.url
    page.keyboard.press("Control+k")
    page.keyboard.type("health")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Twin")).to_be_visible()


def test_every_screen_is_reached_and_gone_through_by_keys_alone(
    shop: Shop, tree: dict[str, str], visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/nowhere?{RANGE}")
    for key, title in zip("lftawismh", TITLES, strict=True):
        press_at_once(page, "g", key)
        expect(page.get_by_role("heading", level=1)).to_contain_text(title)
        expect(page.locator("nav [aria-current=page]", has_text=title).first).to_be_visible()
        # What has the focus stays: nothing else comes in its place.
        expect(page.locator(".main .loading-line")).to_have_count(0)
        # Past the rail into the screen: whatever has the focus is seen to have it.
        page.locator(".rail a").last.focus()
        for _ in range(4):
            page.keyboard.press("Tab")
            focused = page.evaluate(_FOCUSED)
            assert focused["outline"] >= 1, (title, focused)
        # Where text is typed, a question mark is one.
        page.locator(".rail a").last.focus()
        page.keyboard.press("?")
        keys = page.get_by_role("dialog", name="Keys")
        expect(keys).to_contain_text("Take the cursor away")
        page.keyboard.press("Escape")
        expect(keys).to_have_count(0)


TITLES: Final = (
    *("Live", "Find", "Trace", "Tree", "Twin", "Lineage", "Services", "Team", "Health"),
)

_FOCUSED: Final = """
() => {
    const { tagName, textContent } = document.activeElement;
    const outline = parseFloat(getComputedStyle(document.activeElement).outlineWidth);
    return { tagName, text: textContent.slice(0, 40), outline };
}
"""


_WAY_TO_TARGET: Final = """
(wanted) => {
    const targets = [...wanted.parentElement.children];
    return targets.indexOf(wanted) - targets.findIndex((each) => each.ariaSelected === "true");
}
"""


def test_the_palette_leads_to_whatever_has_a_name(
    shop: Shop, tree: dict[str, str], visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/find?{RANGE}")
    for typed, kind, leads in (
        (shop.slow, "trace", f"trace/{shop.slow}"),
        ("worker-0", "app", f"tree/{tree['worker']}"),
        (CART, "object", f"twin/ShoppingCart/{CART}"),
        (str(OUTPUT), "lineage", f"lineage/{OUTPUT}"),
        ("checkout", "spans of a service", "find.*service=checkout"),
    ):
        page.keyboard.press("Control+k")
        page.get_by_role("combobox", name="Where to").fill(typed)
        targets = page.get_by_role("dialog", name="Go to anything").get_by_role("option")
        wanted = targets.filter(has_text=kind).first
        expect(wanted, typed).to_be_visible()
        # More may be found while one goes there, before it or after it.
        while (way := wanted.evaluate(_WAY_TO_TARGET)) != 0:
            page.keyboard.press("ArrowDown" if way > 0 else "ArrowUp")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(leads))
    page.keyboard.press("Control+k")
    page.keyboard.type("show all keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_what_the_page_asks_by_itself_is_no_look_of_anybody(shop: Shop, visit: Visit) -> None:
    visit.is_live = True
    asked: list[str | None] = []
    visit.page.on(
        "request",
        lambda request: (
            asked.append(request.headers.get("x-clew-session"))
            if "/api/v1/services?" in request.url
            else None
        ),
    )
    page = visit.look(f"{shop.server.url}/#/services?last=2d")
    expect(page.get_by_role("table", name="Services")).to_be_visible()
    # Paused and followed again it is asked anew, and shows the same.
    with page.expect_request("**/api/v1/services?*"):
        page.keyboard.press("l")
        page.keyboard.press("l")
    # The clock may have asked before.
    assert asked[0] is None
    assert set(asked[1:]) == {"off"}
