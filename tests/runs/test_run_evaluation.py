"""Evaluations count whole episodes, the same number in each environment."""

import gymnasium as gym
import pytest
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from memagents.runs.evaluation import Evaluation, evaluate


class Countdown(gym.Env):
    """Ends after a number of steps, and succeeds if that number is even."""

    observation_space = gym.spaces.Discrete(2)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, steps: int, reports_success: bool = True) -> None:
        self._steps = steps
        self._reports_success = reports_success

    def reset(self, *, seed=None, options=None):
        self._left = self._steps
        return 0, {}

    def step(self, action):
        self._left -= 1
        ended = self._left == 0
        return 0, 1.0, ended, False, {"is_success": self._steps % 2 == 0} if ended and self._reports_success else {}


class Still(BaseAlgorithm):
    """Takes action 0, whatever it sees."""

    def __init__(self) -> None: ...

    def _setup_model(self) -> None: ...

    def learn(self, *_: object, **__: object) -> None: ...

    def predict(self, observations, state=None, episode_start=None, deterministic=False):
        return [0] * len(observations), None


def test_long_episodes_count_as_much_as_short_ones():
    env = VecMonitor(DummyVecEnv([lambda: Countdown(1), lambda: Countdown(10)]))
    evaluation = evaluate(Still(), env, episodes=6, seed=3)
    assert sorted(evaluation.lengths) == [1, 1, 1, 10, 10, 10]
    assert evaluation.returns == [float(length) for length in evaluation.lengths]
    assert evaluation.successes == [length % 2 == 0 for length in evaluation.lengths]
    assert evaluation.seed == 3


def test_the_score_is_the_success_rate_where_there_is_one_and_the_mean_return_elsewhere():
    successful = Evaluation(seed=0, deterministic=True, returns=[2.0, 4.0], lengths=[1, 1], successes=[True, False])
    assert (successful.measure, successful.score) == ("success rate", 0.5)
    assert successful.describe() == "success rate 0.50, mean return 3.00 over 2 episodes"
    env = VecMonitor(DummyVecEnv([lambda: Countdown(2, reports_success=False)]))
    plain = evaluate(Still(), env, episodes=2, seed=0)
    assert (plain.measure, plain.score, plain.success_rate) == ("mean return", 2.0, None)
    assert plain.describe() == "mean return 2.00 over 2 episodes"
    assert plain.summary() == {"mean_return": 2.0, "mean_length": pytest.approx(2.0)}
