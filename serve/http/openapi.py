"""The OpenAPI document: what FastAPI finds out, and the shapes that it cannot see."""

import copy
import json
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from alliance.model.schema import timeline_schema
from alliance.serve.http.messages import (
    ModelVersion,
    OneSession,
    ProblemBody,
    SeveralSessions,
    Upload,
)
from alliance.serve.http.problems import MEDIA_TYPE

__all__ = ["describe"]

_REF: Final = "#/components/schemas/"
_DESCRIPTION: Final = """\
Finds ruptures in the therapeutic alliance in the words of a therapy session.

Times are in milliseconds. Every reply names the model and the codebook, in its body and in the
headers `Alliance-Model` and `Alliance-Codebook`. Errors are `application/problem+json` (RFC 9457)
and never repeat what was sent. `503` and `429` say in `Retry-After` when to come back.

The labels repeat a coding by language models; no clinician has validated them. This is an aid for
research and training, not a medical device, and never a score of a therapist: see `/v1/model`.
"""
_PROBLEMS: Final = {
    "400": "The body cannot be read.",
    "401": "No valid key.",
    "403": "The key lacks the scope, or a page of another site asks.",
    "413": "The body is too long.",
    "415": "The body is of another media type.",
    "422": "The request is not as described here, or a session cannot be labelled.",
    "429": "Too many requests of one key.",
    "503": "Overloaded or not ready yet.",
}
_WITH_BODY: Final = frozenset({"400", "413", "415", "422"})


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """A replacement for ``app.openapi``: the document, made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    return openapi


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="alliance",
        version=app.version,
        summary="Rupture timelines of psychotherapy sessions.",
        description=_DESCRIPTION,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    components = document.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    _, ours = models_json_schema(
        [
            (OneSession, "validation"),
            (SeveralSessions, "validation"),
            (Upload, "validation"),
            (ProblemBody, "serialization"),
            (ModelVersion, "serialization"),
        ],
        ref_template=_REF + "{model}",
    )
    for name, schema in ours["$defs"].items():
        schemas.setdefault(name, schema)
    schemas.update(_timeline_schemas())
    # FastAPI's own words for its 422, which is not what is answered here.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["requestBodies"] = {"Timelines": _timelines_body(schemas)}
    components["responses"] = {
        f"Problem{status}": {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF + "ProblemBody"}}},
        }
        for status, text in {**_PROBLEMS, "": "A problem."}.items()
    }
    components["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A key of `alliance keys add`; over loopback none is asked for unless "
            "some were made.",
        }
    }
    document["security"] = [{"key": []}, {}]
    for path in document["paths"].values():
        for operation in path.values():
            _add_problems(operation)
    return document


def _add_problems(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    for status in _PROBLEMS:
        if status not in _WITH_BODY or "requestBody" in operation or "parameters" in operation:
            responses.setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
    responses.setdefault("default", {"$ref": "#/components/responses/Problem"})


def _timelines_body(schemas: dict[str, Any]) -> dict[str, Any]:
    one, several = (schemas[name]["examples"][0] for name in ("OneSession", "SeveralSessions"))
    return {
        "required": True,
        "description": "Sessions as JSON, or one transcript file.",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [{"$ref": _REF + "OneSession"}, {"$ref": _REF + "SeveralSessions"}]
                },
                "examples": {
                    "one": {"summary": "One session", "value": one},
                    "several": {"summary": "Several sessions", "value": several},
                },
            },
            "multipart/form-data": {"schema": {"$ref": _REF + "Upload"}},
        },
    }


def _timeline_schemas() -> dict[str, Any]:
    """The timeline's published schema, its parts under names of their own."""
    schema = timeline_schema()
    parts = schema.pop("$defs")
    for key in ("$schema", "$id"):
        schema.pop(key, None)
    named = {"Timeline": schema}
    for name, part in parts.items():
        named[_part(name)] = part
    text = json.dumps(named)
    for name in parts:
        text = text.replace(f'"#/$defs/{name}"', f'"{_REF}{_part(name)}"')
    out: dict[str, Any] = json.loads(text)
    result = {"anyOf": [{"$ref": _REF + "Timeline"}, {"$ref": _REF + "ProblemBody"}]}
    out["Timelines"] = {
        "title": "Timelines",
        "description": "What became of several sessions.",
        "type": "object",
        "properties": {
            "results": {
                "type": "array",
                "description": "A timeline or a problem for each session, in order.",
                "items": result,
            },
            "model": {"$ref": _REF + "ModelVersion"},
        },
        "required": ["results", "model"],
    }
    out["TimelinesReply"] = {
        "title": "TimelinesReply",
        "anyOf": [{"$ref": _REF + "Timeline"}, {"$ref": _REF + "Timelines"}],
    }
    return copy.deepcopy(out)


def _part(name: str) -> str:
    return "Timeline" + name[:1].upper() + name[1:]
