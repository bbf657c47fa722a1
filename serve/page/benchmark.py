"""How quick the page is with a long session, measured in a browser against a server of its own.

``python -m alliance.serve.page.benchmark`` serves the page on a free port of this machine, opens a
long session in a Chromium as a person would, and prints as JSON: how long the server took to label
it, what the browser then took until the timeline was painted, and the time from a key or a click
until its effect was. Medians of several rounds. Needs the ``playwright`` package and a Chromium on
the path; nothing leaves the machine.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from alliance.model.classifier import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings
from alliance.serve.report.benchmark import ACTS, KEY, in_chromium, long_session, medians, time_acts

__all__ = ["measure"]

_PATIENCE_MS: Final = 1_200_000  # a busy machine may label for minutes
# When the timeline came into sight, as painted: the view's attribute changes once it is filled.
_WATCH: Final = """
addEventListener('DOMContentLoaded', () => {
  const view = document.querySelector('[data-view="timeline"]');
  new MutationObserver(() => {
    if (view.hidden || window.shownAt) return;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => (window.shownAt = performance.now());
      channel.port2.postMessage(0);
    });
  }).observe(view, { attributes: true });
});
"""
_SHOWN: Final = """() => {
  const [asked] = performance.getEntriesByType('resource')
    .filter((one) => one.name.endsWith('/page/timeline'));
  return {
    labelled_ms: asked.responseEnd - asked.startTime,
    painted_ms: window.shownAt - asked.responseEnd,
  };
}"""
_PAGE_ACTS: Final = {**ACTS, "confrontation_ms": KEY % "c", "disagree_ms": KEY % "d"}


def measure(*, turns: int, rounds: int, model: Path | None = None) -> dict[str, Any]:
    """Measure the page with a long session.

    Args:
        turns: turns of the session.
        rounds: how often it is opened and each act done; the medians are given.
        model: a model folder; None for the shipped weights.

    Returns:
        JSON-ready figures, times in milliseconds.

    Raises:
        MissingExtraError: if playwright is not installed.
        ConfigError: if there is no Chromium on the path.
    """
    session = long_session(turns)
    line = json.dumps({"id": session.id, "turns": [turn.to_dict() for turn in session.turns]})
    settings = Settings(port=0, rate_limit="100000/minute")
    app = create_app(settings, RuptureClassifier.load(model))
    taken: dict[str, list[float]] = {}
    with in_chromium() as browser, in_thread(app, settings) as origin:
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(_PATIENCE_MS)
            page.add_init_script(_WATCH)
            page.goto(origin)
            page.set_input_files(
                "[data-file]",
                {"name": "long.jsonl", "mimeType": "application/json", "buffer": line.encode()},
            )
            page.locator("button[value=show]").click()
            # The page's policy forbids what Playwright would wait with for a variable.
            page.locator(".strip-slider").wait_for()
            page.wait_for_timeout(500)
            for name, value in page.evaluate(_SHOWN).items():
                taken.setdefault(name, []).append(value)
            time_acts(page, _PAGE_ACTS, taken)
            page.close()
        return {"turns": turns, **medians(taken), "chromium": browser.version}


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the arguments, measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=None)
    given = parser.parse_args(arguments)
    with redirect_stdout(sys.stderr):  # the server's log is no figure
        figures = measure(turns=given.turns, rounds=given.rounds, model=given.model)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
