"""The exception tree. Each type names the boundary that failed; each message says what was wrong, the value, and what to do.

PonderError
├── InputError            the user's input: a flag, a file, a row, a name      (exit 1)
├── MissingExtra          an optional dependency is not installed              (exit 1)
├── BudgetError
│   ├── BudgetExhausted   a limit is reached; `solve` turns it into the best answer so far
│   │   └── LimitReached  it is that of an API key, and says when it is reset
│   └── PriceUnknown      a dollar budget on a model whose price is not known
├── ModelError
│   ├── AbilityMissing    the model cannot do what the strategy needs
│   ├── EndpointError     the endpoint answered with an error, or not at all
│   └── ProtocolError     the endpoint answered something that is not its protocol
├── VerifierError         a verifier could not run at all (one that cannot tell gives `Score(None)`)
├── RewardHacked          a run in training is paid for what a held-out verifier says is wrong
└── StoreError            the sample bank cannot be read or written
"""

from collections.abc import Mapping


class PonderError(Exception):
    """Root of everything ponder raises on purpose."""


class InputError(PonderError):
    """The user's input is wrong."""


class MissingExtra(PonderError):
    """An optional dependency is needed; the message is the line that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f'this needs the package `{package}`: pip install "ponder[{extra}]"')


class BudgetError(PonderError):
    """Something about the budget."""


class BudgetExhausted(BudgetError):
    """A draw cannot fit the budget even when everything in flight has settled.

    `limit` is the kind (`tokens usd seconds calls`), `allowed` its value, `spent` what is gone, `needed` what the draw could cost.
    """

    def __init__(self, limit: str, allowed: float, spent: float, needed: float) -> None:
        self.limit, self.allowed, self.spent, self.needed = limit, allowed, spent, needed
        more = f", and the next draw may need {needed:g} more" if needed else ""
        super().__init__(
            f"the budget of {allowed:g} {limit} is exhausted: {spent:g} spent{more}; raise --budget, or lower --max-tokens"
        )


class LimitReached(BudgetExhausted):
    """What an API key may use is used, or what is left is too little. `after`: seconds until its reset, None if there is none."""

    def __init__(self, limit: str, allowed: float, spent: float, needed: float, after: float | None) -> None:
        super().__init__(limit, allowed, spent, needed)
        self.after = after
        reset = "it is not reset" if after is None else f"it is reset in {after:.0f} s"
        self.args = (f"this API key's limit of {allowed:g} {limit} is reached: {spent:g} used; {reset}",)


class PriceUnknown(BudgetError):
    """A dollar limit was set, and the model's price is unknown."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"the price of `{model}` is unknown, so a dollar budget cannot be kept; "
            f"give it with --price PROMPT,COMPLETION (US dollars per million tokens), or set the budget in tokens or seconds"
        )


class ModelError(PonderError):
    """The model could not answer."""


class AbilityMissing(ModelError):
    """The model lacks an ability that the strategy or the request needs."""

    def __init__(self, model: str, ability: str, advice: str) -> None:
        self.ability = ability
        super().__init__(f"`{model}` lacks the ability `{ability}`: {advice}")


class EndpointError(ModelError):
    """The endpoint answered with an error status, or did not answer. `status` is None when there was no answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class ProtocolError(ModelError):
    """The endpoint answered something that its protocol does not allow.

    `goes_on`: it was cut off in the midst for that, and may have written more than it has told.
    """

    goes_on = False


class VerifierError(PonderError):
    """A verifier could not run."""


class RewardHacked(PonderError):
    """A run in training was stopped, because its reward and a held-out verifier have parted. `step`, from 0, is the last one done;
    `signs` says what is beyond its limit, by name, each in a sentence."""

    def __init__(self, step: int, patience: int, signs: Mapping[str, str]) -> None:
        self.step, self.signs = step, dict(signs)
        told = "; ".join(f"{name}: {sentence}" for name, sentence in signs.items())
        super().__init__(
            f"training is stopped behind step {step}: for {patience} steps in a row ({told}); "
            f"the checkpoint is saved: read the answers, mend the reward, and run it again"
        )


class StoreError(PonderError):
    """The sample bank cannot be read or written."""
