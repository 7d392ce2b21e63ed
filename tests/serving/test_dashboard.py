import re
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import chromium, strict_page
from tests.machine import Machine, eventually

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"> i am so happy"


def send(machine: Machine, name: str, text: str) -> None:
    body = {"id": name, "text": text, "created_at": datetime.now(UTC).isoformat()}
    machine.post("/ingest", {"source": "form", "posts": [body]})


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
    states = page.get_by_role("table", name="Sources").get_by_role("row")
    expect(states.filter(has_text="reddit")).to_contain_text("Missing setting")
    expect(states.filter(has_text="reddit")).to_contain_text("BAROMETER_REDDIT_CLIENT_SECRET")
    expect(states.filter(has_text="replay")).to_contain_text(
        re.compile(r"Ready.*posts[\d,]+.*(now|ago)")
    )
    counted = page.get_by_title(re.compile(r"^Posts in 24 hours, counted at \d\d:\d\d;"))
    expect(counted).to_have_count(1 + len(machine.get("/events")["events"]))
    page.wait_for_timeout(1_000)
    assert faults == []
    page.close()


def test_new_post_appears_as_text_whatever_it_holds(machine: Machine, browser: Browser) -> None:
    page, faults = strict_page(browser)
    page.goto(machine.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=10_000)
    mark = uuid4().hex[:8]
    send(machine, mark, f"{HOSTILE} {mark}")
    expect(page.get_by_text(f"{HOSTILE} {mark}")).to_be_visible(timeout=10_000)
    assert page.title() != "hacked"
    assert page.locator("img[src=x]").count() == 0
    assert faults == []
    page.close()


def test_text_that_goes_round_is_listed_once_with_its_times(
    machine: Machine, browser: Browser
) -> None:
    mark = uuid4().hex[:8]
    for n in range(3):
        send(machine, f"{mark}-{n}", f"round it goes {mark}")

    def reposts() -> list[int]:
        feed = machine.get("/events/all/posts?limit=200")["posts"]
        return [post["reposts"] for post in feed if mark in post["text"]]

    eventually(lambda: reposts() == [2], "the posts are not stored")
    page, faults = strict_page(browser)
    page.goto(machine.url)
    item = page.get_by_role("listitem").filter(has_text=f"round it goes {mark}")
    expect(item).to_contain_text("\u00d73", timeout=10_000)
    expect(item).to_have_count(1)
    assert faults == []
    page.close()


def test_posts_in_other_languages_are_marked_and_counted_on_demand(
    machine: Machine, browser: Browser
) -> None:
    mark = uuid4().hex[:8]
    send(machine, mark, f"Die Straßenbahn {mark} kommt heute schon wieder viel zu spät")
    trend = "/events/all/trends?minutes=60"
    eventually(lambda: machine.get(trend)["other_languages"].get("de"), "it is not told of")
    page, faults = strict_page(browser)
    page.goto(machine.url)
    item = page.get_by_role("listitem").filter(has_text=mark)
    expect(item.get_by_text("German", exact=True)).to_be_visible(timeout=10_000)
    line = page.locator("#other-languages")
    expect(line).to_contain_text(re.compile(r"posts? in German (is|are) not counted\."))
    line.get_by_role("link", name="Count them").click()
    expect(page).to_have_url(re.compile("languages=all"))
    expect(line).to_contain_text("Posts in every language are counted")
    line.get_by_role("link", name="Leave them out").click()
    expect(line).to_contain_text("not counted")
    box = page.get_by_role("searchbox").or_(page.get_by_placeholder(re.compile("timetable")))
    box.first.fill(mark)
    page.get_by_role("button", name="Analyze").click()
    asked = page.locator("#analyze-languages")
    expect(asked).to_contain_text("1 post in German is not counted.")
    asked.get_by_role("button", name="Count them").click()
    expect(page.locator("#analyze-head")).to_contain_text("1 post")
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
    page.get_by_label("Keywords", exact=True).fill("tunnel")
    news = page.get_by_role("checkbox", name="rss")
    expect(news).to_be_checked()
    news.uncheck()
    page.get_by_role("checkbox", name="files").check()
    expect(page.get_by_role("checkbox", name="reddit")).to_have_count(0)
    expect(page.get_by_text("Not set up: reddit, news")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Track")).click()
    expect(page).to_have_url(re.compile("tunnel-rescue"))
    expect(page.locator("main")).to_contain_text("Tunnel rescue")
    tracked = machine.get("/events/tunnel-rescue")
    assert (tracked["posts"] > 0, tracked["sources"]) == (True, ["files"])
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
