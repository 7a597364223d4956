"""What holds for every registered task; a new one is tested by being registered."""

import copy
import dataclasses
import math
import pkgutil

import numpy as np
import pytest
import torch

import memagents.sequence_tasks
from memagents.sequence_tasks import Batch, list_tasks, make_task, register_task, vary_task
from memagents.sequence_tasks.registry import task_class
from memagents.sequence_tasks.scoring import count

SMALL = {
    "adding": {"length": 30},
    "copy_memory": {"delay": 20},
    "induction_heads": {"length": 40},
    "selective_copying": {"length": 40},
}
VARIANTS = [
    *((name, SMALL.get(name, {})) for name in list_tasks()),
    ("copy", {"num_sequences": 3, "max_length": 4}),
    ("copy", {"min_length": 5, "max_length": 5}),
    ("repeat_copy", {"min_repeats": 3, "max_repeats": 3}),
    ("stories", {"supporting_facts": 2}),
    ("stories", {"supporting_facts": 3}),
    ("one_shot_classification", {"sight": 1}),
    ("one_shot_classification", {"sight": 2}),
    ("one_shot_classification", {"sight": 10}),
]
variants = pytest.mark.parametrize(("name", "options"), VARIANTS)
NOT_TASKS = {"base", "registry", "drawing", "scoring", "readers", "optimizers", "training"}


@variants
def test_a_batch_has_the_sizes_that_the_task_declares(name, options, generator):
    task = make_task(name, **options)
    batch = task.draw(7, generator)
    num_steps = len(batch.inputs)
    assert batch.inputs.shape == (num_steps, 7, task.input_size)
    assert batch.mask.shape == batch.episode_starts.shape == (num_steps, 7)
    if task.loss == "cross-entropy":
        assert batch.targets.shape == (num_steps, 7)
        assert batch.targets.min() >= 0
        assert batch.targets.max() < task.target_size
    else:
        assert batch.targets.shape == (num_steps, 7, task.target_size)
    if task.loss == "bits":
        assert set(batch.targets.unique().tolist()) <= {0.0, 1.0}


@variants
def test_every_sequence_begins_an_episode_at_its_first_step_and_asks_for_something(name, options, generator):
    batch = make_task(name, **options).draw(50, generator)
    assert batch.episode_starts[0].all()
    assert not batch.episode_starts[1:].any()
    assert batch.mask.any(0).all()
    if "sight" not in options:  # which scores a part of the answers and leaves the sequences as they are
        assert batch.mask[-1].any(), "there are steps at the end that no sequence needs"


