"""The active T-maze: the sign lies behind the agent, who has to go and look before setting out.

Source: Ni et al., "When Do Transformers Shine in RL? Decoupling Memory from Credit Assignment", NeurIPS 2023 (arXiv
2307.03864), after Bakker's T-maze.
"""

from typing import ClassVar

from memagents_envs.batched import Array, Integers, Transition
from memagents_envs.knobs import whole_number
from memagents_envs.single import SingleEnv
from memagents_envs.t_maze import TMaze


class TMazeActive(TMaze):
    """A T-maze whose agent starts one step east of the sign: look first, then walk, then turn.

    The rules are those of `TMaze`, but the agent starts at position 1, in the corridor, and sees the sign only if it
    goes west; and the first step of an episode costs nothing, whatever it is. Observation and actions are the same, and
    an episode is truncated after 4 (N + 1) steps.

    `best_return` is 1, also for who goes and looks at the sign with the first step.
    `memoryless_return` is 0, by walking east and turning anywhere. To gain more, a policy without memory must turn
    less often under the one sign than under the other, for at the junction both look the same; it has to wait for the
    end under the one. Let it turn in a share P of the episodes with the sign it turns right for, and in P' with the
    other. Then it gains at most (P - P') / 2, at most (1 - P') / 2. To wait for the end costs at least
    0.05 (3N + 3), since of its 4N + 4 steps at most N - 1 more are free, towards the junction, than are not, at 0.1
    each but for the first; on average over both signs, (1 - P') / 2 times that. From N = 6 on, this is no less than the
    gain. For N from 2 to 5 a search over stochastic policies has found none that gains anything.

    Deviations from the paper: the rewards and the time limit are those of our T-maze. There, a step is punished if the
    agent lags behind the time that it needs with a look at the sign; so to look is free there too.

    Args:
        num_envs: rows of the batch, B.
        corridor_length: N, at least 2; the steps from the sign to the junction.
        pixels: whether the bits are shown as an image.
        render_mode: None, "ansi" or "rgb_array".

    Raises:
        ValueError: if a number is out of its range.
    """

    tests = "active retention: one bit that must be fetched first, over a delay"
    knob = "corridor_length: steps to remember the sign"
    grades: ClassVar = {
        "Easy": {"corridor_length": 3},
        "Medium": {"corridor_length": 20},
        "Hard": {"corridor_length": 100},
    }

    def __init__(
        self, num_envs: int = 1, corridor_length: int = 3, pixels: bool = False, render_mode: str | None = None
    ) -> None:
        super().__init__(num_envs, whole_number("corridor_length", corridor_length, low=2), pixels, render_mode)

    def begin(self, rows: Integers) -> None:
        super().begin(rows)
        self.state["position"][rows] = 1

    def advance(self, actions: Array) -> Transition:
        outcome = super().advance(actions)
        outcome.rewards[self.state["step"] == 0] = 0.0  # no turn is possible yet
        return outcome


class SingleTMazeActive(SingleEnv):
    """One `TMazeActive` as a `gymnasium.Env`, with the same knobs."""

    family = TMazeActive
