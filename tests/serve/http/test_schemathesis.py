"""Requests made up from the OpenAPI document, good and bad ones, against a running server."""

import time
from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store.store import Store

# Not the check that every request that fits the schema is answered 200: a speaker whose role
# nobody knows fits it, and is a problem.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


TURNS = [{"speaker": "T", "text": "Well?"}, {"speaker": "C", "text": "useless"}]


@pytest.fixture(scope="session")
def addresses(classifier: RuptureClassifier, store: Store) -> Iterator[dict[str, str]]:
    """A server without a store and one with it."""
    made = Settings(workers=1, port=0)
    with (
        in_thread(create_app(made, classifier), made) as plain,
        in_thread(create_app(made, classifier, store), made) as stored,
    ):
        yield {"plain": plain, "stored": stored}


@pytest.mark.parametrize(("name", "least"), [("plain", 6), ("stored", 17)])
def test_the_server_does_as_it_says(addresses: dict[str, str], name: str, least: int) -> None:
    url = addresses[name]
    described = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) >= least
    for operation in operations:
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        for mode in modes if operation.body else modes[:1]:
            answered = exercise(operation.as_strategy(generation_mode=mode), url)
            assert answered


def there_are(url: str) -> dict[str, str]:
    """Ids of things that are there, since nobody makes them up by chance."""
    body = {"session": {"turns": TURNS}}
    made = {}
    for name, path in (("session_id", "/v1/sessions"), ("job_id", "/v1/jobs")):
        made[name] = httpx.post(f"{url}{path}", json=body, timeout=60).json()["id"]
    for _ in range(600):
        job = httpx.get(f"{url}/v1/jobs/{made['job_id']}", timeout=60).json()
        if job["state"] == "done":
            break
        time.sleep(0.1)
    return {**made, "turn": "1"}


def exercise(cases: SearchStrategy[schemathesis.Case], url: str) -> list[int]:
    """Send a few requests; their statuses."""
    statuses: list[int] = []
    there: dict[str, str] = {}

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases, st.booleans())
    def send(case: schemathesis.Case, known: bool) -> None:
        wanted = case.path_parameters or {}
        if known and wanted:
            if not there or case.method == "DELETE":
                there.update(there_are(url))
            case.path_parameters = {name: there.get(name, value) for name, value in wanted.items()}
        response = case.call(timeout=60)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)
        statuses.append(response.status_code)

    send()
    return statuses
