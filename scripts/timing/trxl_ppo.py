"""TrXL-PPO (MarcoMeter/episodic-transformer-memory-ppo), its own trainer, for `throughput_peers.py`.

    python trxl_ppo.py CHECKOUT THREADS CONFIG

Trains for one update for every line it is given, and answers with how many seconds that took.

It is written for gym 0.18, which cannot be installed beside a NumPy of today. Gymnasium's environment takes its place,
and libraries that other environments of theirs need are left out. Nothing else is changed, but that no model is saved.
"""

import importlib
import json
import os
import sys
import types
from contextlib import redirect_stdout
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import gymnasium
import torch


class OldInterface:
    """An environment as gym 0.18 knew it: one flag for both kinds of end, and an observation alone from `reset`."""

    def __init__(self, env_id: str) -> None:
        self._env = gymnasium.make(env_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)

    def reset(self) -> Any:
        return self._env.reset()[0]

    def step(self, action: Any) -> tuple[Any, float, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self._env.step(action)
        return observation, float(reward), terminated or truncated, info


def stand_in(name: str, **contents: Any) -> None:
    """A module of this name that holds these things."""
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(contents)


def main() -> None:
    checkout, threads, config = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(threads)
    sys.path.insert(0, checkout)
    stand_in("gym", make=OldInterface, spaces=gymnasium.spaces)
    stand_in("tblib.pickling_support", install=lambda: None)
    stand_in("tblib", pickling_support=sys.modules["tblib.pickling_support"])
    for module, name in {
        "memory_gym": "MemoryGymWrapper",
        "minigrid": "Minigrid",
        "poc_memory": "PocMemoryEnv",
    }.items():
        stand_in(f"environments.{module}_env", **{name: None})
    answers = sys.stdout
    with TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        os.chdir(folder)  # where it writes summaries
        trainer = importlib.import_module("trainer").PPOTrainer(config)
        trainer._save_model = lambda: None
        print("ready", file=answers, flush=True)
        for _ in sys.stdin:
            begin = perf_counter()
            trainer.run_training()
            print(perf_counter() - begin, file=answers, flush=True)
        trainer.close()


if __name__ == "__main__":
    main()
