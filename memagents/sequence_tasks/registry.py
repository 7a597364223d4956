"""Tasks by name: `make_task("copy", max_length=10)`."""

import dataclasses
import difflib
from collections.abc import Callable
from typing import Any, TypeVar

from memagents.sequence_tasks.base import Task

AnyTask = TypeVar("AnyTask", bound=type[Task])

_TASKS: dict[str, type[Task]] = {}


def register_task(name: str) -> Callable[[AnyTask], AnyTask]:
    """Class decorator that names a task and makes it available under that name.

    Raises:
        ValueError: if another class already has that name.
    """

    def register(task_class: AnyTask) -> AnyTask:
        known = _TASKS.get(name)
        if known is not None and known.__qualname__ != task_class.__qualname__:
            raise ValueError(f"the task name {name!r} is taken by {known.__qualname__}; choose another name")
        task_class.name = name
        _TASKS[name] = task_class
        return task_class

    return register


def list_tasks() -> list[str]:
    """The registered names, in alphabetical order."""
    return sorted(_TASKS)


def task_class(name: str) -> type[Task]:
    """The class registered under `name`.

    Raises:
        ValueError: if there is none; the message suggests the nearest name.
    """
    if name in _TASKS:
        return _TASKS[name]
    near = difflib.get_close_matches(name, _TASKS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown task {name!r}: {hint}registered are {', '.join(list_tasks())}")


def make_task(name: str, **options: Any) -> Task:
    """Builds the task registered under `name`.

    Raises:
        ValueError: for an unknown name or option, or an option out of its range.
    """
    chosen = task_class(name)
    check_task_options(chosen, options)
    return chosen(**options)


def vary_task(task: Task, **options: Any) -> Task:
    """`task` with other options, for the same reader.

    Raises:
        ValueError: for an unknown option, or one that changes what goes into the memory or is read from it.
    """
    check_task_options(type(task), options)
    varied = dataclasses.replace(task, **options)
    sizes = [(other.input_size, other.target_size) for other in (task, varied)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"{options} changes (input_size, target_size) of task {task.name!r} from {sizes[0]} to {sizes[1]}; "
            "a reader cannot be carried over"
        )
    return varied


def check_task_options(task_class: type[Task], options: dict[str, Any]) -> None:
    """Raises ValueError if the task has no such option; the message lists the valid ones."""
    valid = [field.name for field in dataclasses.fields(task_class)]
    for option in options:
        if option not in valid:
            known = ", ".join(valid)
            raise ValueError(f"task {task_class.name!r} has no option {option!r}; its options are: {known}")
