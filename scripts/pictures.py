"""Takes a picture of a page, for where pages cannot be opened, as in a README.

    python scripts/pictures.py results/ppo_or_a2c/report.html

The picture stands beside the page, under its name. Needs a Chromium.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Options:
    """Which page, and how much of it."""

    page: tyro.conf.Positional[Path]
    """An HTML file."""

    width: int = 1280
    """Of the window, in pixels."""

    height: int = 1000
    """Of the window, in pixels."""


def picture(page: Path, file: Path, width: int, height: int, place: str = "") -> bool:
    """Takes a picture of a page, if there is a browser; tells whether there is one now.

    Args:
        page: an HTML file.
        file: where the picture goes, a PNG.
        width: of the window, in pixels.
        height: of the window, in pixels.
        place: in the page, what follows "#" in its address.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ["--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-sandbox", f"--user-data-dir={profile}"]
        target = [f"--screenshot={file.resolve()}", f"--window-size={width},{height}"]
        address = f"{page.resolve().as_uri()}#{place}"
        subprocess.run([browser, *options, *target, address], check=True, capture_output=True, timeout=120)
    return file.exists()


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    file = options.page.with_suffix(".png")
    if not picture(options.page, file, options.width, options.height):
        print(f"there is none of {', '.join(BROWSERS)}: install one", file=sys.stderr)
        return 1
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
