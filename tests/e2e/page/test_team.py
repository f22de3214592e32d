"""A team on the page: from the first invite to a conflict that is decided there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from clew.team import TrailBaseClient
from clew.testing.server import ServerProcess
from clew.testing.trailbase import FakeTrailBase, Trouble
from tests.e2e.executed import until
from tests.e2e.page.accessibility import find_barriers
from tests.e2e.page.chromium import DESK, PHONE
from tests.e2e.page.shop import ask

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.e2e.page.chromium import Visit

PASSWORD = "correct horse battery"
SQL = "SELECT count() AS spans FROM otel_traces"


@dataclass
class Office:
    """Ann's server, whose page is looked at, and the team's."""

    server: ServerProcess
    fake: FakeTrailBase

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return ask(self.server, method, f"/api/v1/{path}", body)

    def at(self, pane: str) -> str:
        return f"{self.server.url}/#/team/{pane}"

    def join(self, code: str) -> None:
        """Let Bob come in, as a program of his does."""
        with TrailBaseClient(self.fake.url) as bob:
            known = bob.authenticate({"email": "bob@example.org", "password": PASSWORD})
            record = {"owner": known.user_id, "_code": code, "display_name": "Bob"}
            bob.post("/api/records/v1/team_joins", record)


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    settings = {"team_key": "a key for the page of the team, long enough"}
    folder = tmp_path_factory.mktemp("office") / "data"
    with FakeTrailBase() as fake, ServerProcess(folder, settings) as server:
        for name in ("ann", "bob"):
            fake.add_user(f"{name}@example.org", PASSWORD)
        yield Office(server, fake)


def look_closely(page: Page, *schemes: str) -> None:
    """Nothing keeps anybody out, and nothing is wider than a phone."""
    for scheme in schemes or ("light",):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        barriers = find_barriers(page, colours_alone=scheme == "dark")
        assert not barriers, "\n".join((page.url, scheme, *barriers))
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    # What goes by the size of the window is drawn anew after that.
    page.wait_for_function(f"() => document.documentElement.scrollWidth <= {PHONE[0]}")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.emulate_media(color_scheme="light")


def test_a_team_is_joined_shares_a_query_and_decides_what_met_on_the_page(
    office: Office, visit: Visit
) -> None:
    visit.is_live = True
    page = visit.look(office.at("queries"))
    expect(page.get_by_role("heading", name="This server belongs to no team yet")).to_be_visible()
    expect(page.get_by_text("not connected")).to_be_visible()
    look_closely(page)

    connection = {"server_url": office.fake.url, "email": "ann@example.org", "password": PASSWORD}
    office.ask("POST", "team/connect", connection)
    expect(page.get_by_role("heading", name="No team is chosen")).to_be_visible()
    office.ask("POST", "team/teams", {"name": "Night watch"})
    office.ask("POST", "team/consent", {"give": ["queries"]})
    office.ask("POST", "team/sync", {})
    expect(page.get_by_role("heading", name="Night watch keeps no query yet")).to_be_visible()
    invite_and_come(office, page)
    save_from_find(office, page)
    meet_and_decide(office, page)


def invite_and_come(office: Office, page: Page) -> None:
    page.goto(office.at("invites"))
    expect(page.get_by_role("heading", name="Nobody is invited to Night watch")).to_be_visible()
    page.get_by_label("How many may come").fill("5")
    page.get_by_role("button", name="Make an invite").click()
    code = page.get_by_role("status").filter(has_text="It is shown once").locator("b").inner_text()
    assert code.startswith("CLEW-")
    invites = page.get_by_role("table", name="Invites")
    expect(invites).to_contain_text("0 of 5")
    office.join(code)
    # What others did comes with a round, and the list with what is known of that.
    office.ask("POST", "team/sync", {})
    expect(invites).to_contain_text("1 of 5")
    page.reload()
    expect(invites).to_contain_text("1 of 5")
    expect(page.get_by_text(code)).to_have_count(0)
    look_closely(page, "light", "dark")
    page.get_by_role("button", name="Take back …").click()
    page.get_by_role("dialog").get_by_role("button", name="Take it back").click()
    expect(invites).to_contain_text("taken back")

    page.get_by_role("link", name="members").click()
    role = page.get_by_label("Role of Bob")
    expect(role).to_have_value("member")
    look_closely(page)
    role.select_option("admin")
    bob = "SELECT role FROM team_members WHERE display_name = 'Bob'"
    until(lambda: office.fake.read(bob)[0]["role"] == "admin")
    expect(role).to_have_value("admin")


def save_from_find(office: Office, page: Page) -> None:
    page.goto(f"{office.server.url}/#/find?show=sql&sql={SQL.replace(' ', '+')}")
    expect(page.get_by_text("1 row in")).to_be_visible()
    page.get_by_text("Save for the team").click()
    page.get_by_label("Its name").fill("how many")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("how many is kept")).to_be_visible()
    look_closely(page)
    page.get_by_role("link", name="all queries").click()
    until(lambda: office.fake.read("SELECT query FROM saved_queries") == [{"query": SQL}])
    expect(page.get_by_role("table", name="Saved queries")).to_contain_text(SQL)
    look_closely(page)
    page.get_by_role("link", name="how many").click()
    expect(page.get_by_label("Statement")).to_have_value(SQL)


def meet_and_decide(office: Office, page: Page) -> None:
    office.fake.write(
        "UPDATE saved_queries SET query = 'SELECT 2 -- theirs', version = version + 1, op_id = 'b'"
    )
    sent = office.fake.hold(path="/api/records/v1/saved_queries")
    office.fake.order(Trouble.UNHEARD, times=10_000, path="/api")
    office.ask("POST", "team/queries", {"name": "how many", "query": "SELECT 1 -- ours"})
    sent.wait()
    page.goto(office.at("sync"))
    waits = page.get_by_role("table", name="Waits to be sent")
    expect(waits).to_contain_text("update saved")
    expect(waits).to_contain_text("it is on its way")
    office.fake.hang_up()
    expect(page.get_by_text("offline, 1 to send")).to_be_visible()
    expect(waits).to_contain_text("update saved")
    expect(waits).to_contain_text("was lost")
    look_closely(page)
    office.fake.calm()
    page.get_by_role("button", name="Send and fetch now").click()
    conflicts = page.get_by_role("link", name="conflicts 1")
    conflicts.click()
    sides = page.get_by_role("table", name="The sides")
    expect(sides.get_by_role("row").filter(has_text="lost a change")).to_contain_text("theirs")
    expect(sides).to_contain_text("SELECT 1 -- ours")
    look_closely(page, "light", "dark")
    page.get_by_role("button", name="Take theirs").click()
    expect(page.get_by_role("heading", name="No versions met")).to_be_visible()
    kept = [{"query": "SELECT 2 -- theirs"}]
    until(lambda: office.fake.read("SELECT query FROM saved_queries") == kept)
    expect(page.get_by_text("online, live")).to_be_visible()
