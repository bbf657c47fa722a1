"""The training room in a browser: blind mode, comparison, playlist, presenter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alliance.model.codebook import Label, Marker
from alliance.serve.page.comparison import CodedTurn, compare
from alliance.serve.page.teaching_set import teaching_set

CONFRONTATION = 4

Serving = Callable[..., str]
Visiting = Callable[..., Any]


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
