"""What a search by thoughts asks of a model: which thoughts could come next, and what those it has are worth."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from statistics import fmean

from ponder import trace
from ponder.errors import AbilityMissing, InputError, VerifierError
from ponder.models.sample import claim, draws, together
from ponder.strategies.draw import scored
from ponder.strategies.steps import Path, draw_steps, score_paths
from ponder.types import Message, Model, Problem, Request, Score, Thoughts, Verifier

Thought = tuple[Path, float]
"""A path after one more thought, and the weight that its proposals gave it together."""


@dataclass(slots=True)
class Mind:
    """A model that thinks about a problem. Equal questions are asked once; `error` is the first thing that went wrong.

    `draws` is how often it is asked to propose, or how many next steps it is drawn; `judgements` how often to judge or to vote.
    `sighted` is set once an unfinished thought could be judged.
    """

    problem: Problem
    model: Model
    verifier: Verifier | None
    generate: str
    evaluate: str
    draws: int
    judgements: int
    error: str | None = None
    sighted: bool = False
    _replies: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Say what is missing before anything is spent: raises `InputError`, or `AbilityMissing`."""
        for what, named, known in (("generate", self.generate, _GENERATE), ("evaluate", self.evaluate, _EVALUATE)):
            if named not in known:
                raise InputError(f"`{what}` is one of {', '.join(known)}, and not {named!r}")
        if self.generate == "sample" and not self.model.abilities.continues:
            raise AbilityMissing(self.model.name, "continues", "it cannot go on from its own steps; take generate=propose")
        if self.evaluate == "verifier" and self.verifier is None:
            raise InputError("evaluate=verifier needs a verifier; name one with --verifier, or take evaluate=value")
        if self.evaluate == "task" and self.thoughts.value is None:
            raise InputError(f"the task `{self.problem.task.name}` cannot judge unfinished solutions; take evaluate=value")

    @property
    def thoughts(self) -> Thoughts:
        return self.problem.task.thoughts or GENERIC

    async def grown(self, paths: Sequence[Path], *, last: bool) -> list[Thought]:
        """What each path could become, those of the first path first; equal texts are one, of their joint weight."""
        merged: dict[tuple[str, bool], Thought] = {}
        for path, weight in await _GENERATE[self.generate](self, paths, last):
            if path.error is not None:
                self.error = self.error or path.error
                continue
            first, before = merged.get((path.text, path.ended), (path, 0.0))
            merged[path.text, path.ended] = first, before + weight
        return list(merged.values())

    async def judged(self, paths: Sequence[Path]) -> list[Path]:
        """The paths with their scores: finished ones by the verifier where there is one, the others by `evaluate`.

        Raises `VerifierError` if it can judge none of the first unfinished ones.
        """
        final = [self.verifier is not None and path.ended for path in paths]
        ended = [path for path, is_final in zip(paths, final, strict=True) if is_final]
        open_ = [path for path, is_final in zip(paths, final, strict=True) if not is_final]
        by_verifier = iter(await score_paths(self.verifier, self.problem, ended) if self.verifier else ())
        by_evaluation = iter(self._seen(await _EVALUATE[self.evaluate](self, open_)) if open_ else ())
        return [next(by_verifier if is_final else by_evaluation) for is_final in final]

    def _seen(self, scored: list[Path]) -> list[Path]:
        scores = [path.score for path in scored if path.score is not None]
        self.sighted = self.sighted or any(score.value is not None for score in scores)
        if not self.sighted:
            why = (scores[0].error or "it does not say") + (f" (a draw had failed: {self.error})" if self.error else "")
            raise VerifierError(f"evaluate={self.evaluate} cannot judge unfinished solutions: {why}; {_ADVICE}")
        return scored

    async def ask(self, questions: Mapping[str, int | None], count: int, role: str) -> list[list[str]]:
        """`count` replies to each question, less those that failed; each question with the event that it is about."""
        new = [question for question in questions if question not in self._replies]
        replies = await together(self._draw(question, count, role, questions[question]) for question in new)
        self._replies.update(zip(new, replies, strict=True))
        return [self._replies[question] for question in questions]

    async def _draw(self, question: str, count: int, role: str, parent: int | None) -> list[str]:
        task, earlier = self.problem.task, self.problem.messages[:-1]
        messages = (*(turn for turn in earlier if turn.role != "system"), Message("user", question))
        settings = (task.max_tokens, task.temperature, task.top_p)
        request = Request(messages, "", *settings, seed=trace.current().seed)
        replies = {}
        indices = dict.fromkeys(claim(self.model, request, count))
        async with aclosing(draws(self.model, request, indices, role=role, parent=parent)) as samples:
            async for sample in samples:
                replies[sample.index] = sample
        self.error = self.error or next((reply.error for reply in replies.values() if reply.error is not None), None)
        return [replies[index].text for index in indices if replies[index].error is None]


