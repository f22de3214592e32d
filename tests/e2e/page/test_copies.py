"""What a view is copied as is what it shows: each form is run, and answers the same."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from playwright.sync_api import expect

from clew.base.times import format_time
from tests.e2e.page.chromium import go
from tests.e2e.page.shop import CART, FUSED, MORNING, OUTPUT, RANGE, SECOND, Shop, ask
from tests.integration.test_tree_rest import peer
from tests.integration.tree_house import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.e2e.page.chromium import Visit

ALL: Final = "Command SQL curl MCP"
BROKE_AT: Final = format_time(MORNING + 31 * 60 * SECOND)
KNOWN_AT: Final = "2200-01-01T00:00:00Z"
"""By then everything had come."""
OPENED_AT: Final = format_time(MORNING + 3 * 60 * SECOND)


@dataclass(frozen=True, slots=True)
class View:
    """A view, the forms that it has, and what the answer of each of them must hold."""

    address: str
    forms: str
    needle: str
    part: str = ""
    """The name of the part of the screen that is copied, where it is not the screen."""
    in_rows: str | None = None
    """What the rows of its statement hold, where that is not the same."""
    waits_for: str = ""
    is_endless: bool = False
    """The command and curl follow what comes: they end when somebody ends them."""


FIND: Final = (
    View("#/live?service=checkout", ALL, "", is_endless=True),
    View(f"#/find?service=checkout&status=error&{RANGE}", ALL, "{broken_purchase}"),
    View(f"#/find?show=spans&q=duration+%3E+4s&{RANGE}", ALL, "{slow}"),
    View(f"#/find?show=logs&{RANGE}", ALL, "provider answered 402"),
    View("#/find?show=sql&sql=SELECT+7*6+AS+answer", ALL, "42"),
    View(
        f"#/find?service=checkout&status=error&why=true&{RANGE}",
        "Command curl MCP",
        "customer.tier",
        part="dialog",
    ),
)

TRACE: Final = (
    View("#/trace/{slow}?" + RANGE, ALL, "SELECT stock FOR UPDATE"),
    View("#/trace/{slow}?pane=logs&" + RANGE, ALL, "waiting for the lock", part="this pane"),
    View("#/trace/{slow}?pane=comments&" + RANGE, "Command curl MCP", "", part="this pane"),
    View("#/trace/{broken}?pane=objects&" + RANGE, "Command curl MCP", CART, part="this pane"),
    View("#/trace/{slow}?pane=around&" + RANGE, "Command curl MCP", "{slow}", part="this pane"),
    View("#/trace/{agent}?show=transcript&" + RANGE, "Command curl MCP", "researcher"),
)

TREE: Final = (
    View("#/tree/{app}", "Command curl MCP", "copied-app", waits_for="copied-app"),
    View("#/tree/{app}", "Command curl MCP", "copied-app", part="this pane"),
    View("#/tree/{app}?pane=messages", "Command curl", "reading", part="this pane"),
    View("#/tree/{app}?pane=audit", "Command curl", "", part="this pane"),
    View(f"#/twin?type=ShoppingCart&{RANGE}", ALL, CART),
    View(f"#/twin/ShoppingCart/{CART}?at={BROKE_AT}&{RANGE}", ALL, "129.5"),
    View(
        f"#/twin/ShoppingCart/{CART}?at={BROKE_AT}&from={OPENED_AT}&{RANGE}",
        ALL,
        "129.5",
    ),
    View(
        f"#/twin/ShoppingCart/{CART}?at={BROKE_AT}&recorded_at=then&{RANGE}",
        ALL,
        "before_first_arrival",
        in_rows="",
    ),
    View(
        f"#/twin/ShoppingCart/{CART}?recorded_at={KNOWN_AT}&{RANGE}",
        ALL,
        "129.5",
        part="its events",
    ),
    View(
        f"#/twin/ShoppingCart/{CART}?field=paid&{RANGE}",
        ALL,
        "129.5",
        part="this history",
    ),
    View(
        f"#/twin/ShoppingCart/{CART}?pane=references&at={BROKE_AT}&{RANGE}",
        "Command curl MCP",
        CART,
    ),
    View("#/twin?show=steps&trace={broken}&" + RANGE, ALL, CART),
    View(f"#/twin?show=processes&{RANGE}", ALL, ""),
    View("#/twin?show=rejected&last=1h", ALL, "cart_9"),
)

OTHERS: Final = (
    View("#/lineage?last=1h", ALL, str(OUTPUT)),
    View(f"#/lineage/{OUTPUT}?{RANGE}", ALL, str(FUSED)),
    View(f"#/lineage/{FUSED}/{OUTPUT}?{RANGE}", "Command curl MCP", str(OUTPUT)),
    View(f"#/services?{RANGE}", ALL, "checkout"),
    View(f"#/services?{RANGE}", "Command curl MCP", "checkout", part="this map"),
    View(f"#/services/checkout?{RANGE}", "Command curl MCP", "POST /checkout"),
    View(f"#/services?show=metrics&{RANGE}", "Command curl MCP", "shop.queue.depth"),
    View(
        f"#/services?show=metrics&{RANGE}",
        "Command curl MCP",
        "checkout",
        part="shop.queue.depth",
    ),
    View(f"#/services?show=agents&{RANGE}", "Command curl MCP", "researcher"),
    View(f"#/services?show=changes&{RANGE}", "Command curl MCP", ""),
    View(f"#/team?{RANGE}", "Command curl", ""),
    View(f"#/team/activity?{RANGE}", "Command curl MCP", ""),
    View(f"#/find?{RANGE}", "SQL curl", "", part="the density"),
)


@pytest.fixture(scope="module")
def ids(shop: Shop) -> Iterator[dict[str, str]]:
    app_id = new_id()
    query = f"/api/v1/traces?view=traces&service=checkout&status=error&limit=1&{RANGE}"
    failed = ask(shop.server, "GET", query)["traces"][0]["trace_id"]
    with peer(shop.server) as app:
        app.join(app_id, app_name="copied-app")
        app.say(app_id, "Status", {"phase": "reading"})
        known = {"slow": shop.slow, "broken": shop.broken, "agent": shop.agent}
        yield known | {"app": app_id, "broken_purchase": failed}


@pytest.mark.parametrize(
    "views", [FIND, TRACE, TREE, OTHERS], ids=["find", "trace", "tree and twin", "others"]
)
def test_whatever_a_view_is_copied_as_gives_what_it_shows(
    views: tuple[View, ...], shop: Shop, ids: dict[str, str], visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(f"{shop.server.url}/#/nowhere")
    copied = [(view, copy(page, view, ids)) for view in views]
    calls = [json.loads(forms["MCP call"]) for _, forms in copied if "MCP call" in forms]
    commands = [
        forms["Command"] for view, forms in copied if "Command" in forms and not view.is_endless
    ]
    with ThreadPoolExecutor(2) as pool:
        # In a thread of its own: the browser's client has the loop of this one.
        told = pool.submit(lambda: asyncio.run(call_tools(shop.server.url, calls)))
        asked = list(pool.map(lambda each: ask_forms(shop, *each), copied))
        tools = iter(told.result())
    printed = iter(run_commands(shop, commands))
    wrong = []
    for (view, forms), (document, rows) in zip(copied, asked, strict=True):
        answers = {"curl": document, "SQL": rows}
        if "MCP call" in forms:
            answers["MCP call"] = next(tools)
        if "Command" in forms and not view.is_endless:
            answers["Command"] = next(printed)
            if essence(answers["Command"]) != essence(document):
                wrong.append(f"{forms['Command']} is not {forms['curl']}")
        needles = dict.fromkeys(answers, view.needle.format(**ids))
        if view.in_rows is not None:
            needles["SQL"] = view.in_rows
        wrong += [
            f"no {needles[form]} in {forms[form]}: {json.dumps(answer)[:300]}"
            for form, answer in answers.items()
            if answer is not None and not holds(answer, needles[form])
        ]
    assert not wrong, "\n".join(wrong)


def holds(answer: Any, needle: str) -> bool:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return needle in text and not text.startswith("refused: ")


def copy(page: Page, view: View, ids: dict[str, str]) -> dict[str, str]:
    """Open what a view is copied by, and return each form that it offers."""
    go(page, view.address.format(**ids))
    scope = page.get_by_role("dialog") if view.part == "dialog" else page
    if view.waits_for:
        expect(page.get_by_text(view.waits_for).first).to_be_visible()
    is_screen = view.part in {"", "dialog"}
    menu = (
        scope.locator("details.menu", has=page.locator("summary:text-is('Copy as')"))
        if is_screen
        else page.locator(
            "details.menu", has=page.locator(f"summary[aria-label='Copy {view.part} as']")
        )
    )
    menu.last.locator("summary").click()
    buttons = menu.last.get_by_role("button")
    expect(buttons.first).to_be_visible()
    forms = {
        re.sub(r"\s+$", "", button.inner_text()): button.get_attribute("title") or ""
        for button in buttons.all()
    }
    wanted = view.forms.replace("MCP", "MCP_call").split()
    found = [name.replace(" ", "_") for name in forms if name != "Link"]
    assert found == wanted, (view.address, view.part)
    page.keyboard.press("Escape")
    expect(buttons).to_have_count(0)
    return forms


def ask_forms(shop: Shop, view: View, forms: dict[str, str]) -> tuple[Any, Any]:
    """Return what the address and the statement answered; None where there is none."""
    rows = ask(shop.server, "POST", "/api/v1/sql", {"q": forms["SQL"]}) if "SQL" in forms else None
    if view.is_endless or "curl" not in forms:
        return None, rows
    program, address = shlex.split(forms["curl"])
    assert program == "curl"
    with urllib.request.urlopen(address, timeout=150) as response:
        return json.load(response), rows


COMMANDS: Final = """
import contextlib, io, json, sys
from clew.app.main import main

