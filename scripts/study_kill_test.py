"""Does a study come to the same table when its processes are killed, and when a machine is lost?

    python scripts/study_kill_test.py --kills 8

Trains one study three times: undisturbed, in one process; with two local workers, where again and again the study's own
process or one of its workers gets SIGKILL, and the study is started again; and on a Ray cluster of two nodes on this
machine, one of which is killed in the middle. Needs Ray: pip install "memagents[ray]". Runs go to `runs/restarts`, the
report to `results/studies`.
"""

import csv
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from kills import fingerprint, newest
from pages import origin, origin_list

from memagents.files import read_json
from memagents.runs.folder import RunFolder
from memagents.runs.provenance import installed
from memagents.runs.results import RunResult
from memagents.studies.comparison import CompareConfig, cells
from memagents.studies.findings import Findings
from memagents.studies.report import COLUMNS

RUNS, RESULTS = Path("runs/restarts"), Path("results/studies")
STUDY = (
    *("--env", "memagents_envs:MemAgents/TMazeEasy-v0", "CartPole-v1", "--memory", "none", "gru", "lstm", "tcn"),
    *(
        "--no-controls",
        "--seeds",
        "3",
        "--timesteps",
        "8192",
        "--n-envs",
        "8",
        "--algo-kwargs",
        "n_steps=32",
        "n_epochs=1",
    ),
    *("--memory-kwargs", "hidden_size=16", "--checkpoint-every", "512", "--eval-episodes", "8", "--threads", "1"),
)
EQUAL = ("parameters", "optimizer", "metrics", "evaluation")
WAYS = {"undisturbed": (), "killed": ("--jobs", "2"), "ray": ("--backend", "ray")}
TABLE = [name for name in COLUMNS if name != "steps/s"]

PAGE = """# A study that is killed, and started again

*Does a study come to the same table when its processes are killed, and when a machine is lost?*

{runs} runs: 2 environments x 4 memories x 3 seeds, trained three times. **{equal} of {runs}** ended with the same
parameters, optimizer, metrics (every row, times aside) and evaluation (every episode) in all three; the tables of
scores are {tables}.

1. Undisturbed: one process.
2. Killed: {kills} times SIGKILL, to the study's own process ({drivers}) or to one of its two workers ({workers}), at
   random moments; started again at once each time its own process was gone, {starts} times in all. {resumed} runs were
   taken up from a checkpoint. After the study's process was killed, its workers were gone within {orphans:.1f} seconds.
3. Ray: two nodes on this machine with one core each, behind a token. When {node}, all of that node's processes got
   SIGKILL. {resumed_on_ray} of the runs went on from a checkpoint on the other node.

{table}

{origin}
- study: `memagents compare {study}`
- seeds: 0, 1 and 2 of the runs, {seed} of the moments
- Ray {ray}

[restarts.csv](restarts.csv) has every run, with the hashes of what must be equal and the steps of the checkpoints at
which each was taken up.

What this does not show: machines of their own, whose clocks, processors and network file systems may differ; a Ray
head node that is lost, which ends the cluster (the study is then started again); Slurm; runs with several threads,
whose last digits depend on how many there are; environments whose state cannot be written, which begin new episodes.
"""


@dataclass(frozen=True)
class Options:
    kills: int = 8
    """SIGKILLs to the local study."""
    seed: int = 0
    """Of the moments and of who is killed."""
    seconds: float = 12.0
    """The longest time from the moment a worker trains until the next kill."""


def config(way: str) -> CompareConfig:
    return tyro.cli(CompareConfig, args=[*STUDY, "--folder", str(RUNS / way)])


