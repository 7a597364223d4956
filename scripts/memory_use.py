"""Does a run need more and more memory, the longer it trains?

    python scripts/memory_use.py --minutes 60

Starts `memagents compare --jobs 2` on one environment of each kind, batched and one by one, with checkpoints and
TensorBoard, looks at the resident memory of its processes every few seconds, and then asks them to stop. Runs go to
`runs/memory_use`, the page to `results/robustness`: `memory.md`, `memory.csv` and `memory.png`.
"""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import matplotlib
import numpy as np
import tyro
from pages import origin, origin_list

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ENVS = {"TMaze-v0": "memagents_envs:MemAgents/TMaze-v0", "CartPole-v1": "CartPole-v1"}
RUNS = Path("runs/memory_use")
COMMAND = ("--memory", "lstm", "--seeds", "1", "--jobs", "2", "--timesteps", "10000000", "--log", "tensorboard")
MEBI = 2**20

Curves: TypeAlias = dict[str, np.ndarray]
"""Of each process by name: a row for each look at it, of seconds since the start and resident bytes."""

PAGE = """# Memory over time

*Does a run need more and more memory, the longer it trains?*

![Resident memory over time](memory.png)

`memagents compare {arguments}`, looked at every {every:g} seconds for {minutes:g} minutes and then asked to stop, to
which it answered with exit code {code}. It had written {checkpoints} checkpoints. Resident memory of each process:

| process | steps | warm (MiB) | at the end (MiB) | most (MiB) | slope (MiB an hour) |
|:--|--:|--:|--:|--:|--:|
{rows}

*Warm* is the mean of {warm:g} minutes that begin after {warm:g} minutes, *at the end* that of the last {warm:g}; the
slope is that of a line through all that came after the first {warm:g}, by least squares. Steps are those of the last
checkpoint.

{origin}
- seed: 0

What this does not show: a GPU's memory, environments in processes of their own, other memories than the LSTM, and
anything that grows slower than can be told in this time.
"""


@dataclass(frozen=True)
class Options:
    """How long, and how often it is looked at."""

    minutes: float = 60.0
    """How long it trains."""

    every: float = 5.0
    """Seconds between two looks."""

    warm: float = 10.0
    """Minutes until a run counts as warmed up; also how many a mean is over."""

    checkpoint_every: int = 50_000
    """Steps between two checkpoints."""

    folder: Path = Path("results/robustness")
    """Where the page goes."""


def arguments(options: Options) -> list[str]:
    """What `memagents compare` is asked."""
    every = ("--checkpoint-every", str(options.checkpoint_every), "--folder", str(RUNS))
    return ["--env", *ENVS.values(), *COMMAND, *every]


def watch(process: subprocess.Popen, options: Options) -> Curves:
    """Looks at the processes until the time is over, or one has ended."""
    seen: dict[str, list[tuple[float, int]]] = defaultdict(list)
    begin = time.monotonic()
    while (now := time.monotonic() - begin) < 60 * options.minutes and process.poll() is None:
        for name, pid in ({"the study itself": process.pid} | workers()).items():
            seen[name].append((now, resident(pid)))
        time.sleep(options.every)
    return {name: np.array(points) for name, points in seen.items()}


def workers() -> dict[str, int]:
    """The process that trains in each run folder, as its lock tells."""
    locks = {name: next(RUNS.glob(f"{name}/*/run.lock"), None) for name in ENVS}
    return {name: json.loads(text)["pid"] for name, lock in locks.items() if lock and (text := lock.read_text())}


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def row(name: str, curve: np.ndarray, warm: float) -> str:
    """A process in the table."""
    minutes, mebibytes = curve[:, 0] / 60, curve[:, 1] / MEBI
    after = minutes >= warm
    slope = np.polyfit(minutes[after] / 60, mebibytes[after], 1)[0]
    begin = mebibytes[after & (minutes < 2 * warm)].mean()
    end = mebibytes[minutes >= minutes[-1] - warm].mean()
    return f"| {name} | {steps(name)} | {begin:.1f} | {end:.1f} | {mebibytes.max():.1f} | {slope:+.2f} |"


def steps(name: str) -> str:
    """How far a run has come, as the name of its newest checkpoint tells."""
    names = [path.stem for path in RUNS.glob(f"{name}/*/checkpoints/step-*.zip")]
    return f"{int(max(names).removeprefix('step-')):,}" if names else ""


def draw(curves: Curves, file: Path) -> None:
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for name, curve in curves.items():
        axes.plot(curve[:, 0] / 60, curve[:, 1] / MEBI, label=name)
    axes.set(xlabel="minutes", ylabel="resident memory (MiB)", ylim=(0, None), xlim=(0, None))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(file, dpi=150)


def write_page(curves: Curves, code: int, options: Options) -> None:
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "memory.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["process", "seconds", "resident_bytes"])
        for name, curve in curves.items():
            writer.writerows([name, f"{seconds:.1f}", int(size)] for seconds, size in curve)
    draw(curves, options.folder / "memory.png")
    page = PAGE.format(
        arguments=" ".join(arguments(options)),
        every=options.every,
        minutes=options.minutes,
        warm=options.warm,
        code=code,
        checkpoints=sum(1 for _ in RUNS.rglob("checkpoints/*.zip")),
        rows="\n".join(row(name, curve, options.warm) for name, curve in curves.items()),
        origin=origin_list(origin()),
    )
    (options.folder / "memory.md").write_text(page, encoding="utf-8")
    print(page)


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    shutil.rmtree(RUNS, ignore_errors=True)
    process = subprocess.Popen([sys.executable, "-m", "memagents.cli", "compare", *arguments(options)])
    try:
        curves = watch(process, options)
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    write_page(curves, code, options)
    return 0 if code == 128 + signal.SIGTERM else 1


if __name__ == "__main__":
    sys.exit(main())
