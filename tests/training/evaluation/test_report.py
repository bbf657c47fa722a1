"""Plots, the HTML and Markdown report, and what ``alliance evaluate`` writes of them."""

import json
import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from alliance.model.agreement import average_precision
from alliance.model.codebook import LABELS
from alliance.serve.main import app
from alliance.training.corpora import CodedSession
from alliance.training.evaluation.curves import curves
from alliance.training.evaluation.figures import figures
from alliance.training.evaluation.markup import as_html, escaped
from alliance.training.evaluation.misses import surest_misses
from alliance.training.evaluation.plots import PLOTS
from alliance.training.evaluation.predictions import Predictions
from alliance.training.evaluation.report import CLAIMS, html_report, markdown_report
from alliance.training.evaluation.session_figures import session_figures
from alliance.training.rivals.figures import rival_figures

Draw = Callable[..., Predictions]
Make = Callable[..., list[CodedSession]]
Write = Callable[[Path, Sequence[CodedSession]], None]

STUB = Path(__file__).parents[2] / "data" / "stub_model"
SESSIONS = {"a": "tNN cWW tCN cNN cWN", "b": "tPP cPN tNN cNW/NP cCC", "c": "tNN cNN tNN cPP"}
NASTY = "<script>alert(1)</script> & **x** | `y` \\"


def _report(drawn: Predictions) -> dict[str, object]:
    return {
        "corpus": NASTY,
        "purpose": "research",
        "mode": "full",
        "disturbed": False,
        **figures(drawn, groups={"kind": {"a": NASTY, "b": "other"}}, resamples=20),
        "sessions_level": session_figures(drawn, resamples=20),
        "curves": curves(drawn),
    }


