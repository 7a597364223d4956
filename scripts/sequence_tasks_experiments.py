"""The experiments of sequence_tasks.py: what is claimed, how it is tried, and what has to come out."""

from sequence_tasks_claims import control
from sequence_tasks_external import EXTERNAL
from sequence_tasks_reach import REACHING_BACK

TRAINED = (*EXTERNAL, *REACHING_BACK)
CONTROLS = {experiment.panel: control(experiment) for experiment in reversed(TRAINED)}
EXPERIMENTS = {experiment.name: experiment for experiment in (*TRAINED, *reversed(CONTROLS.values()))}
