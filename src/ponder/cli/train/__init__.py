"""`ponder train`: models that reason better, from the tasks and their checks. A file here is a command, its function of one name.

Nothing here imports PyTorch before a command that needs it runs.
"""

from importlib import import_module
from pkgutil import iter_modules

from cyclopts import App

train = App(
    name="train",
    help='Train models to reason: reinforcement learning, its curves. Needs: pip install "ponder[train]". A killed run goes on '
    "from its last checkpoint when the same command is given again.",
)
for _file in iter_modules(__path__):
    train.command(getattr(import_module(f"{__name__}.{_file.name}"), _file.name))
