"""Names to things: how models, verifiers, tasks and strategies are found, whoever wrote them.

A thing comes from `register` (a notebook, a decorator), from the built-in table, or from another package's entry points, in this
order of precedence. Built-ins and plug-ins are imported when they are asked for, and a broken one is reported, not fatal.
"""

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Generic, TypeVar

from ponder.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """The things of one kind. `noun` names it in messages; `builtin` maps names to `module:object`.

    `group` is the entry-point group; `broken` says, by name, why a plug-in could not be loaded.
    """

    def __init__(self, noun: str, group: str, builtin: Mapping[str, str] = MappingProxyType({})) -> None:
        self.noun, self.group = noun, group
        self.broken: dict[str, str] = {}
        self._things: dict[str, T] = {}
        self._all: dict[str, T] | None = None
        self._builtin = builtin

    def register(self, name: str) -> Callable[[T], T]:
        """Add a thing under `name`, as a decorator or as `register(name)(thing)`; the latest wins."""

        def add(thing: T) -> T:
            self._things[name], self._all = thing, None
            return thing

        return add

    def names(self) -> list[str]:
        """Every known name, sorted. Nothing is imported."""
        return sorted(self._things.keys() | self._points.keys())

    def get(self, name: str) -> T:
        """The thing called `name`; raises InputError if there is none or if its plug-in is broken."""
        if name not in self._things:
            if name not in self._points:
                raise InputError(self._unknown(name))
            self._load(self._points[name])
        if name not in self._things:
            raise InputError(f"the {self.noun} `{name}` cannot be loaded: {self.broken[name]}; repair or uninstall its package")
        return self._things[name]

    def all(self) -> dict[str, T]:
        """Everything that loads, by name; what does not load is in `broken`."""
        if self._all is None:
            for name in self.names():
                if name not in self._things:
                    self._load(self._points[name])
            self._all = {name: self._things[name] for name in self.names() if name in self._things}
        return dict(self._all)

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        plugins = {point.name: point for point in entry_points(group=self.group)}
        return plugins | {name: EntryPoint(name, value, self.group) for name, value in self._builtin.items()}

    def _load(self, point: EntryPoint) -> None:
        try:
            thing = point.load()
        except Exception as error:  # noqa: BLE001 - a plug-in may fail in any way; the failure is recorded
            self.broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
        else:
            self._things.setdefault(point.name, thing)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=1)
        advice = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(self.names()) or 'none'}"
        return f"there is no {self.noun} called `{name}`; {advice}"


def split(specs: str, mark: str = ",") -> list[str]:
    """The parts between commas, or another mark, that stand in no brackets: `a,b(n=2,m=3)` has two."""
    parts, depth = [""], 0
    for character in specs:
        depth += (character == "(") - (character == ")")
        if character == mark and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
