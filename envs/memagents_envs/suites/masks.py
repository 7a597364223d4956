"""Control tasks of which positions or velocities are hidden, so that a memory must make up for them.

The names are those of Ni et al. ("Recurrent model-free RL can be a strong baseline for many POMDPs", ICML 2022): `-P`
shows positions only, `-V` velocities only. `MemAgents/HalfCheetah-P-v5` is gymnasium's `HalfCheetah-v5` without
velocities.
"""

import gymnasium
from gymnasium.envs.registration import WrapperSpec

from memagents_envs.suites import adapt

MASKS = {
    "P": WrapperSpec("HideVelocities", "memagents_envs.wrappers:HideVelocities", {}),
    "V": WrapperSpec("HidePositions", "memagents_envs.wrappers:HidePositions", {}),
}


def masked(env_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Registers both masks of these environments, and gives the new ids."""
    specs = [gymnasium.spec(env_id) for env_id in env_ids]
    return tuple(
        adapt(spec, mask, name=f"{spec.name}-{letter}-v{spec.version}")
        for spec in specs
        for letter, mask in MASKS.items()
    )
