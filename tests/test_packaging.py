import subprocess
import sys
import zipfile
from pathlib import Path

import memagents

ROOT = Path(__file__).parents[1]


def test_a_wheel_installs_two_packages_and_nothing_else(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    top_level = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert top_level == {"memagents", "memagents_envs"}
    assert {"memagents/py.typed", "memagents_envs/py.typed", "memagents/memories/lstm.py"} <= set(names)
    pages = {"pages": ("document.html", "style.css")}
    pages |= dict.fromkeys(("report_page", "replay_page"), ("style.css", "script.js"))
    assert {f"memagents/studies/{page}/{name}" for page, files in pages.items() for name in files} <= set(names)


def test_what_is_exported_is_there_and_in_order():
    assert memagents.__all__ == sorted(memagents.__all__)
    assert all(getattr(memagents, name) is not None for name in memagents.__all__)
