"""Memory Gym (Pleines et al., "Memory Gym: towards endless tasks to benchmark memory capabilities of agents", 2023).

Mortar Mayhem, Mystery Path and Searing Spotlights, as images [84, 84, 3]: ten ids. Nothing is adapted: the namespace
only says where they come from.

How to install it: version 1.0.2 asks for exactly gymnasium 0.29.0 and pygame 2.4.0, and pip cannot bring that together
with stable-baselines3 of today. It runs with gymnasium 1.4 and pygame-ce, so these two commands, in this order:

    pip install "pygame-ce>=2.5"
    pip install --no-deps memory-gym==1.0.2

`pip install memory-gym` alone gets an old release with other ids, and pygame beside pygame-ce breaks both. There is no
extra for it, because an extra cannot say `--no-deps`.
"""

import os

from memagents_envs.suites import adapt, import_suite, own_specs

# Neither a window nor a sound card is needed, and most servers have neither.
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
import_suite("memory_gym")

IDS = tuple(
    adapt(spec)
    for prefix in ("MortarMayhem", "MysteryPath", "SearingSpotlights", "Endless-")
    for spec in own_specs(prefix)
    if str(spec.entry_point).startswith("memory_gym.")
)
