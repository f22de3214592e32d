"""The files of the page, as a browser gets them from a running server."""

from __future__ import annotations

import gzip
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


@pytest.fixture(scope="module")
def page(server: ServerProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=BROWSER) as client:
        yield client


def assets_of(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="\./([^"]+)"', html)


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
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for path in assets_of(answer.text):
        body = page.get(f"/{path}").text
        addresses = set(re.findall(r"https?://[\w.-]+", body))
        assert addresses <= {"http://127.0.0.1", "http://www.w3.org", "https://www.w3.org"}, path


def test_files_with_the_name_of_their_content_are_kept_and_the_rest_is_asked_for(
    page: httpx.Client,
) -> None:
    index = page.get("/")
    assert index.headers["cache-control"] == "no-cache"
    (script,) = (path for path in assets_of(index.text) if path.endswith(".js"))
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
    index = page.get("/").text
    first = [index.encode(), *(page.get(f"/{path}").content for path in assets_of(index))]
    assert sum(len(gzip.compress(body)) for body in first) <= FIRST_LOAD_MAX
    (script,) = (path for path in assets_of(index) if path.endswith(".js"))
    chunks = set(re.findall(r"[A-Z]\w+-[\w-]+\.js", page.get(f"/{script}").text))
    assert chunks
    for chunk in chunks:
        assert len(gzip.compress(page.get(f"/assets/{chunk}").content)) <= SCREEN_MAX, chunk


def test_only_its_own_files_are_given_out(page: httpx.Client) -> None:
    for path in ("/page.py", "/assets/", "/assets/../page.py", "/static/index.html", "/nowhere"):
        assert page.get(path).status_code == 404
    assert page.post("/icon.svg").status_code == 405