async def by_proposing(mind: Mind, paths: Sequence[Path], last: bool) -> list[Thought]:  # noqa: ARG001 - it has no last step
    """The thoughts that the model lists when it is asked for next ones."""
    asked = [mind.thoughts.propose(mind.problem, path.text) for path in paths]
    parents = {question: path.event for question, path in zip(reversed(asked), reversed(paths), strict=True)}
    replies = dict(zip(parents, await mind.ask(parents, mind.draws, "policy"), strict=True))
    read = [
        (path, text, weight)
        for path, question in zip(paths, asked, strict=True)
        for reply in replies[question]
        for text, weight in mind.thoughts.read(mind.problem, path.text, reply)
    ]
    heard = next((reply for question in asked for reply in replies[question]), None)
    if not read and heard is not None:
        mind.error = mind.error or f"no next thought in what `{mind.model.name}` proposes: {heard[:80]!r}; take generate=sample"
    return [(_proposed(mind, path, text), weight) for path, text, weight in read]


def _proposed(mind: Mind, path: Path, text: str) -> Path:
    event = trace.current().record("proposed", path.event, text=text)
    steps = tuple(text.splitlines(keepends=True))
    return Path(text, steps, mind.thoughts.ended(mind.problem, text), event=event, tokens=path.tokens)


async def by_sampling(mind: Mind, paths: Sequence[Path], last: bool) -> list[Thought]:
    """The steps with which the model goes on by itself, each of weight 1; with `last`, to the end."""
    return [(path, 1.0) for path in await draw_steps(mind.problem, mind.model, paths, mind.draws, whole=last)]


async def by_value(mind: Mind, paths: Sequence[Path]) -> list[Path]:
    """Each path by what the model answers to the task's questions about it."""
    asked = [mind.thoughts.judge(mind.problem, path.text) for path in paths]
    about = {question: path.event for path, questions in zip(paths, asked, strict=True) for question in questions}
    replies = dict(zip(about, await mind.ask(about, mind.judgements, "judge"), strict=True))
    scores = [worth(mind.thoughts.labels, [replies[question] for question in questions]) for questions in asked]
    return _scored("value", paths, scores)


def worth(labels: Mapping[str, float], replies: Sequence[Sequence[str]]) -> Score:
    """The least, over the questions, of the mean value of the labels with which its replies end.

    Replies that end with none are left out; where nothing is left, the value is unknown.
    """
    read = [[labels[label] for reply in several if (label := labelled(labels, reply)) is not None] for several in replies]
    means = [fmean(values) for values in read if values]
    if means:
        return Score(min(means))
    heard = next((reply for several in replies for reply in several), None)
    return Score(None, error=f"no reply ends with one of {', '.join(labels)}" + (f": {heard[-80:]!r}" if heard else ""))


def labelled(labels: Mapping[str, float], reply: str) -> str | None:
    """The label that a reply's last line says, alone or after a colon."""
    last = reply.strip().rpartition("\n")[2].rpartition(":")[2].strip(" \t.*_`'\"()").lower()
    return last if last in labels else None


