"""What becomes of a run when the disk is full?

    python scripts/disk_full.py

In a temporary file system of a few megabytes the command line trains a small run with checkpoints until there is no
room left: once for each amount of room. What is left must be in order, and when there is room again, the run must end
as one that was never disturbed. Reports to `results/robustness/disk_full.md` and `disk_full.csv`.

The file system is mounted in a name space of this process alone, so nobody else sees it, and it is gone when the
process is, however that ends. That takes Linux, and root or name spaces of users; where it is not permitted, the script
says so and ends with exit code 77.
"""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import tyro
from kills import fingerprint
from pages import origin, origin_list

from memagents.agents.serialization import open_archive
from memagents.cli import main as memagents
from memagents.runs.checkpoints import newest_checkpoint
from memagents.runs.folder import RunFolder
from memagents.runs.metrics import read_metrics
from memagents.runs.models import ALGORITHMS
from memagents.runs.results import RunResult

INSIDE = "DISK_FULL_INSIDE"
"""Environment variable of the process that has a name space of its own."""

NOT_PERMITTED = 77
"""Exit code, as automake has it for tests that cannot be made."""

SIZE = 4 << 20
"""Bytes of the file system."""

WORDS = (
    *("train", "--env", "memagents_envs:MemAgents/TMaze-v0", "--env-kwargs", "corridor_length=3", "--memory", "gru"),
    *("--memory-kwargs", "hidden_size=4", "--n-envs", "2", "--timesteps", "192", "--checkpoint-every", "32"),
    *("--algo-kwargs", "n_steps=16", "n_epochs=1", "--eval-episodes", "4", "--threads", "1", "--folder"),
)
"""What is trained, without the folder."""

PAGE = """# A full disk

*What becomes of a run when the disk is full?*

A run found so much room in a file system, and came to its end. Then there was room again, and it went on by
`train --resume`, or by the same command where there had not been room for `run.json`. It needs {whole:,} KiB in all.

{table}

For every amount of room that was not enough: the exit code is 1, and one line names `CheckpointWriteError`, the file
and what to do; every checkpoint that has its name is whole, and the newest one loads; no part of a file is left; the
rows of metrics are whole. *The same end* means that the hashes of the parameters, of the optimizer's state, of all rows
of metrics (but for their clock times) and of every episode of the evaluation are those of the undisturbed run.

- the run: `memagents {words}`
{origin}
- seeds: 0 for training, 1,000,000 and on for evaluation

What this does not show: other file systems, quotas, or a disk that others fill up and empty meanwhile; TensorBoard and
wandb, which write files of their own.
"""


@dataclass(frozen=True)
class Options:
    room: tuple[int, ...] = (*range(0, 48, 4), *range(48, 1200, 48))
    """KiB that a run finds, one run for each."""
    folder: Path = Path("results/robustness")
    """Where the report goes."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        room: KiB that it found.
        exit_code: of the command that trained.
        failed_at: the file that could not be written.
        checkpoints: how many were left, all of them whole.
        steps: of the newest one.
        went_on: how, when there was room again.
        same_end: whether the end was that of the undisturbed run.
    """

    room: int
    exit_code: int
    failed_at: str
    checkpoints: int
    steps: int
    went_on: str
    same_end: bool


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """A file system of so many bytes, in memory.

    Raises:
        PermissionError: if it may not be mounted.
    """
    with tempfile.TemporaryDirectory() as place:
        answer = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True)
        if answer.returncode:
            raise PermissionError(answer.stderr.decode().strip().replace(place, "the folder"))
        try:
            yield Path(place)
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def free(disk: Path) -> int:
    """Bytes that can still be written."""
    status = os.statvfs(disk)
    return status.f_bavail * status.f_frsize


@contextmanager
def filled(disk: Path, room: int) -> Iterator[None]:
    """Inside, there are so many bytes left."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free(disk) - room)
    yield
    filler.unlink()


def command(*words: str) -> tuple[int, str]:
    """Runs the command line; gives its exit code and its last line."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        code = memagents(words)
    return code, said.getvalue().strip().rpartition("\n")[2]


