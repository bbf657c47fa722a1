"""How large a report is and how quick in a browser, measured in one run.

``python -m alliance.serve.report.benchmark`` labels a long session, writes its report and opens it
in a Chromium on this machine: first paint and what the script takes to come alive, and the time
from a key or a click until the browser has painted its effect, for a jump to an episode, for other
thresholds, and for a search. ``main_thread_ms`` is processor time until the page is alive, which
other work on the machine does not lengthen; all else is the wall clock's. Medians of several
rounds. Needs the ``playwright`` package and a Chromium on the path; nothing leaves the machine.
"""

import argparse
import json
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier
from alliance.model.errors import ConfigError, MissingExtraError
from alliance.model.formats import read_session
from alliance.model.session import Session, Turn
from alliance.serve.report.making import view_of, write_report
from alliance.serve.sessions import example_file

__all__ = ["ACTS", "KEY", "in_chromium", "long_session", "measure", "medians", "time_acts"]

_SEED: Final = 7
_RUN: Final = (6, 20)  # turns in a row taken from the example
_TURN_MS: Final = 4000
_PATIENCE_MS: Final = 120_000

# From the event until the frame after it has been painted.
_PAINTED: Final = """(act) => new Promise((done) => {
  const began = performance.now();
  act();
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - began);
    channel.port2.postMessage(0);
  });
})"""
KEY: Final = "document.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true}))"
ACTS: Final = {
    "jump_ms": KEY % "n",
    "purpose_ms": (
        "(() => { const off = [...document.querySelectorAll('[name=purpose]')]"
        ".find((one) => !one.checked); off.click(); })()"
    ),
    "search_ms": (
        "(() => { const box = document.querySelector('[name=search]');"
        "box.value = box.value ? '' : 'know';"
        "box.dispatchEvent(new Event('input', {bubbles: true})); })()"
    ),
}


def long_session(turns: int) -> Session:
    """A session of so many turns, runs of the example's turns in random order, with times.

    Args:
        turns: how many.
    """
    draw = random.Random(_SEED)
    with as_file(example_file()) as path:
        example = read_session(path).turns
    said: list[Turn] = []
    while len(said) < turns:
        length = draw.randint(*_RUN)
        start = draw.randrange(len(example) - length)
        said += example[start : start + length]
    return Session(
        f"long_{turns}",
        tuple(
            Turn(turn.speaker, turn.text, place * _TURN_MS, place * _TURN_MS + _TURN_MS - 500)
            for place, turn in enumerate(said[:turns])
        ),
    )


def measure(*, turns: int, rounds: int, model: Path | None = None) -> dict[str, Any]:
    """Measure a report of a long session.

    Args:
        turns: turns of the session.
        rounds: how often the page is opened and each act done; the medians are given.
        model: a model folder; None for the shipped weights.

    Returns:
        JSON-ready figures: ``bytes`` of the file, and milliseconds.

    Raises:
        MissingExtraError: if playwright is not installed.
        ConfigError: if there is no Chromium on the path.
    """
    session = long_session(turns)
    view = view_of(RuptureClassifier.load(model).label_for(session))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "report.html")
        write_report(view, path)
        return {
            "turns": turns,
            "episodes": len(view.timeline.episodes),
            "bytes": path.stat().st_size,
            **_in_browser(path, rounds=rounds),
        }


@contextmanager
def in_chromium() -> Iterator[Any]:
    """A Chromium of this machine, as Playwright drives it.

    Raises:
        MissingExtraError: if playwright is not installed.
        ConfigError: if there is no Chromium on the path.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError as error:
        raise MissingExtraError("measuring in a browser", "dev") from error
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise ConfigError("expected chromium on the path, found none; install it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def _in_browser(path: Path, *, rounds: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {}
    with in_chromium() as browser:
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(_PATIENCE_MS)
            inside = page.context.new_cdp_session(page)
            inside.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(path.as_uri())
            page.wait_for_selector(".strip-slider")
            worked = {
                one["name"]: one["value"]
                for one in inside.send("Performance.getMetrics")["metrics"]
            }
            taken.setdefault("main_thread_ms", []).append(1000 * worked["TaskDuration"])
            opened = page.evaluate(
                "() => { const [load] = performance.getEntriesByType('navigation');"
                "const paint = performance.getEntriesByName('first-contentful-paint')[0];"
                "return [paint ? paint.startTime : null, load.loadEventEnd]; }"
            )
            for name, value in zip(("first_paint_ms", "loaded_ms"), opened, strict=True):
                if value is not None:
                    taken.setdefault(name, []).append(value)
            time_acts(page, ACTS, taken)
            page.close()
        return {**medians(taken), "chromium": browser.version}


def time_acts(page: Any, acts: Mapping[str, str], taken: dict[str, list[float]]) -> None:
    """Do each act once, and note the milliseconds until its effect was painted, by its name."""
    for name, act in acts.items():
        value = page.evaluate(f"() => ({_PAINTED})(() => {{ {act} }})")
        taken.setdefault(name, []).append(value)


def medians(taken: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of what each name took, in milliseconds."""
    return {name: round(statistics.median(values), 1) for name, values in taken.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path, default=None)
    given = parser.parse_args(arguments)
    json.dump(
        measure(turns=given.turns, rounds=given.rounds, model=given.model), sys.stdout, indent=2
    )
    print()


if __name__ == "__main__":
    main()
