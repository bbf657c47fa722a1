"""Takes the README's pictures of a report, from the example session that ships.

Run it again after new weights or a new view: ``python .github/make_screenshots.py``. Needs the
``playwright`` package ([dev] extra) and a Chromium on the path.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from alliance.model import RuptureClassifier
from alliance.serve.report.making import view_of, write_report
from alliance.serve.sessions import read_one

FOLDER = Path(__file__).parent
PICTURES = (
    ("report-1440.png", (1440, 900), "light"),
    ("report-390.png", (390, 844), "light"),
    ("report-dark.png", (1440, 900), "dark"),
)


def main() -> None:
    """Write the pictures beside this file."""
    session = read_one(None)
    view = view_of(RuptureClassifier.load().label_for(session))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "report.html")
        write_report(view, path)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name, (width, height), scheme in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page.goto(path.as_uri())
            page.wait_for_selector(".strip-slider")
            page.screenshot(path=FOLDER / name)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
