"""The way of an observation: encoder, memory, actor and critic heads.

Axes: L steps of a sequence, S sequences (or environments, when acting: then L is 1).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import numpy as np
import torch
from gymnasium import spaces
from jaxtyping import Bool, Float
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs
from stable_baselines3.common.utils import get_device
from torch import Tensor
from torch.optim import Adam

from memagents.agents.distributions import LeanCategoricalDistribution, defined
from memagents.agents.heads import Heads
from memagents.agents.parameters import with_parameters
from memagents.agents.precision import Precision, autocast, check_precision, in_32_bits
from memagents.agents.sequences import AgentState, Sequences, unroll
from memagents.agents.serialization import ModelFile, load_policy, save_policy
from memagents.agents.state_arrays import from_arrays, starts_of_rows, to_arrays
from memagents.errors import PickleRefusedError
from memagents.files import reading
from memagents.memories import Memory, State, make_memory

CriticMemory: TypeAlias = Literal["shared", "separate", "none"]
SelfPolicy = TypeVar("SelfPolicy", bound="MemoryActorCriticPolicy")

FUSED_ADAM: Final = {"eps": 1e-5, "fused": True}
"""SB3's setting of Adam, in one kernel for all parameters."""


class MemoryActorCriticPolicy(ActorCriticPolicy):
    """An actor and a critic that read a memory, which reads what the encoder makes of the observations.

    SB3's own policy in every respect, with a memory between its features extractor (the encoder) and its MLP heads.

    Args:
        observation_space: as in SB3, and so are `action_space` and `lr_schedule`, `args` and `kwargs`.
        memory: registered name of the memory (`memagents.list_memories()`).
        memory_kwargs: options of the memory, such as `dict(hidden_size=64)`.
        critic_memory: "shared", one memory that the gradients of actor and critic both train; "separate", a second
            one of the same kind for the critic; or "none", a critic that sees the present observation alone. None
            means shared, or separate where `share_features_extractor=False` gives the critic features of its own.
        precision: "float32", "tf32" or "bfloat16"; see `memagents.agents.precision`.

    Raises:
        ValueError: for an unknown memory, option or precision, or a shared memory without shared features.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Callable[[float], float],
        *args: Any,
        memory: str = "lstm",
        memory_kwargs: dict[str, Any] | None = None,
        critic_memory: CriticMemory | None = None,
        share_features_extractor: bool = True,
        precision: Precision = "float32",
        **kwargs: Any,
    ) -> None:
        check_precision(precision)
        if critic_memory == "shared" and not share_features_extractor:
            raise ValueError(
                "critic_memory='shared' has one memory read one stream of features, but share_features_extractor=False "
                "makes two; use critic_memory='separate', or share the features extractor"
            )
        self.memory_name, self.memory_kwargs = memory, dict(memory_kwargs or {})
        self.critic_memory_kind: CriticMemory = critic_memory or ("shared" if share_features_extractor else "separate")
        self.precision = precision
        kwargs["share_features_extractor"] = share_features_extractor
        if not kwargs.get("optimizer_kwargs") and kwargs.get("optimizer_class", Adam) is Adam:
            kwargs["optimizer_kwargs"] = dict(FUSED_ADAM)
        super().__init__(observation_space, action_space, lr_schedule, *args, **kwargs)

    def _build_mlp_extractor(self) -> None:
        """Builds the memories, and the heads that read them (SB3 makes the optimizer right after this)."""
        features_dim = int(self.features_dim)
        self.memory = make_memory(self.memory_name, input_size=features_dim, **self.memory_kwargs)
        self.critic_memory: Memory[Any] | None = None
        if self.critic_memory_kind == "separate":
            self.critic_memory = make_memory(self.memory_name, input_size=features_dim, **self.memory_kwargs)
        elif self.critic_memory_kind == "none":
            self.critic_memory = make_memory("none", input_size=features_dim)

        if type(self.action_dist) is CategoricalDistribution:
            self.action_dist = LeanCategoricalDistribution(self.action_dist.action_dim)
        made = self.net_arch, self.activation_fn, self.device
        self.mlp_extractor = Heads(self.memory.output_size, *made)
        if self.critic_memory is not None and self.critic_memory.output_size != self.memory.output_size:
            critic_heads = Heads(self.critic_memory.output_size, *made)
            self.mlp_extractor.value_net = critic_heads.value_net
            self.mlp_extractor.latent_dim_vf = critic_heads.latent_dim_vf

    def initial_state(self, batch_size: int) -> AgentState:
        """What the agent remembers at the start of an episode: nothing, for `batch_size` rows."""
        critic = () if self.critic_memory is None else self.critic_memory.initial_state(batch_size)
        return AgentState(self.memory.initial_state(batch_size), critic)

    def forward(  # type: ignore[override]
        self,
        obs: PyTorchObs,
        state: AgentState | None = None,
        episode_starts: Bool[Tensor, " S"] | None = None,
        deterministic: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor, AgentState]:
        """One step of acting: observations `[S, ...]` to actions, values, log-probabilities and the next state.

        Without a state, every row begins an episode.
        """
        *remembered, state = self._remember(self._as_sequences(obs, state, episode_starts))
        distribution, values = self._answer(*remembered)
        actions = distribution.get_actions(deterministic=deterministic)
        log_prob = distribution.log_prob(actions)
        shape = cast(tuple[int, ...], self.action_space.shape)
        return actions.reshape((-1, *shape)), values, log_prob, state

    def at_rest(self) -> AbstractContextManager[None]:
        """Meanwhile layers stay the ones they are, as in a rollout, and acting is faster; parameters may change."""
        if not isinstance(self.mlp_extractor, Heads):
            return nullcontext()
        return self.mlp_extractor.at_rest(self.action_net, self.value_net, together=self.critic_memory is None)

    def evaluate_actions(self, obs: Sequences | PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Values, log-probabilities and entropies of actions `[L * S, ...]` taken in sequences.

        Plain observations `[S, ...]` are taken as sequences of one step, each the first of an episode.
        """
        *remembered, _ = self._remember(self._as_sequences(obs))
        distribution, values = self._answer(*remembered)
        return values, distribution.log_prob(actions), distribution.entropy()

    def get_distribution(
        self, obs: Sequences | PyTorchObs, state: AgentState | None = None, episode_starts: Tensor | None = None
    ) -> Distribution:
        """The distribution of actions for observations `[S, ...]`, or at every step of sequences."""
        return self._get_action_dist_from_latent(self._act(self._as_sequences(obs, state, episode_starts))[0])

    def predict_values(
        self, obs: PyTorchObs, state: AgentState | None = None, episode_starts: Bool[Tensor, " S"] | None = None
    ) -> Tensor:
        """The values of observations `[S, ...]`."""
        *remembered, _ = self._remember(self._as_sequences(obs, state, episode_starts))
        return self._answer(*remembered)[1]

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """The action for an observation, and the actor's state to hand back with the next one.

        Args:
            observation: of one environment or of several.
            state: what the last call returned; None begins an episode.
            episode_start: true for environments whose episode begins with this observation, `[S]`; None where none
                does. Without it the memory of one episode runs on into the next.
            deterministic: the most likely action instead of a random one.

        Raises:
            ValueError: for a state or episode starts of another batch size than the observation.
        """
        self.set_training_mode(False)
        if isinstance(observation, tuple):
            raise ValueError(
                "You have passed a tuple to predict() instead of an array or a dict: gymnasium's env.reset() returns "
                "(observation, info), SB3's VecEnv.reset() the observation alone; you may be mixing Gym API with SB3 "
                "VecEnv API"
            )
        obs, is_batch = self.obs_to_tensor(observation)
        batch_size = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
        agent_state = self.initial_state(batch_size)
        if state is not None:
            agent_state = agent_state._replace(actor=from_arrays(state, agent_state.actor, self.memory_name))
        starts = starts_of_rows(episode_start, batch_size, self.device)
        with torch.no_grad():
            latent, actor = self._act(self._as_sequences(obs, agent_state, starts))
            chosen = self._get_action_dist_from_latent(latent).get_actions(deterministic=deterministic)
        shape = cast(tuple[int, ...], self.action_space.shape)
        actions = self.to_env(chosen.cpu().numpy().reshape((-1, *shape)))
        return (actions if is_batch else actions.squeeze(axis=0)), to_arrays(actor)

    def to_env(self, actions: np.ndarray) -> np.ndarray:
        """Actions as the environment takes them: squashed ones unscaled, other continuous ones clipped."""
        if not isinstance(self.action_space, spaces.Box):
            return actions
        if self.squash_output:
            return self.unscale_action(actions)
        clipped: np.ndarray = np.clip(actions, self.action_space.low, self.action_space.high)
        return clipped

    def _as_sequences(
        self,
        obs: Sequences | PyTorchObs,
        state: AgentState | None = None,
        episode_starts: Bool[Tensor, " S"] | None = None,
    ) -> Sequences:
        """Observations of one step as sequences of length one; sequences as they are."""
        if isinstance(obs, Sequences):
            return obs
        first = next(iter(obs.values())) if isinstance(obs, dict) else obs
        if state is None:
            state = self.initial_state(len(first))
        if episode_starts is None:
            episode_starts = torch.zeros(len(first), dtype=torch.bool, device=first.device)
        return Sequences(obs, episode_starts[None], state)

    def _remember(self, sequences: Sequences) -> tuple[Float[Tensor, "LS H"], Float[Tensor, "LS K"], AgentState]:
        """What actor and critic remember at every step, and what the agent does after the last."""
        starts, state = sequences.episode_starts, sequences.state
        with autocast(self.precision, starts.device):
            features = self.extract_features(sequences.observations)
            pi_features, vf_features = features if isinstance(features, tuple) else (features, features)
            for_actor, actor = unroll(self.memory, pi_features, starts, state.actor)
            if self.critic_memory is None:
                return for_actor, for_actor, AgentState(actor, state.critic)
            for_critic, critic = unroll(self.critic_memory, vf_features, starts, state.critic)
        return for_actor, for_critic, AgentState(actor, critic)

    def _answer(
        self, for_actor: Float[Tensor, "LS H"], for_critic: Float[Tensor, "LS K"]
    ) -> tuple[Distribution, Float[Tensor, "LS 1"]]:
        """The actor's distribution of actions, and the critic's values."""
        if isinstance(self.mlp_extractor, Heads) and not self.use_sde:  # whose noise reads hidden features
            answer = self.mlp_extractor.answer(for_actor, for_critic, self.action_net, self.value_net)
            if answer is not None:
                return self._distribution(answer[0]), answer[1]
        with autocast(self.precision, for_actor.device):
            latent_pi = in_32_bits(self.mlp_extractor.forward_actor(for_actor))
            latent_vf = in_32_bits(self.mlp_extractor.forward_critic(for_critic))
        return self._get_action_dist_from_latent(latent_pi), self.value_net(latent_vf)

    def _get_action_dist_from_latent(self, latent_pi: Tensor) -> Distribution:
        with defined():
            return super()._get_action_dist_from_latent(latent_pi)

    def _distribution(self, told: Tensor) -> Distribution:
        """What SB3 makes of the answers of `action_net`."""
        given = (told, self.log_std) if isinstance(self.action_dist, DiagGaussianDistribution) else (told,)
        with defined():
            return self.action_dist.proba_distribution(*given)

    def _act(self, sequences: Sequences) -> tuple[Float[Tensor, "LS H"], State]:
        """`_remember` for the actor alone."""
        obs = sequences.observations
        with autocast(self.precision, sequences.episode_starts.device):
            features = super(ActorCriticPolicy, self).extract_features(obs, self.pi_features_extractor)
            remembered, actor = unroll(self.memory, features, sequences.episode_starts, sequences.state.actor)
            return in_32_bits(self.mlp_extractor.forward_actor(remembered)), actor

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """What `policy.load` needs to build this policy again."""
        return super()._get_constructor_parameters() | {
            "memory": self.memory_name,
            "memory_kwargs": self.memory_kwargs,
            "critic_memory": self.critic_memory_kind,
            "precision": self.precision,
            # SB3 leaves this one out, and then loads two encoders into one.
            "share_features_extractor": self.share_features_extractor,
        }

    def save(self, path: ModelFile) -> None:
        """Saves the policy alone, as JSON and safetensors.

        Raises:
            MissingObjectError: if it was made with a class or function that no file can hold; nothing is written then.
            CheckpointWriteError: if the file cannot be written; what was at `path` before is still there.
        """
        save_policy(path, self._get_constructor_parameters(), self.state_dict())

    @classmethod
    def load(
        cls: type[SelfPolicy], path: ModelFile, device: torch.device | str = "auto", *, trust_pickle: bool = False
    ) -> SelfPolicy:
        """Makes a policy from a file. Nothing in the file is unpickled or run.

        Args:
            path: a path or a binary stream.
            device: where to compute.
            trust_pickle: read a file of SB3's own format, which runs whatever code its maker put into it.

        Raises:
            CheckpointError: of the kind that says what is wrong with the file; see `memagents.errors`.
        """
        try:
            name, arguments, state = load_policy(path)
        except PickleRefusedError:
            if not trust_pickle:
                raise
            return super().load(path, device)  # type: ignore[arg-type]
        policy = with_parameters(name, state, lambda: cls(**{**arguments, "lr_schedule": cls._dummy_schedule}))
        with reading(name):
            policy.initial_state(1)  # whose size the parameters need not tell
        return policy.to(get_device(device))


class MemoryActorCriticCnnPolicy(MemoryActorCriticPolicy):
    """A policy for images: SB3's NatureCNN is the encoder."""

    def __init__(
        self, *args: Any, features_extractor_class: type[BaseFeaturesExtractor] = NatureCNN, **kwargs: Any
    ) -> None:
        super().__init__(*args, features_extractor_class=features_extractor_class, **kwargs)


class MemoryMultiInputActorCriticPolicy(MemoryActorCriticPolicy):
    """A policy for Dict observations: SB3's CombinedExtractor is the encoder."""

    def __init__(
        self, *args: Any, features_extractor_class: type[BaseFeaturesExtractor] = CombinedExtractor, **kwargs: Any
    ) -> None:
        super().__init__(*args, features_extractor_class=features_extractor_class, **kwargs)
