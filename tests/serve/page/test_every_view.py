"""What holds for every view, in a browser: any text, any width, any way of reading."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alliance.serve.http.keys import Scope
from alliance.serve.store.store import Store

Serving = Callable[..., str]
Visiting = Callable[..., Any]


HOSTILE = (
    "😀 <script>window.bad = 1</script><img src=x onerror='window.bad = 2'> "
    "\u202eturned\u202c \u05e9\u05dc\u05d5\u05dd &amp; listening 👩\u200d👧"
)


def test_hostile_text_is_shown_as_text(
    serving: Serving, visiting: Visiting, store: Store, tmp_path: Path
) -> None:
    name = "<b onclick=bad()>Åsa"
    turns = [
        {"speaker": "T", "text": "How are you?"},
        {"speaker": name, "text": HOSTILE},
        {"speaker": "<i>Third</i>", "text": HOSTILE},
    ]
    path = tmp_path / "x.json"
    session = {"id": "<script>window.bad = 3</script>", "turns": turns}
    path.write_text(json.dumps(session), encoding="utf-8")
    visit = visiting(serving(store))
    page = visit.page
    visit.choose(path)
    roles = visit.view("roles")
    assert roles.locator("tbody th").all_inner_texts()[1:] == [name, "<i>Third</i>"]
    visit.roles(Third="other")
    page.locator("tbody select").nth(1).select_option("client")
    page.locator("[name=keep]").check()
    page.locator("button[value=show]").click()
    visit.view("timeline")
    assert page.locator("h1 bdi").first.text_content() == session["id"]
    assert page.locator("#turn-1 .words").text_content().strip() == HOSTILE
    visit.press("c", "d", "2", "2", "Tab")
    page.keyboard.insert_text(HOSTILE)
    visit.press("Control+Enter")
    visit.says("Stored")
    # Characters are counted otherwise in a browser than in Python: the phrase must fit anyway.
    page.get_by_role("button", name="Why this label?").click()
    page.locator(".because").wait_for()
    assert page.locator(".because q").all_text_contents()[0] == "listening"
    visit.press("m")
    page.reload()
    visit.view("timeline")
    page.locator("#turn-1 .no").click()
    assert page.locator("#turn-1 .review q").text_content() == HOSTILE
    assert page.evaluate("window.bad") is None
    assert page.locator("main img, main b[onclick], main script:not(.timeline-data)").count() == 0


def test_letters_as_keys_can_be_turned_off(
    serving: Serving, visiting: Visiting, transcript: Path
) -> None:
    visit = visiting(serving())
    visit.opened(transcript)
    visit.press("c")
    visit.page.locator("[data-keys]").click()
    visit.page.locator("[data-letters]").uncheck()
    visit.page.get_by_role("button", name="Close").click()
    visit.press("d", "a")
    assert visit.page.locator(".judging, .own-mark").count() == 0
    visit.page.locator("[data-keys]").click()
    visit.page.locator("[data-letters]").check()
    visit.page.get_by_role("button", name="Close").click()
    visit.press("a")
    visit.page.locator(".own-mark").wait_for()


def test_a_file_that_cannot_be_read_says_why(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(serving(), expected=("422",))
    visit.view("start")
    path = tmp_path / "secret words.vtt"
    path.write_text("secret words without any cue", encoding="utf-8")
    visit.page.set_input_files("[data-file]", path)
    notice = visit.page.locator("[data-notice]")
    notice.wait_for()
    assert notice.inner_text().lower().startswith("expected ")
    assert "secret" not in notice.inner_text()
    # What it advises is in sight.
    assert visit.page.locator("[name=encoding]").is_visible()


VIEWS = ("start", "roles", "timeline", "training", "coding", "comparison", "playlist", "presenter")


def tour(visit: Any, transcript: Path, look: Callable[[str], None]) -> None:
    """Every view, with something in it."""
    page = visit.page
    visit.view("start")
    look("start")
    visit.choose(transcript)
    look("roles")
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("button[value=show]").click()
    visit.view("timeline")
    visit.press("c", "a", "m", "d", "2")
    look("timeline")
    visit.at("training")
    visit.view("training")
    look("training")
    visit.at("label/teaching/u005")
    visit.view("coding")
    visit.press("3")
    look("coding")
    page.locator("[data-rest]").click()
    page.locator("[data-compare]").click()
    visit.view("comparison")
    look("comparison")
    visit.at("playlist")
    visit.view("playlist")
    look("playlist")
    page.locator("[data-present]").click()
    visit.view("presenter")
    visit.press("Space")
    look("presenter")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_fault_of_accessibility(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visit = visiting(serving(store), color_scheme=scheme, reduced_motion="reduce")
    faults: dict[str, Any] = {}

    def look(name: str) -> None:
        found = axe.run(visit.page).response["violations"]
        grave = [one for one in found if one["impact"] in ("serious", "critical")]
        faults[name] = [(one["id"], one["nodes"][0]["html"][:200]) for one in grave]

    tour(visit, transcript, look)
    assert faults == {name: [] for name in VIEWS}


@pytest.mark.parametrize("width", [320, 1024])
def test_no_view_scrolls_sideways(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path, width: int
) -> None:
    visit = visiting(serving(store), viewport={"width": width, "height": 800})
    wide: dict[str, int] = {}

    def look(name: str) -> None:
        wide[name] = visit.page.evaluate("document.scrollingElement.scrollWidth")

    tour(visit, transcript, look)
    assert {name: size for name, size in wide.items() if size > width} == {}
    assert tuple(wide) == VIEWS


def test_the_login_has_no_serious_fault_of_accessibility(
    serving: Serving, visiting: Visiting, store: Store
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    store.keys.add(group="north", scopes=[Scope.LABEL])
    visit = visiting(serving(store), expected=("401",))
    visit.view("login")
    found = axe.run(visit.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