async def by_vote(mind: Mind, paths: Sequence[Path]) -> list[Path]:
    """Each path by the share of the votes for it, where the model compares all of them."""
    listed = "\n\n".join(f"Choice {number}:\n{path.text.strip()}" for number, path in enumerate(paths, 1))
    question = _VOTE.format(question=mind.problem.question, choices=listed)
    [replies] = await mind.ask({question: paths[0].event}, mind.judgements, "judge")
    votes = [int(found[-1]) for reply in replies if (found := _CHOSEN.findall(reply)) and 1 <= int(found[-1]) <= len(paths)]
    if not votes:
        return _scored("vote", paths, [Score(None, error=f"no reply names a choice: {replies[:1]!r:.90}")] * len(paths))
    return _scored("vote", paths, [Score(votes.count(number) / len(votes)) for number in range(1, len(paths) + 1)])


async def by_verifier(mind: Mind, paths: Sequence[Path]) -> list[Path]:
    """Each path by the verifier's score of it."""
    assert mind.verifier is not None
    return await score_paths(mind.verifier, mind.problem, paths)


async def by_task(mind: Mind, paths: Sequence[Path]) -> list[Path]:
    """Each path by the task's exact evaluator."""
    assert mind.thoughts.value is not None
    values = [mind.thoughts.value(mind.problem, path.text) for path in paths]
    return _scored("task", paths, [Score(value, error="it cannot tell" if value is None else None) for value in values])


def _scored(name: str, paths: Sequence[Path], scores: Sequence[Score]) -> list[Path]:
    for path, score in zip(paths, scores, strict=True):
        scored(path.event, name, "check" if name == "task" else "judge", score)
    return [replace(path, score=score) for path, score in zip(paths, scores, strict=True)]


_GENERATE: Mapping[str, Callable[[Mind, Sequence[Path], bool], Awaitable[list[Thought]]]] = {
    "propose": by_proposing,
    "sample": by_sampling,
}
_EVALUATE: Mapping[str, Callable[[Mind, Sequence[Path]], Awaitable[list[Path]]]] = {
    "value": by_value,
    "vote": by_vote,
    "verifier": by_verifier,
    "task": by_task,
}

_ADVICE = "take value or vote with a model that can judge, a process reward model as the verifier, or task where it can"
_SO_FAR = "{question}\n\nA solution as far as it goes:\n{text}\n\n"
_PROPOSE = _SO_FAR + (
    "Suggest several different next steps, one a line, each a short single step that goes on from there. If a step completes the "
    "solution, end its line with `Answer: ` and the final answer. Write nothing else."
)
_JUDGE = _SO_FAR + (
    "Can this still become a right solution? Check what is there and think ahead; then write as the last line one word: sure if it "
    "is right so far and leads there, likely if you cannot tell, impossible if something in it is wrong."
)
_VOTE = (
    "{question}\n\nHere are several solutions, which may be unfinished.\n\n{choices}\n\nCompare them, and find the one that is "
    "most likely to become right. End with the line `Best choice: ` and its number."
)
_CHOSEN = re.compile(r"\bbest choice\W*(?:is\W*)?(?:choice\W*)?(\d{1,4})", re.IGNORECASE)
_MARKER = re.compile(r"^\s*(?:[-*•]\s+|\(?\d+[.)]\s+)")
_STATED = re.compile(r"\banswer\b\W*:", re.IGNORECASE)


def _read(_: Problem, text: str, reply: str) -> list[tuple[str, float]]:
    lines = (_MARKER.sub("", line).strip() for line in reply.splitlines())
    return [(f"{text}{line}\n", 1.0) for line in lines if line]


GENERIC = Thoughts(
    propose=lambda problem, text: _PROPOSE.format(question=problem.question, text=text or "(nothing yet)"),
    read=_read,
    ended=lambda _, text: _STATED.search(text.strip().rpartition("\n")[2]) is not None,
    judge=lambda problem, text: (_JUDGE.format(question=problem.question, text=text),),
    labels={"sure": 1.0, "likely": 1 / 20, "impossible": 0.001 / 20},
)
"""For a task that says nothing of its thoughts: a thought is a line, and the one that says `Answer:` is the last."""
