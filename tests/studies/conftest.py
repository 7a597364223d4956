"""Study folders made by hand, so that reports are tested without training, and a browser for their pages."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import Chromium, find

from memagents.runs.config import TrainConfig, cell_folder
from memagents.runs.evaluation import Evaluation
from memagents.runs.folder import RunFolder
from memagents.runs.results import RunResult

MakeRun = Callable[..., RunResult]


@pytest.fixture(autouse=True, scope="module")
def as_in_production(unchecked_file: None) -> None:
    """Without checks of shapes."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = find()
    if program is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    chromium = Chromium(program)
    yield chromium
    chromium.close()


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes the folder of a finished run with a given score and learning curve, and more for its record."""

    def make(
        score: float,
        curve: dict[int, float] | None = None,
        *,
        success: bool = True,
        record: dict[str, object] | None = None,
        **cell: object,
    ) -> RunResult:
        cell = {"env": "memagents_envs:MemAgents/TMaze-v0"} | cell
        config = TrainConfig(**cell)
        config = TrainConfig(**cell, folder=tmp_path / cell_folder(config))
        folder = RunFolder(config.run_folder)
        with folder.recording(config) as recorded:
            recorded |= {"parameters": 1234, "timesteps": 1000, "seconds": 0.5, "steps_per_second": 2000.0}
            recorded |= {"device": "cpu", "torch_threads": 1, **(record or {})}
        wins = round(100 * score)
        evaluation = Evaluation(
            seed=1,
            deterministic=True,
            returns=[1.0] * wins + [0.0] * (100 - wins) if success else [score] * 100,
            lengths=[7] * 100,
            successes=[True] * wins + [False] * (100 - wins) if success else None,
        )
        folder.evaluation_file.write_text(json.dumps(evaluation.to_json()))
        metrics = ["rollout/ep_rew_mean", *(["rollout/success_rate"] if success else [])]
        rows = [json.dumps({"timesteps": steps} | dict.fromkeys(metrics, v)) for steps, v in (curve or {}).items()]
        folder.metrics_file.write_text("\n".join(rows))
        return RunResult.load(folder.path)

    return make
