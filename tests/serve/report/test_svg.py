"""The drawings, against goldens that were looked at; ALLIANCE_GOLDENS=write makes them anew."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from alliance.model.labelled import LabelledSession
from alliance.model.timeline import timeline
from alliance.serve.report import svg
from alliance.serve.report.strings import ENGLISH
from alliance.serve.report.svg_shapes import shapes
from alliance.serve.report.view import TimelineView

Sketch = Callable[..., LabelledSession]
GOLDENS = Path(__file__).parent / "goldens"


def compare(name: str, drawn: str) -> None:
    text = drawn.replace("><", ">\n<") + "\n"
    path = GOLDENS / name
    if os.environ.get("ALLIANCE_GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def drawn(view: TimelineView) -> str:
    return str(svg.strip(view, strings=ENGLISH, described_by="said"))


def of(labelled: LabelledSession) -> TimelineView:
    return TimelineView.from_timelines([timeline(labelled)])


def test_the_strip(view: TimelineView) -> None:
    compare("strip.svg", drawn(view))


def test_the_gutter(view: TimelineView) -> None:
    compare("gutter.svg", str(svg.gutter(view, strings=ENGLISH)))


def test_the_miniature(view: TimelineView) -> None:
    compare("mini.svg", str(svg.mini_strip(view, label='3 "episodes"')))


def test_the_shapes() -> None:
    compare("shapes.svg", str(shapes()))


def test_a_dense_strip(sketch: Sketch) -> None:
    compare("dense.svg", drawn(of(sketch("tN cW2 tPR cPB o _ tN? " * 50))))


@pytest.mark.parametrize("turns", [0, 1, 10, 89, 301, 2000])
def test_any_length_is_a_whole_drawing_with_every_labelled_turn_in_it(
    sketch: Sketch, turns: int
) -> None:
    words = ["tN", "cW2@.8", "tPR", "cPB", "cN?"]
    view = of(sketch(" ".join(words[place % 5] for place in range(turns))))
    picture = drawn(view)
    root = ElementTree.fromstring(picture)
    marks = next(one for one in root.iter() if one.get("class") == "marks")
    if turns <= 300:
        assert len(marks.findall("use")) == turns
    else:
        paths = "".join(path.get("d") or "" for path in marks.iter("path"))
        assert paths.count("M") == turns
    shares = [float(one) for one in re.findall(r'x="([\d.]+)%"', picture)]
    assert all(0 <= share <= 100 for share in shares)
    assert picture.count('<text class="tick') <= 16


def test_labels_of_episodes_never_run_into_each_other(sketch: Sketch) -> None:
    view = of(sketch(("cW2 " + "tN cN " * 5) * 12))
    assert len(view.labelling.episodes) == 12
    for name, width in (("wide", 690), ("narrow", 280)):
        labels = re.findall(
            rf'<text class="ep-label {name}" x="([\d.]+)%" y="12" text-anchor="(\w+)">([^<]*)<',
            drawn(view),
        )
        assert labels
        right = -1.0
        for x, anchor, text in labels:
            long = 6.4 * len(text)
            left = float(x) / 100 * width - (long if anchor == "end" else 0)
            assert left >= right
            right = left + long


@pytest.mark.parametrize(
    ("turns", "step"), [(10, 1), (58, 5), (200, 20), (2000, 200), (9999, 1000)]
)
def test_the_axis_has_round_numbers(turns: int, step: int) -> None:
    assert svg.tick_step(turns) == step
