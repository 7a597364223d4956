"""Compare memories on two environments. `memagents compare --help` tells how to ask the same on the command line."""

from memagents.studies.comparison import CompareConfig, compare
from memagents.studies.report import print_report


def main() -> None:
    config = CompareConfig(
        env=("memagents_envs:MemAgents/TMaze-v0", "memagents_envs:MemAgents/RepeatPrevious-v0"),
        memory=("none", "lstm", "gru"),
        seeds=3,
        timesteps=100_000,
        jobs=2,
    )
    study = compare(config)
    print_report(study.runs)
    print(f"report, table, curves and runs: {study.folder}")


# With several jobs every worker process imports this file, and must not start a study of its own.
if __name__ == "__main__":
    main()
