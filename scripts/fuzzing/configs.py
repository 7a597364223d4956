"""What can be asked of the package in the wrong way, by configurations and by command lines: a part of `fuzz.py`."""

from collections.abc import Callable
from dataclasses import asdict, fields
from random import Random
from typing import Any, TypeAlias

from fuzzing.trees import KEYS, NAMES, NUMBERS, ODD, SIZES, TEXTS, shortened

from memagents.encoders.registry import encoder_options
from memagents.memories.registry import memory_options
from memagents.runs.config import TrainConfig
from memagents.runs.models import algorithm_options

Fields: TypeAlias = dict[str, Any]
ConfigDamage: TypeAlias = Callable[[Fields, Random], str]
Words: TypeAlias = list[str]
WordDamage: TypeAlias = Callable[[Words, Random], str]

SHARED = {"n_envs": 2, "timesteps": 48, "checkpoint_every": 16, "eval_episodes": 2}
T_MAZE = {"env": "memagents_envs:MemAgents/TMaze-v0", "env_kwargs": {"corridor_length": 2}}
ROLLOUT = {"n_steps": 8, "n_epochs": 1}
BASES = (
    TrainConfig(**T_MAZE, **SHARED, memory="gru", memory_kwargs={"hidden_size": 4}, algo_kwargs=ROLLOUT),
    TrainConfig(
        **SHARED,
        env="CartPole-v1",
        memory="lstm",
        memory_kwargs={"hidden_size": 4},
        algo="a2c",
        algo_kwargs={"n_steps": 8, "policy_kwargs": {"net_arch": [8]}},
        sequence_length=4,
        critic_memory="separate",
    ),
    TrainConfig(
        **SHARED,
        env="Pendulum-v1",
        normalize=True,
        memory="transformer",
        memory_kwargs={"hidden_size": 4, "num_heads": 2, "window": 3},
        algo_kwargs={**ROLLOUT, "use_sde": True, "target_kl": 0.1, "clip_range_vf": 0.2},
    ),
    TrainConfig(
        **T_MAZE,
        **SHARED,
        encoder="rbf",
        encoder_kwargs={"num_centers": 3},
        memory="dnc",
        memory_kwargs={"hidden_size": 4, "memory_size": 3, "word_size": 2},
        algo="a2c",
        algo_kwargs={"n_steps": 8},
        last_action_reward=True,
        threads=1,
    ),
)
"""Configurations that can be trained in a second."""

TEXT_FIELDS = ("env", "memory", "encoder", "policy", "algo", "vectorization", "critic_memory")
NUMBER_FIELDS = (
    *("seed", "timesteps", "n_envs", "eval_episodes", "checkpoint_every", "threads", "sequence_length", "step_timeout"),
)
KWARGS = ("memory_kwargs", "env_kwargs", "algo_kwargs", "encoder_kwargs")
POLICY_OPTIONS = (
    *(
        "net_arch",
        "activation_fn",
        "ortho_init",
        "optimizer_class",
        "optimizer_kwargs",
        "log_std_init",
        "squash_output",
    ),
    *("features_extractor_class", "features_extractor_kwargs", "share_features_extractor", "use_expln", "memory"),
    *("normalize_images", "full_std", "lr_schedule", "critic_memory", "observation_space"),
)
NESTED = (
    *({"pi": [4], "vf": [4]}, {"pi": "x"}, [-1], [0], [4, "x"], [10**9], {"lr": "x"}, {"eps": -1}, {"betas": 3}),
    *({"features_dim": 0}, {"features_dim": 10**9}, {"weight_decay": float("nan")}),
)


def wrong_type(config: Fields, random: Random) -> str:
    return setting(config, random.choice(list(config)), random.choice(ODD))


def setting(options: Fields, name: str, value: Any) -> str:
    options[name] = value
    return f"{name}={shortened(value)}"


def unknown_name(config: Fields, random: Random) -> str:
    name = random.choice(TEXT_FIELDS)
    text = str(config[name])
    near = text[:-1], text + "x", text.upper(), f"{text}:{text}", f":{text}", f"{text}:", f".{text}:{text}"
    return setting(config, name, random.choice((*near, *NAMES)))


def out_of_range(config: Fields, random: Random) -> str:
    return setting(config, random.choice(NUMBER_FIELDS), random.choice((0, -1, -(10**9), *NUMBERS)))


def huge(config: Fields, random: Random) -> str:
    return setting(config, random.choice(NUMBER_FIELDS), random.choice(SIZES))


def odd_text(config: Fields, random: Random) -> str:
    return setting(config, random.choice((*TEXT_FIELDS, "folder")), random.choice(TEXTS))


def known_options(config: Fields, kwargs: str) -> list[str]:
    """Options by their right names, as far as the configuration names something that has some."""
    options = {
        "memory_kwargs": lambda: list(memory_options(config["memory"])),
        "encoder_kwargs": lambda: list(encoder_options(config["encoder"])),
        "algo_kwargs": lambda: list(algorithm_options(config["algo"])),
        "env_kwargs": lambda: list(config["env_kwargs"]) or ["render_mode"],
    }
    return options[kwargs]() or ["x"]


def odd_option(config: Fields, random: Random) -> str:
    if config["encoder"] is None:
        config["encoder"] = "perceptron"
    kwargs = random.choice(KWARGS)
    option, value = random.choice(known_options(config, kwargs)), random.choice(ODD)
    config[kwargs] = {**config[kwargs], option: value}
    return f"{kwargs}: {option}={shortened(value)}"


