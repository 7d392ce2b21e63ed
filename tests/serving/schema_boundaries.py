"""Hooks of Schemathesis: to every string of every operation, numbers that no column holds.

Chance does not find them: they are valid strings, and most of them are refused for what they are
not. Schemathesis is told of this file by `SCHEMATHESIS_HOOKS`, and loads it alone.
"""

from collections.abc import Iterator
from typing import Any

import schemathesis

BOUNDARIES = (
    "9" * 32,
    "-" + "9" * 19,
    f"2026-01-01T00:00:00Z~{'9' * 26}",
    "0001-01-01T00:00:00Z~0",
)


@schemathesis.hook
def before_add_examples(context: Any, examples: list[Any]) -> None:
    """Add a case for each string and boundary; what else is required has its documented example."""
    operation = context.operation
    raw = operation.definition.raw
    given = raw.get("parameters", [])
    path = {each["name"]: "all" for each in given if each["in"] == "path"}
    asked = [each for each in given if each["in"] == "query"]
    query = {each["name"]: each["schema"] for each in asked}
    required = {each["name"] for each in asked if each["required"]}
    examples.extend(
        operation.Case(path_parameters=path, query=one) for one in with_boundaries(query, required)
    )
    content = raw.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        name = content["schema"]["$ref"].rpartition("/")[2]
        body = operation.schema.raw_schema["components"]["schemas"][name]
        examples.extend(
            operation.Case(path_parameters=path, body=one, media_type="application/json")
            for one in with_boundaries(body["properties"], set(body.get("required", [])))
        )


def with_boundaries(fields: dict[str, Any], required: set[str]) -> Iterator[dict[str, Any]]:
    """Each string field at each boundary, beside an example of every required one."""
    base = {name: fields[name].get("examples", ["all"])[0] for name in required}
    for name, schema in fields.items():
        kinds = {each.get("type") for each in (schema, *schema.get("anyOf", []))}
        if "string" in kinds:
            yield from ({**base, name: boundary} for boundary in BOUNDARIES)
