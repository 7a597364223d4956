"""PPO and A2C for agents that remember: stable-baselines3's own training on rollouts of whole sequences.

`MemoryMixin` stands in front of SB3's classes and replaces what must know of memory: how a rollout is collected and
stored. `A2C.train` runs as it is, and so does `PPO.train` but on a CPU, where `updates.py` does the same sooner.
"""

from typing import Any, TypeAlias

from gymnasium.vector import VectorEnv
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.type_aliases import GymEnv, Schedule

from memagents.agents.arguments import (
    PolicyArgument,
    check_arguments,
    check_lengths,
    default_batch_size,
    longest_sequence_length,
    own_policy_kwargs,
)
from memagents.agents.policies import CriticMemory
from memagents.agents.rollouts import MemoryMixin
from memagents.agents.updates import update
from memagents.agents.vec_envs import BatchedVecEnv

EnvArgument: TypeAlias = GymEnv | VectorEnv[Any, Any, Any] | str | None


class MemoryPPO(MemoryMixin, PPO):
    """Proximal policy optimisation with a memory, on whole sequences.

    Schulman et al.: Proximal Policy Optimization Algorithms. arXiv:1707.06347, 2017; SB3's implementation.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", or a subclass of `MemoryActorCriticPolicy`.
        env: an environment, a `VecEnv`, a batched gymnasium `VectorEnv`, or an id.
        learning_rate: as in SB3, as is everything else that is not listed here.
        n_steps: steps of each environment in a rollout.
        batch_size: steps in a minibatch. None takes whole sequences in about four minibatches.
        memory: registered name of the memory (`memagents.list_memories()`).
        memory_kwargs: options of the memory, such as `dict(hidden_size=128)`.
        sequence_length: steps that gradients flow back in time; must divide `n_steps` and `batch_size`. None takes
            all of `n_steps`; where a `batch_size` makes that impossible, the longest length that divides both, and
            warns.
        critic_memory: "shared", "separate" or "none"; see `MemoryActorCriticPolicy`.
        normalize_advantage: whether the advantages of a minibatch are brought to unit variance, as SB3 does. An agent
            that wins every episode has no advantages left but noise, and unlearns when that is blown up to unit size.
        ppo_kwargs: SB3's other arguments.

    Raises:
        ValueError: for an argument out of its range, before an environment is built.
    """

    def __init__(
        self,
        policy: PolicyArgument,
        env: EnvArgument,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 128,
        batch_size: int | None = None,
        *,
        memory: str = "lstm",
        memory_kwargs: dict[str, Any] | None = None,
        sequence_length: int | None = None,
        critic_memory: CriticMemory | None = None,
        normalize_advantage: bool = False,
        _init_setup_model: bool = True,
        **ppo_kwargs: Any,
    ) -> None:
        check_arguments(policy, memory, memory_kwargs, critic_memory)
        check_lengths(sequence_length, n_steps, batch_size)
        super().__init__(
            policy,
            as_vec_env(env),  # type: ignore[arg-type]
            learning_rate,
            n_steps,
            # Any size without a complaint from PPO: how many environments there are is known only afterwards.
            max(2, n_steps) if batch_size is None else batch_size,
            normalize_advantage=normalize_advantage,
            _init_setup_model=False,
            **own_policy_kwargs(ppo_kwargs),
        )
        self._set_memory(memory, memory_kwargs, sequence_length, critic_memory)
        self.batch_size = batch_size  # type: ignore[assignment]
        self._derived_batch_size: int | None = None
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self.batch_size == self._derived_batch_size:
            # Nobody chose one. Derived anew when a model is loaded with another number of environments.
            self.batch_size = default_batch_size(self._chosen_sequence_length(), self.n_steps * self.n_envs)
            self._derived_batch_size = self.batch_size
        super()._setup_model()

    def _chosen_sequence_length(self) -> int:
        if self.sequence_length is not None or self.batch_size == self._derived_batch_size:
            return super()._chosen_sequence_length()
        return longest_sequence_length(self.n_steps, self.n_envs, self.batch_size)

    def train(self) -> None:
        """One update of the policy: SB3's, and on a CPU the same by fewer operations."""
        if self.device.type == "cpu":
            update(self)
        else:
            super().train()


class MemoryA2C(MemoryMixin, A2C):
    """Advantage actor-critic with a memory, on whole sequences: one gradient step over each rollout.

    Mnih et al.: Asynchronous Methods for Deep Reinforcement Learning. ICML 2016, arXiv:1602.01783; SB3's
    implementation.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", or a subclass of `MemoryActorCriticPolicy`.
        env: an environment, a `VecEnv`, a batched gymnasium `VectorEnv`, or an id.
        learning_rate: as in SB3, as is everything else that is not listed here.
        n_steps: steps of each environment in a rollout.
        memory: registered name of the memory (`memagents.list_memories()`).
        memory_kwargs: options of the memory, such as `dict(hidden_size=128)`.
        sequence_length: steps that gradients flow back in time; must divide `n_steps`. None takes all of `n_steps`.
        critic_memory: "shared", "separate" or "none"; see `MemoryActorCriticPolicy`.
        a2c_kwargs: SB3's other arguments.

    Raises:
        ValueError: for an argument out of its range, before an environment is built.
    """

    def __init__(
        self,
        policy: PolicyArgument,
        env: EnvArgument,
        learning_rate: float | Schedule = 7e-4,
        n_steps: int = 16,
        *,
        memory: str = "lstm",
        memory_kwargs: dict[str, Any] | None = None,
        sequence_length: int | None = None,
        critic_memory: CriticMemory | None = None,
        _init_setup_model: bool = True,
        **a2c_kwargs: Any,
    ) -> None:
        check_arguments(policy, memory, memory_kwargs, critic_memory)
        check_lengths(sequence_length, n_steps, None)
        super().__init__(
            policy,
            as_vec_env(env),  # type: ignore[arg-type]
            learning_rate,
            n_steps,
            _init_setup_model=False,
            **own_policy_kwargs(a2c_kwargs),
        )
        self._set_memory(memory, memory_kwargs, sequence_length, critic_memory)
        # SB3 writes its optimizer among what the user gave; kept apart, a loaded model knows the two from each other.
        given = a2c_kwargs.get("policy_kwargs") or {}
        self._optimizer_kwargs = {name: value for name, value in self.policy_kwargs.items() if name not in given}
        self.policy_kwargs = dict(given)
        if _init_setup_model:
            self._setup_model()


def as_vec_env(env: EnvArgument) -> GymEnv | str | None:
    """A batched gymnasium environment as SB3 wants it; anything else as it is."""
    return BatchedVecEnv(env) if isinstance(env, VectorEnv) else env
