"""The published JSON Schemas, for tools that check what they receive."""

import json
from importlib.resources import files
from typing import Any

__all__ = ["timeline_schema"]


def timeline_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``Timeline.to_dict``; a fresh copy at each call."""
    path = files("alliance.model.schemas") / "timeline.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema
