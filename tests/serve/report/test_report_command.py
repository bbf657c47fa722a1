import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from alliance.serve.report.making import _file_name

Run = Callable[..., Result]
STUB = ("--model", str(Path(__file__).parents[2] / "data" / "stub_model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three transcripts and one that cannot be read."""
    given = tmp_path / "sessions"
    given.mkdir()
    (given / "calm.txt").write_text("T: How was it?\nC: It was Tuesday.\n", encoding="utf-8")
    (given / "strain.txt").write_text(
        "T: So.\nC: You are not listening.\nT: sorry\nC: Well.\n" + "T: So.\nC: Well.\n" * 5,
        encoding="utf-8",
    )
    (given / "mended.txt").write_text(
        "T: So.\nC: This is useless.\nT: sorry\nC: thanks\n", encoding="utf-8"
    )
    (given / "broken.csv").write_text("nothing\n", encoding="utf-8")
    return given


def test_a_report_of_one_session(alliance: Run, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    result = alliance("timeline", plain, "--html", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    html = out.read_text(encoding="utf-8")
    assert "You are not listening to me." in html
    assert html.startswith("<!doctype html>")
    assert html.count("data-purpose=") > 3
    hidden = alliance("timeline", plain, "--html", "-", "--no-text")
    assert "listening to me" not in hidden.stdout
    assert "<!doctype html>" in hidden.stdout


def test_explanations_mark_words(alliance: Run, plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    assert alliance("timeline", plain, "--html", out, "--explain").exit_code == 0
    assert "<mark>listening</mark>" in out.read_text(encoding="utf-8")


def test_names_are_kept_when_asked(alliance: Run, tmp_path: Path) -> None:
    given = tmp_path / "three.txt"
    given.write_text("T: Hello.\nC: Hello.\nAnna: Hello.\n", encoding="utf-8")
    out = tmp_path / "out.html"
    role = ("--role", "Anna=other")
    assert alliance("timeline", given, "--html", out, *role).exit_code == 0
    hidden = out.read_text(encoding="utf-8")
    assert "Anna" not in hidden
    assert "Other 1" in hidden
    assert "names" in unescape(hidden).lower()
    assert alliance("timeline", given, "--html", out, "--names", "keep", *role).exit_code == 0
    assert "<bdi>Anna</bdi>" in out.read_text(encoding="utf-8")


def test_json_and_html_are_one_too_many(alliance: Run, plain: Path) -> None:
    result = alliance("timeline", plain, "--html", "x.html", "--json")
    assert result.exit_code == 2
    assert "expected --json or --html, found both" in result.stderr


def test_a_page_over_many_sessions(alliance: Run, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "monday"
    result = alliance("report", folder, "-o", out, *STUB)
    assert result.exit_code == 1
    assert "broken.csv" in result.stderr
    assert "3 sessions reported; 1 failed" in result.stderr
    index = (out / "index.html").read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"]+)"><bdi>([^<]+)</bdi></a>', index)
    # Those with an episode without a repair signal first.
    assert [name for _, name in links] == ["strain", "calm", "mended"]
    assert all((out / link).is_file() for link, _ in links)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["index.html", *(link for link, _ in links)]
    )
    assert "listening" not in index
    assert str(tmp_path) not in index
    assert "broken.csv:1:" in unescape(index)
    assert "You are not listening." in (out / links[0][0]).read_text(encoding="utf-8")


def test_the_overview_alone(alliance: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "broken.csv").unlink()
    out = tmp_path / "monday.html"
    result = alliance("report", folder, "-o", out, "-q", *STUB)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    html = out.read_text(encoding="utf-8")
    assert "<a href" not in html
    assert html.count("<tr data-unrepaired") == 3


def test_an_output_that_cannot_be(alliance: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for out in (tmp_path / "file", tmp_path / "no" / "where", tmp_path / "no" / "x.html"):
        result = alliance("report", folder, "-o", out, *STUB)
        assert result.exit_code == 2
        assert "expected" in result.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"


def test_any_id_makes_a_file_name() -> None:
    assert _file_name(3, "Söhne & <b>/..\\x") == "003-S_hne_b_.._x.html"
    assert _file_name(12, "../") == "012-session.html"
    assert len(_file_name(1, "x" * 500)) < 80


def test_the_overview_in_a_browser(
    alliance: Run, folder: Path, tmp_path: Path, opened: Callable[..., Any]
) -> None:
    out = tmp_path / "monday"
    alliance("report", folder, "-o", out, *STUB)
    page = opened(out / "index.html").page
    rows = "rows => rows.filter(row => !row.hidden).map(row => row.cells[0].textContent)"

    def order() -> list[str]:
        return page.eval_on_selector_all("tbody tr", rows)  # type: ignore[no-any-return]

    page.get_by_role("button", name="Session").click()
    assert order() == ["calm", "mended", "strain"]
    page.get_by_role("button", name="Session").click()
    assert order() == ["strain", "mended", "calm"]
    page.get_by_role("button", name="Turns", exact=True).click()
    assert order()[0] == "strain"
    assert page.locator("th[aria-sort]").text_content() == "Turns"
    page.get_by_role("checkbox").check()
    assert order() == ["strain"]
    assert page.locator("[role=status]").text_content() == "1 of 3 sessions shown"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_overview(
    alliance: Run, folder: Path, tmp_path: Path, opened: Callable[..., Any], scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs [dev]")
    out = tmp_path / "monday.html"
    alliance("report", folder, "-o", out, *STUB)
    page = opened(out, color_scheme=scheme, bypass_csp=True).page
    found = axe.Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
