"""The page in real headless Chromium: what it shows, how it is used, and that it is accessible.

Apart from the other tests of the dashboard because it needs a browser and Playwright.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from board import ADMIN, APPS, INSIDE, MORE, OUTSIDE, RULE, TOKEN, Board, Start, everything, rolled_back
from browsing import Page, chromium, needs_browser
from server import wait_until

pytestmark = needs_browser

BEARER = ("Authorization", f"Bearer {TOKEN}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Callable[..., Page]:
    """Open a page; it is closed when the test is over, and nothing went wrong in it."""

    def open_one(board: Board, **options: Any) -> Page:
        page = Page(browser, **options)
        page.open(board.admin.authority)

        def close() -> None:
            problems = list(page.problems)
            page.close()
            assert not problems

        request.addfinalizer(close)
        return page

    return open_one


def driven(start: Start, *arguments: str, **options: Any) -> Board:
    """A server with known traffic."""
    board = Board(start(*APPS, *MORE, *ADMIN, *arguments, **options), *([BEARER] if options else []))
    board.ask("/users/1", 3, INSIDE)
    board.ask("/users/1", 9, OUTSIDE)
    board.ask("/failing", 24, INSIDE)
    board.ask("/slow", 22, INSIDE)
    board.ask("/slow", 22, OUTSIDE)
    board.ask("/forgotten", 2)
    wait_until(lambda: everything(board.routes()) == 82, 10, "all are counted")
    return board


def text(page: Page, selector: str) -> str:
    return str(page.page.locator(selector).inner_text())


def test_it_shows_what_the_data_say(start: Start, opened: Callable[..., Page]) -> None:
    board = driven(start, "--workers", "2")
    page = opened(board)
    page.live()
    assert text(page, "#moved-words") == "0 of 6 routes of the old application migrated"
    # Old 9 + 22 + 2, new 3 + 24 + 22.
    assert (text(page, "#traffic"), page.page.title()) == ("59 %", "0 of 6 routes migrated, 0 %: rsgi")
    assert text(page, "#traffic-words").startswith("of 82 requests went to the new application in the")
    assert "GET/failing\n100 % errors in the new one" in text(page, "#trouble").replace(" ", "", 0)
    assert "/slow" in text(page, "#trouble")
    assert "/slow" in text(page, "#slowest")
    assert text(page, "#failing").startswith("GET/failing")
    assert "share 25%: raise it" in text(page, "#next")
    assert "not written yet" in text(page, "#next")
    row = page.row("/users/{number:int}")
    assert "25%" in row.inner_text()
    assert row.locator("td.number").first.get_attribute("title") == "12 since the start"
    assert "24 (100 %)" in page.row("/failing").inner_text()
    cells = text(page, "#app-table tbody tr:nth-child(2)").split("\t")
    assert (cells[0], cells[3], cells[4]) == ("dashboard_new:app", "49", "24 (48 %)")
    assert page.page.locator("#worker-table tbody tr").count() == 2
    assert "serving" in text(page, "#worker-table tbody tr:nth-child(1)")
    assert "With --history-folder" in text(page, "#since")


def test_it_shows_how_well_responses_match(start: Start, opened: Callable[..., Page]) -> None:
    apps = ("--wsgi", "shadow_apps:old", "--asgi", "shadow_apps:new", "--prefer", "wsgi")
    shadow = ("--shadow", "/same/{n}=asgi:100%", "--shadow", "/price/{n}=asgi:100%")
    board = Board(start(*apps, *shadow, *ADMIN))
    for number in range(6):
        board.ask(f"/same/{number}", 1)
        board.ask(f"/price/{number}", 1)

    def compared() -> int:
        shown = board.admin.get("/shadow.json")
        # The thread that compares may still be on its way.
        return sum(each["n"] for each in shown.json()["routes"]) if shown.status == 200 else 0

    wait_until(lambda: compared() == 12, 20, "all are compared")
    page = opened(board)
    page.live()
    assert "100 % of 6" in page.row("/same/{number:int}").inner_text()
    row = page.row("/price/{number:int}").inner_text()
    assert "0 % of 6" in row
    assert "100 % of 6" not in row


def test_it_shows_a_share_that_was_stopped(start: Start, opened: Callable[..., Page], tmp_path: Path) -> None:
    board = rolled_back(start, tmp_path)
    page = opened(board)
    page.live()
    assert "stopped by rollback" in page.row("/x").inner_text()
    assert "stopped by rollback: requests that failed" in text(page, "#trouble")


def test_it_is_live(start: Start, opened: Callable[..., Page]) -> None:
    board = Board(start(*APPS, *ADMIN))
    page = opened(board)
    page.live()
    board.ask("/forgotten", 7)
    page.wait_for("#traffic-words", lambda text: text.startswith("of 7 requests"))
    assert page.row("/forgotten").locator("td.number").first.get_attribute("title") == "7 since the start"
    page.page.get_by_role("button", name="Since the start").click()
    assert text(page, "#traffic-words") == "of 7 requests went to the new application since the start"


def test_it_asks_nobody_else(start: Start, opened: Callable[..., Page]) -> None:
    board = driven(start)
    page = opened(board)
    page.live()
    assert page.asked
    assert {url.split("/")[2] for url in page.asked if not url.startswith("data:")} == {board.admin.authority}


def test_a_server_that_restarts_is_found_again(start: Start, opened: Callable[..., Page]) -> None:
    board = Board(start(*APPS, *ADMIN, "--workers", "2"))
    page = opened(board)
    page.live()
    port = str(board.admin.address[1])
    assert board.served.stop() == 0
    page.wait_for("#live", lambda text: "trying again" in text)
    again = Board(start(*APPS, "--admin", f"127.0.0.1:{port}", "--workers", "1"))
    page.live()
    again.ask("/forgotten", 3)
    page.wait_for("#traffic-words", lambda text: text.startswith("of 3 requests"))


def test_a_share_is_changed_with_the_token(start: Start, opened: Callable[..., Page]) -> None:
    board = driven(start, environment={"RSGI_ADMIN_TOKEN": TOKEN})
    page = opened(board)
    page.page.wait_for_selector("#entry:not([hidden])")
    assert not page.page.locator("#board").is_visible()
    page.page.get_by_label("Admin token").fill("wrong")
    page.page.keyboard.press("Enter")
    page.page.get_by_text("This is not the token of the server.").wait_for()
    page.page.get_by_label("Admin token").fill(TOKEN)
    page.page.get_by_role("button", name="Show the dashboard").click()
    page.live()
    page.page.get_by_role("button", name=f"Change the share of {RULE}").first.click()
    dialog = page.page.get_by_role("dialog", name="Change a share")
    dialog.get_by_label("Share of the clients, in percent").fill("120")
    dialog.get_by_role("button", name="Set the share").click()
    assert dialog.is_visible(), "the browser sees that it is too much"
    dialog.get_by_label("Share of the clients, in percent").fill("12.5")
    page.page.keyboard.press("Enter")
    dialog.wait_for(state="hidden")
    page.row("/users/{number:int}").get_by_text("12.5%").wait_for()
    assert board.route("/users/{number:int}")["share"]["share"] == "12.5%"
    assert not [url for url in page.asked if TOKEN in url]
    stored = page.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie, location.href]")
    assert stored == [0, 0, "", f"http://{board.admin.authority}/"]
    assert TOKEN not in board.served.log()
    page.page.reload()
    page.page.wait_for_selector("#entry:not([hidden])")


def test_without_a_token_nothing_can_be_changed(start: Start, opened: Callable[..., Page]) -> None:
    page = opened(driven(start))
    page.live()
    assert page.page.get_by_role("button", name="Change the share").count() == 0
    assert text(page, "#read-only").startswith("Read-only")


def test_a_template_is_only_text(start: Start, opened: Callable[..., Page]) -> None:
    """What an application calls its routes is never markup."""
    board = Board(start("--asgi", "dashboard_markup:app", *ADMIN))
    page = opened(board)
    page.live()
    assert "<img src=x onerror=" in text(page, "#tables")
    assert page.page.locator("#tables img, #tables script").count() == 0


def test_it_is_used_with_the_keyboard(start: Start, opened: Callable[..., Page]) -> None:
    page = opened(driven(start))
    page.live()
    keyboard = page.page.keyboard
    keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.textContent") == "Skip to the routes"
    keyboard.press("Enter")
    assert page.page.evaluate("document.activeElement.id") == "routes"
    keyboard.press("Tab")
    assert page.page.evaluate("document.activeElement.id") == "words"
    keyboard.type("failing")
    assert text(page, "#found") == f"1 of {len(page.page.query_selector_all('#tables tbody tr'))} shown"
    assert page.page.locator("#tables tbody tr:visible").count() == 1
    page.page.get_by_label("Filter").fill("")
    page.page.get_by_label("Show", exact=True).select_option("trouble")
    assert page.page.locator("#tables tbody tr:visible").count() == 2
    page.page.get_by_label("Show", exact=True).select_option("")
    page.page.get_by_role("button", name="5xx").focus()
    keyboard.press("Enter")
    assert page.page.locator("#tables th[aria-sort=descending]").inner_text() == "5xx"
    assert "/failing" in page.page.locator("#tables tbody tr").first.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_accessible(start: Start, opened: Callable[..., Page], scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = opened(driven(start), color_scheme=scheme, viewport={"width": width, "height": 800})
    page.live()
    found = axe.Axe().run(page.page)
    assert found.violations_count == 0, found.generate_report()
    assert len(found.response["passes"]) > 15
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "only tables scroll sideways"
    headings = page.page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => +one.tagName[1])")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_token_form_and_the_dialog_are_accessible(start: Start, opened: Callable[..., Page], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    board = driven(start, environment={"RSGI_ADMIN_TOKEN": TOKEN})
    page = opened(board, color_scheme=scheme)
    page.page.wait_for_selector("#entry:not([hidden])")
    assert axe.Axe().run(page.page).violations_count == 0
    page.page.get_by_label("Admin token").fill(TOKEN)
    page.page.keyboard.press("Enter")
    page.live()
    page.page.get_by_role("button", name=f"Change the share of {RULE}").first.click()
    found = axe.Axe().run(page.page)
    assert found.violations_count == 0, found.generate_report()


def test_a_thousand_routes_are_folded_and_found(start: Start, opened: Callable[..., Page]) -> None:
    board = Board(start("--wsgi", "dashboard_old:app", *ADMIN, environment={"DASHBOARD_ROUTES": "1000"}))
    board.ask("/area7/thing7/1", 5)
    wait_until(lambda: everything(board.routes()) == 5, 10, "all are counted")
    page = opened(board)
    page.live()
    assert page.page.locator("#tables tbody tr").count() == 1006
    assert page.page.locator("#tables tbody tr:visible").count() == 0, "every prefix is folded"
    summaries = page.page.locator("#tables summary")
    assert 20 <= summaries.count() <= 30
    assert "50 routes, 0 migrated" in page.page.locator("#tables summary", has_text="/area7").inner_text()
    page.page.get_by_label("Filter").fill("thing7/")
    assert page.page.locator("#tables tbody tr:visible").count() == 1
    assert text(page, "#found") == "1 of 1006 shown"
    board.ask("/area7/thing7/1", 5)
    page.wait_for("#traffic-words", lambda text: text.startswith("of 10 requests"))
    assert page.row("/area7/thing7/").locator("td.number").first.get_attribute("title") == "10 since the start"
    took = page.page.evaluate("performance.getEntriesByType('navigation')[0].domComplete")
    assert took < 10_000
