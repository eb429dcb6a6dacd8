"""Who judges."""

from ponder.errors import InputError
from ponder.registry import Registry
from ponder.types import Task, Verifier

verifiers: Registry[Verifier] = Registry(
    "verifier",
    "ponder.verifiers",
    {name: f"ponder.verifiers.{name}:{name}" for name in ("choice", "code", "exact", "math")},
)


def open_verifier(spec: str, task: Task) -> Verifier:
    """The verifier called `spec`; `task` means the task's own. Raises InputError if there is none."""
    if spec != "task":
        return verifiers.get(spec)
    if task.verifier is None:
        raise InputError(f"the task `{task.name}` has no verifier of its own; choose one of {', '.join(verifiers.names())}")
    return task.verifier
