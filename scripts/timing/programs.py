"""What `throughput.py` measures: MemoryPPO and its peers, what they train in, and the stopwatch around them."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, TypeAlias

import torch
from popgym.envs.repeat_previous import RepeatPrevious
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from memagents import MemoryPPO, make_vec_env

RECURRENT = ("rnn", "lstm", "gru")


@dataclass(frozen=True, kw_only=True)
class ThroughputConfig:
    """How fast does an agent with a memory train?"""

    memories: tuple[str, ...] = ("lstm", "gru", "rnn")
    """Names of the memories that MemoryPPO is measured with."""

    repeats: int = 9
    """Rounds that count; one more comes before them, to warm up."""

    rollouts: int = 2
    """Rollouts, each with its update, that every program trains for in a round."""

    n_envs: int = 64
    """Environments stepped in parallel."""

    n_steps: int = 128
    """Steps of each environment in a rollout."""

    batch_size: int = 2048
    """Steps in a minibatch."""

    n_epochs: int = 4
    """Passes over a rollout in an update."""

    hidden_size: int = 128
    """Features of rnn, lstm, gru and the peers' LSTM; units of the layer that the feed-forward PPO has in their place.
    Other memories are measured at their own sizes."""

    head_size: int = 64
    """Units of the one layer between memory and output, in the actor and in the critic."""

    sequence_length: int | None = None
    """Steps that gradients flow back in time in MemoryPPO; by default a whole rollout."""

    k: int = 4
    """Which card RepeatPrevious asks for, counted back from the current one."""

    num_decks: int = 1
    """Decks of 52 cards; an episode takes one step less than there are cards."""

    device: str = "cpu"
    """Where torch computes."""

    threads: int | None = None
    """Threads torch computes with; by default torch's choice."""

    seed: int = 0
    """Seed of the parameters, the actions and the environments."""

    roofline: bool = False
    """Measure something else: what the update of each memory needs, and how near it comes to what the machine can."""

    folder: Path = Path("results/throughput")
    """Where README.md, measurements.csv and summary.json are written; or roofline.md and roofline.csv."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")

    @property
    def steps(self) -> int:
        """Environment steps of a program in a round."""
        return self.rollouts * self.n_envs * self.n_steps


@dataclass(frozen=True)
class Program:
    """An algorithm with its arguments.

    Attributes:
        ours: whether it is measured against the others, which are its peers.
        note: what a reader should know about it.
    """

    name: str
    algorithm: type[OnPolicyAlgorithm]
    policy: str
    arguments: dict[str, Any]
    ours: bool
    note: str

    def build(self, env: VecEnv) -> OnPolicyAlgorithm:
        """The algorithm, ready to learn in `env`."""
        return self.algorithm(self.policy, env, **deepcopy(self.arguments))

    @property
    def call(self) -> str:
        """How a user would write it."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f'{self.algorithm.__name__}("{self.policy}", env, {arguments})'


def make_programs(config: ThroughputConfig) -> list[Program]:
    """Ours, one for each memory, and then the peers."""
    return [*(our_program(config, memory) for memory in config.memories), recurrent_ppo(config), feed_forward(config)]


def shared_arguments(config: ThroughputConfig) -> dict[str, Any]:
    """What all programs are told alike; the other hyperparameters are SB3's defaults, which all three share."""
    sizes = {"n_steps": config.n_steps, "batch_size": config.batch_size, "n_epochs": config.n_epochs}
    # The one default that MemoryPPO does not share.
    return {**sizes, "normalize_advantage": True, "seed": config.seed, "device": config.device}


def heads(*sizes: int) -> dict[str, list[int]]:
    """Equal layers for actor and critic."""
    return {"pi": [*sizes], "vf": [*sizes]}


def our_program(config: ThroughputConfig, memory: str) -> Program:
    """MemoryPPO; `hidden_size` is for the memories that are like the peers'."""
    options = {"hidden_size": config.hidden_size} if memory in RECURRENT else {}
    own = {"memory": memory, "memory_kwargs": options, "sequence_length": config.sequence_length}
    arguments = shared_arguments(config) | own | {"policy_kwargs": {"net_arch": heads(config.head_size)}}
    note = "one memory for actor and critic, trained by both"
    return Program(f"MemoryPPO {memory}", MemoryPPO, "MlpPolicy", arguments, ours=True, note=note)


def recurrent_ppo(config: ThroughputConfig) -> Program:
    """sb3-contrib's RecurrentPPO, with the nearest it has to a shared memory."""
    lstm = {"lstm_hidden_size": config.hidden_size, "shared_lstm": True, "enable_critic_lstm": False}
    arguments = shared_arguments(config) | {"policy_kwargs": {**lstm, "net_arch": heads(config.head_size)}}
    note = "one LSTM for actor and critic, trained by the actor alone (it has no option for both)"
    return Program("RecurrentPPO", RecurrentPPO, "MlpLstmPolicy", arguments, ours=False, note=note)