def run(disk: Path, room: int, undisturbed: dict[str, str]) -> Outcome:
    """A run that finds so many KiB, and goes on when there is room again."""
    path = disk / "run"
    with filled(disk, room << 10):
        code, said = command(*WORDS, str(path))
    failed_at = file_in(said) if code else ""
    checkpoints, steps = left_in(RunFolder(path))
    resumable = (path / "run.json").exists()
    again = ("train", "--resume", str(path)) if resumable else (*WORDS, str(path))
    last_code, last_said = command(*again)
    assert last_code == 0, last_said
    end = fingerprint(RunResult.load(path))
    shutil.rmtree(path)
    went_on = "" if code == 0 else "--resume" if resumable else "the same command"
    return Outcome(room, code, failed_at, checkpoints, steps, went_on, end == undisturbed)


def file_in(said: str) -> str:
    """The name of the file that an error is about, if it says all that it should."""
    found = re.fullmatch(
        r"memagents: CheckpointWriteError: cannot write (.+): No space left on device; .* still there\. Make room.*",
        said,
    )
    assert found, f"expected an error that says which file could not be written and what to do, got: {said}"
    return Path(found[1]).name


def left_in(folder: RunFolder) -> tuple[int, int]:
    """How many checkpoints there are, and the steps of the newest; checks that nothing is half written."""
    assert not list(folder.path.rglob(".*")), "there are parts of files"
    names = sorted(folder.checkpoints.glob("*.zip"))
    for name in names:
        open_archive(name)
    for name in folder.path.glob("*.json"):
        json.loads(name.read_text(encoding="utf-8"))
    if folder.metrics_file.exists():
        read_metrics(folder.metrics_file)
    newest = newest_checkpoint(folder)
    if newest is None:
        assert all(name == folder.failed_model_file for name in names), "there are checkpoints, and none is the newest"
        return 0, 0
    assert ALGORITHMS["ppo"].load(newest.path).num_timesteps == newest.steps
    return len([name for name in names if name != folder.failed_model_file]), newest.steps


def report(outcomes: list[Outcome], whole: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "disk_full.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Outcome)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, outcomes))
    header = (
        "| room (KiB) | exit code | no room for | whole checkpoints | steps of the newest | went on by | the same end |"
    )
    rows = [
        f"| {o.room} | {o.exit_code} | {o.failed_at} | {o.checkpoints} | {o.steps} | {o.went_on} | "
        f"{'yes' if o.same_end else 'NO'} |"
        for o in outcomes
    ]
    table = "\n".join([header, "|--:|--:|:--|--:|--:|:--|:--|", *rows])
    words = " ".join(WORDS[:-1])
    text = PAGE.format(words=words, whole=whole >> 10, table=table, origin=origin_list(origin()))
    (folder / "disk_full.md").write_text(text, encoding="utf-8")


def in_own_name_space(words: Sequence[str]) -> int:
    """Runs this script again where what it mounts is seen by nobody else."""
    rights = () if os.geteuid() == 0 else ("--map-root-user",)
    unshare = shutil.which("unshare")
    if unshare is None:
        print("this needs the command unshare of Linux, which is not there", file=sys.stderr)
        return NOT_PERMITTED
    command = [unshare, "--mount", *rights, sys.executable, str(Path(__file__).resolve()), *words]
    code = subprocess.run(command, env=os.environ | {INSIDE: "yes"}).returncode
    if code not in (0, 1):
        print("no file system may be mounted here; root may, or users where they can have name spaces", file=sys.stderr)
        return NOT_PERMITTED
    return code


def main() -> int:
    options = tyro.cli(Options)
    if INSIDE not in os.environ:
        return in_own_name_space(sys.argv[1:])
    torch.set_num_threads(1)
    try:
        with small_disk(SIZE) as disk:
            before = free(disk)
            assert command(*WORDS, str(disk / "run"))[0] == 0
            undisturbed, whole = fingerprint(RunResult.load(disk / "run")), before - free(disk)
            shutil.rmtree(disk / "run")
            outcomes = [run(disk, room, undisturbed) for room in options.room]
    except PermissionError as error:
        print(error, file=sys.stderr)
        return NOT_PERMITTED
    report(outcomes, whole, options.folder)
    return 0 if all(outcome.same_end for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
