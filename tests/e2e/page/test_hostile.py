"""Text of telemetry is text: whatever it says, on every screen."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.e2e.page.chromium import go, settle
from tests.e2e.page.shop import HOSTILE, NIGHT_RANGE, Shop, send_hostile
from tests.integration.test_tree_rest import peer
from tests.integration.tree_house import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.page.chromium import Visit

OBJECT = quote(f"cart {HOSTILE}", safe="")

SCREENS = {
    "find": f"#/find?{NIGHT_RANGE}",
    "spans": f"#/find?show=spans&{NIGHT_RANGE}",
    "logs": f"#/find?show=logs&{NIGHT_RANGE}",
    "span": "#/trace/{trace}?pane=span&" + NIGHT_RANGE,
    "log records": "#/trace/{trace}?pane=logs&" + NIGHT_RANGE,
    "comments": "#/trace/{trace}?pane=comments&" + NIGHT_RANGE,
    "around": "#/trace/{trace}?pane=around&" + NIGHT_RANGE,
    "app": "#/tree/{app}",
    "messages": "#/tree/{app}?pane=messages",
    "objects": f"#/twin?{NIGHT_RANGE}",
    "object": f"#/twin/ShoppingCart/{OBJECT}?field=status&{NIGHT_RANGE}",
    "steps": "#/twin?show=steps&trace={trace}&" + NIGHT_RANGE,
    "services": f"#/services?{NIGHT_RANGE}",
}


@pytest.fixture(scope="module")
def harm(shop: Shop) -> Iterator[dict[str, str]]:
    """A trace, and an app that runs, of somebody who means harm."""
    app_id = new_id()
    with peer(shop.server) as app:
        app.join(app_id, app_name=HOSTILE.replace("\x00", ""))
        app.say(app_id, "Status", {"phase": HOSTILE, "progress": HOSTILE, "tokens": HOSTILE})
        yield {"trace": send_hostile(shop.server), "app": app_id}


def test_text_that_means_harm_does_none_on_any_screen(
    shop: Shop, harm: dict[str, str], visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/nowhere")
    for name, address in SCREENS.items():
        go(page, address.format(**harm))
        # It is shown, as the letters that it consists of.
        shown = page.get_by_text("<script>window.owned=1</script>").filter(visible=True)
        expect(shown.first, name).to_be_visible()
        assert page.evaluate("() => window.owned") is None, name
        assert page.locator("main script, main img, main iframe").count() == 0, name
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 1440, name
    visit.assert_clean()


def test_a_turn_of_direction_stays_within_its_field(
    shop: Shop, harm: dict[str, str], visit: Visit
) -> None:
    page = visit.look(f"{shop.server.url}/{SCREENS['find']}")
    row = page.get_by_role("listitem").filter(has_text="owned").first
    expect(row).to_be_visible()
    settle(page)
    # What stands after the hostile name stays to the right of it.
    name, took = row.locator(".grow").first.bounding_box(), row.locator(".duration").bounding_box()
    assert name is not None
    assert took is not None
    assert took["x"] >= name["x"] + name["width"] - 1


def test_an_address_that_means_harm_is_an_address(shop: Shop, visit: Visit) -> None:
    page = visit.look(f"{shop.server.url}/#/nowhere")
    for screen in ("trace", "tree", "twin/Cart", "lineage", "find", "services", "team"):
        for text in (
            "%3Cimg src=x onerror=window.owned=1%3E",
            "javascript:alert(1)",
            "%",
            "a/../b",
        ):
            go(page, f"#/{screen}/{text}?at=%zz")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert page.evaluate("() => window.owned") is None
    # A question that names what there is not, or nonsense, is answered no; that is all.
    visit.assert_clean()
