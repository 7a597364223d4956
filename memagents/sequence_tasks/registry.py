"""Tasks by name: `make_task("copy", max_length=10)`."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from memagents.registry import Registry
from memagents.sequence_tasks.base import Task

AnyTask = TypeVar("AnyTask", bound=type[Task])

_TASKS: Registry[Task] = Registry("task")

list_tasks = _TASKS.names
task_class = _TASKS.find
check_task_options = _TASKS.check


def register_task(name: str) -> Callable[[AnyTask], AnyTask]:
    """Class decorator that names a task and makes it available under that name.

    Raises:
        ValueError: if another class already has that name.
    """

    def register(task_class: AnyTask) -> AnyTask:
        _TASKS.register(name)(task_class).name = name
        return task_class

    return register


def make_task(name: str, **options: Any) -> Task:
    """Builds the task registered under `name`.

    Raises:
        ValueError: for an unknown name or option, or an option out of its range.
    """
    check_task_options(name, options)
    return task_class(name)(**options)


def vary_task(task: Task, **options: Any) -> Task:
    """`task` with other options, for the same reader.

    Raises:
        ValueError: for an unknown option, or one that changes what goes into the memory or is read from it.
    """
    check_task_options(task.name, options)
    varied = dataclasses.replace(task, **options)
    sizes = [(other.input_size, other.target_size) for other in (task, varied)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"{options} changes (input_size, target_size) of task {task.name!r} from {sizes[0]} to {sizes[1]}; "
            "a reader cannot be carried over"
        )
    return varied
