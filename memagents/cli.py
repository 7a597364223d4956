"""The command `memagents`, one subcommand for each verb.

The imports that bring torch stand inside the verbs, so that help and typing mistakes are answered at once.
"""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import tyro

from memagents.errors import MemagentsError
from memagents.runs.config import TrainConfig
from memagents.studies.config import CompareConfig


def train(config: Annotated[TrainConfig, tyro.conf.arg(name="")]) -> int:
    """Train one agent and evaluate it, in one run folder."""
    from memagents.runs.training import train

    result = train(config)
    print(result.evaluation.describe())
    print(f"everything about this run: {result.folder}")
    return 0


def resume(run: tyro.conf.Positional[Path]) -> int:
    """Go on with an unfinished run, as it was configured; `train --resume RUN` is the same.

    Args:
        run: The run folder.
    """
    from memagents.runs.training import resume

    result = resume(run)
    print(result.evaluation.describe())
    print(f"everything about this run: {result.folder}")
    return 0


def compare(config: Annotated[CompareConfig, tyro.conf.arg(name="")]) -> int:
    """Train a grid of agents: environments x memories x algorithms x seeds."""
    from memagents.studies.comparison import compare
    from memagents.studies.report import print_report

    study = compare(config)
    if study.runs:
        print_report(study.runs)
        print(f"\ntable.md, runs.csv and curves.png are in {study.folder}")
    for folder, failure in study.failures.items():
        print(f"memagents: {folder} {failure}", file=sys.stderr)
    return 1 if study.failures else 0


def evaluate(run: tyro.conf.Positional[Path], episodes: int = 100, seed: int | None = None) -> int:
    """Evaluate the last model of a finished run.

    Args:
        run: The run folder.
        episodes: How many episodes.
        seed: Seed of the environments; by default that of the run's own evaluation.
    """
    from memagents.runs.results import RunResult
    from memagents.runs.training import evaluate_run

    print(evaluate_run(RunResult.load(run), episodes=episodes, seed=seed).describe())
    return 0


def list_names() -> int:
    """List the memories and encoders with their options, and the environments that come along."""
    from memagents.encoders.registry import encoder_class, encoder_options, list_encoders
    from memagents.memories.registry import list_memories, memory_class, memory_options

    print("memories (--memory), with the options of --memory-kwargs")
    for line in descriptions(list_memories(), memory_class, memory_options):
        print(f"  {line}")
    print("\nencoders (--encoder), with the options of --encoder-kwargs")
    for line in descriptions(list_encoders(), encoder_class, encoder_options):
        print(f"  {line}")
    print("\nenvironments (--env)")
    for env in environments():
        print(f"  {env}")
    return 0


def descriptions(
    names: Sequence[str], class_of: Callable[[str], type], options_of: Callable[[str], Mapping[str, object]]
) -> Iterator[str]:
    """For each name a line that says what its class is, and one with its options."""
    width = max(map(len, names))
    for name in names:
        yield f"{name:{width}}  {(class_of(name).__doc__ or '').strip().partition(chr(10))[0]}"
        if options := options_of(name).values():
            yield f"{'':{width}}  {' '.join(str(option).replace(': ', ':').replace(' = ', '=') for option in options)}"


def environments() -> list[str]:
    """Ids of the environments that come with the package, if they are installed."""
    import gymnasium

    try:
        # By name, for the package must work without these environments: to it they are ids like any other.
        importlib.import_module("memagents_envs")
    except ImportError:
        return []
    return [f"memagents_envs:{env}" for env in gymnasium.registry if env.startswith("MemAgents/")]


VERBS: dict[str, Callable[..., int]] = {
    "train": train,
    "resume": resume,
    "compare": compare,
    "evaluate": evaluate,
    "list": list_names,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        The exit code: 0 if all went well, 1 if a run of a study failed or a file could not be written, 2 if what was
        asked for cannot be done, 130 or 143 if it was interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:2] == ["train", "--resume"]:
        arguments[:2] = ["resume"]

    description = "Reinforcement-learning agents that remember."
    try:
        code: int = tyro.extras.subcommand_cli_from_dict(
            VERBS,
            prog="memagents",
            description=description,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        return code
    except ValueError as error:
        print(f"memagents: {error}", file=sys.stderr)
        return 2
    except MemagentsError as error:
        print(f"memagents: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(f"memagents: {str(stopped) or 'interrupted'}", file=sys.stderr)
        return getattr(stopped, "exit_code", 130)


if __name__ == "__main__":
    sys.exit(main())
