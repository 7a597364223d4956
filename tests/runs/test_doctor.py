"""The doctor finds what is wrong with environments that were broken on purpose, and nothing with those that are not."""

import copy
import random
import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from memagents.cli import main
from memagents.runs.config import DoctorConfig
from memagents.runs.doctor import examine, vectors

LENGTH = 5


class Healthy(gym.Env[Any, Any]):
    """Random pairs of numbers, five steps an episode."""

    def __init__(self) -> None:
        self.observation_space: Any = spaces.Box(0.0, 1.0, (2,), np.float32)
        self.action_space: Any = spaces.Discrete(2)
        self.count = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.count = 0
        return self.see(), {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self.count += 1
        return self.see(), self.reward(), self.count == LENGTH, False, {}

    def see(self) -> Any:
        return self.np_random.random(2, dtype=np.float32)

    def reward(self) -> Any:
        return 1.0


class Undefined(Healthy):
    def see(self) -> Any:
        return np.array([np.nan if self.count == 3 else 0.5, 0.5], np.float32)


class Infinite(Healthy):
    def reward(self) -> Any:
        return np.inf if self.count == 3 else 0.0


class RewardOfOneAxis(Healthy):
    def reward(self) -> Any:
        return np.ones(1)


class Outside(Healthy):
    def see(self) -> Any:
        return super().see() + np.float32(self.count == 2)


class Double(Healthy):
    def see(self) -> Any:
        return super().see().astype(np.float64)


class WrongShape(Healthy):
    def see(self) -> Any:
        return self.np_random.random(3, dtype=np.float32)


class Unseeded(Healthy):
    def see(self) -> Any:
        return np.random.default_rng().random(2, dtype=np.float32)


class Remembers(Healthy):
    """Something survives a reset with a seed."""

    resets = 0

    def reset(self, **options: Any) -> Any:
        self.resets += 1
        return super().reset(**options)

    def see(self) -> Any:
        return super().see() / np.float32(1 + self.resets)


class Global(Healthy):
    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            random.seed(seed)
        return super().reset(seed=seed)

    def see(self) -> Any:
        return np.array([random.random(), 0], np.float32)


class Constant(Healthy):
    def see(self) -> Any:
        return np.zeros(2, np.float32)


class Raises(Healthy):
    def step(self, action: Any) -> Any:
        if self.count == 3:
            raise RuntimeError("the pump has failed")
        return super().step(action)


class Unmakeable(Healthy):
    def __init__(self) -> None:
        raise OSError("no display")


class Endless(Healthy):
    def step(self, action: Any) -> Any:
        return (*super().step(action)[:2], False, False, {})


class Tupled(Healthy):
    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Tuple([spaces.Discrete(2), spaces.Discrete(2)])

    def see(self) -> Any:
        return tuple(self.np_random.integers(2, size=2))


class Unbounded(Healthy):
    def __init__(self) -> None:
        super().__init__()
        self.action_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)


class SmallImage(Healthy):
    def __init__(self) -> None:
        super().__init__()
        self.observation_space = spaces.Box(0, 255, (7, 7, 3), np.uint8)

    def see(self) -> Any:
        return self.np_random.integers(256, size=(7, 7, 3)).astype(np.uint8)


class NotCopied(Healthy):
    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot copy a window")

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle a window")


class WithProtocol(NotCopied):
    def get_state(self) -> Any:
        return self.count, copy.deepcopy(self.np_random.bit_generator.state)

    def set_state(self, state: Any) -> None:
        self.count, self.np_random.bit_generator.state = state


class HalfAProtocol(WithProtocol):
    """Forgets its generator."""

    def set_state(self, state: Any) -> None:
        self.count = state[0]


class OnlyToLookAt(Healthy):
    """As in POPGym: a state that can be read and not set is no way to resume."""

    def get_state(self) -> int:
        return self.count


