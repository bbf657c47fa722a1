"""``/v1/model``: what the model is, how good it is, and what it must not be used for."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from alliance.model.codebook import LABELS, MARKERS, Role
from alliance.model.labelled import Purpose
from alliance.serve.http.access import Caller, require
from alliance.serve.http.figures import shipped_figures
from alliance.serve.http.messages import MAX_SESSIONS, MAX_TEXT, MAX_TURNS, ModelVersion

__all__ = ["ModelDocument", "model_document", "router"]

router: Final = APIRouter(tags=["model"])

CLAIM: Final = (
    "The labels repeat a coding by language models that followed a codebook in the tradition of "
    "the 3RS and the CIS; no clinician has validated them. They point to turns worth a person's "
    "reading."
)
NOT_FOR: Final = (
    "Not a medical device: not for diagnosis, risk assessment or decisions about treatment.",
    "Never a score of a therapist or a client, and no ground for judging anyone.",
    "It does not notice suicidal thoughts or danger and must not be relied upon to.",
    "Languages other than English, group sessions and transcripts without speakers are out of "
    "its scope.",
    "How a rupture ended was judged by no coder: repair signals are reported, never a resolution.",
)


class CodeOut(BaseModel):
    """A fine code of the codebook."""

    code: str
    label: str
    name: str
    speakers: list[Role] = Field(description="Who may get it.")


class LimitsOut(BaseModel):
    """How much one request may hold."""

    sessions: int
    turns_per_session: int
    characters_per_turn: int
    body_bytes: int


class ModelDocument(BaseModel):
    """What the model is."""

    model: ModelVersion
    claim: str = Field(description="What the labels are, in one honest sentence or two.")
    not_for: list[str] = Field(description="What the model must not be used for.")
    labels: list[str]
    codes: list[CodeOut]
    purposes: list[Purpose]
    figures: list[dict[str, Any]] | None = Field(
        description="What was measured: on which sessions, how, with intervals over sessions; "
        "null for a model of your own, of which this program knows none."
    )
    limits: LimitsOut


@router.get(
    "/v1/model",
    operation_id="get_model",
    summary="What the model is, its figures and its limits",
)
async def get_model(
    request: Request, caller: Annotated[Caller, Depends(require("label"))]
) -> ModelDocument:
    """The same as the model card says, for programs."""
    state = request.app.state
    return model_document(state.versions, body_bytes=state.settings.body_bytes)


def model_document(versions: dict[str, str], *, body_bytes: int) -> ModelDocument:
    """The document for a model.

    Args:
        versions: name of the model and version of the codebook.
        body_bytes: the limit that the server sets.
    """
    shipped = shipped_figures()
    return ModelDocument(
        model=ModelVersion(**versions),
        claim=CLAIM,
        not_for=list(NOT_FOR),
        labels=[label.value for label in LABELS],
        codes=[
            CodeOut(
                code=marker.value,
                label=marker.label.value,
                name=MARKERS[marker].name,
                speakers=sorted(MARKERS[marker].roles),
            )
            for marker in MARKERS
        ],
        purposes=list(Purpose),
        figures=shipped["measured"] if versions.get("name") == shipped["model"] else None,
        limits=LimitsOut(
            sessions=MAX_SESSIONS,
            turns_per_session=MAX_TURNS,
            characters_per_turn=MAX_TEXT,
            body_bytes=body_bytes,
        ),
    )
