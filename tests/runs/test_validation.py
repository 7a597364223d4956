"""Mistakes are named before anything is built."""

import pytest

from memagents.runs.training import evaluate_run, train
from memagents.runs.validation import check_config

MISTAKES = {
    "unknown memory": ({"memory": "lsmt"}, "unknown memory 'lsmt': did you mean 'lstm'"),
    "unknown memory option": ({"memory_kwargs": {"size": 3}}, "'gru' has no option 'size'; .*hidden_size, num_layers"),
    "unknown environment": ({"env": "memagents_envs:MemAgents/TMaz-v0", "env_kwargs": {}}, "Did you mean .*TMaze-v0"),
    "module that is not there": ({"env": "no_such_module:A/B-v0"}, "cannot import 'no_such_module'"),
    "unknown environment argument": ({"env_kwargs": {"corridor_lenght": 3}}, "did you mean 'corridor_length'"),
    "unknown algorithm argument": ({"algo_kwargs": {"n_epoch": 3}}, "'ppo' has no argument 'n_epoch': did you mean"),
    "argument of another algorithm": ({"algo": "a2c", "algo_kwargs": {"clip_range": 0.1}}, "'a2c' has no argument"),
    "argument with its own field": ({"algo_kwargs": {"seed": 3}}, "algo_kwargs may not hold 'seed'"),
    "unknown encoder": ({"encoder": "rbff"}, "unknown encoder 'rbff': did you mean 'rbf'.*cnn, flatten, neocognitron"),
    "unknown encoder option": (
        {"encoder": "rbf", "encoder_kwargs": {"centers": 3}},
        "encoder 'rbf' has no option 'centers'; its options are: features_dim, num_centers",
    ),
    "arguments without an encoder": ({"encoder_kwargs": {"features_dim": 3}}, r"\(features_dim\) need an encoder"),
    "encoder twice": (
        {"encoder": "rbf", "algo_kwargs": {"policy_kwargs": {"features_extractor_kwargs": {"features_dim": 3}}}},
        "the encoder is set twice, by encoder='rbf' and by features_extractor_kwargs in policy_kwargs",
    ),
    "unknown policy": ({"policy": "MlpPolcy"}, "unknown policy 'MlpPolcy': did you mean 'MlpPolicy'"),
    "no steps": ({"timesteps": 0}, "timesteps must be at least 1, got 0"),
    "no environments": ({"n_envs": 0}, "n_envs must be at least 1, got 0"),
    "no evaluation": ({"eval_episodes": -1}, "eval_episodes must be at least 1, got -1"),
    "no steps to flow back": ({"sequence_length": 0}, "sequence_length must be at least 1, got 0"),
    "uneven sequences": ({"sequence_length": 48}, "sequence_length must divide n_steps, got sequence_length=48"),
    "uneven minibatches": (
        {"sequence_length": 8, "algo_kwargs": {"n_steps": 16, "batch_size": 20}},
        "sequence_length must divide batch_size, got sequence_length=8 and batch_size=20",
    ),
    "no discount of rewards": (
        {"normalize": True, "algo_kwargs": {"gamma": 1.5}},
        r"normalize needs a gamma from 0 to 1, the discount of rewards, got 1\.5 in algo_kwargs",
    ),
    "text for a number": ({"timesteps": "96"}, "timesteps must be of type int, got '96'"),
    "number for a text": ({"env": 3}, "env must be of type str, got 3"),
    "number for a choice": ({"vectorization": 3}, "vectorization must be one of auto, batched, dummy, subproc, got 3"),
    "options that are none": ({"memory_kwargs": [3]}, r"memory_kwargs must be of type dict, got \[3\]"),
    "option without a name": ({"env_kwargs": {3: 3}}, r"env_kwargs must be of type dict, got \{3: 3\}"),
    "option of another kind": ({"memory_kwargs": {"hidden_size": "x"}}, "hidden_size must be of type int, got 'x'"),
    "argument of another kind": ({"algo_kwargs": {"ent_coef": "x"}}, "ent_coef must be of type float, got 'x'"),
    "argument that is NaN": ({"algo_kwargs": {"gamma": float("nan")}}, "gamma must be of type float, got nan"),
    "no epochs": ({"algo_kwargs": {"n_epochs": 0}}, "n_epochs must be at least 1, got 0"),
    "negative seed": ({"seed": -1}, "seed must be from 0 to 4294967295, got -1"),
    "large seed": ({"seed": 2**32}, "seed must be from 0 to 4294967295, got 4294967296"),
    "relative module": ({"env": ".x:A/B-v0"}, "cannot import '.x'"),
    "module that is no name": ({"env": "\0:A/B-v0"}, "cannot import"),
    "unknown precision": ({"precision": "float16"}, "precision must be one of float32, tf32, bfloat16, got 'float16'"),
    "precision twice": (
        {"precision": "tf32", "algo_kwargs": {"policy_kwargs": {"precision": "float32"}}},
        "precision is set twice, by precision='tf32' and in policy_kwargs",
    ),
    "device that is not there": (
        {"device": "cuda:99"},
        "torch cannot compute on device 'cuda:99' here: .*; try cpu",
    ),
    "device that is none": ({"device": "gpu"}, "torch cannot compute on device 'gpu' here: .*; try cpu"),
    "device among other arguments": ({"algo_kwargs": {"device": "cpu"}}, "algo_kwargs may not hold 'device'"),
    "no threads": ({"threads": 0}, "threads must be at least 1, got 0"),
}


@pytest.mark.parametrize(("changes", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_and_nothing_is_built(changes, message, tiny, tmp_path, environments_built, unchecked):
    with pytest.raises(ValueError, match=message):
        train(tiny(**changes))
    assert environments_built == []
    assert list(tmp_path.iterdir()) == []


def test_every_argument_of_the_stable_baselines3_class_can_be_given(tiny):
    check_config(tiny(algo_kwargs={"target_kl": 0.1, "gae_lambda": 0.9, "policy_kwargs": {}}))
    check_config(tiny(algo="a2c", algo_kwargs={"use_rms_prop": False, "gae_lambda": 0.9}))


def test_an_evaluation_needs_an_episode(finished):
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        evaluate_run(finished, episodes=0)


def test_an_evaluation_has_no_negative_seed(finished):
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        evaluate_run(finished, episodes=1, seed=-1)


@pytest.mark.parametrize(
    "value", [{"algo_kwargs": {"max_grad_norm": float("inf")}}, {"step_timeout": 3, "vectorization": "subproc"}]
)
def test_infinity_and_whole_numbers_are_numbers(value, tiny, unchecked):
    check_config(tiny(**value))
