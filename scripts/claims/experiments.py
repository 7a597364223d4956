"""The experiments of sequence_tasks.py: what is claimed, how it is tried, and what has to come out."""

from claims.external import EXTERNAL
from claims.marks import control
from claims.reach import REACHING_BACK

TRAINED = (*EXTERNAL, *REACHING_BACK)
CONTROLS = {experiment.panel: control(experiment) for experiment in reversed(TRAINED)}
EXPERIMENTS = {experiment.name: experiment for experiment in (*TRAINED, *reversed(CONTROLS.values()))}
