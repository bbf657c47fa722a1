import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.session import Session, Turn
from alliance.model.timeline import Timeline, timeline
from alliance.serve.report.making import write_report
from alliance.serve.report.view import TimelineView

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

STORY = (
    "tN cN tPB cPB tN cW2@.8 tN cW5@.6 tN cC1@.9 tPR cN cPB tN cN? tN cN tN cN tN "
    "cN tN cC3@.7 tCT@.5 tN cN tN cN tN cN tN cN _ o tN cW1@.55 tN"
)
"""Three episodes: with a repair signal, with none, and cut off by the end; all four labels, a
turn without words, one of another speaker, one on which the model abstains."""


def saying(labelled: LabelledSession, texts: dict[int, str]) -> LabelledSession:
    """The session with other words in some turns."""
    turns = tuple(
        replace(turn, turn=replace(turn.turn, text=texts.get(turn.index, turn.turn.text)))
        for turn in labelled.turns
    )
    session = replace(labelled.session, turns=tuple(turn.turn for turn in turns))
    return replace(labelled, session=session, turns=turns)


def purposes_of(labelled: LabelledSession) -> dict[Purpose, Timeline]:
    """Three labelings with the same probabilities.

    Screening never abstains and takes turn 0 for a withdrawal; teaching abstains on ruptures
    below .75.
    """
    screening = [replace(turn, abstained=False) for turn in labelled.turns]
    screening[0] = replace(screening[0], label=Label.WITHDRAWAL, marker=Marker.WT, p_marker=0.05)
    teaching = [
        replace(turn, abstained=turn.abstained or (turn.is_rupture and turn.p_rupture < 0.75))
        for turn in labelled.turns
    ]
    made = {
        Purpose.SCREENING: screening,
        Purpose.RESEARCH: list(labelled.turns),
        Purpose.TEACHING: teaching,
    }
    return {
        purpose: timeline(
            replace(labelled, turns=tuple(turns), model=replace(labelled.model, purpose=purpose))
        )
        for purpose, turns in made.items()
    }


@pytest.fixture(scope="session")
def story(sketch: Callable[..., LabelledSession]) -> LabelledSession:
    return sketch(STORY, timed=True, session_id="story")


@pytest.fixture(scope="session")
def view(story: LabelledSession) -> TimelineView:
    return TimelineView.from_timelines(purposes_of(story).values())


@pytest.fixture(scope="module")  # its loop must not run on beside tests of another kind
def browser() -> Iterator[Any]:
    """A Chromium that never reaches a network."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the path")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the [dev] extra")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


class Opened:
    """A file in the browser, with what it asked for and complained of.

    Attributes:
        page: Playwright's page.
        requests: what was asked for beyond the file itself.
        complaints: errors of scripts and of the content security policy.
    """

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        # Patient: the tests may share the machine with much else.
        context.set_default_timeout(60_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        own = path.as_uri()

        def decide(route: Any) -> None:
            if route.request.url.split("#")[0] == own:
                route.continue_()
            else:
                self.requests.append(route.request.url)
                route.abort()

        context.route("**/*", decide)
        self.page.goto(own)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file; at the end nothing may have been asked for and nothing complained of."""
    files: list[Opened] = []

    def open_file(path: Path, **options: Any) -> Opened:
        files.append(Opened(browser, path, **options))
        return files[-1]

    yield open_file
    for file in files:
        file.close()
    assert [file.requests for file in files] == [[] for _ in files]
    assert [file.complaints for file in files] == [[] for _ in files]


@pytest.fixture(scope="session")
def report(view: TimelineView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's report."""
    path = tmp_path_factory.mktemp("report") / "story.html"
    write_report(view, path)
    return path


def plain_session(*said: str) -> Session:
    """Turns as ``speaker: words``."""
    parts = (line.partition(": ") for line in said)
    return Session("s", tuple(Turn(speaker, text) for speaker, _, text in parts))
