"""A service with keys, a rate limit and a foreign page's origin."""

import json
import re
from collections.abc import Iterator, Mapping

import pytest
from playwright.sync_api import expect
from sqlalchemy import text
from structlog.testing import capture_logs
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from barometer.api_keys import new_key
from barometer.database import database_url, engine_for
from barometer.settings import Settings
from serving.access import warn_if_open
from tests.browser import chromium, strict_page
from tests.machine import eventually
from tests.serving.stand_alone import Service, running_service

READER, reader = new_key("reader", ["read"])
WRITER, writer = new_key("writer", ["write"])
BOTH, both = new_key("both", ["read", "write"])
HASTY, hasty = new_key("hasty", ["read"])
PAGE = "https://news.example"
RATE = 100
POST = {
    "source": "form",
    "posts": [{"id": "1", "text": "hi", "created_at": "2026-01-01T00:00:00Z"}],
}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(
        tmp_path_factory.mktemp("locked"),
        BAROMETER_API_KEYS=", ".join(key.entry for key in (reader, writer, both, hasty)),
        BAROMETER_RATE_LIMIT=f"{RATE}/hour",
        BAROMETER_CORS_ORIGINS=PAGE,
        BAROMETER_HOST="127.0.0.1",
    ) as running:
        yield running


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def assert_guarded(headers: Mapping[str, str]) -> None:
    """Whatever is answered, a browser keeps it apart, and the log's line can be found."""
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert re.fullmatch("[0-9a-f]{32}", headers["x-request-id"])


READS = [("GET", "/events", None), ("GET", "/metrics", None), ("GET", "/status", None),
         ("POST", "/predict", {"text": "i am glad"})]  # fmt: skip
WRITES = [("POST", "/ingest", POST), ("DELETE", "/events/none", None), ("PUT", "/whatever", None)]


