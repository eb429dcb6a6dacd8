"""A conversation as a problem: free text, or one of the tasks where the only message is one that a task recognises."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from ponder import answers, tasks
from ponder.serve.ask import Ask, Sampling
from ponder.serve.errors import Refusal
from ponder.serve.format import Fault, formatted
from ponder.tasks.free import free
from ponder.types import Model, Problem, Request, Task


def problem(ask: Ask, model: Model, longest: int, fault: Fault | None = None) -> Problem:
    """The request's problem, with its sampling settings.

    A single user message of words that a task recognises becomes a problem of that task, with its checker and vote. It is asked in
    the task's own form where the model is the task's own; every other model sees the client's message as it is. `fault` checks the
    answer's format, which a model that knows of formats is told as well.
    """
    found = recognised(ask)
    if found is None:
        digest = hashlib.sha256(repr(ask.messages).encode(errors="surrogatepass")).hexdigest()[:12]
        found = Problem(f"free/{digest}", ask.messages, chat)
    elif found.task.model != model.name:
        found = replace(found, messages=ask.messages)
    task = _sampled(found, ask.sampling, model, longest)
    return replace(
        found,
        task=formatted(task, fault) if fault else task,
        logprobs=ask.sampling.logprobs,
        top_logprobs=ask.sampling.top_logprobs,
        fields=_fields(ask, model),
    )


def _fields(ask: Ask, model: Model) -> str:
    if ask.format is None or not model.abilities.raw:
        return ask.fields
    return json.dumps((json.loads(ask.fields) if ask.fields else {}) | json.loads(ask.format.sent))


def recognised(ask: Ask) -> Problem | None:
    """The problem of a task, where the conversation is one plain message and nothing is asked besides."""
    [*before, last] = ask.messages
    if before or last.role != "user" or last.raw or ask.fields or ask.format:
        return None
    return tasks.recognise(last.content)


def _canonical(answer: str) -> str:
    return answer if answer.endswith(")") and "({" in answer else answers.canonical(answer)  # arguments of calls stay as they are


chat: Task = replace(free, canonical=_canonical, temperature=1.0)


def _sampled(problem: Problem, sampling: Sampling, model: Model, longest: int) -> Task:
    """The problem's task, with the request's sampling settings."""
    task = problem.task
    return replace(
        task,
        temperature=task.temperature if sampling.temperature is None else sampling.temperature,
        top_p=task.top_p if sampling.top_p is None else sampling.top_p,
        stop=(*task.stop, *sampling.stop),
        max_tokens=_length(problem, sampling.max_tokens, model, longest),
    )


def _length(problem: Problem, max_tokens: int | None, model: Model, longest: int) -> int:
    """A length of the problem's draws that the model has room for. Raises `Refusal` where it has none."""
    wanted, asked = max_tokens or (longest if problem.task.name == "free" else problem.task.max_tokens), max_tokens or 1
    context: int | None = getattr(model, "context", None)
    if context is None:
        return wanted
    room = context - model.prompt_tokens(Request(problem.messages))
    if room < asked:
        raise Refusal(
            400,
            f"the prompt leaves {max(room, 0)} of the {context} tokens of `{model.name}`'s context, and {asked} are asked for; "
            f"shorten the prompt or lower max_tokens",
            "context_length_exceeded",
            "messages",
        )
    return min(wanted, room)
