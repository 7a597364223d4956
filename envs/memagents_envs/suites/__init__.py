"""Other people's environments that need memory, made fit for stable-baselines3. One module for each suite.

    memagents train --env memagents_envs.suites.popgym:MemAgents/popgym-AutoencodeEasy-v0 --memory lstm

The rule of ids: before the suite's own id stands the module that registers it and the namespace `MemAgents/`, behind
which it is adapted. The suite's own ids stay as the suite made them; where there is nothing to adapt, they work too
(`popgym:popgym-RepeatPreviousEasy-v0`). What is adapted is said at the top of every module. A suite is installed by an
extra of its own; importing the module of one that is missing raises ImportError with the command that installs it.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, WrapperSpec, registry

__all__ = ["NAMESPACE", "SUITES", "Suite", "adapt", "import_suite", "own_specs"]

NAMESPACE = "MemAgents/"


@dataclass(frozen=True)
class Suite:
    """A suite that can be installed.

    Attributes:
        name: of its module here.
        title: what it calls itself.
        tests: what of memory it puts to the test.
        packages: what is imported; all of them must be there.
        install: the command that installs them.
    """

    name: str
    title: str
    tests: str
    packages: tuple[str, ...]
    install: str

    @property
    def module(self) -> str:
        """The module that registers its ids."""
        return f"{__name__}.{self.name}"

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed. Nothing is imported to find out."""
        return [package for package in self.packages if find_spec(package) is None]

    def ids(self) -> list[str]:
        """The ids that its module registers, as `--env` takes them.

        Raises:
            ImportError: if it is not installed, with the command that installs it.
        """
        ids: tuple[str, ...] = importlib.import_module(self.module).IDS
        return [f"{self.module}:{env_id}" for env_id in ids]


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "popgym",
            "POPGym",
            "16 families of card games, mazes, bandits and control in three grades",
            ("popgym", "mazelib"),
            'pip install "memagents[popgym]"',
        ),
        Suite(
            "minigrid",
            "MiniGrid",
            "remember the object at the start of a corridor, choose the same at its end",
            ("minigrid",),
            'pip install "memagents[minigrid]"',
        ),
        Suite(
            "bsuite",
            "bsuite",
            "memory_len: remember one bit for longer; memory_size: remember more bits",
            ("bsuite",),
            'pip install "memagents[bsuite]"',
        ),
        Suite(
            "memory_gym",
            "Memory Gym",
            "commands, paths and spotlights seen in images, finite and endless",
            ("memory_gym", "pygame"),
            # memory-gym 1.0.2 asks for gymnasium 0.29.0 and pygame 2.4.0 exactly, but runs with newer ones.
            'pip install "pygame-ce>=2.5" && pip install --no-deps memory-gym==1.0.2',
        ),
        Suite(
            "atari",
            "Atari",
            "games whose screen is blank at random, at half of the steps",
            ("ale_py", "cv2"),
            'pip install "memagents[atari]"',
        ),
        Suite(
            "classic_control",
            "Classic control",
            "gymnasium's cart and pole, pendulums and mountain cars with positions or velocities alone",
            ("gymnasium",),
            "pip install memagents",
        ),
        Suite(
            "mujoco",
            "MuJoCo",
            "gymnasium's walkers and swimmers with positions or velocities alone",
            ("mujoco",),
            'pip install "memagents[mujoco]"',
        ),
    )
}
"""By the name of their module."""


def import_suite(name: str) -> None:
    """Imports the packages of a suite, which registers its own ids.

    Raises:
        ImportError: if something of it is missing, with the command that installs it.
    """
    suite = SUITES[name]
    if missing := suite.missing:
        raise ImportError(f"{suite.title} needs {' and '.join(missing)}, not installed here. Run: {suite.install}")
    for package in suite.packages:
        importlib.import_module(package)


def own_specs(prefix: str) -> Iterator[EnvSpec]:
    """The environments whose own id starts with `prefix`, in the order in which they were registered."""
    return (spec for env_id, spec in list(registry.items()) if env_id.startswith(prefix))


def adapt(spec: EnvSpec, *wrappers: WrapperSpec, name: str | None = None, kwargs: dict[str, Any] | None = None) -> str:
    """Registers an environment a second time, in our namespace and with wrappers around it.

    Args:
        spec: the suite's own.
        wrappers: `SomeWrapper.wrapper_spec(...)`, the innermost first.
        name: what to call it; by default as the suite does, without its namespace.
        kwargs: arguments of the environment that differ from the suite's.

    Returns:
        The new id.
    """
    env_id = NAMESPACE + (name or spec.id.rpartition("/")[2])
    gymnasium.register(
        env_id,
        spec.entry_point,
        reward_threshold=spec.reward_threshold,
        nondeterministic=spec.nondeterministic,
        max_episode_steps=spec.max_episode_steps,
        order_enforce=spec.order_enforce,
        disable_env_checker=spec.disable_env_checker,
        additional_wrappers=(*spec.additional_wrappers, *wrappers),
        kwargs={**spec.kwargs, **(kwargs or {})},
    )
    return env_id