def start(way: str, *more: str) -> subprocess.Popen:
    """The study's process, as from a shell of its own."""
    command = [sys.executable, "-m", "memagents.cli", "compare", *STUDY, "--folder", str(RUNS / way), *WAYS[way], *more]
    with (RUNS / f"{way}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def training(way: str) -> dict[int, RunFolder]:
    """The processes that are at a run now, and their folders."""
    found = {}
    for path in (RUNS / way).rglob("run.lock"):
        with suppress(Exception):  # gone, or just begun
            found[read_json(path)["pid"]] = RunFolder(path.parent)
    return {pid: folder for pid, folder in found.items() if is_alive(pid)}


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def parent(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def wait_until(condition: Callable[[], Any], seconds: float = 300.0) -> float:
    """How long it took until something was so."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "this takes too long"
        time.sleep(0.02)
    return time.monotonic() - begun


@dataclass
class Disturbance:
    """What was done to the local study. `orphans` is how many seconds workers outlived it, each time it was killed."""

    drivers: int = 0
    workers: int = 0
    starts: int = 0
    orphans: list[float] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.drivers + self.workers


def disturb(options: Options) -> Disturbance:
    """Trains the study, killed and started again until it ends by itself."""
    done, generator = Disturbance(), random.Random(options.seed)
    with ThreadPoolExecutor() as pool:
        while True:
            driver = start("killed")
            done.starts += 1
            kill_some(driver, options, generator, done, pool)
            if driver.wait() == 0:
                return done
            assert done.starts <= options.kills + 2, "the study does not end"


def kill_some(
    driver: subprocess.Popen, options: Options, generator: random.Random, done: Disturbance, pool: ThreadPoolExecutor
) -> None:
    """Kills the study's workers and then itself, if there were not kills enough, or it ends before."""
    while done.kills < options.kills:
        wait_until(lambda: driver.poll() is not None or own(driver))
        time.sleep(generator.uniform(0, options.seconds))
        workers = own(driver)
        if driver.poll() is not None:
            return
        if workers and generator.random() < 0.5:
            os.kill(generator.choice(workers), signal.SIGKILL)
            done.workers += 1
            say("killed a worker")
            continue
        driver.kill()
        done.drivers += 1
        say(f"killed the study's process, which had {len(workers)} workers at runs")
        gone = pool.submit(wait_until, lambda pids=workers: not any(map(is_alive, pids)))
        gone.add_done_callback(lambda future: done.orphans.append(future.result()))
        return


def own(driver: subprocess.Popen) -> list[int]:
    """The processes of the study that are at a run: copies of one that its own process has started."""
    return sorted(pid for pid in training("killed") if parent(parent(pid)) == driver.pid)


def lose_a_node() -> str:
    """Trains the study on a Ray cluster of two nodes, and kills one; tells when."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    from ray.cluster_utils import Cluster

    one = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27}
    cluster = Cluster(initialize_head=True, head_node_args=one)
    try:
        (raylet,) = cluster.add_node(**one).all_processes["raylet"]
        driver, total = start("ray", "--ray-address", cluster.address), len(cells(config("ray")))

        def in_the_middle() -> dict[int, RunFolder]:
            assert driver.poll() is None, "the study ended before"
            there = {pid: folder for pid, folder in training("ray").items() if parent(pid) == raylet.process.pid}
            return {pid: folder for pid, folder in there.items() if finished() >= total // 3 and newest(folder)}

        def finished() -> int:
            return sum("finished" in path.read_text() for path in (RUNS / "ray").rglob("run.json"))

        wait_until(in_the_middle, seconds=1_200)
        ((worker, folder),) = in_the_middle().items()
        told = f"{finished()} runs were finished and {folder.path.name} was at {newest(folder)} on the second node"
        # A machine that is lost takes both with it. A worker could outlive its raylet for long enough to finish.
        raylet.process.kill()
        os.kill(worker, signal.SIGKILL)
        say(f"killed a node when {told}")
        assert driver.wait() == 0, "the study failed"
        return told
    finally:
        cluster.shutdown()


def taken_up(run: RunResult) -> list[int]:
    """The steps of the checkpoints from which a run went on."""
    return [session["at_step"] for session in run.record.get("resumed", [])]


def rows(results: dict[str, list[RunResult]]) -> list[dict[str, Any]]:
    """Every run, with what must be equal."""
    lines = []
    for runs in zip(*results.values(), strict=True):
        shared = {name: getattr(runs[0].config, name) for name in ("env", "memory", "seed")}
        line = shared | {"score": runs[0].score}
        hashes = dict(zip(results, map(fingerprint, runs), strict=True))
        line |= {f"{what}_{way}": hashes[way][what] for what in EQUAL for way in results}
        line |= {f"taken_up_{way}": " ".join(map(str, taken_up(run))) for way, run in zip(results, runs, strict=True)}
        lines.append(line | {"equal": len({tuple(found.items()) for found in hashes.values()}) == 1})
    return lines


def table(runs: list[RunResult]) -> str:
    """The scores of a study."""
    lines = [[COLUMNS[name](cell) for name in TABLE] for cell in Findings.of(runs, {}).cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in [TABLE, ["--"] * len(TABLE), *lines])


def write_report(options: Options, done: Disturbance, node: str) -> bool:
    results = {way: [RunResult.load(cell.run_folder) for cell in cells(config(way))] for way in WAYS}
    lines, tables = rows(results), {table(runs) for runs in results.values()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / "restarts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
    equal = sum(line["equal"] for line in lines)
    text = PAGE.format(
        runs=len(lines),
        equal=equal,
        tables="equal" if len(tables) == 1 else "NOT EQUAL",
        **vars(done) | {"kills": done.kills, "orphans": max(done.orphans)},
        resumed=sum(bool(taken_up(run)) for run in results["killed"]),
        node=node,
        resumed_on_ray=sum(bool(taken_up(run)) for run in results["ray"]),
        table=table(results["undisturbed"]),
        origin=origin_list(origin()),
        study=" ".join(STUDY),
        seed=options.seed,
        ray=installed("ray"),
    )
    (RESULTS / "restarts.md").write_text(text, encoding="utf-8")
    return equal == len(lines) and len(tables) == 1


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    options = tyro.cli(Options)
    shutil.rmtree(RUNS, ignore_errors=True)
    RUNS.mkdir(parents=True)
    assert start("undisturbed").wait() == 0
    say("undisturbed: done")
    done = disturb(options)
    say(f"killed: {done}")
    return 0 if write_report(options, done, lose_a_node()) else 1


if __name__ == "__main__":
    sys.exit(main())
