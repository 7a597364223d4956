"""The bounds that stand in `occluded_cart_pole.py` and `occluded_pendulum.py`: what policies can reach.

The best memoryless policy is searched by the cross-entropy method among stochastic policies: a network with one hidden
layer of tanh units maps the present observation to the probability of a push to the right, or to mean and standard
deviation of a torque. Several searches start afresh; each ends in an evaluation on episodes it has not seen, and the
best of them counts. The pendulum's best cost is that of its oracle. Prints the constants.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import tyro
from memagents_envs import BatchedEnv, OccludedCartPole, OccludedPendulum
from memagents_envs.occluded_pendulum import MEAN_COST
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Act: TypeAlias = Callable[[Floats, np.random.Generator], NDArray[np.generic]]

CANDIDATES, ELITES, EPISODES, HIDDEN = 64, 8, 32, 12
EVALUATION = 8192
LENGTHS = (1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 75, 100, 200)


def outputs(parameters: Floats, observations: Floats) -> Floats:
    """Networks [C, P] on the observations [C, E, 2] of their own: two numbers each, [C, E, 2]."""
    first, second = np.split(parameters, [3 * HIDDEN], axis=1)
    first, second = first.reshape(-1, 3, HIDDEN), second.reshape(-1, HIDDEN + 1, 2)
    hidden = np.tanh(observations @ first[:, :2] + first[:, 2:])
    return hidden @ second[:, :HIDDEN] + second[:, HIDDEN:]


def push(numbers: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """To the right with the probability whose logit is the first number."""
    logits = np.clip(numbers[..., 0], -30, 30)
    return (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64).ravel()


def torque(numbers: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian, as PPO's: mean and logarithm of the standard deviation."""
    spread = np.exp(np.clip(numbers[..., 1] - 2, -6, 2))
    torques = 2 * np.tanh(numbers[..., 0]) + spread * rng.standard_normal(spread.shape)
    return np.clip(torques, -2, 2).astype(np.float32).reshape(-1, 1)


def first_returns(env: BatchedEnv, parameters: Floats, act: Act, scale: Floats, rng: np.random.Generator) -> Floats:
    """Returns [C, E] of the first episodes; every candidate plays the same ones."""
    candidates = len(parameters)
    episodes = env.num_envs // candidates
    observations, _ = env.reset(seed=rng.integers(2**31, size=episodes).tolist() * candidates)
    returns, running = np.zeros(env.num_envs), np.ones(env.num_envs, np.bool_)
    while running.any():
        seen = observations.reshape(candidates, episodes, 2) / scale
        observations, rewards, terminated, truncated, _ = env.step(act(outputs(parameters, seen), rng))
        returns += rewards * running
        running &= ~(terminated | truncated)
    return returns.reshape(candidates, episodes)


def search(make: Callable[[int], BatchedEnv], act: Act, scale: Floats, iterations: int, seed: int) -> float:
    """The mean return, on new episodes, of the policy that one search ends with."""
    rng, env = np.random.default_rng(seed), make(CANDIDATES * EPISODES)
    size = 3 * HIDDEN + 2 * (HIDDEN + 1)
    mean, deviation = np.zeros(size), np.full(size, 1.5)
    for iteration in range(iterations):
        parameters = mean + deviation * rng.standard_normal((CANDIDATES, size))
        parameters[0] = mean
        returns = first_returns(env, parameters, act, scale, rng).mean(axis=1)
        elites = parameters[np.argsort(returns)[-ELITES:]]
        floor = 0.3 * (1 - iteration / iterations)  # so that a search does not narrow too early
        mean = 0.5 * mean + 0.5 * elites.mean(axis=0)
        deviation = np.maximum(0.5 * deviation + 0.5 * elites.std(axis=0), floor)
    return float(first_returns(make(EVALUATION), mean[None], act, scale, rng).mean())


def main(
    family: Literal["cart_pole", "pendulum", "best_pendulum"],
    iterations: int = 150,
    seeds: int = 3,
    noises: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3),
    shows: Literal["position", "velocity"] = "position",
    length: int = 200,
) -> None:
    """Prints, for every noise, what each search found."""
    if family == "best_pendulum":
        return best_pendulum()
    for noise in noises:
        if family == "cart_pole":
            scale = np.array([2.4, 0.2] if shows == "position" else [1.0, 1.0])
            found = [
                search(lambda rows: OccludedCartPole(rows, shows, noise, length), push, scale, iterations, seed)  # noqa: B023
                for seed in range(seeds)
            ]
            print(shows, noise, "steps", np.round(np.array(found) * length, 1), flush=True)
        else:
            found = [
                search(lambda rows: OccludedPendulum(rows, noise, length), torque, np.ones(2), iterations, seed)  # noqa: B023
                for seed in range(seeds)
            ]
            print(noise, "length", length, np.round(found, 4), flush=True)


def best_pendulum() -> None:
    """The mean cost of an episode with the oracle."""
    for length in LENGTHS:
        env = OccludedPendulum(8000, noise=0.0, episode_length=length)
        env.reset(seed=0)
        returns = sum(env.step(env.oracle())[1] for _ in range(length))
        print("length", length, "cost", round((1 - np.mean(returns)) * length * MEAN_COST, 2), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
