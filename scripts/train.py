"""Train one agent. The same on the command line:

memagents train --env memagents_envs:MemAgents/TMaze-v0 --env-kwargs corridor_length=10 --memory lstm \
    --memory-kwargs hidden_size=64 --timesteps 100_000
"""

from memagents.runs.training import TrainConfig, train


def main() -> None:
    config = TrainConfig(
        env="memagents_envs:MemAgents/TMaze-v0",
        env_kwargs={"corridor_length": 10},
        memory="lstm",
        memory_kwargs={"hidden_size": 64},
        timesteps=100_000,
    )
    result = train(config)
    print(result.evaluation.describe())
    print(f"model, metrics and evaluation: {result.folder}")


if __name__ == "__main__":
    main()
