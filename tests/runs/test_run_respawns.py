"""A run whose environments fail goes on with new ones, as often as it may, and says so."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from chaos import STEP
from test_resume import assert_same_run, cut_and_resumed

from memagents import MemoryPPO
from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.errors import EnvironmentFailed, EnvironmentTimeout, EnvironmentWorkerDied
from memagents.runs.config import TrainConfig
from memagents.runs.training import train

Chaotic = Callable[..., TrainConfig]

FAULTS = {
    ("dummy", "error"): EnvironmentFailed,
    ("subproc", "error"): EnvironmentFailed,
    ("subproc", "hang"): EnvironmentTimeout,
    ("subproc", "death"): EnvironmentWorkerDied,
}


@pytest.fixture
def chaotic(chaotic: Chaotic) -> Chaotic:
    """Runs that may make one environment anew."""
    return partial(chaotic, respawn=1)


@pytest.fixture
def rollouts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, np.ndarray]]:
    """The contents of the buffers that agents learn from."""
    seen: list[dict[str, np.ndarray]] = []
    original = MemoryPPO.train

    def note(model: MemoryPPO) -> None:
        names = ("observations", "rewards", "episode_starts", "values", "returns")
        seen.append({name: getattr(model.rollout_buffer, name).copy() for name in names})
        original(model)

    monkeypatch.setattr(MemoryPPO, "train", note)
    return seen


@pytest.fixture
def bootstraps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[np.ndarray, float]]:
    """What was looked at where one episode was truncated, and what it was worth."""
    seen: list[tuple[np.ndarray, float]] = []
    original = MemoryActorCriticPolicy.predict_values

    def note(policy: Any, obs: Any, *others: Any) -> Any:
        values = original(policy, obs, *others)
        if len(obs) == 1:
            seen.append((obs[0].numpy(), values.item()))
        return values

    monkeypatch.setattr(MemoryActorCriticPolicy, "predict_values", note)
    return seen


def record_of(config: TrainConfig) -> dict[str, Any]:
    return json.loads((config.run_folder / "run.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("vectorization", "fault"), FAULTS)
def test_training_goes_on_to_its_end(vectorization, fault, chaotic: Chaotic, rollouts, bootstraps):
    with pytest.warns(UserWarning, match=rf"environment 1 .*step {STEP}.*made anew \(1 of respawn=1 times\)"):
        result = train(chaotic(fault, vectorization))

    assert result.record["status"] == "finished"
    assert result.record["timesteps"] == 96
    (event,) = result.record["respawned"]
    assert (event["environment"], event["step"], event["error"]) == (1, STEP, FAULTS[vectorization, fault].__name__)
    assert f"at step {STEP}" in event["message"]
    assert [row["env/respawned"] for row in result.metrics() if "env/respawned" in row] == [0, 0, 1]

    third, t = rollouts[2], (STEP - 1) % 16
    ((observation, value),) = bootstraps
    assert np.array_equal(observation, third["observations"][t, 1])  # the last one before the failure
    assert third["rewards"][t, 1] == pytest.approx(0.99 * value)
    assert third["returns"][t, 1] - third["values"][t, 1] == pytest.approx(0.99 * value - third["values"][t, 1])
    assert third["episode_starts"][t + 1, 1] == 1.0
    assert not np.array_equal(third["observations"][t + 1, 1], observation)


@pytest.mark.parametrize("vectorization", ["dummy", "subproc"])
def test_a_run_that_fails_more_often_ends_with_its_error_and_keeps_what_it_had(vectorization, chaotic: Chaotic):
    config = chaotic(vectorization=vectorization, at=10, respawn=3, env_kwargs={"where": None})
    with (
        pytest.warns(UserWarning, match="made anew"),
        pytest.raises(EnvironmentFailed, match=r"environment 1 failed in step\(\) at step 20"),
    ):
        train(config)
    record = record_of(config)
    assert [(event["environment"], event["step"]) for event in record["respawned"]] == [(0, 10), (1, 10), (0, 20)]
    assert "as often as respawn=3 allows" in record["error"]
    assert record["failure"]["step"] == 20
    rows = [json.loads(line) for line in (config.run_folder / "metrics.jsonl").read_text().splitlines()]
    assert [(row["timesteps"], row["env/respawned"]) for row in rows] == [(32, 2), (38, 3)]
    assert MemoryPPO.load(config.run_folder / "checkpoints" / "failed.zip").num_timesteps == 38


@pytest.mark.filterwarnings("ignore:.*made anew")
def test_a_run_with_new_environments_is_taken_up_exactly(chaotic: Chaotic, tmp_path, monkeypatch):
    often = {"at": 20, "respawn": 50, "env_kwargs": {"where": None}}
    whole = train(chaotic(**often, folder=tmp_path / "whole"))
    resumed = cut_and_resumed(chaotic(**often, checkpoint_every=32), monkeypatch, 64)
    assert resumed.record["environments_resume"] == "exactly"
    assert [event["step"] for event in resumed.record["respawned"]] == [20, 20, 40, 40]
    assert resumed.record["respawned"] == whole.record["respawned"]
    assert_same_run(whole, resumed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*made anew")
def test_processes_that_were_started_anew_count_after_a_resume_too(chaotic: Chaotic):
    often = {"vectorization": "subproc", "at": 12, "env_kwargs": {"where": None}, "checkpoint_every": 32}
    # From its checkpoint after 16 steps of each it goes on with new episodes, which fail after 12 more.
    for step in (24, 28):
        with pytest.raises(EnvironmentFailed, match=f"environment 0 .*at step {step}") as caught:
            train(chaotic(**often, respawn=2))
        assert "as often as respawn=2 allows" in caught.value.__notes__[0]
        before = record_of(chaotic())["respawned"]
        assert [event["step"] for event in before] == [12, 12]
    # A higher limit is no other run: it goes on where this one stood.
    resumed = train(chaotic(**often, respawn=50))
    assert resumed.record["respawned"][:2] == before
    assert [event["step"] for event in resumed.record["respawned"][2:]] == [28, 28, 40, 40]
    assert len({event["seed"] for event in resumed.record["respawned"]}) == 6


def test_a_checkpoint_from_before_environments_could_be_made_anew_is_gone_on_from(chaotic: Chaotic, monkeypatch):
    packed = MemoryPPO.packed

    def packed_as_before(model: MemoryPPO, *arguments: Any, **sections: Any) -> bytes:
        sections.get("training", {}).pop("respawns", None)
        return packed(model, *arguments, **sections)

    monkeypatch.setattr(MemoryPPO, "packed", packed_as_before)
    resumed = cut_and_resumed(chaotic("none", checkpoint_every=32), monkeypatch, 64)
    assert [entry["at_step"] for entry in resumed.record["resumed"]] == [32]
    assert resumed.record["respawned"] == []


@pytest.mark.filterwarnings("ignore:.*made anew")
def test_an_evaluation_plays_another_episode_for_one_that_was_cut_off(chaotic: Chaotic):
    options = {"first_seed": 1_000_000, "where": 1}
    result = train(chaotic(at=1, env_kwargs=options, timesteps=32))
    assert result.record["respawned"] == []
    assert result.evaluation.interrupted == 1
    assert len(result.evaluation.returns) == 2
    assert json.loads((result.folder / "evaluation.json").read_text())["interrupted"] == 1


def test_what_cannot_be_made_anew_is_refused_before_anything_is_built(chaotic: Chaotic, tiny: Chaotic, tmp_path):
    with pytest.raises(ValueError, match="respawn must be at least 0, got -1"):
        train(chaotic(respawn=-1))
    with pytest.raises(ValueError, match="respawn=1 needs vectorization='subproc' or 'dummy'"):
        train(tiny(respawn=1))
    assert list(tmp_path.iterdir()) == []