answers = []
for words in json.load(sys.stdin):
    sys.argv, out = ["clew", *words], io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main()
    answers.append((code, out.getvalue()))
json.dump(answers, sys.stdout)
"""
"""The command line's own way in, many times in one process: most of one is its start."""


def run_commands(shop: Shop, commands: list[str]) -> list[Any]:
    """Return the document that each command printed."""
    asked = [shlex.split(command) for command in commands]
    assert {words[0] for words in asked} == {"clew"}
    ran = subprocess.run(
        [sys.executable, "-c", COMMANDS],
        input=json.dumps([words[1:] for words in asked]),
        env=os.environ | {"CLEW_SERVER": shop.server.url},
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    documents = []
    for command, (code, printed) in zip(commands, json.loads(ran.stdout), strict=True):
        # Two is that nothing matched, and still an answer.
        assert code in {0, 2}, (command, ran.stderr)
        documents.append(json.loads(printed))
    return documents


async def call_tools(url: str, calls: list[dict[str, Any]]) -> list[str]:
    """Call tools over HTTP, in one session, and return their texts."""
    from mcp import Client

    texts = []
    async with Client(f"{url}/mcp") as client:
        for call in calls:
            result = await client.call_tool(call["name"], call["arguments"])
            (content,) = result.content
            assert content.type == "text"
            # A refusal holds nothing of what is looked for, and says why.
            texts.append(f"refused: {content.text}" if result.is_error else content.text)
    return texts


VOLATILE: Final = frozenset({"elapsed_ms", "next", "total", "at_least", "truncated", "count"})


def essence(document: Any) -> Any:
    """Return a document without what is of the moment, and of each list the beginning."""
    match document:
        case dict():
            return {
                name: essence(value) for name, value in document.items() if name not in VOLATILE
            }
        case list():
            return [essence(each) for each in document[:5]]
        case _:
            return document
