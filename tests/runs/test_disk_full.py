"""A disk that is really full: what the script that fills one reports."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "disk_full.py"
NOT_PERMITTED = 77


@pytest.mark.slow
def test_a_run_on_a_full_disk_says_so_keeps_what_it_has_and_goes_on_when_there_is_room(tmp_path):
    command = [sys.executable, SCRIPT, "--room", "0", "40", "280", "2000", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == NOT_PERMITTED:
        pytest.skip(f"a small file system cannot be mounted: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    nothing, little, some, enough = csv.DictReader((tmp_path / "disk_full.csv").read_text().splitlines())
    assert [row["exit_code"] for row in (nothing, little, some, enough)] == ["1", "1", "1", "0"]
    assert little["failed_at"] == "step-000000032.zip"
    assert (some["failed_at"], some["checkpoints"], some["steps"]) == ("step-000000064.zip", "1", "32")
    assert all(row["same_end"] == "True" for row in (nothing, little, some, enough))
    assert f"{tmp_path.parent}" not in (tmp_path / "disk_full.csv").read_text()
