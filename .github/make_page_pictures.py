"""Takes the README's pictures of the page: a review, and a comparison in the training room.

Run it again after new weights or a new look: ``python .github/make_page_pictures.py``. It needs
playwright and a chromium on the path.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from alliance.model import RuptureClassifier
from alliance.serve.http.app import create_app
from alliance.serve.http.server import in_thread
from alliance.serve.http.settings import Settings

FOLDER = Path(__file__).parent
SIZE = {"width": 1280, "height": 900}
MOST_BYTES = 300_000


def shown(page: Page, view: str) -> None:
    page.locator(f'[data-view="{view}"]').wait_for(state="visible")


def review(page: Page, origin: str) -> None:
    """The example session, with a confrontation that the reader sees otherwise."""
    page.goto(f"{origin}/")
    page.locator("[data-example]").click()
    shown(page, "roles")
    page.locator("button[value=show]").click()
    shown(page, "timeline")
    page.locator("[data-reviewer]").fill("AB")
    page.locator("[data-reviewer]").blur()
    for key in ("c", "d", "2", "5"):
        page.keyboard.press(key)


def training(page: Page, origin: str) -> None:
    """A session of the teaching set, labelled blind and then compared."""
    page.goto(f"{origin}/#/label/teaching/s015")
    shown(page, "coding")
    page.locator(".line").first.focus()
    given = {8: "11", 17: "32", 19: "31", 21: "25", 25: "22", 27: "22"}
    for turn in range(30):
        for key in given.get(turn, "4"):
            page.keyboard.press(key)
        if turn in given:
            page.keyboard.press("Enter")
    page.locator("[data-compare]").click()
    shown(page, "comparison")


def main() -> None:
    """Write both pictures beside this file."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    settings = Settings(port=0)
    app = create_app(settings, RuptureClassifier.load())
    with in_thread(app, settings) as origin, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, steps in (("page-review", review), ("page-training", training)):
            page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
            page.set_default_timeout(120_000)
            steps(page, origin)
            page.wait_for_timeout(500)
            path = FOLDER / f"{name}.png"
            page.screenshot(path=path)
            assert path.stat().st_size < MOST_BYTES, f"{path} is too large for the README"
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
