"""Requests made up from the OpenAPI document, good and bad ones, against a running server."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings

# Not the check that every request that fits the schema is answered 200: a speaker whose role
# nobody knows fits it, and is a problem.
CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="session")
def described(classifier: RuptureClassifier) -> Iterator[schemathesis.BaseSchema]:
    made = Settings(workers=1, port=0)
    with in_thread(create_app(made, classifier), made) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


def test_the_server_does_as_it_says(described: schemathesis.BaseSchema) -> None:
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) >= 6
    for operation in operations:
        modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
        for mode in modes if operation.body else modes[:1]:
            answered = exercise(operation.as_strategy(generation_mode=mode))
            assert answered


def exercise(cases: SearchStrategy[schemathesis.Case]) -> list[int]:
    """Send a few requests; their statuses."""
    statuses: list[int] = []

    @settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def send(case: schemathesis.Case) -> None:
        response = case.call(timeout=60)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=CHECKS)
        statuses.append(response.status_code)

    send()
    return statuses
