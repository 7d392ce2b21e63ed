"""What BentoML answers by itself comes through Barometer's door, or not at all."""

import pytest

from tests.serving.stand_alone import Service

PROBLEM = "application/problem+json"


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_probes_answer(service: Service, path: str) -> None:
    assert service.http.get(path).status_code == 200
    assert service.http.head(path).status_code == 200


def test_metrics_are_prometheus_text(service: Service) -> None:
    response = service.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "barometer_requests_total" in response.text
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/schema.json", "/static_content/index.css", "/api", "/x/y"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "TRACE"])
def test_bentoml_s_other_routes_are_not_there(service: Service, method: str, path: str) -> None:
    response = service.http.request(method, path)
    assert response.status_code == 404
    assert response.headers["content-type"] == PROBLEM


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/events/the-ferry", "/docs"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "TRACE", "PROPFIND"])
def test_wrong_methods_name_the_right_ones(service: Service, method: str, path: str) -> None:
    response = service.http.request(method, path)
    assert response.status_code == 405
    assert response.headers["content-type"] == PROBLEM
    assert "GET" in response.headers["allow"]


def test_head_is_get_without_its_body(service: Service) -> None:
    for path in ("/", "/docs.json", "/events"):
        got, head = service.http.get(path), service.http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
    assert service.http.head("/nowhere").status_code == 404
    assert "Barometer" in service.http.get("/").text


def test_security_headers_are_on_every_answer(service: Service) -> None:
    for path in ("/", "/events", "/nowhere", "/healthz", "/docs", "/ui/app.js"):
        headers = service.http.get(path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers  # not under TLS
    assert service.http.get("/events").headers["cache-control"] == "no-store"
    too_large = service.http.post("/predict", content=b" " * 8_000_001)
    assert too_large.headers["x-content-type-options"] == "nosniff"


def test_no_page_of_another_origin_is_let_in_by_default(service: Service) -> None:
    headers = {"Origin": "https://news.example"}
    assert "access-control-allow-origin" not in service.http.get("/events", headers=headers).headers
    simple = {**headers, "Content-Type": "text/plain"}  # what a page may send without being asked
    assert service.http.post("/predict", content='{"text": "x"}', headers=simple).is_client_error
