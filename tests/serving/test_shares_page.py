"""The page tells corrected shares with their intervals, and no figure that nobody knows."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import expect
from redis import Redis
from sqlalchemy import Engine

from barometer.events import new_event, track
from barometer.store import store
from inference.registry import LoadedModel
from tests.browser import chromium, strict_page
from tests.conftest import judgement, post
from tests.machine import eventually
from tests.servers import free_port
from tests.serving.test_shares import app_with, ask, fill, measured, stored

__all__ = ["measured", "stored"]  # fixtures


@pytest.fixture
def page_address(
    redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> Iterator[str]:
    track(stored, new_event("Ferry", ["ferry"]))
    fill(stored, "ferry", [30, 120, 35, 25, 10, 3])
    app = app_with(redis, stored, measured, tmp_path)
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, "the page is not served")
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join(30)


def test_bars_tell_the_corrected_share_its_interval_and_the_count_on_hover(
    page_address: str, redis: Redis, stored: Engine, measured: LoadedModel, tmp_path: Path
) -> None:
    app = app_with(redis, stored, measured, tmp_path)
    told = ask(app, "/events/all/trends")["shares"]["emotion"]
    love = next(line for line in told if line["label"] == "love")
    with chromium() as browser:
        page, faults = strict_page(browser, viewport={"width": 1440, "height": 1100})
        page.goto(page_address)
        bar = page.locator("#emotion-bars .e-love")
        low, high = round(love["low_pct"]), round(love["high_pct"])
        expect(bar.locator(".bar-share")).to_have_text(f"{round(love['corrected_pct'])}\u202f%")
        expect(bar.locator(".bar-note")).to_have_text(f"({low}\u2013{high})")
        expect(bar).to_have_attribute("title", re.compile(r"As classified: 16.%, 35 posts"))
        whisker = bar.locator(".whisker")
        expect(whisker).to_be_visible()
        track_box, box = bar.locator(".bar-track").bounding_box(), whisker.bounding_box()
        assert track_box is not None
        assert box is not None
        assert box["x"] - track_box["x"] == pytest.approx(
            track_box["width"] * love["low_pct"] / 100, abs=2
        )
        expect(page.locator("#headline")).to_contain_text(re.compile(r"joyful \(about \d+.%\)"))
        expect(page.locator("#shares-basis")).to_contain_text("Corrected for what the model")
        page.get_by_role("searchbox").first.fill("ferry")
        page.get_by_role("button", name="Analyze").click()
        expect(page.locator("#analyze-bars .e-love .bar-note")).to_have_text(f"({low}\u2013{high})")
        # A model that lacks emotions judged these: no share is told, and none of nought.
        unfelt = {"emotion": None, "confidence": None, "emotions": None}
        said = judgement().model_copy(update=unfelt)
        store(stored, [(post(n, "a tunnel"), said) for n in range(3)])
        page.get_by_role("searchbox").first.fill("tunnel")
        page.get_by_role("button", name="Analyze").click()
        expect(page.locator("#analyze-split strong").last).to_have_text("100\u202f%")
        expect(page.locator("#analyze-bars .bar-share")).to_have_text(["\u2013"] * 6)
        assert faults == []


def test_rate_that_nobody_knows_is_not_told_as_nought(page_address: str) -> None:
    message = {"type": "metrics", "posts_per_minute": None, "backlog": 3, "model_version": "7"}
    with chromium() as browser:
        page, faults = strict_page(browser)
        page.route_web_socket("**/live", lambda socket: socket.send(json.dumps(message)))
        page.goto(page_address)
        expect(page.locator("#backlog")).to_have_text("3 waiting")
        expect(page.locator("#rate")).to_have_text("\u2013")
        assert faults == []
