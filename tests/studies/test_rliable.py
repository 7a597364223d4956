"""The statistics against those of rliable (Agarwal et al., 2021), which gets packages of its own."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from memagents.studies.statistics import (
    interval,
    iqm,
    mean,
    median,
    optimality_gap,
    probability_of_improvement,
    profile,
)

PINS = ("rliable==1.2.0", "absl-py==2.1.0", "arch==7.2.0", "numpy==1.26.4", "scipy==1.13.1", "pandas==2.2.3")
PINS += ("statsmodels==0.14.4", "patsy==1.0.1", "packaging==24.2", "python-dateutil==2.9.0", "six==1.17.0")
PINS += ("pytz==2025.2", "tzdata==2025.2")

THRESHOLDS = [-0.5, 0.0, 0.25, 0.5, 1.0, 2.0]

THEIRS = """
import json, sys
import numpy as np
from rliable import library, metrics

ours, theirs, thresholds = map(np.array, json.load(sys.stdin))
aggregates = [metrics.aggregate_mean, metrics.aggregate_median, metrics.aggregate_iqm, metrics.aggregate_optimality_gap]

def estimates(scores):
    return np.array([aggregate(scores) for aggregate in aggregates])

points, intervals = library.get_interval_estimates(
    {"ours": ours}, estimates, reps=5000, random_state=np.random.RandomState(0))
better, bounds = library.get_interval_estimates(
    {"both": (ours, theirs)}, metrics.probability_of_improvement, reps=2000, random_state=np.random.RandomState(0))
profile, profile_bounds = library.create_performance_profile({"ours": ours}, thresholds, reps=2000)
print(json.dumps({
    "points": points["ours"].tolist(), "intervals": intervals["ours"].tolist(),
    "better": float(better["both"]), "bounds": np.ravel(bounds["both"]).tolist(),
    "profile": profile["ours"].tolist(), "profile_bounds": profile_bounds["ours"].tolist(),
}))
"""


@pytest.fixture(scope="module")
def scores() -> tuple[np.ndarray, np.ndarray]:
    """Of two methods on three tasks; rounded, so that there are ties."""
    rng = np.random.default_rng(0)
    ours = rng.normal(size=(10, 3)) * [0.3, 1.0, 0.1] + [0.5, 0.2, 0.9]
    theirs = rng.normal(size=(8, 3)) * [0.3, 0.5, 0.2] + [0.4, 0.3, 0.5]
    return ours.round(1), theirs.round(1)


@pytest.fixture(scope="module")
def rliable(tmp_path_factory, scores) -> dict:
    """What rliable says of the scores."""
    folder = str(tmp_path_factory.mktemp("rliable"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", folder]
    installed = subprocess.run([*install, *PINS], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"rliable cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")
    given = json.dumps([scores[0].tolist(), scores[1].tolist(), THRESHOLDS])
    of_its_own = os.environ | {"PYTHONPATH": folder}  # which comes before the packages that are installed here
    command = [sys.executable, "-c", THEIRS]
    done = subprocess.run(command, input=given, env=of_its_own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


AGGREGATES = (mean, median, iqm, optimality_gap)
ERROR = 0.02
"""Of the bounds, from drawing a few thousand times, on scores of about 1."""


@pytest.mark.slow
def test_aggregates_and_their_intervals(rliable, scores):
    ours, _ = scores
    np.testing.assert_allclose([aggregate(ours) for aggregate in AGGREGATES], rliable["points"], rtol=1e-12)
    bounds = np.stack([interval(aggregate, ours) for aggregate in AGGREGATES], axis=1)
    np.testing.assert_allclose(bounds, rliable["intervals"], atol=ERROR)


@pytest.mark.slow
def test_probability_of_improvement(rliable, scores):
    assert probability_of_improvement(*scores) == pytest.approx(rliable["better"], rel=1e-12)
    bounds = interval(probability_of_improvement, *scores)
    np.testing.assert_allclose(bounds, rliable["bounds"], atol=ERROR)


@pytest.mark.slow
def test_performance_profile(rliable, scores):
    ours, thresholds = scores[0], np.array(THRESHOLDS)
    np.testing.assert_allclose(profile(ours, thresholds), rliable["profile"], rtol=1e-12)
    bounds = interval(lambda drawn: profile(drawn, thresholds), ours, resamples=2_000)
    np.testing.assert_allclose(bounds, rliable["profile_bounds"], atol=2 * ERROR)
