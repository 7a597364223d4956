"""Train one agent. The same on the command line:

memagents train --env memagents_envs:MemAgents/TMaze-v0 --env-kwargs corridor_length=10 --memory lstm \
    --memory-kwargs hidden_size=64 --algo-kwargs learning_rate=1e-3 ent_coef=0.01 normalize_advantage=False \
    --timesteps 80_000
"""

from memagents.runs.training import TrainConfig, train


def main() -> None:
    config = TrainConfig(
        env="memagents_envs:MemAgents/TMaze-v0",
        env_kwargs={"corridor_length": 10},
        memory="lstm",
        memory_kwargs={"hidden_size": 64},
        algo_kwargs={"learning_rate": 1e-3, "ent_coef": 0.01, "normalize_advantage": False},
        timesteps=80_000,
    )
    result = train(config)
    print(result.evaluation.describe())
    print(f"model, metrics and evaluation: {result.folder}")


if __name__ == "__main__":
    main()
