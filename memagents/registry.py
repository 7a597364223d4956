"""Classes by name, and the options they can be built with: memories, encoders and tasks are registered alike."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from memagents.kinds import check_kinds

T = TypeVar("T")
AnyClass = TypeVar("AnyClass", bound=type)


class Registry(Generic[T]):
    """Classes of one kind by name.

    Args:
        kind: what messages call them, such as "memory".
        given: parameters of a constructor that are not options, because who builds one knows them.
    """

    def __init__(self, kind: str, *given: str) -> None:
        self.kind, self.given = kind, given
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[AnyClass], AnyClass]:
        """Class decorator that makes a class available under `name`.

        Raises:
            ValueError: if another class already has that name.
        """

        def register(cls: AnyClass) -> AnyClass:
            known = self._classes.get(name)
            if known is not None and known.__qualname__ != cls.__qualname__:
                raise ValueError(f"the {self.kind} name {name!r} is taken by {known.__qualname__}; choose another name")
            self._classes[name] = cls
            return cls

        return register

    def names(self) -> list[str]:
        """The registered names, in alphabetical order."""
        return sorted(self._classes)

    def find(self, name: str) -> type[T]:
        """The class registered under `name`.

        Raises:
            ValueError: if there is none; the message suggests the nearest name.
        """
        if name in self._classes:
            return self._classes[name]
        near = difflib.get_close_matches(name, self._classes, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown {self.kind} {name!r}: {hint}registered are {', '.join(self.names())}")

    def options(self, name: str) -> dict[str, inspect.Parameter]:
        """What can be set when the class registered under `name` is built."""
        parameters = inspect.signature(self.find(name)).parameters
        return {option: parameter for option, parameter in parameters.items() if option not in self.given}

    def check(self, name: str, options: Mapping[str, Any]) -> None:
        """Raises ValueError if the name is unknown, has no such option, or the option is of another kind.

        The message lists the valid names, or what the value can be.
        """
        valid = self.options(name)
        for option in options:
            if option not in valid:
                known = ", ".join(valid) or "none at all"
                raise ValueError(f"{self.kind} {name!r} has no option {option!r}; its options are: {known}")
        kinds = {option: parameter.annotation for option, parameter in valid.items()}
        check_kinds(options, kinds, where=f"{self.kind} {name!r}: ")
