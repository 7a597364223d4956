"""What a run is asked to do.

The text under a field is also the help of its flag, so this file is the reference of the command line. It knows neither
torch nor stable-baselines3, which keeps `memagents --help` quick.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from tyro.constructors import PrimitiveConstructorSpec

Algorithm: TypeAlias = Literal["ppo", "a2c"]
Vectorization: TypeAlias = Literal["auto", "batched", "dummy", "subproc"]
Precision: TypeAlias = Literal["float32", "tf32", "bfloat16"]
Sink: TypeAlias = Literal["tensorboard", "wandb", "trackio"]
DashboardTool: TypeAlias = Literal["tensorboard", "trackio"]

PROJECT = "memagents"
"""The project that runs belong to, in dashboards that have such."""

RUNS = Path("runs")
"""Where runs are kept by default."""


def parse_arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`["hidden_size=64", "mode=fast"]` becomes `{"hidden_size": 64, "mode": "fast"}`.

    A value is read as a Python literal where it is one, and as a string otherwise.
    """
    arguments = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.isidentifier() and equals):
            raise ValueError(f"{text!r} is not of the form name=value, such as hidden_size=64")
        arguments[name] = literal(value)
    return arguments


def literal(text: str) -> Any:
    """A text as the Python literal that it is, or as itself."""
    try:
        return ast.literal_eval(text)
    # The last three: a key that cannot be one, and brackets nested too deeply.
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _show_arguments(arguments: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in arguments.items()] or ["none"]


Arguments: TypeAlias = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs="*",
        metavar="NAME=VALUE ...",
        instance_from_str=parse_arguments,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=_show_arguments,
    ),
]
"""Keyword arguments, written `name=value name=value` on the command line."""


def parse_count(text: str) -> int:
    """`100k` becomes 100000, and `1.5M` 1500000.

    Raises:
        ValueError: if it is no whole number.
    """
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    number = text[:-1] if factor > 1 else text
    try:
        count = float(number.replace("_", "")) * factor
    except ValueError:
        count = 0.5
    if not count.is_integer():
        raise ValueError(f"{text!r} is not a whole number such as 100000 or 100k")
    return int(count)


def _parse_count(texts: Sequence[str]) -> int:
    return parse_count(texts[0])


Count: TypeAlias = Annotated[
    int,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="N",
        instance_from_str=_parse_count,
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda count: [str(count)],
    ),
]
"""A whole number, written `100000` or `100k`."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What tells one run of a study from another."""

    env: str
    """Gymnasium id, as `module:Namespace/Name-v0`; the module is imported first, to register the environment."""

    memory: str = "lstm"
    """Name of the memory; `memagents list` prints them all."""

    algo: Algorithm = "ppo"
    """Proximal policy optimisation or advantage actor-critic."""

    seed: int = 0
    """Seed of the parameters, the actions and the training environments."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all runs of a study share."""

    timesteps: int = 200_000
    """Environment steps to train for, over all parallel environments together."""

    n_envs: int = 16
    """Environments stepped in parallel."""

    memory_kwargs: Arguments = field(default_factory=dict)
    """Arguments of the memory's constructor, such as hidden_size=64."""

    match_parameters: Count | None = None
    """Trained parameters of the agent, within a tenth, such as 100k: the hidden size of the memory is searched for.
    Where there is none, the two layers of actor and critic become wider."""

    encoder: str | None = None
    """What reads an observation before the memory does; by default what the policy brings: `flatten` for vectors, `cnn`
    for images. `memagents list` prints them all."""

    encoder_kwargs: Arguments = field(default_factory=dict)
    """Arguments of the encoder's constructor, such as features_dim=32."""

    env_kwargs: Arguments = field(default_factory=dict)
    """Arguments of the environment, such as corridor_length=20."""

    vectorization: Vectorization = "auto"
    """How environments are stepped: all in one `batched` environment, one after the other (`dummy`), or each in a
    process of its own (`subproc`); by default batched where the environment has that, else dummy."""

    step_timeout: float | None = None
    """Seconds that an environment may take for a step before the run fails; needs `--vectorization subproc`. By default
    there is no limit."""

    respawn: int = 0
    """How often, over all environments together, one that fails (raises an error, is later than step_timeout, or loses
    its process) is made anew before the run fails. Its episode is truncated there. Not with `batched`."""

    algo_kwargs: Arguments = field(default_factory=dict)
    """Arguments of the algorithm, such as n_epochs=4 ent_coef=0.01."""

    lr_schedule: Literal["constant", "linear"] = "constant"
    """How the learning rate goes over the run: as it is, or in a line to zero, so that what was learned is not lost in
    a last step that was too long."""

    policy: str | None = None
    """Policy class; by default the one that fits the observations: MlpPolicy, CnnPolicy or MultiInputPolicy."""

    critic_memory: Literal["shared", "separate", "none"] = "shared"
    """Whether the critic reads the actor's memory, one of its own, or none."""

    sequence_length: int | None = None
    """Steps that gradients flow back in time; by default a whole rollout."""

    last_action_reward: bool = False
    """Append the last action and the last reward to the observation."""

    full_observation: bool = False
    """Let the environment show its hidden state too, if it can: the control for whom there is nothing to remember."""

    normalize: bool = False
    """Divide rewards, and observations that are real numbers, by their running standard deviation (SB3's VecNormalize);
    such observations lose their mean too. The final evaluation takes the statistics of training, and counts rewards as
    they are."""

    eval_episodes: int = 100
    """Episodes of the final evaluation, in environments that were not trained on."""

    checkpoint_every: int | None = None
    """Steps between saved models; by default only the final model is saved."""

    log: tuple[Sink, ...] = ()
    """Where metrics go besides metrics.jsonl, always below the run folder; `memagents dashboard` shows what is there.
    `trackio` is an extra: `pip install "memagents[trackio]"`."""

    threads: int | None = None
    """Threads torch computes with; by default torch's choice. Changes speed and the last digits, nothing else."""

    device: str = "auto"
    """Where torch computes: `cpu`, `cuda`, `cuda:1`; by default on a GPU where there is one. Small agents are often
    faster on the CPU."""

    precision: Precision = "float32"
    """With how many bits a GPU computes: 32, NVIDIA's `tf32` for matrix products, or 16 where they are enough. The CPU
    has 32 whatever is asked."""


# Fields of a dataclass are collected from its last base to its first, so the flags of `Cell` lead the help.
@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings, Cell):
    """One training run."""

    folder: Path | None = None
    """Run folder; by default runs/<environment>/<memory>-<algo>-seed<seed>."""

    @property
    def run_folder(self) -> Path:
        """Where the run is kept."""
        return Path(self.folder or RUNS / cell_folder(self))


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """Which environment is examined, and how long."""

    env: str
    """Gymnasium id, as `module:Namespace/Name-v0`; the module is imported first, to register the environment."""

    env_kwargs: Arguments = field(default_factory=dict)
    """Arguments of the environment, such as corridor_length=20."""

    steps: int = 500
    """Random steps wherever the environment is played."""

    n_envs: int = 16
    """Environments stepped in parallel, where that is looked at."""

    seed: int = 0
    """Seed of the environment and of the actions."""


def short_name(env: str) -> str:
    """`module:Namespace/Name-v0` without module and namespace: `Name-v0`."""
    return env.rpartition(":")[2].rpartition("/")[2]


def cell_folder(cell: Cell) -> Path:
    """The folder of a cell, below the folder of whatever it belongs to."""
    return Path(short_name(cell.env)) / f"{cell.memory}-{cell.algo}-seed{cell.seed}"
