"""The page's document and its files: nothing inline, nothing from elsewhere, no word missing."""

import re
from importlib.resources import files

from alliance.serve.page.shell import render_shell
from alliance.serve.page.strings import ENGLISH, SCRIPT_PREFIX

PAGE = files("alliance.serve.page")
SCRIPTS = {
    file.name: file.read_text(encoding="utf-8")
    for file in (PAGE / "static").iterdir()
    if file.name.endswith(".js")
}
TEMPLATE = (PAGE / "templates" / "page.html").read_text(encoding="utf-8")
SHELL = render_shell(body_bytes=1 << 20, version="1")


def test_nothing_stands_inline() -> None:
    assert re.findall(r"<script(?![^>]*(?: src=|application/json))", SHELL) == []
    assert "<style" not in SHELL
    assert " style=" not in SHELL
    assert re.findall(r"\son\w+=", SHELL) == []


def test_nothing_comes_from_elsewhere() -> None:
    static = {file.name for file in (PAGE / "static").iterdir()}
    shared = {file.name for file in (files("alliance.serve.report") / "static").iterdir()}
    assert static & shared == set()  # both are served under one address
    named = re.findall(r'(?:src|href)="(?!#)([^"]+)"', SHELL)
    assert {name.removeprefix("static/") for name in named} <= static | shared
    styles = (PAGE / "static" / "page.css").read_text(encoding="utf-8")
    for text in (SHELL, styles, *SCRIPTS.values()):
        assert re.findall(r"https?:|url\(|@import", text) == []


def test_every_word_that_is_asked_for_is_there() -> None:
    asked = {name for script in SCRIPTS.values() for name in re.findall(r"\bwords\.(\w+)", script)}
    assert asked
    there = {key.removeprefix(SCRIPT_PREFIX) for key in ENGLISH if key.startswith(SCRIPT_PREFIX)}
    dynamic = {"role_client", "role_therapist", "role_other"}
    dynamic |= {"speaker_client", "speaker_therapist"}
    assert asked - there == set()
    assert there - asked - dynamic == set()


def test_every_word_of_the_template_is_used() -> None:
    plain = {key for key in ENGLISH if not key.startswith(SCRIPT_PREFIX)}
    used = set(re.findall(r'words(?:\.|\[")(\w+)', TEMPLATE))
    made = {f"option_column_{field}" for field in ("text", "speaker", "session")}
    elsewhere = {"why_above", "read_advice"}  # go into the timeline, and into what is refused
    assert plain - used - made - elsewhere == set()


def test_no_script_makes_html_of_text() -> None:
    makers = [
        (name, line.strip())
        for name, script in SCRIPTS.items()
        for line in script.splitlines()
        if re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(", line
        )
    ]
    assert makers == [("review.js", "place.innerHTML = session.shown.html;")]
