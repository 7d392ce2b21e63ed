"""Signed calls onto a service with API keys, and onto one without."""

import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from barometer.api_keys import new_key
from barometer.database import database_url, engine_for, migrate
from barometer.errors import SettingsError
from barometer.redis_server import connect
from barometer.settings import REPOSITORY, Settings, read_settings
from inference.absent import absent_model
from ingestion.states import source_lines
from serving.app import attach, create_app
from serving.models import Models
from serving.parts import assemble
from serving.webhooks import Webhooks
from tests.serving.over_http import over_http

SECRET, OLD_SECRET = "0123456789abcdef-of-the-form", "0123456789abcdef-before"
SECRETS = f"form:{OLD_SECRET}, form:{SECRET} desk:{'d' * 16}"
READER, reader = new_key("reader", ["read"])


@dataclass
class Locked:
    """The application behind a real port, with keys and webhooks; no model answers it."""

    http: httpx.Client
    redis: Redis


@contextmanager
def running(folder: Path, redis_url: str, **given: Any) -> Iterator[Locked]:
    settings = Settings(
        state_dir=folder, redis_url=redis_url, news_search_url="off", webhook_secrets=SECRETS,
        **given,
    )  # fmt: skip
    url, redis = database_url(settings), connect(redis_url)
    redis.flushall()
    migrate(url)
    models = Models(absent_model("none"), "none", lambda _: absent_model("none"))
    app = create_app()
    attach(app, assemble(settings, engine_for(url), redis, models))
    with over_http(app) as address, httpx.Client(base_url=address, timeout=30) as http:
        yield Locked(http, redis)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("webhooks")
    with running(folder, redis_url, api_keys=reader.entry) as service:
        yield service


def body(number: object = 1, source: str = "somebody") -> bytes:
    text = f"I love form {number} ü"
    item = {"id": str(number), "text": text, "created_at": "2026-11-21T05:20:00Z"}
    return json.dumps({"source": source, "posts": [item]}).encode()


def sign(content: bytes, secret: str = SECRET, *, name: str = "form", age_s: int = 0) -> dict:
    at = int(time.time()) - age_s
    mark = hmac.new(secret.encode(), b"%d." % at + content, hashlib.sha256).hexdigest()
    return {"X-Barometer-Webhook": name, "X-Barometer-Signature": f"t={at},v1={mark}",
            "Content-Type": "application/json"}  # fmt: skip


def sign_body(content: bytes, secret: str = SECRET) -> dict:
    mark = hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    return {
        "X-Barometer-Webhook": "form",
        "X-Hub-Signature-256": f"sha256={mark}",
        "Content-Type": "application/json",
    }


def send(service: Locked, content: bytes, headers: dict) -> httpx.Response:
    return service.http.post("/ingest", content=content, headers=headers)


def feed(service: Locked) -> list[dict]:
    entries = service.redis.xrange("barometer:posts")
    return [json.loads(fields["post"]) for _, fields in entries]


