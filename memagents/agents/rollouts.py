"""Rollouts in which an agent remembers: what stands in front of SB3's on-policy algorithms."""

from itertools import chain
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.arguments import check_subclass
from memagents.agents.attributes import check_array, check_attributes
from memagents.agents.boundaries import Boundary
from memagents.agents.buffers import SequenceBuffer
from memagents.agents.encoding import like
from memagents.agents.finite_updates import check_returns, refuse_non_finite_updates
from memagents.agents.heap import keep_freed_memory
from memagents.agents.policies import (
    CriticMemory,
    MemoryActorCriticCnnPolicy,
    MemoryActorCriticPolicy,
    MemoryMultiInputActorCriticPolicy,
)
from memagents.agents.precision import matrix_products
from memagents.agents.saving import SavingMixin
from memagents.agents.sequences import AgentState

SelfMemoryMixin = TypeVar("SelfMemoryMixin", bound="MemoryMixin")


class MemoryMixin(SavingMixin):
    """What MemoryPPO and MemoryA2C share: rollouts in which the agent remembers."""

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": MemoryActorCriticPolicy,
        "CnnPolicy": MemoryActorCriticCnnPolicy,
        "MultiInputPolicy": MemoryMultiInputActorCriticPolicy,
    }
    file_classes: ClassVar[dict[str, type]] = {"memagents.SequenceBuffer": SequenceBuffer}
    policy: MemoryActorCriticPolicy
    rollout_buffer: SequenceBuffer

    memory: str
    memory_kwargs: dict[str, Any]
    sequence_length: int | None
    critic_memory: CriticMemory | None
    _optimizer_kwargs: dict[str, Any]
    _last_state: AgentState | None
    _boundary: Boundary

    def _set_memory(
        self,
        memory: str,
        memory_kwargs: dict[str, Any] | None,
        sequence_length: int | None,
        critic_memory: CriticMemory | None,
    ) -> None:
        self.memory, self.memory_kwargs = memory, dict(memory_kwargs or {})
        self.sequence_length, self.critic_memory = sequence_length, critic_memory
        self._optimizer_kwargs = {}
        self._last_state = None

    def _chosen_sequence_length(self) -> int:
        """Steps that gradients flow back in time."""
        return self.sequence_length or self.n_steps

    def _setup_model(self) -> None:
        """Builds buffer and policy, each with the arguments of ours that it takes."""
        keep_freed_memory()
        check_subclass("rollout_buffer_class", self.rollout_buffer_class or SequenceBuffer, SequenceBuffer)
        self.rollout_buffer_class = self.rollout_buffer_class or SequenceBuffer
        policy_kwargs, buffer_kwargs = self.policy_kwargs, self.rollout_buffer_kwargs
        memory = {"memory": self.memory, "memory_kwargs": self.memory_kwargs, "critic_memory": self.critic_memory}
        self.policy_kwargs = {**policy_kwargs, **self._optimizer_kwargs, **memory}
        self.rollout_buffer_kwargs = {**buffer_kwargs, "sequence_length": self._chosen_sequence_length()}
        super()._setup_model()
        self.policy_kwargs, self.rollout_buffer_kwargs = policy_kwargs, buffer_kwargs
        self._boundary = Boundary(self.observation_space)
        refuse_non_finite_updates(self.policy, self.policy.optimizer)
        self._take_up()

    def restore_progress(self, attributes: dict[str, Any]) -> None:
        """Takes over what training had changed in a saved model, its parameters and optimizer apart.

        Raises:
            ValueError: if these are not the attributes of such a model.
        """
        check_attributes(type(self), attributes, never=())
        vars(self).update(attributes)
        self._take_up()

    def _take_up(self) -> None:
        """Goes on where a saved model stood; where it had not begun, the agent remembers nothing.

        Raises:
            ValueError: if that was not with so many environments, or not with this memory.
        """
        if any(last is None for last in (self._last_obs, self._last_episode_starts, self._last_state)):
            self._last_obs, self._last_state = None, self.policy.initial_state(self.n_envs)
            return
        for part in self._boundary.parts:
            check_array("_last_obs", part.of(self._last_obs), (self.n_envs, *(part.shape or ())))
        check_array("_last_episode_starts", self._last_episode_starts, (self.n_envs,), np.dtype(bool))
        # Of no environments, so that nothing is made of any size before sizes are known to be right.
        nothing = self.policy.initial_state(0)
        state: AgentState = like(nothing, self._last_state)
        for field, of_none in zip(chain(*state), chain(*nothing), strict=True):
            check_array("_last_state", field, (self.n_envs, *of_none.shape[1:]), of_none.dtype)
        self._last_state = state.map(lambda field: field.to(self.device))

    def learn(self: SelfMemoryMixin, *args: Any, **kwargs: Any) -> SelfMemoryMixin:
        """Trains, as SB3 does, with the policy's precision."""
        with matrix_products(self.policy.precision, self.device):
            return super().learn(*args, **kwargs)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fills the buffer with `n_rollout_steps` steps of every environment, remembering from step to step.

        Returns:
            False if the callback ended training, True otherwise.

        Raises:
            BoundaryError: for what an agent cannot learn from, before it enters the memory; see `Boundary`.
            NonFiniteUpdate: if nothing can be learned from this rollout, because its value loss is not finite.
        """
        with self.policy.at_rest():
            return self._collect_rollouts(env, callback, rollout_buffer, n_rollout_steps)

    def _collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        assert self._last_obs is not None, "learn() resets the environments before the first rollout"
        assert isinstance(rollout_buffer, SequenceBuffer)
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        # Before anything is drawn, unlike in SB3: what is saved here goes on with the same noise.
        callback.on_rollout_start()
        if self.use_sde:
            self.policy.reset_noise(env.num_envs)
        self._boundary.check_observations(self._last_obs, self._steps_of_each_env(), env)

        # Callbacks find these names in their `locals`, as they do in SB3.
        for n_steps in range(n_rollout_steps):
            if self.use_sde and self.sde_sample_freq > 0 and n_steps % self.sde_sample_freq == 0:
                self.policy.reset_noise(env.num_envs)
            state = self._last_state
            assert state is not None
            with torch.inference_mode():
                obs_tensor = obs_as_tensor(self._last_obs, self.device)  # type: ignore[arg-type]
                actions, values, log_probs, self._last_state = self.policy(
                    obs_tensor, state, self._episode_starts_tensor()
                )
            actions = actions.cpu().numpy()
            clipped_actions = self.policy.to_env(actions)
            new_obs, rewards, dones, infos = self._boundary.step(env, clipped_actions, self._steps_of_each_env() + 1)
            self.num_timesteps += env.num_envs

            callback.update_locals(locals())
            if not callback.on_step():
                return False
            ended = np.flatnonzero(dones)
            self._update_info_buffer([infos[i] for i in ended], dones[ended])
            self._bootstrap_truncated(rewards, ended, infos)
            rollout_buffer.add(
                self._last_obs,  # type: ignore[arg-type]
                actions,
                rewards,
                self._last_episode_starts,  # type: ignore[arg-type]
                values,
                log_probs,
                state,
            )
            self._last_obs, self._last_episode_starts = new_obs, dones  # type: ignore[assignment]

        with torch.inference_mode():
            obs_tensor = obs_as_tensor(new_obs, self.device)  # type: ignore[arg-type]
            values = self.policy.predict_values(obs_tensor, self._last_state, self._episode_starts_tensor())
        rollout_buffer.compute_returns_and_advantage(last_values=values, dones=dones)
        check_returns(rollout_buffer.returns, rollout_buffer.values)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _episode_starts_tensor(self) -> torch.Tensor:
        return torch.as_tensor(self._last_episode_starts, device=self.device)

    def _steps_of_each_env(self) -> int:
        return self.num_timesteps // self.n_envs

    def _bootstrap_truncated(self, rewards: np.ndarray, ended: np.ndarray, infos: list[dict[str, Any]]) -> None:
        """Adds to the last reward of a truncated episode the value of what would have come, as remembered."""
        cut = [i for i in ended if infos[i].get("TimeLimit.truncated") and "terminal_observation" in infos[i]]
        if not cut:
            return
        terminal = [infos[i]["terminal_observation"] for i in cut]
        if isinstance(self.observation_space, spaces.Dict):
            batch: Any = {key: np.stack([obs[key] for obs in terminal]) for key in terminal[0]}
        else:
            batch = np.stack(terminal)
        self._boundary.check_terminal(batch, self._steps_of_each_env(), np.array(cut))
        rows = torch.as_tensor(np.array(cut), device=self.device)
        assert self._last_state is not None
        with torch.inference_mode():
            obs, _ = self.policy.obs_to_tensor(batch)
            values = self.policy.predict_values(obs, self._last_state.map(lambda field: field[rows]))
        rewards[cut] += self.gamma * values.flatten().cpu().numpy()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_boundary"]
