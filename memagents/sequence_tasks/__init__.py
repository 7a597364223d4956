"""Supervised tasks from the papers, which show that an architecture is what its name says.

One file for each task, found by name; `readers` puts a memory between embedding and read-out, `training` trains it.
Every module of this folder is imported here, so a new task needs its own file and nothing else.
"""

import importlib
import pkgutil

from memagents.sequence_tasks.base import Batch, Scores, Task
from memagents.sequence_tasks.readers import Reader
from memagents.sequence_tasks.registry import list_tasks, make_task, register_task, vary_task
from memagents.sequence_tasks.training import Curriculum, Training, TrainingSettings, train

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = [
    "Batch",
    "Curriculum",
    "Reader",
    "Scores",
    "Task",
    "Training",
    "TrainingSettings",
    "list_tasks",
    "make_task",
    "register_task",
    "train",
    "vary_task",
]