def test_right_signature_is_let_in_and_gives_the_source_its_name(locked: Locked) -> None:
    content = body(1, source="rss")
    answers = [send(locked, content, sign(content)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert answers[1].json()["duplicates"] == 1  # the same call again is harmless
    assert [post["source"] for post in feed(locked) if post["id"] == "1"] == ["form"]
    for number, headers in enumerate((sign(body(2), OLD_SECRET), sign_body(body(3)))):
        assert send(locked, body(number + 2), headers).status_code == 202
    upper = {**sign(body(4)), "X-Barometer-Signature": sign(body(4))["X-Barometer-Signature"] +
             ",v1=" + "A" * 64}  # fmt: skip
    assert send(locked, body(4), upper).status_code == 202


@pytest.mark.parametrize(
    ("signed", "told"),
    [
        (lambda: sign(body(), "another secret of 16"), "signature is not right"),
        (lambda: sign(body(), name="desk"), "signature is not right"),
        (lambda: sign(body(), name="nobody"), "signature is not right"),
        (lambda: sign(body(), "", name="nobody"), "signature is not right"),
        (lambda: sign(body(9)), "signature is not right"),
        (lambda: sign(body(), age_s=301), "5 minutes"),
        (lambda: sign(body(), age_s=-330), "5 minutes"),
        (lambda: sign_body(body(9)), "signature is not right"),
        (lambda: {**sign(body()), "X-Barometer-Signature": "t=1"}, "must be written"),
        (lambda: {**sign_body(body()), "X-Hub-Signature-256": "sha1=00"}, "must be written"),
        (lambda: {"X-Barometer-Webhook": "form"}, "signature is missing"),
        (lambda: {"X-Barometer-Signature": "t=1,v1=00"}, "name is missing"),
    ],
)
def test_wrong_signature_is_refused(locked: Locked, signed: Callable[[], dict], told: str) -> None:
    before = len(feed(locked))
    answer = send(locked, body(), signed())  # signed now: the age of a signature counts
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:barometer:unauthorized"
    assert told in answer.json()["detail"]
    assert "www-authenticate" in answer.headers
    assert len(feed(locked)) == before


def test_signature_opens_nothing_else(locked: Locked) -> None:
    for method, path in (("GET", "/events"), ("POST", "/predict"), ("DELETE", "/events/x")):
        answer = locked.http.request(method, path, content=body(), headers=sign(body()))
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:barometer:forbidden"


def test_body_over_the_bound_is_refused_before_it_is_hashed(locked: Locked) -> None:
    large = body() + b" " * 8_000_000
    announced = send(locked, large, sign(large))
    chunked = locked.http.post(
        "/ingest", content=(large[n : n + 500_000] for n in range(0, len(large), 500_000)),
        headers=sign(b"never looked at"),
    )  # fmt: skip
    for answer in (announced, chunked):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


def test_readme_shows_how_to_sign(locked: Locked) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    [lines] = [block for block in readme.split("```") if "openssl dgst" in block]
    run = subprocess.run(
        ["bash", "-ec", lines.replace("localhost:3000", locked.http.base_url.netloc.decode())],
        env={**os.environ, "SECRET": SECRET}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(run.stdout) == {"accepted": 1, "duplicates": 0, "rejected": []}


def test_sources_show_each_webhook(locked: Locked) -> None:
    headers = {"Authorization": f"Bearer {READER}"}
    lines = {s["name"]: s for s in locked.http.get("/sources", headers=headers).json()["sources"]}
    assert (lines["form"]["state"], lines["desk"]["posts"]) == ("ready", 0)
    assert lines["form"]["posts_today"] >= 1
    assert lines["form"]["last_post_at"] == "2026-11-21T05:20:00Z"
    assert lines["http"]["posts"] == 0


def test_description_names_the_signature(locked: Locked) -> None:
    document = locked.http.get("/docs.json").json()
    assert {"webhook": [], "signature": []} in document["paths"]["/ingest"]["post"]["security"]
    assert {"webhook", "signature"} <= document["components"]["securitySchemes"].keys()


def test_address_that_guesses_is_told_to_wait(locked: Locked) -> None:
    wrong = sign(body(), "a wrong secret of 16")
    statuses = {send(locked, body(), wrong).status_code for _ in range(61)}
    assert statuses == {401, 429}
    assert send(locked, body(), sign(body())).status_code == 202


def test_service_without_keys_is_open_and_a_signature_must_be_right_all_the_same(
    tmp_path: Path, redis_url: str
) -> None:
    with running(tmp_path, redis_url) as opened:
        plain = {"Content-Type": "application/json"}
        assert send(opened, body(1), plain).status_code == 202
        assert send(opened, body(2), sign(body(2))).status_code == 202
        assert send(opened, body(3), sign(body(2))).status_code == 401
        assert [post["source"] for post in feed(opened)] == ["somebody", "form"]


def test_without_secrets_the_sources_name_the_setting(settings: Settings) -> None:
    url = database_url(settings)
    migrate(url)
    lines = {line.name: line for line in source_lines(settings, engine_for(url))}
    assert lines["webhook"].state == "missing setting"
    assert "BAROMETER_WEBHOOK_SECRETS" in lines["webhook"].detail


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("form", "entry 1 is not written name:secret"),
        (f"form:{SECRET} a/b:{SECRET}", "entry 2 is not written name:secret"),
        ("form:0123456789abcde", "'form' has fewer than 16 characters"),
    ],
)
def test_setting_that_cannot_be_used_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("BAROMETER_WEBHOOK_SECRETS", value)
    with pytest.raises(SettingsError) as raised:
        read_settings()
    assert told in str(raised.value)
    assert "0123456789" not in str(raised.value)


def test_webhook_cannot_take_a_sources_name() -> None:
    with pytest.raises(SettingsError, match="'rss' is a source of Barometer's own"):
        Webhooks(lambda *_: None, f"rss:{SECRET}", 1.0)  # type: ignore[arg-type, return-value]