@variants
def test_a_seed_determines_the_batch(name, options):
    task = make_task(name, **options)
    batches = [task.draw(5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    same, again, other = (torch.cat([batch.inputs.flatten(), batch.targets.flatten()]) for batch in batches)
    assert torch.equal(same, again)
    assert not torch.equal(same, other)


@variants
def test_nothing_is_drawn_from_torchs_global_generator(name, options, generator):
    before = torch.get_rng_state()
    make_task(name, **options).draw(5, generator)
    assert torch.equal(torch.get_rng_state(), before)


def known_to_the_guesser(name: str, batch: Batch) -> torch.Tensor:
    """All that a guess may depend on, by the docstring of the task: a number for each step."""
    nothing = torch.zeros_like(batch.mask, dtype=torch.int64)
    if name == "copy_memory":  # which of its two parts a sequence is in
        return nothing + (torch.arange(len(nothing)) >= len(nothing) - 10).long()[:, None]
    if name == "stories":  # the place that a question names
        places = batch.inputs[..., 4:10] * batch.mask[..., None]
        return torch.where(places.any(-1), places.argmax(-1) + 1, 0)
    if name == "one_shot_classification":  # the label of the sample before
        labels = batch.inputs[..., -5:]
        return torch.where(labels.any(-1), labels.argmax(-1) + 1, 0)
    return nothing


def best_guess(task, batch, known):
    """What to read out, fitted to a batch: for everything that can be known, how often each answer was right there."""
    rows = []
    for hint in range(int(known.max()) + 1):
        targets = batch.targets[batch.mask & (known == hint)]
        if task.loss == "squared-error":
            rows.append(targets.mean(0))
        elif task.loss == "bits":
            rows.append(torch.logit(targets.mean(0)))
        else:
            frequencies = torch.bincount(targets, minlength=task.target_size) / max(len(targets), 1)
            rows.append(frequencies.clamp(min=1e-9).log())
    return torch.stack(rows)


@variants
def test_chance_is_what_the_best_guess_scores_that_remembers_nothing(name, options, generator):
    task = make_task(name, **options)
    guesser = vary_task(task, sight=None) if name == "one_shot_classification" else task  # cannot know the sight
    fitted, tested = guesser.draw(4000, generator), task.draw(4000, generator)
    guess = best_guess(task, fitted, known_to_the_guesser(name, fitted))
    outputs = guess[known_to_the_guesser(name, tested)]
    scores = count(task.loss, outputs, tested).scores(task.loss)
    assert scores.loss == pytest.approx(task.chance.loss, rel=0.025)
    assert scores.error == pytest.approx(task.chance.error, rel=0.025)


@pytest.mark.parametrize(
    ("name", "options", "loss", "error"),
    [
        ("copy", {}, 84, 0.5),
        ("copy", {"num_sequences": 10, "min_length": 5, "max_length": 5, "num_bits": 8}, 400, 0.5),
        ("associative_recall", {}, 18, 0.5),
        ("priority_sort", {}, 128, 0.5),
        ("adding", {}, 0.1667, 0.9216),
        ("copy_memory", {"delay": 500}, 0.0400, 70 / 8 / 520),
        ("copy_memory", {"delay": 1000}, 0.0204, 70 / 8 / 1020),
        ("copy_memory", {"delay": 2000}, 0.0103, 70 / 8 / 2020),
        ("one_shot_classification", {"sight": 2}, 1.610, 0.8),
        ("induction_heads", {}, math.log(15), 14 / 15),
    ],
)
def test_chance_levels_are_the_published_ones(name, options, loss, error):
    chance = make_task(name, **options).chance
    assert chance.loss == pytest.approx(loss, abs=6e-5 if loss < 1 else 1e-3)
    assert chance.error == pytest.approx(error)


def test_every_task_is_in_the_file_of_its_name_and_says_what_it_is_and_where_it_comes_from():
    files = {module.name for module in pkgutil.iter_modules(memagents.sequence_tasks.__path__)} - NOT_TASKS
    assert set(list_tasks()) == files
    for name in list_tasks():
        task = task_class(name)
        assert task.name == name
        assert task.__module__ == f"memagents.sequence_tasks.{name}"
        assert len(task.__doc__.splitlines()[0]) > 20
        assert "Chance" in task.__doc__
        assert any(character.isdigit() for character in task.paper)
        for field in dataclasses.fields(task):
            assert field.name in task.__doc__.partition("Args:")[2]


def test_tasks_are_values():
    task = make_task("copy", max_length=5)
    assert task == make_task("copy", max_length=5) == copy.deepcopy(task)
    assert task != make_task("copy", max_length=6)
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.max_length = 7


def test_an_unknown_task_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown task 'ading': did you mean 'adding'\?.*copy_memory.*stories"):
        make_task("ading")


def test_an_unknown_option_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match="'copy' has no option 'length'; its options are: min_length, max_length"):
        make_task("copy", length=3)


def test_a_variation_keeps_the_sizes_a_reader_was_built_for():
    task = make_task("copy")
    assert vary_task(task, min_length=120, max_length=120) == make_task("copy", min_length=120, max_length=120)
    with pytest.raises(ValueError, match=r"\(input_size, target_size\) of task 'copy' from \(9, 8\) to \(5, 4\)"):
        vary_task(task, num_bits=4)


def test_a_taken_name_is_refused_and_registering_the_same_class_again_is_not():
    with pytest.raises(ValueError, match="'copy' is taken by Copy"):
        register_task("copy")(type("Other", (task_class("adding"),), {}))
    assert register_task("copy")(task_class("copy")) is task_class("copy")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("copy", {"min_length": 0}, "min_length must be an integer of at least 1, got 0"),
        ("copy", {"min_length": 9, "max_length": 8}, "min_length must not be above max_length, got 9 and 8"),
        ("repeat_copy", {"min_repeats": 11}, "min_repeats must not be above max_repeats, got 11 and 10"),
        ("associative_recall", {"min_items": 1}, "min_items must be at least 2"),
        ("priority_sort", {"num_sorted": 21}, "num_sorted must not be above num_vectors, 20; got 21"),
        ("graph_traversal", {"num_edges": 5}, "num_edges must not be above num_labels and num_nodes - 1"),
        ("adding", {"length": 1}, "length must be at least 2"),
        ("copy_memory", {"delay": 0}, "delay must be an integer of at least 1"),
        ("one_shot_classification", {"sight": 11}, "sight must be from 1 to samples_per_class, 10; got 11"),
        ("one_shot_classification", {"num_classes": 1}, "num_classes must be at least 2"),
        ("stories", {"supporting_facts": 4}, "supporting_facts must be one of 1, 2, 3, got 4"),
        ("stories", {"supporting_facts": 3, "min_sentences": 2}, "min_sentences must not be below supporting_facts, 3"),
        ("multi_query_recall", {"num_pairs": 33}, "num_pairs must not be above num_keys, 32; got 33"),
        ("multi_query_recall", {"question_steps": 7}, "num_pairs must not be above question_steps, 7; got 8"),
        ("induction_heads", {"length": 2}, "length and vocabulary_size must be at least 3, got 2 and 16"),
        ("selective_copying", {"length": 15}, "num_tokens must not be above length, 15; got 16"),
        ("selective_copying", {"vocabulary_size": 3}, "vocabulary_size must be at least 4"),
        ("parity", {"min_length": 1}, "min_length must be at least 2"),
        ("chunked_recall", {"chunk_size": 1}, "chunk_size must be at least 2"),
        ("chunked_recall", {"num_chunks": 9}, "num_chunks must not be above num_tags, 8; got 9"),
        ("delayed_recall", {"min_distance": 40}, "min_distance must not be above max_distance, got 40 and 32"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_an_impossible_option_is_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_task(name, **options)


def test_distances_of_questions_follow_the_power_law_of_zoology(generator):
    """With one pair, the k-th place after it is drawn with a probability proportional to k^-0.99."""
    batch = make_task("multi_query_recall", num_pairs=1).draw(20_000, generator)
    shares = batch.mask[2:].float().mean(1).numpy()
    weights = np.arange(1, 17) ** -0.99
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.012)
