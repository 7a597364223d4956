"""How fast does an agent with a memory train? MemoryPPO beside sb3-contrib's RecurrentPPO and SB3's feed-forward PPO.

    python scripts/throughput.py --memories lstm gru rnn --repeats 9

The programs run in one process and take turns, round by round, so that a machine that is busy for a while is busy for
all of them. Everything is written to one folder: README.md, measurements.csv and summary.json.
"""

import os
from collections.abc import Sequence
from typing import Annotated

import torch
import tyro
from pages import origin
from timing.page import Study, ratio_table, speed_table, write_csv, write_json, write_readme
from timing.programs import ThroughputConfig, make_programs, measure
from timing.roofline import roofline, write_roofline


def run_study(config: ThroughputConfig) -> Study:
    """Measures, and writes the three files."""
    programs, load_before = make_programs(config), os.getloadavg()[0]
    study = Study(config, programs, measure(config, programs), origin(load_before))
    config.folder.mkdir(parents=True, exist_ok=True)
    write_csv(study, config.folder / "measurements.csv")
    write_json(study, config.folder / "summary.json")
    write_readme(study, config.folder / "README.md")
    return study


def find_floor(config: ThroughputConfig) -> str:
    """Counts and measures, writes the two files, and returns the page."""
    load_before = os.getloadavg()[0]
    rounds = roofline(config)
    config.folder.mkdir(parents=True, exist_ok=True)
    return write_roofline(config, rounds, origin(load_before))


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures, and prints the tables."""
    asked = Annotated[ThroughputConfig, tyro.conf.arg(name="")]
    config: ThroughputConfig = tyro.cli(asked, args=arguments)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if config.roofline:
        print(find_floor(config))
        return
    study = run_study(config)
    print(f"\n{speed_table(study.speeds)}\n\n{ratio_table(study.ratios)}\n\n{config.folder}")


if __name__ == "__main__":
    main()