for cls in Healthy.__subclasses__() + NotCopied.__subclasses__() + WithProtocol.__subclasses__() + [Healthy]:
    gym.register(f"Ill/{cls.__name__}-v0", entry_point=cls)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speeds are measured, but not for long."""
    monkeypatch.setattr(vectors, "ENOUGH_SECONDS", 0.001)


def examined(name: str) -> Any:
    return examine(DoctorConfig(env=f"Ill/{name}-v0", steps=40, n_envs=2))


BROKEN = {
    "Undefined": ("numbers", "observation 3 holds NaN or infinity"),
    "Infinite": ("numbers", "the reward with observation 3 is inf"),
    "RewardOfOneAxis": ("numbers", "the reward with observation 1 is no number but ndarray"),
    "Outside": ("observations", r"observation 2: \(\d,\) is 1\.\d+, outside \[0.0, 1.0\]"),
    "Double": ("observations", "observation 0: is float64, its space says float32"),
    "WrongShape": ("observations", r"must be of Box.*got ndarray of shape \(3,\)"),
    "Unseeded": ("seeding", "two with the same seed: observation, reward or end 0 differs"),
    "Remembers": ("seeding", "after it was played, the same seed: observation, reward or end 0 differs"),
    "Tupled": ("spaces", "Tuple"),
    "Unbounded": ("spaces", "action Box"),
    "HalfAProtocol": ("snapshot", "differs at step"),
}


@pytest.mark.parametrize(("name", "check", "found"), [(name, *expected) for name, expected in BROKEN.items()])
def test_what_is_broken_is_found_and_something_is_said_to_do(name, check, found):
    finding = examined(name)[check]
    assert finding.verdict == "broken"
    assert re.search(found, finding.found)
    assert finding.fix


WARNED = {
    "Global": ("side by side", "two in one process disturb each other"),
    "Constant": ("seeding", "nothing in it is random"),
    "Endless": ("episode ends", "none ended in 40 random steps"),
    "SmallImage": ("spaces", "(7, 7, 3)"),
    "NotCopied": ("snapshot", "restarts episodes"),
}


@pytest.mark.parametrize(("name", "check", "found"), [(name, *expected) for name, expected in WARNED.items()])
def test_what_should_be_known_is_a_warning(name, check, found):
    finding = examined(name)[check]
    assert finding.verdict == "warning"
    assert found in finding.found
    assert finding.fix


@pytest.mark.parametrize(
    ("name", "kind"), [("Healthy", "exact"), ("WithProtocol", "protocol"), ("OnlyToLookAt", "exact")]
)
def test_how_it_goes_on_is_tried_out(name, kind):
    finding = examined(name)["snapshot"]
    assert finding.verdict == "ok"
    assert finding.found.startswith(kind)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Raises", "step 4 raised RuntimeError: the pump has failed"),
        ("Unmakeable", "making it raised OSError: no display"),
    ],
)
def test_one_that_cannot_be_played_is_not_examined_any_further(name, found):
    (finding,) = examined(name).values()
    assert (finding.verdict, finding.found) == ("broken", found)


@pytest.mark.parametrize("env", ["Ill/Healthy-v0", "memagents_envs:MemAgents/TMaze-v0"])
def test_nothing_is_wrong_with_a_healthy_one(env, capsys):
    assert main(["doctor", "--env", env, "--steps", "60", "--n-envs", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert all(line.startswith("ok  ") for line in lines)


def test_a_broken_one_is_exit_code_1_and_says_what_to_do(capsys):
    assert main(["doctor", "--env", "Ill/Outside-v0", "--steps", "40", "--n-envs", "2"]) == 1
    assert "-> widen the space's bounds, or clip the observation" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "Ill/Helthy-v0"], "Ill/Healthy-v0"),
        (["--env", "Ill/Healthy-v0", "--steps", "0"], "steps must be at least 1, got 0"),
        (["--env", "Ill/Healthy-v0", "--env-kwargs", "size=3"], "has no argument 'size'"),
    ],
)
def test_a_question_that_cannot_be_asked_is_exit_code_2(arguments, message, capsys):
    assert main(["doctor", *arguments]) == 2
    assert message in capsys.readouterr().err
