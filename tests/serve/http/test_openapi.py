"""The OpenAPI document: a golden file, examples that hold, a page that works offline."""

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

GOLDEN = {
    "client": Path(__file__).with_name("openapi.json"),
    "storing": Path(__file__).with_name("openapi_store.json"),
}


@pytest.fixture(params=GOLDEN)
def any_client(request: pytest.FixtureRequest) -> TestClient:
    """A client of the service without a store, and of one with it."""
    found: TestClient = request.getfixturevalue(request.param)
    return found


def document(client: TestClient) -> dict[str, Any]:
    made: dict[str, Any] = client.get("/openapi.json").json()
    return made


@pytest.mark.parametrize("name", GOLDEN)
def test_the_document_is_the_golden_one(request: pytest.FixtureRequest, name: str) -> None:
    """After a change on purpose: GOLDEN=1 pytest tests/serve/http/test_openapi.py."""
    text = json.dumps(document(request.getfixturevalue(name)), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN"):
        GOLDEN[name].write_text(text, encoding="utf-8")
    assert text == GOLDEN[name].read_text(encoding="utf-8")


def test_a_store_adds_to_the_document_and_changes_nothing(
    client: TestClient, storing: TestClient
) -> None:
    plain, stored = (document(one)["paths"] for one in (client, storing))
    assert plain.items() <= stored.items()
    assert {path.split("/")[2] for path in stored.keys() - plain.keys()} == {
        *("sessions", "jobs", "corpus"),
    }


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node))
    return set()


def test_every_reference_leads_somewhere(any_client: TestClient) -> None:
    made = document(any_client)
    found = references(made)
    assert "#/components/schemas/TimelineTurn" in found
    for reference in found:
        target: Any = made
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    assert "HTTPValidationError" not in json.dumps(made)


def test_every_operation_has_a_name_a_summary_and_problems(any_client: TestClient) -> None:
    made = document(any_client)
    operations = [operation for path in made["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"401", "503", "default"} <= operation["responses"].keys()


def test_every_example_is_answered_as_described(any_client: TestClient) -> None:
    made = document(any_client)
    body = made["components"]["requestBodies"]["Timelines"]["content"]["application/json"]
    assert set(body["examples"]) == {"one", "several"}
    for name, example in body["examples"].items():
        schema = {**body["schema"], "components": made["components"]}
        jsonschema.validate(example["value"], schema)
        response = any_client.post("/v1/timelines", json=example["value"])
        assert response.status_code == 200, response.text
        reply = {"$ref": "#/components/schemas/TimelinesReply", "components": made["components"]}
        jsonschema.validate(response.json(), reply)
        assert ("results" in response.json()) == (name == "several")
        if name == "several":
            assert all("turns" in result for result in response.json()["results"])


def test_problems_are_as_described(any_client: TestClient) -> None:
    made = document(any_client)
    schema = {"$ref": "#/components/schemas/ProblemBody", "components": made["components"]}
    for response in (any_client.get("/nothing"), any_client.post("/v1/timelines", json={})):
        jsonschema.validate(response.json(), schema)


def test_the_page_needs_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in page.text.replace("<!doctype html>", "").replace("html", "")
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 4
    for address in wanted:
        response = client.get(f"/{address}")
        assert response.status_code == 200
        assert len(response.content) > 50
    start = client.get("/docs/start.js").text
    assert 'url: "openapi.json"' in start
    assert client.get("/docs/other.js").status_code == 404


def test_the_bundle_can_show_this_version_of_openapi(client: TestClient) -> None:
    made = document(client)
    assert made["openapi"].startswith("3.1")
    assert "OpenAPI3.1" in client.get("/docs/swagger-ui-bundle.js").text.replace(" ", "") or (
        "openapi31" in client.get("/docs/swagger-ui-bundle.js").text.lower()
    )