def feed_forward(config: ThroughputConfig) -> Program:
    """SB3's PPO, as a yardstick: it does not remember."""
    policy_kwargs = {"net_arch": heads(config.hidden_size, config.head_size)}
    arguments = shared_arguments(config) | {"policy_kwargs": policy_kwargs}
    note = f"no memory: a layer of {config.hidden_size} in its place, one for the actor and one for the critic"
    return Program("PPO", PPO, "MlpPolicy", arguments, ours=False, note=note)


def popgym_env(config: ThroughputConfig) -> VecEnv:
    """POPGym's own environment, one Python call for each at every step, as SB3's `make_vec_env` makes it."""
    env_kwargs = {"k": config.k, "num_decks": config.num_decks}
    return make_sb3_vec_env(RepeatPrevious, config.n_envs, config.seed, env_kwargs=env_kwargs)


def batched_env(config: ThroughputConfig) -> VecEnv:
    """The natively batched one, an SB3 `VecEnv` that every program can use."""
    env_kwargs = {"k": config.k, "num_decks": config.num_decks}
    env_id = "memagents_envs:MemAgents/RepeatPrevious-v0"
    return make_vec_env(env_id, config.n_envs, config.seed, env_kwargs=env_kwargs, vectorization="batched")


ENVS: dict[str, Callable[[ThroughputConfig], VecEnv]] = {"popgym": popgym_env, "batched": batched_env}


@dataclass(frozen=True)
class Measurement:
    """What one program did in one round.

    Attributes:
        round: round 0 is the warm-up.
        steps: environment steps.
        samples: steps that updates went over, once for each epoch.
        learn_seconds: time in `learn`.
        processor_seconds: processor time in `learn`, of all threads; where it is less than `learn_seconds`, others had
            the processor.
        train_seconds: the part of it in `train`, that is, in updates.
        step_calls: calls of `Memory.step` in updates; None for a program without a `Memory`.
    """

    round: int
    program: str
    env: str
    steps: int
    samples: int
    learn_seconds: float
    processor_seconds: float
    train_seconds: float
    step_calls: int | None

    @property
    def steps_per_second(self) -> float:
        """End-to-end speed: environment steps for each second of `learn`."""
        return self.steps / self.learn_seconds

    @property
    def samples_per_second(self) -> float:
        """Speed of the update phase alone."""
        return self.samples / self.train_seconds


class Runner:
    """A program in one kind of environment, with a stopwatch around its updates."""

    def __init__(self, program: Program, env: str, config: ThroughputConfig) -> None:
        self.program, self.env, self.config = program, env, config
        self.model = program.build(ENVS[env](config))
        self.train_seconds = 0.0
        self.step_calls: int | None = None
        self._updating = False
        self.model.train = self._timed(self.model.train)  # type: ignore[method-assign]
        if program.ours:
            self.step_calls = 0
            policy: Any = self.model.policy
            policy.memory.step = self._counted(policy.memory.step)

    def run(self, number: int) -> Measurement:
        """Trains on for one round."""
        self.train_seconds, self.step_calls = 0.0, None if self.step_calls is None else 0
        begin, processor_begin = perf_counter(), process_time()
        self.model.learn(self.config.steps, reset_num_timesteps=False)
        seconds = perf_counter() - begin, process_time() - processor_begin, self.train_seconds
        steps = self.config.steps
        samples = steps * self.config.n_epochs
        return Measurement(number, self.program.name, self.env, steps, samples, *seconds, self.step_calls)

    def _timed(self, train: Callable[[], None]) -> Callable[[], None]:
        @wraps(train)
        def timed() -> None:
            begin, self._updating = perf_counter(), True
            train()
            if self.config.device != "cpu":
                torch.cuda.synchronize()
            self._updating = False
            self.train_seconds += perf_counter() - begin

        return timed

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def counted(*arguments: Any) -> Any:
            self.step_calls = (self.step_calls or 0) + self._updating
            return step(*arguments)

        return counted


Measurements: TypeAlias = list[Measurement]


def measure(config: ThroughputConfig, programs: Sequence[Program]) -> Measurements:
    """All rounds of all programs in all environments, taking turns; the first round is the warm-up."""
    runners = [Runner(program, env, config) for program in programs for env in ENVS]
    return [report(runner.run(number)) for number in range(config.repeats + 1) for runner in runners]


def report(done: Measurement) -> Measurement:
    """Prints a measurement as it comes in."""
    speeds = f"{done.steps_per_second:10,.0f} steps/s {done.samples_per_second:10,.0f} samples/s in updates"
    print(f"round {done.round}  {done.program:20} {done.env:8} {speeds}", flush=True)
    return done
