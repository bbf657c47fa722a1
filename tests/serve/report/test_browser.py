"""What a reader does with a report, in Chromium and without a network."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alliance.model.codebook import Label
from alliance.model.explanation import TurnEffect, TurnExplanation, WordEffect
from alliance.model.labelled import LabelledSession, Purpose
from alliance.model.timeline import timeline
from alliance.serve.report.making import write_report
from alliance.serve.report.view import TimelineView

Open = Callable[..., Any]
Sketch = Callable[..., LabelledSession]

SERIOUS = ("serious", "critical")


def shown(page: Any) -> list[int]:
    """The turns in sight."""
    return page.eval_on_selector_all(  # type: ignore[no-any-return]
        ".turn:not([hidden])", "rows => rows.map(row => Number(row.dataset.turn))"
    )


def violations(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    found = axe.Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in SERIOUS
    ]


def test_the_first_confrontation_by_keyboard_alone(opened: Open, report: Path) -> None:
    page = opened(report).page
    page.keyboard.press("n")
    assert page.evaluate("document.activeElement.closest('.turn').id") == "turn-5"
    status = page.locator("[role=status]").text_content()
    assert status == (
        "Episode 1 of 3, withdrawal and confrontation, turns 5–9. client turned positive at turn 12"
    )
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    details = page.locator("#turn-22 .detail")
    assert "complaint about the activities" in details.text_content()
    assert "0.70" in details.text_content()
    assert page.locator("#turn-22 .no").get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert details.count() == 0
    page.keyboard.press("p")
    assert page.evaluate("document.activeElement.closest('.turn').id") == "turn-5"
    page.keyboard.press("p")  # before the first comes the last
    assert page.evaluate("document.activeElement.closest('.turn').id") == "turn-35"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('.turn').id") == "turn-36"


def test_keys_can_be_switched_off_and_leave_typing_alone(opened: Open, report: Path) -> None:
    page = opened(report).page
    page.keyboard.press("/")
    page.keyboard.type("npn")
    assert page.locator("[name=search]").input_value() == "npn"
    assert page.locator(".turn.is-selected").count() == 0
    page.locator(".keys summary").click()
    page.locator("[name=keys]").uncheck()
    page.locator("h1").click()
    page.keyboard.press("n")
    assert page.locator(".turn.is-selected").count() == 0


def test_the_strip_is_a_slider_over_the_turns(opened: Open, report: Path) -> None:
    page = opened(report).page
    page.evaluate(
        "window.heard = []; document.querySelector('.timeline')"
        ".addEventListener('alliance:select', (event) => heard.push(event.detail.turn))"
    )
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowLeft")
    assert slider.get_attribute("aria-valuenow") == "9"
    assert slider.get_attribute("aria-valuetext") == "Turn 9, Client, confrontation rupture 0.90"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('.turn').id") == "turn-9"
    assert page.evaluate("heard") == [10, 9, 9]
    box = slider.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 22.5 / 37, box["y"] + 60)
    assert page.locator(".turn.is-selected").get_attribute("id") == "turn-22"


def test_the_strip_takes_less_room_once_it_sticks(opened: Open, report: Path) -> None:
    page = opened(report).page
    box, level = page.locator(".strip-box"), page.locator(".strip .level")
    tall = box.bounding_box()["height"]
    place = "one => one.getBoundingClientRect().top + scrollY"
    end = page.locator("#turn-36").evaluate(place)
    page.keyboard.press("p")
    page.locator(".strip-box.is-folded").wait_for()
    assert not level.is_visible()
    assert page.locator(".strip .axis").is_visible()
    assert box.bounding_box()["height"] < tall - 40
    assert page.locator("#turn-36").evaluate(place) == pytest.approx(end, abs=1)
    page.evaluate("scrollTo(0, 0)")
    page.locator(".strip-box:not(.is-folded)").wait_for()
    assert level.is_visible()


@pytest.mark.parametrize(("near", "last"), [(True, 26), (False, 36)])
def test_only_ruptures_with_three_turns_around(
    opened: Open, report: Path, near: bool, last: int
) -> None:
    page = opened(report).page
    page.locator("[name=near]").set_checked(near)
    turns = shown(page)
    if near:
        assert turns == [*range(2, 13), *range(19, 27), *range(32, 37)]
        assert page.locator("#turn-19").get_attribute("data-gap") == "6 turns not shown"
        assert page.locator("[role=status]").text_content() == "24 of 37 turns shown"
    else:
        assert turns == list(range(37))
    assert last in turns


def test_filters_add_up_and_are_taken_back(opened: Open, report: Path) -> None:
    page = opened(report).page
    for letter in "PN?-":
        page.locator(f"[name=label][value='{letter}']").uncheck()
    assert shown(page) == [5, 7, 9, 22, 23, 35]
    page.locator("[name=speaker][value=therapist]").uncheck()
    assert shown(page) == [5, 7, 9, 22, 35]
    page.locator("[name=episode]").select_option("1")
    assert shown(page) == [5, 7, 9]
    page.locator("[name=search]").fill("TURN 7.")
    assert shown(page) == [7]
    page.keyboard.press("Escape")
    # A jump to a turn out of sight brings everything back.
    page.locator("h1").click()
    page.keyboard.press("p")
    assert shown(page) == list(range(37))


def test_purposes_switch_everything_that_hangs_on_them(opened: Open, report: Path) -> None:
    page = opened(report).page

    def facts() -> list[Any]:
        return [
            page.locator("#turn-0 .turn-mark").text_content().split("0")[0].strip(),
            page.locator("#turn-7 .turn-mark").text_content().split("0")[0].strip(),
            page.locator(".marks use").nth(0).get_attribute("href"),
            page.locator(".episode-list:not([hidden]) .episode").count(),
            page.locator("g.episodes:not(.is-off) .ep").count(),
            page.locator("[name=episode] option").count() - 1,
        ]

    research = facts()
    assert research == ["N neutral", "W withdrawal rupture", "#g-N", 3, 3, 3]
    page.get_by_role("radio", name="Screening").check(force=True)
    assert facts() == ["W withdrawal rupture", "W withdrawal rupture", "#g-W", 4, 4, 4]
    assert "therapist withdrawal" in page.locator("#turn-0 .turn-mark").text_content()
    quotes = page.locator(".episode-list:not([hidden]) q").all_text_contents()
    assert "Words of turn 4." in quotes
    assert (
        page.locator("[role=status]").text_content() == "Screening: 7 rupture turns in 4 episodes"
    )
    page.get_by_role("radio", name="Teaching").check(force=True)
    assert facts() == ["N neutral", "abstained", "#g-N", 2, 2, 2]
    page.get_by_role("radio", name="Research").check(force=True)
    assert facts() == research


def test_by_clock_places_are_times(opened: Open, sketch: Sketch, tmp_path: Path) -> None:
    labelled = sketch("tN cW2 tN cPB", timed=True)
    # The last turn comes after a long silence.
    last = replace(labelled.turns[3].turn, start_ms=90_000, end_ms=100_000)
    turns = (*labelled.turns[:3], replace(labelled.turns[3], turn=last))
    session = replace(labelled.session, turns=tuple(turn.turn for turn in turns))
    made = timeline(replace(labelled, session=session, turns=turns))
    path = tmp_path / "clock.html"
    write_report(TimelineView.from_timelines([made]), path)
    page = opened(path).page
    places = "uses => uses.map(use => parseFloat(use.getAttribute('x')))"
    assert page.eval_on_selector_all(".marks use", places) == [12.5, 37.5, 62.5, 87.5]
    page.get_by_role("radio", name="By clock").check(force=True)
    assert page.eval_on_selector_all(".marks use", places) == [4, 14, 24, 95]
    assert page.locator(".axis text").first.text_content() == "00:00"
    page.get_by_role("radio", name="By turn").check(force=True)
    assert page.eval_on_selector_all(".marks use", places) == [12.5, 37.5, 62.5, 87.5]


def test_hostile_text_runs_nothing_and_offsets_hold(
    opened: Open, sketch: Sketch, tmp_path: Path
) -> None:
    text = "😀 <script>document.title='bad'</script> \u202efine\u2066 👩‍👧 really"
    labelled = sketch("tN cW1@.8", text=text)
    words = tuple(
        WordEffect(text.index(word), text.index(word) + len(word), effect)
        for word, effect in (("really", 0.3), ("fine", 0.2))
    )
    why = TurnExplanation(
        1, Label.WITHDRAWAL, 0.8, words=words, neighbours=(TurnEffect(0, 0.1),), words_together=0.4
    )
    path = tmp_path / "hostile.html"
    view = TimelineView.from_timelines([timeline(labelled, explanations=[why])])
    write_report(view, path)
    page = opened(path).page
    assert page.title() == "Rupture timeline of s"
    assert page.locator("#turn-1 .words").text_content() == text
    assert page.locator("#turn-1 mark").all_text_contents() == ["fine", "really"]
    page.locator("#turn-1 .no").click()
    detail = page.locator("#turn-1 .detail").text_content()
    assert "“fine” “really”" in detail
    assert "0 (0.10)" in detail
    page.locator("[name=search]").fill("<SCRIPT>")
    assert shown(page) == [0, 1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_serious(opened: Open, report: Path, scheme: str, width: int) -> None:
    page = opened(
        report, color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
    ).page
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    page.locator(".legend summary").click()
    page.locator(".keys summary").click()
    assert violations(page) == []


def test_nothing_is_wider_than_a_narrow_screen(opened: Open, report: Path) -> None:
    page = opened(report, viewport={"width": 320, "height": 700}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_without_a_script_it_can_be_read(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".turn:visible").count() == 37
    assert page.locator(".episode:visible").count() == 3
    assert page.locator(".filters, .jump, .recording").locator("visible=true").count() == 0
    context.close()


def test_a_recording_is_played_from_a_turn(opened: Open, report: Path, tmp_path: Path) -> None:
    page = opened(report).page
    page.locator("#turn-5 .no").click()
    page.get_by_role("button", name="Play from here").click()
    assert page.locator("[role=status]").text_content() == "Choose the recording first"
    sound = tmp_path / "session.wav"
    seconds, rate = 60, 8000
    size = seconds * rate
    sound.write_bytes(
        b"RIFF"
        + (36 + size).to_bytes(4, "little")
        + b"WAVEfmt "
        + (16).to_bytes(4, "little")
        + (1).to_bytes(2, "little") * 2
        + rate.to_bytes(4, "little") * 2
        + (1).to_bytes(2, "little")
        + (8).to_bytes(2, "little")
        + b"data"
        + size.to_bytes(4, "little")
        + b"\x80" * size
    )
    page.locator(".recording input").set_input_files(sound)
    # The policy forbids what Playwright would wait with for a state of the player.
    page.evaluate(
        "() => new Promise((done, fail) => { const player = document.querySelector('audio');"
        "if (player.readyState) done(); else player.onloadedmetadata = () => done();"
        "player.onerror = () => fail(player.error.message); })"
    )
    page.get_by_role("button", name="Play from here").click()
    assert page.locator("[role=status]").text_content() == "Playing from 00:50"
    assert page.evaluate("document.querySelector('audio').currentTime") >= 50


def test_blind_is_blind(opened: Open, report: Path) -> None:
    page = opened(report).page
    page.evaluate("document.querySelector('.timeline').classList.add('is-blind')")
    for part in (".strip-box", ".episodes-panel", ".findings", "[name=near]"):
        assert not page.locator(part).first.is_visible()
    assert page.locator(".turn .words:visible").count() == 37
    assert "withdrawal" not in page.locator(".turns").inner_text()
    looks = "rows => new Set(rows.map(row => getComputedStyle(row).backgroundColor)).size"
    assert page.eval_on_selector_all(".turn", looks) == 1


def test_two_thousand_turns_fit_in_a_mail(sketch: Sketch, tmp_path: Path, opened: Open) -> None:
    # A strain every twenty turns, every other one mended: 100 episodes a purpose.
    calm = ["tN", "cN", "tPB", "cN", "tN", "cPT", "tN", "cN?", "tN", "cN"]
    ends = [["tN", "cW2@.6", "tPR", "cPB"], ["tN", "cC2@.7", "tN", "cN"]]
    words = " ".join(" ".join([*calm, *calm[:6], *ends[place % 2]]) for place in range(100))
    text = "I keep thinking about what you said last week, and I do not know what to make of it. "
    labelled = sketch(words, text=text + "It stays.", timed=True)
    assert len(labelled.turns) == 2000
    made = [
        replace(timeline(labelled), model=replace(labelled.model, purpose=purpose))
        for purpose in Purpose
    ]
    path = tmp_path / "long.html"
    write_report(TimelineView.from_timelines(made), path)
    assert path.stat().st_size <= 1_500_000
    page = opened(path).page
    page.keyboard.press("p")
    turn = page.evaluate("document.activeElement.closest('.turn').id")
    page.evaluate(
        "() => new Promise((done) => { let left = 3; const frame = () =>"
        "left-- ? requestAnimationFrame(frame) : done(); frame(); })"
    )
    box = page.locator(f"#{turn}").bounding_box()
    assert 0 < box["y"] < 900
    page.get_by_role("radio", name="Teaching").check(force=True)
    assert page.locator(".turn").count() == 2000
