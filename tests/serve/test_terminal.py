import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from alliance.model.labelled import LabelledSession, ModelInfo, Purpose, UnlabelledReason
from alliance.model.session import Session
from alliance.model.timeline import Timeline, TimelineConfig, timeline
from alliance.serve.signs import UNICODE, signs_for
from alliance.serve.terminal import CLOSING, render

Sketch = Callable[..., LabelledSession]
WIDTHS = (40, 80, 120)
DATA = Path(__file__).parents[1] / "data"

# A withdrawal that is repaired, a confrontation that is not, and a last one left open.
STORY = (
    "tN cPB tN cW2 tN cW5@.9 tPR cPB _ tN o cN tPT cN tN tCT cC1 tN cN? tN cN tN cN tN cN tN cW7 tN"
)


def shown(
    made: Timeline | LabelledSession,
    width: int = 80,
    *,
    encoding: str = "utf-8",
    include_text: bool = True,
) -> str:
    """What a terminal that is none (a file, say) gets."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    made = made if isinstance(made, Timeline) else timeline(made)
    render(made, Console(file=file, width=width), include_text=include_text)
    file.flush()
    return raw.getvalue().decode(encoding)


def with_texts(session: LabelledSession, texts: dict[int, str]) -> LabelledSession:
    turns = tuple(
        replace(t, turn=replace(t.turn, text=texts.get(t.index, t.turn.text)))
        for t in session.turns
    )
    return LabelledSession(
        Session(session.session.id, tuple(t.turn for t in turns)), turns, session.model
    )


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_the_whole_view(sketch: Sketch) -> None:
    golden = (DATA / "timeline_story.txt").read_text(encoding="utf-8")
    assert shown(sketch(STORY, timed=True, session_id="story")) == golden


@pytest.mark.parametrize("width", WIDTHS)
def test_every_width_tells_the_same(sketch: Sketch, width: int) -> None:
    text = words_of(shown(sketch(STORY, timed=True), width))
    for expected in (
        "Session s",
        "28 turns, 26 labelled, 1 without words, 1 of other speakers; turns count from 0",
        "model stub-1 · codebook 1 · purpose research",
        "● P alliance-positive ▼ W withdrawal rupture ▲ C confrontation rupture · N neutral",
        "heard: bond, task, repair; not heard: goal",
        "3 rupture episodes 2 withdrawal, 1 confrontation; client turned positive after 1",
        "▼ W withdrawal rupture · turns 3–5 · 00:30–00:58 · intensity 0.93 at turn 5",
        "▲ C confrontation rupture · turns 15–16 · 02:30–02:48",
        "minimal response; deferential or appeasing",
        "before 2 therapist · N “Words of turn 2.”",
        "rupture 3 client ▼ W “Words of turn 3.”",
        "repair 6 therapist ● P “Words of turn 6.”",
        "positive 7 client ● P “Words of turn 7.”",
        "attempted by the therapist at turn 6",
        "client turned positive at turn 7",
        "no attempt by the therapist seen",
        "no repair signal within 6 turns",
        "session ended before the repair window closed",
        CLOSING,
    ):
        assert expected in text
    assert "resolved" not in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", [STORY, "", "_", "tN"])
def test_no_line_is_wider_than_the_terminal(sketch: Sketch, width: int, words: str) -> None:
    for encoding in ("utf-8", "ascii"):
        for line in shown(sketch(words, timed=True), width, encoding=encoding).splitlines():
            assert cell_len(line) <= width
            assert line == line.rstrip()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_session_of_two_thousand_turns(sketch: Sketch, width: int) -> None:
    made = timeline(sketch(" ".join([STORY] * 72)))
    lines = shown(made, width).splitlines()
    assert len(made.turns) > 2000
    assert max(cell_len(line) for line in lines) <= width
    strip = [line for line in lines if line.startswith(("client", "therapist"))]
    lanes = [line for line in strip if "labelled" not in line]
    assert len(lanes) == 6  # two speakers on three rows, however long the session
    assert all("▼" in line or "▲" in line for line in lanes)
    outcomes = [line for line in lines if line.strip().startswith("outcome ")]
    assert len(outcomes) == len(made.episodes)


@pytest.mark.parametrize("width", [1, 5, 20])
def test_a_tiny_terminal_still_gets_everything(sketch: Sketch, width: int) -> None:
    text = shown(sketch(STORY), width)
    assert "".join(CLOSING.split()) in "".join(text.split())
    assert max(cell_len(line) for line in text.splitlines()) <= 30


def test_a_column_of_a_long_session_shows_the_most_telling_label(sketch: Sketch) -> None:
    # 2,000 turns on 3 rows of 70 columns: 10 turns a column.
    quiet = "tN cN " * 5
    telling = ["tN cN tN cPB tN cN tW cN tC cPB", "cPB tPB cW tPB cN tW? tN cN tN cN", "o " * 10]
    made = timeline(sketch(" ".join([*telling, *[quiet] * 197])))
    assert len(made.turns) == 2000
    text = shown(made)
    rows = [line for line in text.splitlines() if line.startswith(("client", "therapist"))]
    rows = [row for row in rows if "labelled" not in row]
    assert [len(row) for row in rows] == [80, 80, 80, 80, 70, 70]
    assert rows[0].startswith("client    ●▼ ··")
    assert rows[1].startswith("therapist ▲● ··")
    assert "one column is 10 turns and shows the most telling label" in words_of(text)
    ticks = [line for line in text.splitlines() if re.match(r"turn +\d", line)]
    assert [line.split()[1] for line in ticks] == ["0", "700", "1400"]


def test_a_short_session_has_a_column_for_each_turn(sketch: Sketch) -> None:
    text = shown(sketch(STORY), 120)
    assert "\nclient     ● ▼ ▼ ●   · ·  ▲ ? · · · ▼\n" in text
    assert "\ntherapist · · · ●  ·  ● ·▲ · · · · · ·\n" in text
    assert "\nepisodes     1─┘         2┘         3\n" in text
    assert "one column is" not in text


def marks_of(text: str) -> list[str]:
    return [line[10:] for line in text.splitlines() if line.startswith("episodes")]


def test_episodes_are_numbered_under_the_lanes(sketch: Sketch) -> None:
    words = "tN cN " * 10 + "cC1 " + "tN cN " * 20 + "cW2 tN cN cW2 tN cW2 " + "tN cN " * 15
    assert marks_of(shown(sketch(words))) == [" " * 20 + "1" + " " * 40 + "2────┘", ""]


def test_an_episode_that_crosses_the_end_of_a_row(sketch: Sketch) -> None:
    words = "tN cN " * 34 + "cC1 tN cN cC1 " + "tN cN " * 10
    assert marks_of(shown(sketch(words))) == [" " * 68 + "1─", "─┘"]


def test_a_number_that_does_not_fit_gives_way_to_a_mark(sketch: Sketch) -> None:
    # Ten episodes of one turn; the tenth is the last turn, so its two digits do not fit.
    words = "cC1 tN cN tN cN " * 9 + "cC1"
    (marks,) = marks_of(shown(sketch(words)))
    assert marks.split() == [*"123456789", "╵"]
    # Two digits that would be torn apart at the end of a row.
    words = "cC1 tN cN tN cN " * 9 + "tN cN " * 12 + "cC1 cC1 " + "tN cN " * 5
    first, second = marks_of(shown(sketch(words)))
    assert (first.split()[-1], second) == ("└", "┘")


def test_numbers_of_neighbouring_columns_never_run_together(sketch: Sketch) -> None:
    # Five turns a column, and an episode in each: "123" would read as one number.
    (first, *_) = marks_of(shown(sketch("cC1 tN cN tN cN " * 90), 40))
    assert first == "╵" * 30


def test_several_episodes_in_one_column(sketch: Sketch) -> None:
    every_five = "cC1 tN cN tN cN " * 400
    text = shown(sketch(every_five))
    assert {character for row in marks_of(text) for character in row} >= {"+"}
    assert "(+ several)" in words_of(text)


def test_the_level_keeps_one_scale_for_both_signs(sketch: Sketch) -> None:
    calm = shown(sketch("tN cN tPB@.5 cN"))
    assert "▁ is −0.5, █ is +0.5" in words_of(calm)
    strained = shown(sketch("cC1@1 tN@1 " * 3))
    assert "▁ is −1.0, █ is +1.0" in words_of(strained)
    assert "\nlevel     ▁" in strained


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("tN cN", "No rupture episode: no turn of this session was labelled a rupture."),
        ("tN cW2?", "labelled a rupture, 1 turn aside on which the model abstains."),
        ("_ o", "No turn of this session carries a label, so nothing can be said of ruptures."),
        ("", "No turn of this session carries a label, so nothing can be said of ruptures."),
    ],
)
def test_no_episode(sketch: Sketch, words: str, sentence: str) -> None:
    text = words_of(shown(sketch(words)))
    assert sentence in text
    assert text.endswith(CLOSING)


def test_the_next_episode_ends_the_window(sketch: Sketch) -> None:
    text = shown(sketch("tN cC1 tN cN tN cN cC1"))
    assert "no repair signal before the next episode at turn 6" in text


def test_outcome_names_the_settings_window(sketch: Sketch) -> None:
    made = timeline(sketch("cC1 tN"), TimelineConfig(gap_turns=0, repair_turns=1))
    assert "no repair signal within 1 turn\n" in shown(made)


def test_a_long_episode_quotes_its_ends_and_peak(sketch: Sketch) -> None:
    text = words_of(shown(sketch("tN " + "cC1 tN " * 6 + "cC1@.9 tN " + "cC1 tN " * 5)))
    quoted = re.findall(r"rupture +(\d+) client", text)
    assert quoted == ["1", "3", "5", "7", "13", "23"]
    assert "and 6 more rupture turns" in text
    assert "complaint about the therapist ×12" in text


def test_long_quotes_are_shortened(sketch: Sketch) -> None:
    text = shown(sketch("tN cC1 tN", text="never again " * 200), 120)
    quotes = re.findall(r"“(.*?)”", words_of(text))
    assert len(quotes) == 2
    for quote in quotes:
        assert quote.endswith(" again…")
        assert 120 < len(quote) <= 160


def test_wide_characters_are_counted_as_two_columns(sketch: Sketch) -> None:
    lines = shown(sketch("tN cC1 tN", text="你不明白我的意思" * 60), 60).splitlines()
    assert max(cell_len(line) for line in lines) <= 60
    assert any("你" in line for line in lines)


UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HOSTILE = (
    "[bold]loud[/bold] [link=http://x.example]here[/] :smile: \\[x]",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "\u202eright to left\u202c \u2066x\u2069",
    "tab\there\r\nnew\x0b line\u2028end \x00 \x7f",
    "half a pair \ud83d of one",
)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("width", WIDTHS)
def test_transcripts_cannot_command_the_terminal(
    sketch: Sketch, hostile: str, encoding: str, width: int
) -> None:
    session = sketch("tN cC1 tPR cPB", text=hostile)
    odd = replace(session.turns[0], turn=replace(session.turns[0].turn, speaker=hostile))
    odd = replace(
        odd,
        label=None,
        probabilities=None,
        marker=None,
        p_marker=None,
        unlabelled_reason=UnlabelledReason.ROLE_OTHER,
    )
    turns = (odd, *session.turns[1:])
    made = LabelledSession(
        Session(hostile, tuple(t.turn for t in turns)), turns, ModelInfo(hostile)
    )
    text = shown(made, width, encoding=encoding)
    assert set(UNSAFE.findall(text)) == {"\n"}


def test_brackets_and_colons_are_shown_as_they_stand(sketch: Sketch) -> None:
    text = words_of(shown(sketch("tN cC1", text=HOSTILE[0]), 120))
    assert f"“{HOSTILE[0]}”" in text


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300), width=st.integers(10, 130), ascii_only=st.booleans())
def test_any_text_can_be_shown(sketch: Sketch, text: str, width: int, ascii_only: bool) -> None:
    encoding = "ascii" if ascii_only else "utf-8"
    out = shown(sketch("tN cC1 o cW2 tPR cPB", text=text), width, encoding=encoding)
    assert "\x1b" not in out
    assert "client turned positive at turn 5" in words_of(out)


def test_ascii(sketch: Sketch) -> None:
    text = shown(sketch(STORY, timed=True, text="It’s “fine” – really…"), encoding="ascii")
    assert text.isascii()
    assert "\nclient     P W W P   . .  C ? . . . W\n" in text
    assert '"It\'s "fine" - really..."' in text
    assert "P alliance-positive   W withdrawal rupture   C confrontation rupture" in text
    assert "turns 3-5 | 00:30-00:58" in text


def test_an_encoding_keeps_what_it_can(sketch: Sketch) -> None:
    assert "Ça va, œuvre".replace("œ", "?") in shown(
        sketch("cC1", text="Ça va, œuvre"), encoding="latin-1"
    )
    assert signs_for("no-such-encoding").encoding == "ascii"
    assert signs_for("UTF-8") is UNICODE


def test_without_text(sketch: Sketch) -> None:
    text = shown(sketch(STORY, text="secret"), include_text=False)
    assert "secret" not in text
    assert "“" not in text
    assert "rupture   3 client     ▼ W minimal response\n" in text
    assert "before    2 therapist  · N\n" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_timeline_read_without_its_text(sketch: Sketch, width: int) -> None:
    made = Timeline.from_dict(timeline(sketch(STORY)).to_dict(include_text=False))
    text = words_of(shown(made, width))
    assert "“" not in text
    assert "rupture 3 client ▼ W minimal response" in text


def test_a_trigger_without_words(sketch: Sketch) -> None:
    session = with_texts(sketch("_ cC1 tN"), {0: ""})
    assert "before   0 client         (no words)\n" in shown(session)


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (None, None, "turn 0 · intensity"),
        (61_999, None, "turn 0 · 01:01 · intensity"),
        (None, 5_000, "turn 0 · until 00:05 · intensity"),
        (3_599_000, 3_600_000, "turn 0 · 59:59–1:00:00 · intensity"),
    ],
)
def test_times(sketch: Sketch, start: int | None, end: int | None, times: str) -> None:
    session = sketch("cC1")
    turn = replace(session.turns[0].turn, start_ms=start, end_ms=end)
    made = LabelledSession(
        Session("s", (turn,)), (replace(session.turns[0], turn=turn),), session.model
    )
    assert times in shown(made)


def test_truncated_turns_are_told(sketch: Sketch) -> None:
    session = sketch("tN cN")
    turns = tuple(replace(turn, truncated=True) for turn in session.turns)
    made = LabelledSession(session.session, turns, ModelInfo("m", Purpose.TEACHING))
    text = shown(made)
    assert "2 turns too long for the model, cut in the middle" in text
    assert "purpose teaching" in text


def coloured(session: LabelledSession, **environment: str) -> str:
    file = io.StringIO()
    console = Console(
        file=file,
        width=80,
        force_terminal=True,
        color_system="truecolor",
        _environ=environment,
    )
    render(timeline(session), console)
    return file.getvalue()


def test_colours_of_the_labels(sketch: Sketch) -> None:
    text = coloured(sketch(STORY))
    for sign, colour in (("●", "0;158;115"), ("▼", "0;114;178"), ("▲", "213;94;0")):
        assert f"\x1b[38;2;{colour}m{sign}" in text


def test_no_color(sketch: Sketch) -> None:
    text = coloured(sketch(STORY), NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3[0-9]", text)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert plain == shown(sketch(STORY))
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured(sketch(STORY))) == plain
