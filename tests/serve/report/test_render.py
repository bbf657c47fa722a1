import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from alliance.model.codebook import MARKERS
from alliance.model.labelled import LabelledSession
from alliance.model.timeline import timeline
from alliance.serve.report import svg
from alliance.serve.report.assets import asset, asset_names
from alliance.serve.report.data import timeline_data
from alliance.serve.report.names import Names
from alliance.serve.report.render import environment, render_report, render_timeline_fragment
from alliance.serve.report.strings import ENGLISH
from alliance.serve.report.view import TimelineView

Sketch = Callable[..., LabelledSession]

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)> \u202eevil\u2066 😀 {{ 7*7 }}"
)


def island(html: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_the_island_is_the_view_s_data(view: TimelineView) -> None:
    html = str(render_timeline_fragment(view))
    data = timeline_data(view, strings=ENGLISH)
    assert island(html) == json.loads(json.dumps(data))
    assert data["labellings"]["research"]["labels"] == view.labelling.letters
    assert data["turns"][5] == [0, 50_000, 58_000, [67, 800, 67, 67]]
    assert data["labellings"]["screening"]["markers"] == {"0": "WT"}
    assert len(data["labellings"]["research"]["markers"]) == len(view.turns)
    assert all(f'"js_{key}"' not in html for key in data["strings"])


@pytest.mark.parametrize("names", list(Names))
def test_hostile_text_and_names_stay_text(sketch: Sketch, names: Names) -> None:
    labelled = sketch("tN cW2@.8 cPB o", text=HOSTILE, session_id=HOSTILE)
    speaker = '<b onclick="x">Ma\u202e</b>'
    turns = [
        replace(turn, turn=replace(turn.turn, speaker=speaker, text=HOSTILE))
        if turn.unlabelled_reason
        else turn
        for turn in labelled.turns
    ]
    session = replace(labelled.session, turns=tuple(turn.turn for turn in turns))
    made = timeline(replace(labelled, session=session, turns=tuple(turns)))
    html = render_report(TimelineView.from_timelines([made], names=names))
    # Two scripts, the island and our own, and none that a transcript brought.
    assert len(re.findall(r"<script", html)) == 2
    assert "<img" not in html
    assert "<b onclick" not in html
    assert "49" not in re.sub(r"[\d.]+%?", "", html)
    said = re.findall(r'<p class="words" dir="auto">(.*?)</p>', html)
    assert [unescape(text) for text in said] == [HOSTILE] * 4
    assert ("&lt;b onclick=" in html) == (names is Names.KEEP)
    assert island(html)["session"] == HOSTILE


def test_the_policy_allows_what_is_there_and_no_more(view: TimelineView) -> None:
    html = render_report(view)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    rules = unescape(policy[1])
    for pattern in (r"<style>(.*?)</style>", r'<script type="module">(.*?)</script>'):
        content = re.search(pattern, html, re.DOTALL)
        assert content is not None
        digest = base64.b64encode(hashlib.sha256(content[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules
    assert "unsafe" not in rules
    assert rules.startswith("default-src 'none';")
    assert re.findall(r"\sstyle=|\son\w+=", html.replace("const ", "")) == []


def test_nothing_is_asked_of_anyone(view: TimelineView) -> None:
    html = render_report(view)
    addresses = set(re.findall(r"(?:https?:)?//[\w.]+", re.sub(r"(?m)^\s*//.*$", "", html)))
    # SVG's namespace is a name, not an address.
    assert {one for one in addresses if "." in one} <= {"http://www.w3.org"}


def test_text_can_be_left_out(view: TimelineView, story: LabelledSession) -> None:
    made = TimelineView.from_timelines([timeline(story)], include_text=False)
    html = render_report(made)
    assert "Words of turn" not in html
    assert ENGLISH["no_text"] in html
    assert "Words of turn 5." in render_report(view)


def test_markers_are_defined_where_ruptures_are_shown(view: TimelineView) -> None:
    html = str(render_timeline_fragment(view))
    row = re.search(r'<li class="turn client C" id="turn-9">.*?</li>', html, re.DOTALL)
    assert row is not None
    assert "says the therapist does not listen" in row[0]
    assert all(str(entry.definition) in unescape(html) for entry in MARKERS.values())


def test_one_labelling_is_in_sight_and_three_are_there(view: TimelineView) -> None:
    html = str(render_timeline_fragment(view))
    lists = re.findall(r'<div class="episode-list" data-purpose="(\w+)"( hidden)?>', html)
    assert lists == [("screening", " hidden"), ("research", ""), ("teaching", " hidden")]
    assert html.count('type="radio" name="purpose"') == 3
    alone = TimelineView.from_timelines([view.timeline])
    assert 'name="purpose"' not in str(render_timeline_fragment(alone))


def test_a_session_without_ruptures_or_labels_says_so(sketch: Sketch) -> None:
    def told(words: str) -> str:
        view = TimelineView.from_timelines([timeline(sketch(words))])
        return str(render_timeline_fragment(view))

    assert ENGLISH["no_episodes"] in told("tN cPB")
    assert "aside from 1 turn on which the model abstains" in told("tN cW2?")
    assert ENGLISH["no_labels"] in told("_ o")
    assert ENGLISH["no_labels"] in told("")


def test_every_string_is_used_and_every_used_string_is_there(view: TimelineView) -> None:
    sources = "".join(
        environment().loader.get_source(environment(), name)[0]  # type: ignore[union-attr]
        for name in environment().list_templates()
        if name.endswith(".html")
    )
    scripts = "".join(asset(name) for name in asset_names() if name.endswith(".js"))
    drawing = Path(svg.__file__).read_text(encoding="utf-8")
    built = ("purpose_", "kind_", "outcome_", "reason_")
    for key in ENGLISH:
        if key.startswith("js_"):
            name = key.removeprefix("js_")
            used = f'"{name}"' in scripts or name.startswith(built)
        else:
            used = f"s.{key}" in sources or f'"{key}"' in drawing or key.startswith(built)
        assert used, key
    assert set(re.findall(r'\bsay\("(\w+)"', scripts)) <= {
        key.removeprefix("js_") for key in ENGLISH if key.startswith("js_")
    }