@pytest.mark.parametrize(("method", "path", "body"), READS + WRITES)
def test_without_a_known_key_nothing_is_told(
    locked: Service, method: str, path: str, body: object
) -> None:
    for headers in ({}, bearer("bk_wrong"), bearer(reader.digest), {"X-API-Key": "x"}):
        response = locked.http.request(method, path, json=body, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:barometer:unauthorized"


@pytest.mark.parametrize(("method", "path", "body"), READS)
def test_reader_reads(locked: Service, method: str, path: str, body: object) -> None:
    for headers in (bearer(READER), {"X-API-Key": READER}, bearer(BOTH)):
        assert locked.http.request(method, path, json=body, headers=headers).status_code == 200
    refused = locked.http.request(method, path, json=body, headers=bearer(WRITER))
    assert refused.status_code == 403
    assert "read" in refused.json()["detail"]


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_reader_does_not_write(locked: Service, method: str, path: str, body: object) -> None:
    refused = locked.http.request(method, path, json=body, headers=bearer(READER))
    assert refused.status_code == 403
    assert refused.json()["type"] == "urn:barometer:forbidden"
    allowed = locked.http.request(method, path, json=body, headers=bearer(WRITER))
    assert allowed.status_code in (202, 404)


def test_pages_probes_and_documentation_are_open(locked: Service) -> None:
    for path in ("/", "/ui/app.js", "/docs", "/docs.json", "/healthz", "/readyz", "/favicon.ico"):
        assert locked.http.get(path).status_code == 200
    schemes = locked.http.get("/docs.json").json()["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["header"]["name"] == "X-API-Key"


def test_browser_that_opens_a_page_may_give_the_key_as_password(locked: Service) -> None:
    asked = locked.http.get("/drift/none", headers={"Accept": "text/html"})
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"].startswith("Basic")
    assert locked.http.get("/drift/none", auth=("anybody", READER)).status_code == 404
    assert locked.http.get("/drift/none", auth=("anybody", "wrong")).status_code == 401


def test_live_wants_a_key_in_a_header_or_a_subprotocol(locked: Service) -> None:
    address = locked.url.replace("http", "ws") + "/live"
    for options in ({}, {"subprotocols": ["barometer", "barometer.key.bk_wrong"]}):
        with pytest.raises(InvalidStatus) as refused:
            connect(address, **options)
        assert refused.value.response.status_code == 401
        assert_guarded(refused.value.response.headers)
    counted = locked.http.get("/metrics", headers=bearer(BOTH)).text
    assert re.findall(r'requests_total{method="WEBSOCKET".*status="(\d+)"} ', counted) == ["401"]
    with connect(address, additional_headers=bearer(READER)) as live:
        assert "metrics" in live.recv(timeout=30)
    offered = ["barometer", f"barometer.key.{READER}"]
    with connect(address, subprotocols=offered, origin=PAGE) as live:
        assert live.subprotocol == "barometer"  # the key is never sent back
        assert "metrics" in live.recv(timeout=30)
    with pytest.raises(InvalidStatus):
        connect(address, subprotocols=offered, origin="https://evil.example")


def test_rate_is_counted_by_key_and_the_rest_is_told(locked: Service) -> None:
    first = locked.http.get("/events", headers=bearer(HASTY))
    assert first.headers["ratelimit-policy"] == f'"barometer";q={RATE};w=3600'
    assert first.headers["ratelimit"].startswith(f'"barometer";r={RATE - 1};t=')
    forged = {**bearer(HASTY), "X-Forwarded-For": "203.0.113.9"}
    statuses = [locked.http.get("/events", headers=forged).status_code for _ in range(RATE)]
    assert statuses == [200] * (RATE - 1) + [429]
    refused = locked.http.get("/events", headers=bearer(HASTY))
    assert refused.json()["type"] == "urn:barometer:too-many-requests"
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert refused.headers["content-type"] == "application/problem+json"
    assert locked.http.get("/events", headers=bearer(BOTH)).status_code == 200
    assert locked.http.get("/healthz", headers=bearer(HASTY)).status_code == 200


def test_chosen_origin_may_call_and_read_the_errors(locked: Service) -> None:
    asked = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    preflight = locked.http.options("/predict", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in preflight.headers
    assert locked.http.get("/events", headers={"Origin": PAGE}).status_code == 401
    answer = locked.http.get("/events", headers={"Origin": PAGE, **bearer(READER)})
    assert answer.headers["access-control-allow-origin"] == PAGE
    refused = locked.http.options("/predict", headers={**asked, "Origin": "https://evil.example"})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert "access-control-allow-origin" not in refused.headers


def test_answer_to_an_unexpected_error_is_guarded_too(locked: Service) -> None:
    damage = "INSERT INTO events VALUES (99, 'damaged', 'Damaged', '{', '[]', '2026-01-01')"
    with engine_for(database_url(locked.settings)).begin() as connection:
        connection.execute(text(damage))
    try:
        asked = {"Origin": PAGE, **bearer(BOTH)}
        answer = locked.http.get("/events/damaged", headers=asked)
    finally:
        with engine_for(database_url(locked.settings)).begin() as connection:
            connection.execute(text("DELETE FROM events WHERE id = 99"))
    assert answer.status_code == 500
    assert_guarded(answer.headers)
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    assert answer.headers["content-type"] == "application/problem+json"
    name = answer.headers["x-request-id"]
    assert answer.json()["request_id"] == name

    def told() -> list[str]:
        lines = [line for line in locked.log.read_text().splitlines() if name in line]
        return [json.loads(line)["event"] for line in lines]

    eventually(lambda: "request" in told(), "the request is not logged")
    assert told() == ["unexpected error", "request"]  # once each, with its id


def test_dashboard_asks_for_the_key_once(locked: Service) -> None:
    with chromium() as browser:
        page, _ = strict_page(browser)
        page.goto(locked.url)
        page.get_by_label("API key").fill("bk_wrong")
        page.get_by_role("button", name="Open the dashboard").click()
        expect(page.get_by_text("This key is not known.")).to_be_visible(timeout=20_000)
        page.get_by_label("API key").fill(READER)
        page.get_by_role("button", name="Open the dashboard").click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=20_000)
        expect(page.get_by_role("heading", name="This service wants a key")).to_be_hidden()
        expect(page.locator("#sources-rows")).to_contain_text("rss")
        assert "bk_" not in page.url


def test_no_key_is_ever_in_the_log(locked: Service) -> None:
    written = locked.log.read_text(errors="replace")
    assert '"event": "serving"' in written
    assert not [key for key in (READER, WRITER, BOTH, HASTY) if key in written]


@pytest.mark.parametrize(
    ("host", "keys", "warned"),
    [("0.0.0.0", (), True), ("127.0.0.1", (), False), ("0.0.0.0", (reader.entry,), False)],  # noqa: S104
)
def test_open_service_for_the_whole_network_says_so(
    host: str, keys: tuple[str, ...], *, warned: bool
) -> None:
    with capture_logs() as told:
        warn_if_open(Settings(host=host, api_keys=keys))
    assert [line["log_level"] for line in told] == ["warning"] * warned