def unknown_option(config: Fields, random: Random) -> str:
    kwargs, option = random.choice(KWARGS), random.choice((*KEYS, *TEXTS, "seed", "n_step", 3, None, ("a",)))
    config[kwargs] = {**config[kwargs], option: random.choice(ODD)}
    return f"{kwargs}: {shortened(option)}={shortened(config[kwargs][option])}"


def nested_option(config: Fields, random: Random) -> str:
    inner = {random.choice(POLICY_OPTIONS): random.choice((*ODD, *NESTED))}
    config["algo_kwargs"] = {**config["algo_kwargs"], "policy_kwargs": inner}
    return f"policy_kwargs={shortened(inner)}"


def several(config: Fields, random: Random) -> str:
    chosen = random.choices([wrong_type, out_of_range, odd_text, unknown_option, nested_option], k=random.randint(2, 3))
    told = []
    for damage in chosen:
        for kwargs in KWARGS:
            if not isinstance(config[kwargs], dict):
                config[kwargs] = {}
        told.append(damage(config, random))
    return "; ".join(told)


CONFIG_DAMAGES: dict[str, ConfigDamage] = {
    "wrong type": wrong_type,
    "unknown name": unknown_name,
    "out of range": out_of_range,
    "huge": huge,
    "odd text": odd_text,
    "odd option": odd_option,
    "unknown option": unknown_option,
    "nested options": nested_option,
    "several at once": several,
}


def damaged_config(random: Random, damage: ConfigDamage) -> tuple[Fields, str]:
    base = random.choice(BASES)
    config = {field.name: getattr(base, field.name) for field in fields(base)}
    return config, damage(config, random)


# Command lines.

LITERALS = (
    *(
        "(" * 1000,
        "[" * 100_000,
        "9" * 5000,
        "1e999",
        "{[]: 1}",
        "'\\0'",
        "b'x'",
        "{1, 2}",
        "lambda: 0",
        "(1,)",
        "1" + "+1" * 9,
    ),
    *("__import__('os')", "...", "1j", "-" * 5000 + "1", "{**{}}", "'\\ud800'", "None", "0x" + "f" * 500, " 1", "\n1"),
)


def words_of(config: TrainConfig) -> Words:
    """The command line that trains a configuration."""
    words = ["train"]
    for name, value in asdict(config).items():
        flag = "--" + name.replace("_", "-")
        if isinstance(value, dict):
            words += [flag, *(f"{key}={x}".replace(" ", "") for key, x in value.items())] if value else []
        elif isinstance(value, bool):
            words += [flag] if value else []
        elif value is not None and value != ():
            words += [flag, str(value)]
    return words


def commands(runs: dict[str, str]) -> list[Words]:
    """Command lines that can be obeyed, or are refused at once, each within a second."""
    nowhere = ["--env", "no_such_module:x-v0"]
    return [
        *map(words_of, BASES),
        ["train", "--resume", runs["unfinished"]],
        ["resume", runs["unfinished"]],
        ["evaluate", runs["finished"], "--episodes", "2", "--seed", "3"],
        ["list", "--envs"],
        ["doctor", *nowhere, "--steps", "3", "--env-kwargs", "corridor_length=3"],
        ["compare", *nowhere, "--memory", "gru", "none", "--algo", "ppo", "--seeds", "1", "--jobs", "1"],
    ]


def word_replaced(words: Words, random: Random) -> str:
    place = random.randrange(len(words))
    words[place] = random.choice((*TEXTS[:8], *map(str, NUMBERS), *NAMES, "--help", "--", "-", "--x", "=", "a=", "=3"))
    return f"word {place} replaced"


def word_missing(words: Words, random: Random) -> str:
    place = random.randrange(len(words))
    return f"{words.pop(place)!a} removed"


def word_doubled(words: Words, random: Random) -> str:
    place = random.randrange(len(words))
    words.insert(place, words[place])
    return f"word {place} twice"


def words_swapped(words: Words, random: Random) -> str:
    one, other = (random.randrange(len(words)) for _ in range(2))
    words[one], words[other] = words[other], words[one]
    return f"words {one} and {other} swapped"


def foreign_flag(words: Words, random: Random) -> str:
    flags = (
        "--verbose",
        "--resume",
        "--folder",
        "--log",
        "--threads",
        "--algo-kwargs",
        "--memory-kwargs",
        "--env-kwargs",
    )
    flag, value = (
        random.choice(flags),
        random.choice((*TEXTS[:8], "3", "x=3", "n_envs=3", "policy_kwargs={'net_arch':[4]}")),
    )
    words += [flag, value]
    return "flag added"


def odd_literal(words: Words, random: Random) -> str:
    flag = random.choice(("--algo-kwargs", "--memory-kwargs", "--env-kwargs"))
    name = {"--algo-kwargs": "n_steps", "--memory-kwargs": "hidden_size", "--env-kwargs": "corridor_length"}[flag]
    words += [flag, f"{name}={random.choice(LITERALS)}"]
    return "literal added"


def odd_characters(words: Words, random: Random) -> str:
    place = random.randrange(len(words))
    words[place] += random.choice(("\udce4", "\0", "☃", "\n", "\x1b[2J", "[red]", "%s", "{}", "\\", "'"))
    return f"odd character at the end of word {place}"


WORD_DAMAGES: dict[str, WordDamage] = {
    "word replaced": word_replaced,
    "word missing": word_missing,
    "word doubled": word_doubled,
    "words swapped": words_swapped,
    "foreign flag": foreign_flag,
    "odd literal": odd_literal,
    "odd characters": odd_characters,
}


def damaged_words(runs: dict[str, str], random: Random, damage: WordDamage) -> tuple[Words, str]:
    words = list(random.choice(commands(runs)))
    told = damage(words, random)
    return words, f"{told}: {shortened(words)}"
