"""A browser, and real servers on free ports for it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.store.cipher import new_key
from alliance.serve.store.store import Store

STUB = Path(__file__).parents[2] / "data" / "stub_model"

VTT = """\
WEBVTT

00:00:01.000 --> 00:00:04.000
<v M. Weber>How has the week been?

00:00:05.000 --> 00:00:08.000
<v Anna>Fine.

00:00:09.000 --> 00:00:12.000
<v Nurse>I only need the blue folder.

00:00:13.000 --> 00:00:19.000
<v M. Weber>You told your father, did you not?

00:00:20.000 --> 00:00:28.000
<v Anna>You are not listening to me.

00:00:29.000 --> 00:00:35.000
<v M. Weber>I am sorry. I got that wrong.

00:00:36.000 --> 00:00:40.000
<v Anna>Thanks for saying so.
"""
CONFRONTATION = 4


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("ALLIANCE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """A session of seven turns by three speakers, with a confrontation at turn 4."""
    path = tmp_path / "first visit.vtt"
    path.write_text(VTT, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def classifier() -> RuptureClassifier:
    return RuptureClassifier.load(STUB, threads=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'store.db'}", key=new_key())
    yield opened
    opened.close()


@contextmanager
def served(classifier: RuptureClassifier, store: Store | None) -> Iterator[str]:
    settings = Settings(port=0, workers=2, rate_limit="100000/minute")
    with in_thread(create_app(settings, classifier, store), settings) as url:
        yield url


@pytest.fixture(scope="session")
def without_store(classifier: RuptureClassifier) -> Iterator[str]:
    with served(classifier, None) as url:
        yield url


@pytest.fixture
def serving(classifier: RuptureClassifier, without_store: str) -> Iterator[Callable[..., str]]:
    """Addresses of real servers, each in a thread; the one without a store keeps nothing."""
    with ExitStack() as stack:

        def start(store: Store | None = None) -> str:
            if store is None:
                return without_store
            return stack.enter_context(served(classifier, store))

        yield start


@pytest.fixture(scope="module")  # its loop must not run on beside tests of another kind
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Visit:
    """A page that is looked at, and what it asked for and complained of."""

    page: Any
    origin: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def view(self, name: str) -> Any:
        """The view, once it is shown."""
        found = self.page.locator(f'[data-view="{name}"]')
        found.wait_for(state="visible")
        return found

    def at(self, address: str) -> None:
        """Go to a part of the page."""
        self.page.goto(f"{self.origin}/#/{address}")

    def choose(self, path: Path) -> None:
        """Choose a transcript on the start page."""
        self.view("start")
        self.page.set_input_files("[data-file]", path)
        self.view("roles")

    def roles(self, **roles: str) -> None:
        """Say who is who, by the name's first word."""
        for name, role in roles.items():
            self.page.locator(f'select[aria-label*="{name}"]').select_option(role)

    def opened(self, path: Path) -> None:
        """Open the transcript of this folder's tests as a timeline."""
        self.at("")
        self.choose(path)
        self.roles(Weber="therapist", Anna="client", Nurse="other")
        self.page.locator("button[value=show]").click()
        self.view("timeline")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, text: str) -> None:
        """Wait until the live region says something."""
        self.page.locator("[data-live]", has_text=text).wait_for(state="attached")


@pytest.fixture
def visiting(browser: Any) -> Iterator[Callable[..., Visit]]:
    """Pages of a server; none may ask anybody else, nor stumble over its own script or policy."""
    visits: list[Visit] = []

    def visit(origin: str, *, expected: tuple[str, ...] = (), **context: Any) -> Visit:
        page = browser.new_context(accept_downloads=True, **context).new_page()
        page.set_default_timeout(
            90_000
        )  # a machine may be busy; nothing here takes a second by itself
        made = Visit(page, origin)

        def complain(text: str) -> None:
            if not any(word in text for word in expected):
                made.complaints.append(text)

        page.on("request", lambda request: made.requests.append(request.url))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("dialog", lambda dialog: (complain(dialog.message), dialog.dismiss()))
        page.on(
            "console",
            lambda message: complain(message.text) if message.type == "error" else None,
        )
        visits.append(made)
        page.goto(f"{origin}/")
        return made

    yield visit
    for made in visits:
        made.page.context.close()
        away = [url for url in made.requests if not url.startswith((made.origin, "blob:", "data:"))]
        assert away == []
        assert made.complaints == []
