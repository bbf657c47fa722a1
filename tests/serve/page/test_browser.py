"""The page in a browser, against a real server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from alliance.model.codebook import Label, Marker
from alliance.model.codings import Coding, read_codings
from alliance.serve.http.keys import Scope
from alliance.serve.page.comparison import CodedTurn, compare
from alliance.serve.page.teaching_set import teaching_set
from alliance.serve.store.store import Store
from alliance.training.corpora.coded_lines import coded_jsonl

CONFRONTATION = 4

Serving = Callable[..., str]
Visiting = Callable[..., Any]


def test_from_a_dropped_file_to_a_disagreement_that_is_there_again(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path
) -> None:
    visit = visiting(serving(store))
    page = visit.page
    visit.view("start")
    carried = page.evaluate_handle(
        """([name, text]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([text], name));
            return carried;
        }""",
        [transcript.name, transcript.read_text(encoding="utf-8")],
    )
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": carried})

    roles = visit.view("roles")
    assert roles.locator("tbody th").all_inner_texts() == ["M. Weber", "Anna", "Nurse"]
    assert roles.locator("tbody td.number").all_inner_texts() == ["3", "3", "1"]
    page.locator("button[value=show]").click()
    assert "Choose a role" in roles.locator("[data-problem]").inner_text()
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("[name=keep]").check()
    page.locator("button[value=show]").click()
    timeline = visit.view("timeline")

    # From here on by the keyboard alone.
    visit.press("c")
    visit.says(f"confrontation rupture: turn {CONFRONTATION}")
    turn = page.locator(f"#turn-{CONFRONTATION}")
    assert turn.evaluate("one => one.contains(document.activeElement)")
    visit.press("d", "2", "5", "Tab")
    page.keyboard.type("gives in at once")
    visit.press("Control+Enter")
    visit.says("Stored for local")
    assert "you: ▼ withdrawal rupture, deferential" in turn.locator(".own-mark").inner_text()
    assert "confrontation rupture" in turn.locator(".turn-mark").inner_text()

    (session,) = httpx.get(f"{visit.origin}/v1/sessions").json()["sessions"]
    kept = httpx.get(f"{visit.origin}/v1/sessions/{session['id']}").json()
    (annotation,) = kept["annotations"]
    assert {name: annotation[name] for name in ("turn", "who", "label", "marker", "note")} == {
        "turn": CONFRONTATION,
        "who": "local",
        "label": "withdrawal",
        "marker": "W5",
        "note": "gives in at once",
    }
    assert kept["turns"][CONFRONTATION]["label"] == "confrontation"

    page.reload()
    visit.view("timeline")
    assert "you: ▼ withdrawal" in page.locator(f"#turn-{CONFRONTATION} .own-mark").inner_text()
    assert timeline.locator("[data-reviewed]").inner_text() == "1 reviewed"
    visit.at("")
    row = visit.view("start").locator("[data-stored] tbody tr")
    assert row.locator(".number").all_inner_texts() == ["7", "1"]
    row.locator("a").click()
    visit.view("timeline")


def test_others_labels_stand_apart_from_ones_own(
    serving: Serving, visiting: Visiting, store: Store
) -> None:
    origin = serving(store)
    turns = [
        {"speaker": "T", "text": "How are you?"},
        {"speaker": "C", "text": "You are not listening."},
    ]
    made = httpx.post(f"{origin}/v1/sessions", json={"session": {"id": "x", "turns": turns}})
    place = made.headers["location"]
    for who, label in (("second coder", "neutral"), ("local", "withdrawal")):
        put = httpx.put(f"{origin}{place}/turns/1/annotation", json={"label": label, "who": who})
        assert put.status_code == 200
    visit = visiting(origin)
    visit.at(f"sessions/{made.json()['id']}")
    visit.view("timeline")
    visit.press("c")
    visit.page.locator("#turn-1 .no").click()
    voices = visit.page.locator("#turn-1 .voices > div").all_inner_texts()
    assert [voice.replace("\n", " ").lower().split(" ")[0] for voice in voices] == [
        "the",
        "you",
        "others",
    ]
    assert "confrontation" in voices[0]
    assert "withdrawal" in voices[1]
    assert "second coder: · neutral" in voices[2]

    # Another name, and what was one's own is another's.
    visit.page.locator("[data-reviewer]").fill("AB")
    visit.page.locator("[data-reviewer]").blur()
    voices = visit.page.locator("#turn-1 .voices > div").all_inner_texts()
    assert "nothing yet" in voices[1]
    assert "local: ▼ withdrawal" in voices[2]


def test_with_keys_one_logs_in_and_out(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path
) -> None:
    scopes = [Scope.LABEL, Scope.READ, Scope.ANNOTATE]
    key, token = store.keys.add(group="north", scopes=scopes)
    visit = visiting(serving(store), expected=("401",))
    page = visit.page
    visit.view("login")
    page.keyboard.type("wrong")
    visit.press("Enter")
    page.locator("[data-notice]", has_text="valid API key").wait_for()
    page.locator("#login-key").fill(token)
    visit.press("Enter")
    visit.choose(transcript)
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("[name=keep]").check()
    page.locator("button[value=show]").click()
    visit.view("timeline")
    visit.press("c", "a")
    visit.says(f"Stored for {key.id}")

    page.reload()  # the token against forged requests must come again with the cookie
    visit.view("timeline")
    visit.press("c", "d", "4", "Enter")
    visit.says(f"Stored for {key.id}")

    page.locator("[data-log-out]").click()
    visit.view("login")
    assert "Anna" not in page.content()
    assert token not in page.content()


def codes_of(coding: Coding) -> dict[int | None, str]:
    """The markers as ``alliance agree`` reads them, by turn."""
    return {
        turn.turn: turn.code.marker.value
        for turn in coding.turns
        if turn.code is not None and turn.code.marker is not None
    }


def test_without_a_store_labels_are_saved_as_files(
    serving: Serving, visiting: Visiting, transcript: Path, tmp_path: Path
) -> None:
    visit = visiting(serving())
    page = visit.page
    visit.opened(transcript)
    page.locator("[data-reviewer]").fill("AB")
    page.locator("[data-reviewer]").blur()
    visit.press("w", "d", "2", "2", "Tab")
    page.keyboard.type("=1+1")
    visit.press("Control+Enter")
    visit.says("Kept in this window only")
    visit.press("c", "a")
    visit.says("Turn 4")
    with page.expect_download() as saved:
        page.locator('[data-view="timeline"] [data-save="jsonl"]').click()
    assert saved.value.suggested_filename == "first-visit-AB.jsonl"
    path = tmp_path / "saved.jsonl"
    saved.value.save_as(path)
    (coded,) = coded_jsonl(path)
    assert [None if code is None else code.value for code in coded.codes] == [
        None,
        "W2",
        None,
        None,
        "C1",
        None,
        None,
    ]
    assert coded.session.turns[1].text == "Fine."
    (line,) = read_codings(path)
    assert codes_of(line) == {1: "W2", 4: "C1"}
    with page.expect_download() as saved:
        page.locator('[data-view="timeline"] [data-save="csv"]').click()
    path = tmp_path / "saved.csv"
    saved.value.save_as(path)
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "session_id,turn,speaker,coder,label,marker,note"
    assert lines[1] == "first visit,1,client,AB,withdrawal,W2,'=1+1"
    assert len(lines) == 3
    (table,) = read_codings(path)
    assert (table.coder, codes_of(table)) == ("AB", {1: "W2", 4: "C1"})


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768), (390, 844)])
def test_save_and_the_chosen_marker_stay_in_sight(
    serving: Serving, visiting: Visiting, transcript: Path, size: tuple[int, int]
) -> None:
    width, height = size
    visit = visiting(serving(), viewport={"width": width, "height": height})
    visit.opened(transcript)
    visit.press("c", "d", "2", "7")
    save = visit.page.get_by_role("button", name="Save", exact=True).bounding_box()
    marker = visit.page.locator(".markers .choice:has(:checked)").bounding_box()
    assert save["y"] + save["height"] <= height
    assert marker["y"] + marker["height"] <= save["y"]
    strip = visit.page.locator(".strip-box").bounding_box()
    assert strip["y"] + strip["height"] <= marker["y"]


def test_a_server_that_stops_leaves_the_form_and_says_so_beside_save(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path
) -> None:
    visit = visiting(serving(store), expected=("ERR_FAILED",))
    page = visit.page
    visit.choose(transcript)
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("[name=keep]").check()
    page.locator("button[value=show]").click()
    visit.view("timeline")
    visit.press("c", "d", "2", "5")
    page.route("**/annotation", lambda route: route.abort())
    page.get_by_role("button", name="Save", exact=True).click()
    problem = page.locator(".judging .problem", has_text="The server did not answer")
    problem.wait_for()
    box = problem.bounding_box()
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= page.viewport_size["height"]
    assert page.locator(".judging input:checked").count() == 2
    page.unroute("**/annotation")
    page.get_by_role("button", name="Save", exact=True).click()
    visit.says("Stored for local")


def test_a_session_that_is_read_says_so_and_is_asked_for_once(
    serving: Serving, visiting: Visiting, transcript: Path
) -> None:
    visit = visiting(serving())
    page = visit.page
    visit.choose(transcript)
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    held: list[Any] = []
    page.route("**/page/timeline", lambda route: held.append(route))
    page.locator("button[value=show]").click()
    page.locator("[data-busy]", has_text="Reading 7 turns").wait_for()
    page.locator("button[value=blind]").click()
    assert len(held) == 1
    held[0].continue_()
    visit.view("timeline")


def test_a_form_begun_outlives_other_thresholds_and_closed_details(
    serving: Serving, visiting: Visiting, transcript: Path
) -> None:
    visit = visiting(serving())
    page = visit.page
    visit.opened(transcript)
    visit.press("c", "d", "2", "5", "Tab")
    page.keyboard.type("not yet sure")

    def form() -> tuple[str, list[str]]:
        chosen = page.locator(".judging input:checked").evaluate_all("all => all.map(i => i.value)")
        return page.locator(".judging textarea").input_value(), chosen

    begun = ("not yet sure", ["withdrawal", "W5"])
    assert form() == begun
    page.get_by_role("radio", name="Screening").check(force=True)
    assert form() == begun
    page.locator(f"#turn-{CONFRONTATION} .no").click()
    assert page.locator(".judging").count() == 0
    page.locator("#turn-1 .no").click()
    assert page.locator(".judging").count() == 0
    page.locator(f"#turn-{CONFRONTATION} .no").click()
    assert form() == begun
    page.get_by_role("button", name="Cancel").click()
    page.locator("#turn-1 .no").click()
    page.locator(f"#turn-{CONFRONTATION} .no").click()
    assert page.locator(".judging").count() == 0


def test_a_stored_session_gets_other_thresholds_when_asked(
    serving: Serving, visiting: Visiting, store: Store, transcript: Path
) -> None:
    visit = visiting(serving(store))
    page = visit.page
    visit.choose(transcript)
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("[name=keep]").check()
    page.locator("button[value=show]").click()
    visit.view("timeline")
    page.reload()
    visit.view("timeline")
    assert page.locator("[name=purpose]").count() == 0
    visit.press("c", "a")
    visit.says("Stored for local")
    page.get_by_role("button", name="Other thresholds").click()
    visit.says("Thresholds can be switched")
    assert page.evaluate("document.activeElement.value") == "research"
    assert "you: ▲ confrontation" in page.locator(f"#turn-{CONFRONTATION} .own-mark").inner_text()
    page.get_by_role("radio", name="Screening").check(force=True)
    assert page.locator(".timeline").get_attribute("data-purpose") == "screening"
    visit.at("")
    row = visit.view("start").locator("[data-stored] tbody tr")
    assert row.locator("th").inner_text().lower() == "first visit"


def test_the_reason_for_a_label_is_told_when_asked(
    serving: Serving, visiting: Visiting, transcript: Path
) -> None:
    visit = visiting(serving())
    visit.opened(transcript)
    visit.press("c", "d", "Escape")
    visit.page.get_by_role("button", name="Why this label?").click()
    because = visit.page.locator(".because")
    because.wait_for()
    assert "listening" in because.inner_text()


def test_blind_mode_from_the_first_turn_to_the_differences(
    serving: Serving, visiting: Visiting
) -> None:
    lesson = next(one for one in teaching_set() if one.id == "u005")
    visit = visiting(serving())
    page = visit.page
    visit.at("training")
    visit.view("training")
    page.locator('a[href="#/label/teaching/u005"]').click()
    coding = visit.view("coding")
    # Codes, reasons and the model's labels have not even been asked for.
    assert not any("/page/teaching/" in url or "/page/timeline" in url for url in visit.requests)
    shown = coding.inner_text()
    assert "shows" not in page.evaluate("JSON.stringify(Object.keys(window))")
    assert not any(reason in shown for reason in lesson.reasons.values())
    assert "complaint about the activities" not in shown

    coding.locator(".line").first.focus()
    for turn in range(9):
        visit.press("1" if turn == 6 else "4")
        if turn == 6:
            visit.press("1", "Enter")
    visit.press("3", "3", "Enter")  # turn 9: a complaint about the tasks
    assert coding.locator("[data-done]").inner_text() == "10 of 24 labelled"
    page.locator("[data-rest]").click()
    assert coding.locator("[data-done]").inner_text() == "24 of 24 labelled"
    page.locator("[data-compare]").click()

    comparison = visit.view("comparison")
    own = {turn: CodedTurn(Label.NEUTRAL, Marker.N) for turn in range(24)}
    own[6] = CodedTurn(Label.ALLIANCE_POSITIVE, Marker.PB)
    own[9] = CodedTurn(Label.CONFRONTATION, Marker.C3)
    settled = {turn: CodedTurn(code.label, code) for turn, code in enumerate(lesson.codes)}
    expected = compare({"you": own, "settled": settled})
    (agreement,) = expected.agreements
    assert agreement.kappa is not None
    assert agreement.ac1 is not None
    cells = comparison.locator("tbody tr").first.locator("td").all_inner_texts()
    assert cells[:4] == [
        "24",
        f"{agreement.same:.0%}",
        f"{agreement.kappa:.2f}",
        f"{agreement.ac1:.2f}",
    ]
    assert cells[4] == "1.00"  # rupture or not
    text = comparison.inner_text()
    assert lesson.reasons[10] in text  # the therapist's repair, which was called neutral
    assert lesson.shows in text
    assert "The model that comes with the program learned from these sessions too" in text
    for difference in expected.differences:
        assert f"Turn {difference.turn} · " in text

    page.locator("[data-see-timeline]").click()
    visit.view("timeline")
    marks = page.locator("#turn-9 .own-mark").all_inner_texts()
    assert [mark.partition(":")[0] for mark in marks] == ["you", "the settled coding"]


def test_a_trainers_labels_of_an_own_session_are_compared(
    serving: Serving, visiting: Visiting, transcript: Path, tmp_path: Path
) -> None:
    visit = visiting(serving())
    page = visit.page
    visit.choose(transcript)
    visit.roles(Weber="therapist", Anna="client", Nurse="other")
    page.locator("button[value=blind]").click()
    coding = visit.view("coding")
    assert "listening" in coding.inner_text()
    assert "confrontation" not in coding.locator(".lines").inner_text()
    assert coding.locator(".lines button").count() == 6  # the nurse's turn is nobody's to label
    page.locator("[data-rest]").click()
    page.locator("[data-compare]").click()
    comparison = visit.view("comparison")
    assert comparison.locator("tbody tr").count() == 1
    trainer = {
        "id": "first visit",
        "turns": [
            {"speaker": "x", "text": "", "code": "C1" if turn == CONFRONTATION else "N"}
            for turn in range(7)
        ],
    }
    file = tmp_path / "Trainer <b>.jsonl"
    file.write_text(json.dumps(trainer), encoding="utf-8")
    page.set_input_files("[data-load-coding]", file)
    comparison.locator("tbody tr").nth(2).wait_for()
    pairs = comparison.locator("tbody th").all_inner_texts()
    assert "You and Trainer <b>" in pairs
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "y", "turns": []}), encoding="utf-8")
    page.set_input_files("[data-load-coding]", other)
    page.locator("[data-notice]", has_text="labels of this session").wait_for()


def test_the_playlist_and_the_presenters_view(
    serving: Serving, visiting: Visiting, tmp_path: Path
) -> None:
    visit = visiting(serving())
    page = visit.page
    visit.at("training")
    visit.view("training")
    page.locator("[data-starter]").click()
    playlist = visit.view("playlist")
    ruptures = [marker for marker in Marker if marker.label.is_rupture]
    assert playlist.locator(".moment").count() == len(ruptures)
    playlist.locator("textarea").first.fill("ask the group first")
    playlist.get_by_role("button", name="Move down").first.click()
    assert playlist.locator("textarea").nth(1).input_value() == "ask the group first"
    with page.expect_download() as saved:
        page.locator("[data-save-playlist]").click()
    path = tmp_path / "playlist.json"
    saved.value.save_as(path)
    playlist.get_by_role("button", name="Remove").first.click()

    page.locator("[data-present]").click()
    presenter = visit.view("presenter")
    names = [marker.entry.name for marker in Marker if marker.label.is_rupture]
    assert not any(name in presenter.inner_text() for name in names)
    visit.press("Space")
    seen = "one => one.getBoundingClientRect().bottom <= innerHeight + 1"
    assert presenter.locator(".reveal > :last-child").evaluate(seen)
    revealed = presenter.locator(".reveal").inner_text()
    assert any(name in revealed for name in names)
    assert "ask the group first" in revealed
    visit.press("ArrowRight")
    assert presenter.locator("[data-where]").inner_text().startswith("2 of")
    assert presenter.locator(".reveal").inner_text() == ""
    visit.press("Escape")
    visit.view("playlist")
    page.set_input_files("[data-load-playlist]", path)
    visit.says(f"{len(ruptures)} moments loaded")
    assert playlist.locator(".moment").count() == 2 * len(ruptures) - 1


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
