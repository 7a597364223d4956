r"""Beside what others have written: how much faster is the same work here?

    pip install --no-deps dnc einops
    git clone https://github.com/MarcoMeter/episodic-transformer-memory-ppo
    git clone https://github.com/luchris429/popjaxrl
    python scripts/throughput_peers.py --trxl-ppo episodic-transformer-memory-ppo \
        --popjaxrl popjaxrl --popjaxrl-python PYTHON

PYTHON is that of a virtual environment of its own; `timing/popjaxrl.py` tells what must be in it. Both sides of a
pairing take turns, round by round. Writes `results/throughput/peers.md` and `peers.csv`.
"""

import csv
import importlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from pages import origin, origin_list, table
from sb3_contrib import RecurrentPPO
from timing.gated_transformers import gated_transformers
from timing.pairings import Pairing, Work, differentiating, learning, ratio, take_turns
from timing.popjaxrl_agent import jax_agent
from timing.programs import ThroughputConfig, batched_env, popgym_env
from timing.ratios import Spread
from torch import Tensor

from memagents import MemoryPPO, make_memory
from memagents.memories import Memory

PAGE = """\
# Throughput beside peers

How much faster is the same work here? `scripts/throughput_peers.py` wrote this page and [peers.csv](peers.csv), which
holds every round.

{origin}

Seconds for the same work, on the CPU; both sides of a pairing take turns. Medians over {repeats} rounds, after one to
warm up ({warm_up} for the passes of external memories, whose large arrays find a place in freed memory only after
several; training makes hundreds); the ratio is that of each round, then its median, and the range.

{table}

{notes}

What this does not show: how well either side learns; other sizes; a GPU.
"""

LENGTH, BATCH, FEATURES, HIDDEN = 128, 64, 16, 128
"""Of the sequences that external memories read, and of their controllers."""

WARM_UP = 8
"""Rounds before those that count, of such passes."""

EXTERNAL: dict[str, dict[str, int]] = {
    "dnc": {"memory_size": 64, "word_size": 32, "num_reads": 4},
    "ntm": {"memory_size": 64, "word_size": 32, "num_heads": 2},
    "mann": {"memory_size": 64, "word_size": 32, "num_reads": 4},
}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    trxl_ppo: Path | None = None
    """A checkout of MarcoMeter/episodic-transformer-memory-ppo; without it those pairings are left out."""

    popjaxrl: Path | None = None
    """A checkout of luchris429/popjaxrl; without it that pairing is left out."""

    popjaxrl_python: str = "python"
    """The Python that can run it."""

    repeats: int = 5
    """Rounds that count; at least one more comes before them, to warm up."""

    threads: int = 1
    """Threads torch computes with."""

    folder: Path = Path("results/throughput")
    """Where the page goes."""


def unrolled(memory: Memory[Any], unroll: Callable[..., Any], inputs: Tensor) -> Work:
    """Both passes of a memory over sequences in which no episode begins."""
    starts = torch.zeros(inputs.shape[:2], dtype=torch.bool)
    return differentiating(memory, lambda: unroll(inputs, starts, memory.initial_state(inputs.shape[1]))[0])


def external_memories() -> Iterator[Pairing]:
    """Our external memories against the loop over their papers' steps, and the DNC against the package of that name."""
    inputs = torch.randn(LENGTH, BATCH, FEATURES)
    for name, options in EXTERNAL.items():
        memory = make_memory(name, input_size=FEATURES, hidden_size=HIDDEN, **options)
        ours, loop = unrolled(memory, memory, inputs), unrolled(memory, memory.loop, inputs)
        sizes = ", ".join(f"{option}={size}" for option, size in options.items())
        work = f"{name}, forward and backward, {LENGTH} steps x {BATCH} rows"
        note = f"hidden_size={HIDDEN}, {sizes}; the loop is `Memory.loop` over `step`, the equations of the paper"
        yield Pairing(work, "a plain loop", 5 if name == "dnc" else 3, ours, loop, note, WARM_UP)
        if name == "dnc" and importlib.util.find_spec("dnc") is not None:
            yield Pairing(work, "dnc 1.1.0 (PyPI)", 5, ours, dnc_package(options, inputs), note, WARM_UP)


def dnc_package(options: dict[str, int], inputs: Tensor) -> Work:
    """Both passes of ixaxaar's DNC. Of its optional libraries none is needed."""
    for missing in ("pyflann", "faiss"):
        sys.modules.setdefault(missing, types.ModuleType(missing))
    peer = importlib.import_module("dnc.dnc").DNC(
        FEATURES,
        HIDDEN,
        num_hidden_layers=1,
        nr_cells=options["memory_size"],
        cell_size=options["word_size"],
        read_heads=options["num_reads"],
        batch_first=False,
    )
    return differentiating(peer, lambda: peer(inputs, (None, None, None), reset_experience=True)[0])


def defaults_of_recurrent_ppo() -> Iterator[Pairing]:
    """Learning with all of RecurrentPPO's defaults: two LSTMs of 256, minibatches of one sequence, ten epochs."""
    config = ThroughputConfig(n_envs=8)
    own = {"memory": "lstm", "memory_kwargs": {"hidden_size": 256}, "critic_memory": "separate"}
    shared = {"n_steps": 128, "batch_size": 128, "n_epochs": 10, "normalize_advantage": True, "device": "cpu"}

    ours = learning(MemoryPPO("MlpPolicy", batched_env(config), **shared, **own), 8 * 128)
    note = "RepeatPrevious, end to end: 8 environments x 128 steps, batch 128, 10 epochs, two LSTMs of 256"
    for env, name in ((popgym_env, "POPGym's environment"), (batched_env, "ours")):
        theirs = learning(RecurrentPPO("MlpLstmPolicy", env(config), **shared), 8 * 128)
        yield Pairing("all defaults of RecurrentPPO, lstm", f"RecurrentPPO in {name}", 5, ours, theirs, note)


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    load_before = os.getloadavg()[0]
    pairings = [*external_memories(), *defaults_of_recurrent_ppo()]
    with ExitStack() as stack:
        if options.trxl_ppo is not None:
            pairings += gated_transformers(options.trxl_ppo, options.threads, stack)
        if options.popjaxrl is not None:
            peer = [options.popjaxrl_python, str(options.popjaxrl)]
            pairings.append(jax_agent(peer, options.threads, stack))
        found = [(pairing, take_turns(pairing, options.repeats)) for pairing in pairings]
    rows = [
        [
            pairing.name,
            pairing.peer,
            *(Spread.of([each[side] for each in rounds]).show(3) for side in (0, 1)),
            ratio(rounds).show(2),
            f"{pairing.wanted:g}",
        ]
        for pairing, rounds in found
    ]
    head = ("work", "beside", "ours, s", "theirs, s", "times as fast", "wanted")
    notes = "\n".join(
        f"- {name}: {note}." for name, note in {pairing.name: pairing.note for pairing in pairings}.items()
    )
    page = PAGE.format(
        origin=origin_list(origin(load_before)),
        repeats=options.repeats,
        warm_up=WARM_UP,
        table=table(head, rows, words=2),
        notes=notes,
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "peers.md").write_text(page, encoding="utf-8")
    with (options.folder / "peers.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["work", "beside", "round", "ours_seconds", "theirs_seconds"])
        for pairing, rounds in found:
            writer.writerows([pairing.name, pairing.peer, number, *each] for number, each in enumerate(rounds, 1))
    print(f"\n{page}")


if __name__ == "__main__":
    main()
