"""popjaxrl's PPO-GRU on RepeatPrevious, for `throughput_peers.py`, in a Python that has its libraries:

    pip install jax==0.4.13 jaxlib==0.4.13 flax==0.6.11 chex==0.1.7 optax==0.1.7 "numpy<1.26" "scipy<1.12" \\
        gym==0.26.2 "tensorflow-probability<0.22" gymnasium pyyaml matplotlib
    pip install --no-deps distrax==0.1.3 gymnax==0.0.6

Its own list of requirements cannot be met any more: jaxlib 0.4.7 is gone, and the flax is too new for its code.

Compiles the training, then trains once for every line it is given, and answers with how many seconds that took.
"""

import importlib
import json
import sys
import types
from time import perf_counter


def main() -> None:
    checkout, settings = sys.argv[1], json.loads(sys.argv[2])
    sys.path.insert(0, checkout)
    sys.modules["wandb"] = types.ModuleType("wandb")  # imported, and not used
    jax = importlib.import_module("jax")
    env, params = importlib.import_module("envs").make("RepeatPreviousEasy")
    wrapped = importlib.import_module("envs.wrappers").AliasPrevActionV2(env)
    config = {**settings, "ENV": wrapped, "ENV_PARAMS": params, "ANNEAL_LR": False, "DEBUG": False}
    training = importlib.import_module("algorithms.ppo_gru").make_train(config)
    train = jax.jit(training).lower(jax.random.PRNGKey(0)).compile()
    print("ready", flush=True)
    for seed, _ in enumerate(sys.stdin):
        begin = perf_counter()
        jax.block_until_ready(train(jax.random.PRNGKey(seed)))
        print(perf_counter() - begin, flush=True)


if __name__ == "__main__":
    main()
