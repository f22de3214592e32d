"""The page in Chromium: until it can be used, and its frames while somebody scrolls.

Time is told by the browser: `performance.now()` from the start of the navigation, and the moments
of `requestAnimationFrame`. CPU is what Chromium says that the page's main thread was at work
(`TaskDuration`), divided by frames or loads; painting on other threads is not in it. There is no
GPU: what a graphics card would do, the cores do.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from bench.clew_server import ClewServer
from bench.figures import median_of, percentile, single
from bench.page_front import open_front
from bench.processes import wait_until_idle
from tests.e2e.page.chromium import open_browser

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, CDPSession, Page

    from bench.machine import Session

TRACE: Final = f"{1:032x}"

SPANS_PER_REQUEST: Final = 5_000

DESK: Final = {"width": 1440, "height": 900}

PATIENCE_MS: Final = 240_000

FRAMES: Final = 300

STEP_PX: Final = 120
"""A quick turn of a wheel, in each frame."""

WARM_UP: Final = 20
"""Frames that are not counted: in them the engine compiles what it has not run before."""

_SCROLL: Final = """
([selector, frames, step]) => new Promise((done) => {
    const element = document.querySelector(selector);
    const moments = [];
    let way = 1;
    const turn = (moment) => {
        moments.push(moment);
        if (moments.length > frames) return done(moments);
        const left = element.scrollHeight - element.clientHeight;
        if (element.scrollTop + way * step > left || element.scrollTop + way * step < 0) way = -way;
        element.scrollTop += way * step;
        requestAnimationFrame(turn);
    };
    element.scrollTop = 0;
    requestAnimationFrame(turn);
})
"""

_IS_READY: Final = "() => document.querySelector('.rows li') ? performance.now() : null"


@dataclass(frozen=True, slots=True)
class _Sizes:
    trace: int
    live: int
    tree: int
    loads: int


FULL: Final = _Sizes(trace=50_000, live=1_000_000, tree=10_000, loads=9)
QUICK: Final = _Sizes(trace=5_000, live=20_000, tree=1_000, loads=3)


def run(session: Session) -> None:
    """Fill a server, then load, then scroll."""
    sizes = QUICK if session.quick else FULL
    with (
        tempfile.TemporaryDirectory() as scratch,
        ClewServer(Path(scratch) / "data") as server,
        open_browser() as browser,
    ):
        _fill(server, sizes.trace)
        wait_until_idle(server.pid, timeout_s=120)
        url = f"http://{server.doors['http']}"
        _weigh(session, server.http)
        _load(session, browser, url, sizes.loads)
        with _opened(browser) as (page, tools):
            page.goto(f"{url}/#/trace/{TRACE}?spans={sizes.trace}")
            page.wait_for_selector(".waterfall .spans")
            name = f"page.trace_{sizes.trace}"
            session.add(f"{name}.shown_ms", single(page.evaluate("performance.now()"), "ms"))
            _scroll(session, name, page, tools, ".waterfall .spans")
        with open_front(server.doors["http"], sizes.live, sizes.tree) as front:
            with _opened(browser) as (page, tools):
                page.goto(f"{front}/#/live?without=app,log")
                _wait_for_rows(page, sizes.live)
                _scroll(session, f"page.live_{sizes.live}", page, tools, ".rows")
            with _opened(browser) as (page, tools):
                page.goto(f"{front}/#/tree")
                _wait_for_rows(page, sizes.tree)
                name = f"page.tree_{sizes.tree}"
                session.add(f"{name}.shown_ms", single(page.evaluate("performance.now()"), "ms"))
                _scroll(session, name, page, tools, ".rows")


def _fill(server: ClewServer, spans: int) -> None:
    """Send one trace as wide as it is deep: a root, hundreds of children, tens below each."""
    start = time.time_ns() - 60_000_000_000
    for first in range(0, spans, SPANS_PER_REQUEST):
        told = []
        for number in range(first, min(first + SPANS_PER_REQUEST, spans)):
            parent = 0 if number % 50 == 0 else number - number % 50 if number % 5 else number - 1
            at = start + number * 1_000_000
            span: dict[str, Any] = {
                "traceId": TRACE,
                "spanId": f"{number + 1:016x}",
                "name": f"step {number % 37}",
                "kind": 1,
                "startTimeUnixNano": str(at),
                "endTimeUnixNano": str(at + (3 + number % 50) * 10_000_000),
            }
            if number:
                span["parentSpanId"] = f"{parent + 1:016x}"
            told.append(span)
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "wide"}}]}
        document = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": told}]}]}
        answer = server.http.post("/v1/traces", json=document)
        answer.raise_for_status()


def _weigh(session: Session, http: httpx.Client) -> None:
    """Add what each load is, packed: of the first, of each screen beside it, of all."""
    html = http.get("/", headers={"accept": "text/html"}).text
    first = set(re.findall(r'(?:src|href)="\./([^"]+)"', html))
    script = next(path for path in first if re.search(r"/index-.*\.js$", path))
    text = http.get(f"/{script}").text
    session.add("page.first_load_kib", single(sum(_packed(http, each) for each in first), "KiB"))
    whole = set(first)
    for screen in re.findall(r"import\(`\./([^`]+)`\)", text):
        needed, left = set[str](), [f"assets/{screen}"]
        while left:
            path = left.pop()
            needed.add(path)
            named = re.findall(r"[\w-]+-[\w-]{8}\.(?:js|css)", http.get(f"/{path}").text)
            left += [f"assets/{each}" for each in named if f"assets/{each}" not in needed | first]
        whole |= needed
        size = sum(_packed(http, each) for each in needed)
        name = screen.partition("-")[0].lower()
        session.add(f"page.screen.{name}_kib", single(size, "KiB"))
    session.add("page.whole_kib", single(sum(_packed(http, each) for each in whole), "KiB"))


def _packed(http: httpx.Client, path: str) -> float:
    answer = http.get(f"/{path}", headers={"accept-encoding": "gzip"})
    return int(answer.headers["content-length"]) / 1024


@contextmanager
def _opened(browser: Browser) -> Iterator[tuple[Page, CDPSession]]:
    context = browser.new_context(viewport=DESK)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Performance.enable")
    try:
        yield page, tools
    finally:
        context.close()


def _busy_ms(tools: CDPSession) -> float:
    """Return how long the page's main thread was at work until now."""
    metrics = tools.send("Performance.getMetrics")["metrics"]
    return 1000 * float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _load(session: Session, browser: Browser, url: str, rounds: int) -> None:
    """Add the time until a list can be used: with an empty cache, and again."""
    times: dict[str, list[float]] = {"first": [], "again": []}
    works: list[float] = []
    for _ in range(rounds):
        with _opened(browser) as (page, tools):
            page.goto(f"{url}/#/find?last=1h")
            times["first"].append(page.wait_for_function(_IS_READY).json_value())
            works.append(_busy_ms(tools))
            page.reload()
            times["again"].append(page.wait_for_function(_IS_READY).json_value())
    session.add("page.interactive.first_ms", median_of(times["first"], "ms"))
    session.add("page.interactive.again_ms", median_of(times["again"], "ms"))
    session.add("page.interactive.cpu_ms", median_of(works, "ms"))


def _wait_for_rows(page: Page, rows: int) -> None:
    page.wait_for_function(
        "(rows) => Number(document.querySelector('.rows li')?.ariaSetSize"
        " ?? document.querySelector('.rows li')?.getAttribute('aria-setsize')) >= rows",
        arg=rows,
    )


def _scroll(session: Session, name: str, page: Page, tools: CDPSession, selector: str) -> None:
    page.evaluate(_SCROLL, [selector, WARM_UP, STEP_PX])
    before = _busy_ms(tools)
    moments = page.evaluate(_SCROLL, [selector, FRAMES, STEP_PX])
    work = (_busy_ms(tools) - before) / FRAMES
    frames = [later - earlier for earlier, later in pairwise(moments)]
    session.add(f"{name}.frame_ms", median_of(frames, "ms"))
    session.add(f"{name}.frame_p95_ms", single(percentile(frames, 0.95), "ms"))
    session.add(f"{name}.frame_cpu_ms", single(work, "ms", note="of the main thread"))
    memory = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize : 0")
    session.add(f"{name}.heap_mib", single(memory / 2**20, "MiB"))
    session.note(f"{name}: {json.dumps(page.viewport_size)}, {STEP_PX} px a frame")