class _Tags(HTMLParser):
    """Checks that tags close in order, and gathers them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# --- curves


def test_a_precision_recall_curve_is_that_of_its_area(sketch_predictions: Draw) -> None:
    random = np.random.default_rng(1)
    drawn = sketch_predictions({"s": " ".join(random.choice(["cWN", "cNN", "cCC"], 300))})
    odds = random.dirichlet(np.ones(4), 300)
    odds[:, 1] += (drawn.gold == 1) * 0.3
    object.__setattr__(drawn, "probabilities", odds / odds.sum(axis=1, keepdims=True))
    found = curves(drawn)["client"]["precision_recall"]["withdrawal"]
    recall, precision = np.array(found).T
    assert (np.diff(recall) > 0).all()
    assert recall[-1] == pytest.approx(1, abs=0.021)
    area = float(np.sum(np.diff(np.append(0, recall)) * precision))
    whole = average_precision(drawn.gold == 1, drawn.probabilities[:, 1])
    assert area == pytest.approx(float(whole.item()), abs=0.03)


def test_curves_count_the_turns(sketch_predictions: Draw) -> None:
    found = curves(sketch_predictions(SESSIONS))
    assert np.sum(found["pooled"]["confusion"]) == 14
    assert found["client"]["confusion"][1] == [0, 1, 0, 1]
    assert found["therapist"]["precision_recall"]["withdrawal"] == []


# --- plots


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("speaker", ["client", "therapist", "pooled"])
def test_a_plot_is_a_drawing_for_eyes_and_ears(
    sketch_predictions: Draw, name: str, speaker: str
) -> None:
    report = _report(sketch_predictions(SESSIONS))
    root = ElementTree.fromstring(PLOTS[name][1](report, speaker, alone=True))
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    title, told = root.find(f"{space}title"), root.find(f"{space}desc")
    assert title is not None
    assert told is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert told.text
    assert "nan" not in ElementTree.tostring(root, encoding="unicode").lower().split()
    box = [float(value) for value in str(root.get("viewBox")).split()]
    for element in root.iter():
        for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", element.get("points", "")):
            assert 0 <= float(x) <= box[2]
            assert 0 <= float(y) <= box[3]


def test_the_confusion_plot_holds_the_counts(sketch_predictions: Draw) -> None:
    report = _report(sketch_predictions({"a": "cNN " * 30 + "cNW " * 10 + "cWN"}))
    drawing = PLOTS["confusion"][1](report, "client")
    assert drawing.count(">30</text>") == 1
    assert ">75%</text>" in drawing
    assert "withdrawal rupture: 0 of 1 given that label" in drawing


# --- markup


def test_markup_escapes_everything() -> None:
    assert as_html("a <b> & **c** `d<e`") == (
        "<p>a &lt;b&gt; &amp; <strong>c</strong> <code>d&lt;e</code></p>"
    )
    assert as_html(escaped(NASTY)) == (
        "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; **x** | `y` \\</p>"
    )
    assert escaped("two\n\n# lines") == r"two \# lines"
    assert as_html("- one\n- two") == "<ul><li>one</li><li>two</li></ul>"
    assert "<td>2</td>" in as_html("| a | b |\n| --- | --- |\n| 1 | 2 |")


# --- reports


def test_the_html_report_runs_and_loads_nothing(sketch_predictions: Draw) -> None:
    drawn = sketch_predictions(SESSIONS, model=NASTY)
    text = html_report(_report(drawn), rivals=rival_figures(drawn, {"r": drawn}, resamples=20))
    tags = _Tags(text)
    assert tags.open == []
    names = {tag for tag, _ in tags.seen}
    assert names.isdisjoint({"script", "img", "link", "iframe", "object", "b"})
    for _, attributes in tags.seen:
        assert not any(name.startswith("on") for name in attributes)
        assert {"src", "href", "style"}.isdisjoint(attributes)
    policy = next(a["content"] for t, a in tags.seen if t == "meta" and "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "url(" not in text
    assert "@import" not in text
    assert "no clinician has validated them" in text.split("<table>")[0]
    assert names.issuperset({"svg", "title", "desc", "table"})
    identifiers = [a["id"] for _, a in tags.seen if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    order = [text.index(f"<h2>{name}") for name in ("Turns", "Rivals", "Plots", "Sessions")]
    assert order == sorted(order)


def test_both_reports_give_the_same_figures(sketch_predictions: Draw) -> None:
    report = _report(sketch_predictions(SESSIONS))
    markdown, page = markdown_report(report), html_report(report)
    assert CLAIMS in markdown
    shown = re.sub(r"<[^>]+>", " ", page)
    for figure in set(re.findall(r"\.\d\d \[[^\]]+\]", markdown)):
        assert figure in shown


def test_reports_of_an_earlier_version_lack_only_what_it_lacked(sketch_predictions: Draw) -> None:
    report = figures(sketch_predictions(SESSIONS), resamples=5)
    assert "<svg" not in html_report(report)
    assert "## Turns" in markdown_report(report)


# --- misses


def test_misses_are_the_surest_of_each_label(
    sketch_predictions: Draw, coded_sessions: Make
) -> None:
    sessions = coded_sessions(2)
    names = [coded.id for coded in sessions]
    drawn = sketch_predictions({names[0]: "tNN cWN tNN cWN", names[1]: "tNC cNN"})
    drawn.probabilities[3] = [0.02, 0.02, 0.02, 0.94]
    found = surest_misses(drawn, sessions, 1)
    assert [(miss.session, miss.turn) for miss in found] == [(names[0], 3), (names[1], 0)]
    assert found[0].text == sessions[0].session.turns[3].text
    assert (found[0].settled, found[0].predicted) == (LABELS[1], LABELS[3])
    with pytest.raises(ValueError, match="no transcript"):
        surest_misses(drawn, sessions[:1], 1)


def test_words_are_written_only_when_asked_for(
    tmp_path: Path, coded_sessions: Make, write_coded_lines: Write
) -> None:
    corpus = tmp_path / "coded.jsonl"
    sessions = coded_sessions(2)
    write_coded_lines(corpus, sessions)
    words = {turn.text for coded in sessions for turn in coded.session.turns}

    def run(*more: str) -> tuple[str, ...]:
        files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html", "markdown")}
        options = [word for kind, file in files.items() for word in (f"--{kind}", str(file))]
        result = CliRunner().invoke(
            app, ["evaluate", str(STUB), str(corpus), *options, "--resamples", "5", "-q", *more]
        )
        assert result.exit_code == 0, result.output
        assert result.stdout == ""
        return (*(file.read_text(encoding="utf-8") for file in files.values()), result.stderr)

    for text in run():
        assert not [w for w in words if w in text]
    report, page, markdown, complaints = run("--examples", "2")
    assert not [w for w in words if w in report]
    assert "curves" in json.loads(report)
    assert "words of transcripts" in complaints
    for text in (page, markdown):
        assert [w for w in words if w in text]
        assert "This report holds words of transcripts" in text
