import pytest
import torch
from torch.nn import functional as F

from memagents.sequence_tasks import make_task
from memagents.sequence_tasks.one_shot_classification import one_shot_oracle


@pytest.fixture
def episodes(generator):
    return make_task("one_shot_classification").draw(2000, generator)


def test_an_episode_shows_ten_samples_of_each_of_five_classes_in_random_order(episodes):
    named = F.one_hot(episodes.targets, 5)
    assert (named.sum(0) == 10).all()
    # Each step shows each class equally often: 400 of 2,000 times, with a standard deviation of 18.
    assert (named.sum(1) - 400).abs().max() < 90


def test_the_label_of_the_sample_before_comes_with_each_sample(episodes):
    labels = episodes.inputs[..., -5:]
    assert not labels[0].any()
    assert torch.equal(labels[1:].argmax(-1), episodes.targets[:-1])


def test_samples_lie_around_a_prototype_of_their_class_with_the_noise_that_is_declared(episodes):
    samples, named = episodes.inputs[..., :32], F.one_hot(episodes.targets, 5).float()
    means = torch.einsum("tbn,tbf->nbf", named, samples) / 10
    around = samples - torch.einsum("tbn,nbf->tbf", named, means)
    assert around.square().mean().sqrt() == pytest.approx(0.96 * 0.9**0.5, rel=0.01)  # less one of ten: the mean's own
    assert means.square().mean() == pytest.approx(1 + 0.96**2 / 10, rel=0.02)


def test_the_oracle_that_saw_one_sample_of_each_class_is_right_in_95_of_100_cases(episodes):
    guesses = one_shot_oracle(episodes.inputs[..., :32], episodes.targets, 5)
    seen = F.one_hot(episodes.targets, 5).cumsum(0)
    is_first = seen.gather(-1, episodes.targets[..., None])[..., 0] == 1
    after_all_were_seen = (seen > 0).all(-1) & ~is_first
    right = (guesses == episodes.targets)[after_all_were_seen].float().mean()
    assert right == pytest.approx(0.95, abs=0.005)


def test_the_oracle_finds_the_nearest_of_what_it_saw_and_nothing_that_is_yet_to_come():
    samples = torch.tensor([0.0, 10.0, 9.0, 1.0, 4.0]).view(5, 1, 1)
    labels = torch.tensor([2, 0, 0, 2, 1]).view(5, 1)
    assert one_shot_oracle(samples, labels, 3).flatten().tolist() == [0, 2, 0, 2, 2]


def test_a_sight_scores_that_sight_of_each_class_and_leaves_the_sequences_as_they_are():
    task = {"name": "one_shot_classification"}
    whole = make_task(**task).draw(20, torch.Generator().manual_seed(1))
    for sight in (1, 2, 10):
        batch = make_task(**task, sight=sight).draw(20, torch.Generator().manual_seed(1))
        assert torch.equal(batch.inputs, whole.inputs)
        for row, labels in enumerate(whole.targets.T.tolist()):
            counts = [labels[: time + 1].count(label) for time, label in enumerate(labels)]
            assert batch.mask[:, row].tolist() == [number == sight for number in counts]
