"""Schemathesis over every documented route: no 5xx, nothing that the document does not say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from fastapi.routing import APIRoute, iter_route_contexts

from serving.app import create_app
from tests.serving.stand_alone import Service

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method,missing_required_header,use_after_free"
)
PAGES = {"/", "/favicon.ico", "/docs", "/{path:path}"}
"""Every other route is in the document, and is tested; the last is no route, but its lack."""
BOUNDARIES = Path(__file__).with_name("schema_boundaries.py")


def operations() -> set[str]:
    """Method and path of every route that the application has, documented or not."""
    return {
        f"{method} {route.path}"
        for route in iter_route_contexts(create_app().routes)
        if isinstance(route.original_route, APIRoute) and route.path not in PAGES
        for method in route.methods or ()
    }


def test_schemathesis_finds_nothing(service: Service, tmp_path: Path) -> None:
    report = tmp_path / "report.ndjson"
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/docs.json",
         "--report-ndjson-path", str(report),
         "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "5",
         "--seed", "1", "--generation-database", "none", "--suppress-health-check", "all",
         "--request-timeout", "60", "--no-color"],
        cwd=tmp_path, check=False, capture_output=True, text=True, timeout=400,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(BOUNDARIES)},
    )  # fmt: skip
    print(run.stdout[-2_000:])  # noqa: T201 - the summary, for the log
    assert run.returncode == 0, run.stdout[-10_000:] + run.stderr[-2_000:]
    events = [json.loads(line) for line in report.read_text().splitlines()]
    finished = [event["ScenarioFinished"] for event in events if "ScenarioFinished" in event]
    assert {scenario["recorder"]["label"] for scenario in finished} == operations()
    [(generated, passed)] = re.findall(r"(\d+) generated, (\d+) passed", run.stdout)
    assert int(generated) == int(passed) > 300


def test_every_operation_is_described(service: Service) -> None:
    document = service.http.get("/docs.json").json()
    described = {tag["name"] for tag in document["tags"]}
    assert described >= {"mood", "events", "system"}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert operation["description"], path
            assert operation["tags"], path
            assert described.issuperset(operation["tags"]), path
            assert "security" in operation, path
            for status, response in operation["responses"].items():
                kinds = set(response.get("content", {}))
                wanted = {"application/problem+json"} if int(status) >= 400 else kinds
                assert kinds == wanted, (method, path, status)
            success = min(operation["responses"])
            content = operation["responses"][success].get("content", {})
            if "application/json" in content:
                assert "$ref" in content["application/json"]["schema"], path
    assert "HTTPValidationError" not in json.dumps(document)
