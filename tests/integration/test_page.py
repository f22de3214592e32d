"""The files of the page, as a browser gets them from a running server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clew.testing.server import ServerProcess

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}

FIRST_LOAD_MAX = 80 << 10
"""Packed, of all that is loaded before the first screen's own code."""

SCREEN_MAX = 120 << 10

SCREENS_MIN = 8

SECONDS_MAX = 120.0
"""A deadline, not an expectation."""


@pytest.fixture(scope="module")
def page(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=BROWSER, timeout=SECONDS_MAX) as client:
        yield client


def assets_of(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="\./([^"]+)"', html)


def parts_of(text: str) -> set[str]:
    """Return the files that one of the scripts names, below ``assets/``."""
    return set(re.findall(r"[\w-]+-[\w-]{8}\.(?:js|css)", text))


def files_of(page: httpx.Client) -> list[str]:
    """Return every file of the page but its first, found as a browser finds them."""
    found = set(assets_of(page.get("/").text))
    left = list(found)
    while left:
        path = left.pop()
        if not path.endswith(".js"):
            continue
        new = {f"assets/{part}" for part in parts_of(page.get(f"/{path}").text)} - found
        found |= new
        left += new
    return sorted(found)


def packed_size(page: httpx.Client, path: str) -> int:
    answer = page.get(f"/{path}", headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200, path
    return int(answer.headers["content-length"])


def test_a_browser_gets_the_page_and_a_program_the_list_of_addresses(page: httpx.Client) -> None:
    assert '<div id="page">' in page.get("/").text
    program = page.get("/", headers={"accept": "*/*"})
    assert program.headers["content-type"].startswith("text/plain")
    assert "/api/v1/traces" in program.text


def test_nothing_on_the_page_may_run_or_go_anywhere_but_here(page: httpx.Client) -> None:
    answer = page.get("/")
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    for path in files_of(page):
        body = page.get(f"/{path}").text
        addresses = set(re.findall(r"https?://([\w.-]+)", body))
        # Names of documents, of this machine, and such as nobody can have (RFC 2606).
        kept = {"127.0.0.1", "www.w3.org", "team.example.org", "clew.invalid"}
        assert addresses <= kept, path


def test_nothing_of_the_page_makes_code_of_text(page: httpx.Client) -> None:
    html = page.get("/").text
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert "<style" not in html
    assert re.findall(r"\s(?:style|on\w+)=", html) == []
    for path in files_of(page):
        if path.endswith(".js"):
            body = page.get(f"/{path}").text
            made = re.findall(r"\beval\(|new Function\(|document\.write|insertAdjacentHTML", body)
            assert made == [], path
            # Preact knows the property; nothing of ours sets it.
            ours = re.findall(r"dangerouslySetInnerHTML:", body)
            assert ours == [], path


def test_files_with_the_name_of_their_content_are_kept_and_the_rest_is_asked_for(
    page: httpx.Client,
) -> None:
    index = page.get("/")
    assert index.headers["cache-control"] == "no-cache"
    script = next(path for path in assets_of(index.text) if path.endswith(".js"))
    answer = page.get(f"/{script}")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    again = page.get(f"/{script}", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_client_that_takes_no_packing_gets_plain_bytes(page: httpx.Client) -> None:
    packed = page.get("/", headers={"accept-encoding": "gzip"})
    plain = page.get("/", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content


def test_the_first_load_and_every_screen_stay_within_their_budget(page: httpx.Client) -> None:
    first = set(assets_of(page.get("/").text))
    assert sum(packed_size(page, path) for path in {"", *first}) <= FIRST_LOAD_MAX
    (script,) = (path for path in first if path.endswith(".js") and "/index-" in path)
    # A screen is its own script and all that it needs beside what is loaded already.
    screens = re.findall(r"import\(`\./([^`]+)`\)", page.get(f"/{script}").text)
    assert len(screens) >= SCREENS_MIN
    for screen in screens:
        needed, left = {f"assets/{screen}"}, [f"assets/{screen}"]
        while left:
            text = page.get(f"/{left.pop()}").text
            new = {f"assets/{part}" for part in parts_of(text)} - needed - first
            needed |= new
            left += new
        assert sum(packed_size(page, path) for path in needed) <= SCREEN_MAX, screen


def test_every_file_that_is_kept_has_the_name_of_its_content(page: httpx.Client) -> None:
    for path in files_of(page):
        answer = page.get(f"/{path}")
        assert answer.status_code == 200, path
        assert ("immutable" in answer.headers["cache-control"]) == path.startswith("assets/"), path
        assert "content-security-policy" in answer.headers


def test_only_its_own_files_are_given_out(page: httpx.Client) -> None:
    for path in ("/page.py", "/assets/", "/assets/../page.py", "/static/index.html", "/nowhere"):
        assert page.get(path).status_code == 404
    assert page.post("/icon.svg").status_code == 405
