"""Reading and reviewing a session on the page, in a browser, against a real server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from alliance.model.codings import Coding, read_codings
from alliance.serve.http.keys import Scope
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
