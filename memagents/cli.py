"""The command `memagents`, one subcommand for each verb.

The imports that bring torch stand inside the verbs, so that help and typing mistakes are answered at once.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro

from memagents.errors import MemagentsError
from memagents.runs.config import RUNS, DashboardTool, DoctorConfig, TrainConfig
from memagents.studies.config import CompareConfig

ENVIRONMENTS = "memagents_envs"
"""The package of environments that comes along. Here it is a name: the rest of the package works without it."""


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


def compare(
    config: Annotated[CompareConfig, tyro.conf.arg(name="")],
    only_print: Annotated[bool, tyro.conf.arg(name="print")] = False,
) -> int:
    """Train a grid of agents: environments x memories x algorithms x seeds.

    `compare STUDY.yaml` (or STUDY.py) takes the study from a file; flags after it change what the file says.

    Args:
        config: The study.
        only_print: Train nothing, but print the command of each run that is not finished, for whatever starts them.
    """
    from memagents.studies.backends.printing import command
    from memagents.studies.comparison import cells, compare, unfinished
    from memagents.studies.report import print_report

    if only_print:
        print("\n".join(map(command, unfinished(cells(config)))))
        return 0
    study = compare(config)
    if study.runs:
        print_report(study.runs)
        print(f"\nopen {study.folder / 'report.html'}; table.md, runs.csv, curves.png and curves.svg are beside it")
    for folder, failure in study.failures.items():
        print(f"memagents: {folder} {failure}", file=sys.stderr)
    return 1 if study.failures else 0


def report(study: tyro.conf.Positional[Path], folder: Path | None = None) -> int:
    """Write what a study found: one page for a browser, tables and curves.

    Args:
        study: A folder with run folders below it.
        folder: Where report.html, table.md, runs.csv, curves.png and curves.svg go; by default into the study folder.
    """
    from memagents.studies.gathering import find_runs
    from memagents.studies.report import write_report

    folder = folder or study
    runs, unfinished = find_runs(study)
    write_report(runs, folder, unfinished)
    for run, reason in unfinished.items():
        print(f"memagents: {run} {reason}", file=sys.stderr)
    print(f"open {folder / 'report.html'}; table.md, runs.csv, curves.png and curves.svg are beside it")
    return 0


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


def replay(
    run: tyro.conf.Positional[Path], episodes: int = 3, seed: int | None = None, folder: Path | None = None
) -> int:
    """Show episodes of a finished run beside what its memory held at every step, on one page for a browser.

    Args:
        run: The run folder.
        episodes: How many episodes.
        seed: Seed of the environments; by default that of the run's own evaluation.
        folder: Where replay.html goes; by default into the run folder.
    """
    from memagents.runs.replay import play
    from memagents.runs.results import RunResult
    from memagents.studies.replay_page import write_replay

    page = write_replay(play(RunResult.load(run), episodes=episodes, seed=seed), folder or run)
    print(f"open {page}")
    return 0


def list_names(envs: bool = False, package: str = ENVIRONMENTS) -> int:
    """List the memories and encoders with their options, and the environments.

    Args:
        envs: List the environments only: what each family tests, its knob and grades, and which suites are installed.
        package: The package whose environments are listed.
    """
    from memagents.runs.environments import describe, registered

    if envs:
        for line in describe(package):
            print(line)
        return 0
    print_architectures()
    print("\nenvironments (--env); `memagents list --envs` says what they test, and names those of other suites")
    for env in registered(package):
        print(f"  {env}")
    return 0


def print_architectures() -> None:
    """The memories and encoders, with their options."""
    from memagents.encoders.registry import encoder_class, encoder_options, list_encoders
    from memagents.memories.registry import list_memories, memory_class, memory_options

    print("memories (--memory), with the options of --memory-kwargs")
    for line in descriptions(list_memories(), memory_class, memory_options):
        print(f"  {line}")
    print("\nencoders (--encoder), with the options of --encoder-kwargs")
    for line in descriptions(list_encoders(), encoder_class, encoder_options):
        print(f"  {line}")


def descriptions(
    names: Sequence[str], class_of: Callable[[str], type], options_of: Callable[[str], Mapping[str, object]]
) -> Iterator[str]:
    """For each name a line that says what its class is, and one with its options."""
    width = max(map(len, names))
    for name in names:
        yield f"{name:{width}}  {(class_of(name).__doc__ or '').strip().partition(chr(10))[0]}"
        if options := options_of(name).values():
            yield f"{'':{width}}  {' '.join(str(option).replace(': ', ':').replace(' = ', '=') for option in options)}"


def dashboard(
    folder: tyro.conf.Positional[Path] = RUNS, tool: DashboardTool | None = None, port: int | None = None
) -> int:
    """Open the dashboard of a folder of runs, for this machine alone: without an account, without a network.

    Args:
        folder: A run folder, or a folder with run folders below it.
        tool: Which dashboard; by default TensorBoard if runs logged to it, else trackio.
        port: Where on 127.0.0.1; by default a free port.
    """
    from memagents.runs.viewing import serve

    serve(folder, tool, port)
    return 0


def doctor(config: Annotated[DoctorConfig, tyro.conf.arg(name="")]) -> int:
    """Examine an environment: what an agent would trip over, and what to do about it."""
    from memagents.runs.doctor import examine, is_broken, print_findings

    findings = examine(config)
    print_findings(findings)
    return 1 if is_broken(findings.values()) else 0


def compile_kernels(dtypes: tuple[Literal["float32", "float64"], ...] = ("float32",)) -> int:
    """Compile the kernels of all memories now, not when one is first needed: for a container's image, or a cluster.

    Args:
        dtypes: Kinds of numbers, each in a process of its own. Agents compute with float32.
    """
    import torch

    from memagents.runs.compiling import compile_in_processes

    compile_in_processes([getattr(torch, dtype) for dtype in dtypes])
    return 0


VERBS: dict[str, Callable[..., int]] = {
    "train": train,
    "resume": resume,
    "compare": compare,
    "report": report,
    "evaluate": evaluate,
    "replay": replay,
    "list": list_names,
    "dashboard": dashboard,
    "doctor": doctor,
    "compile": compile_kernels,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        The exit code: 0 if all went well, 1 if a run failed, a file could not be written or an environment is broken,
        2 if what was asked for cannot be done, 130 or 143 if it was interrupted.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    description = "Reinforcement-learning agents that remember."
    try:
        code: int = tyro.extras.subcommand_cli_from_dict(
            VERBS | from_files(arguments),
            prog="memagents",
            description=description,
            args=arguments,
            config=(tyro.conf.FlagCreatePairsOff,),
        )
        return code
    except MemagentsError as error:
        print(f"memagents: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"memagents: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"memagents: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        print(f"memagents: {str(stopped) or 'interrupted'}", file=sys.stderr)
        return getattr(stopped, "exit_code", 130)


def from_files(arguments: list[str]) -> dict[str, Callable[..., int]]:
    """Takes a run or a study that stands behind its verb out of the arguments; the verbs that go on from there.

    Raises:
        ValueError: for a file that is no study.
    """
    if arguments[:2] == ["train", "--resume"]:
        arguments[:2] = ["resume"]
    if arguments[:1] != ["compare"] or not arguments[1:] or arguments[1].startswith("-"):
        return {}
    from memagents.studies.files import load_study

    study = load_study(Path(arguments.pop(1)))

    def compare_study(
        config: Annotated[CompareConfig, tyro.conf.arg(name="")] = study,
        only_print: Annotated[bool, tyro.conf.arg(name="print")] = False,
    ) -> int:
        return compare(config, only_print)

    compare_study.__doc__ = compare.__doc__
    return {"compare": compare_study}


if __name__ == "__main__":
    sys.exit(main())
