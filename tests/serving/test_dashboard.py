import re
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import chromium, strict_page
from tests.machine import Machine, eventually

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> i am so happy"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_page_says_the_mood_and_fills_every_panel(machine: Machine, browser: Browser) -> None:
    page, faults = strict_page(browser, viewport={"width": 1440, "height": 1000})
    page.goto(machine.url)
    expect(page.get_by_text("Aurora Line").first).to_be_visible()
    expect(page.locator("main")).to_contain_text(re.compile(r"People .+ \((about )?\d+.%\)"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=10_000)
    expect(page.locator("main svg").nth(1)).to_be_visible()  # the dial and the course
    expect(page.get_by_text("replay", exact=True)).to_be_visible()
    page.wait_for_timeout(1_000)
    assert faults == []
    page.close()


def test_new_post_appears_as_text_whatever_it_holds(machine: Machine, browser: Browser) -> None:
    page, faults = strict_page(browser)
    page.goto(machine.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=10_000)
    mark = uuid4().hex[:8]
    body = {"id": mark, "text": f"{HOSTILE} {mark}", "created_at": datetime.now(UTC).isoformat()}
    machine.post("/ingest", {"source": "form", "posts": [body]})
    expect(page.get_by_text(f"{HOSTILE} {mark}")).to_be_visible(timeout=10_000)
    assert page.title() != "hacked"
    assert page.locator("img[src=x]").count() == 0
    assert faults == []
    page.close()


def test_event_is_tracked_chosen_and_removed_on_the_page(
    machine: Machine, browser: Browser
) -> None:
    page, faults = strict_page(browser)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(machine.url)
    page.get_by_role("button", name="Track event").click()
    page.get_by_label("Title").fill("Tunnel rescue")
    page.get_by_label("Keywords").fill("tunnel")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Track")).click()
    expect(page).to_have_url(re.compile("tunnel-rescue"))
    expect(page.locator("main")).to_contain_text("Tunnel rescue")
    assert machine.get("/events/tunnel-rescue")["posts"] > 0
    machine.http.delete("/events/tunnel-rescue")
    assert faults == []
    page.close()


def test_keyword_is_analysed_on_the_page(machine: Machine, browser: Browser) -> None:
    page, faults = strict_page(browser)
    page.goto(machine.url)
    box = page.get_by_role("searchbox").or_(page.get_by_placeholder(re.compile("timetable")))
    box.first.fill("metro")
    page.get_by_role("button", name="Analyze").click()
    expect(page.locator("main")).to_contain_text(
        re.compile(r"\d+ posts? .*metro|metro.*\d+ posts?")
    )
    assert faults == []
    page.close()


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_page_does_not_scroll_sideways(machine: Machine, browser: Browser, width: int) -> None:
    page, _ = strict_page(browser, viewport={"width": width, "height": 844})
    page.goto(machine.url)
    expect(page.get_by_text("Aurora Line").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.parametrize("path", ["/docs", "drift"])
def test_pages_made_by_libraries_keep_to_the_policy(
    machine: Machine, browser: Browser, path: str
) -> None:
    if path == "drift":
        [report, *_] = eventually(lambda: machine.get("/drift")["reports"], "no drift report", 120)
        path = report["url"]
    page, faults = strict_page(browser)
    page.goto(machine.url + path)
    wanted = "/predict/batch" if path == "/docs" else "sentiment_score"
    expect(page.get_by_text(wanted).first).to_be_visible(timeout=15_000)
    assert faults == []
    page.close()
