"""The simulated model, problems and verifiers against the closed forms that strategies will be held to."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from math import comb, exp, lgamma, log, sqrt
from pathlib import Path
from random import Random
from statistics import correlation, fmean, median
from textwrap import indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec import structs

from ponder.errors import EndpointError, InputError
from ponder.models.simulated import VOCABULARY, Fault, Simulated, final_answer
from ponder.tasks.simulated import problems, simulated
from ponder.types import Chunk, Message, Problem, Request, Sample, Usage
from ponder.verifiers.simulated import Imperfect, Judge, Process

PROBLEM = problems(18)[17]
BINARY = Simulated(steps=1, words=4, spread=0, attractor=1)  # short draws with one wrong answer
POOL = 2500


def ask(problem: Problem = PROBLEM, **changes: object) -> Request:
    return replace(Request(problem.messages), **changes)  # type: ignore[arg-type]


async def chunks_of(model: Simulated, request: Request) -> list[Chunk]:
    return [chunk async for chunk in model.stream(request)]


def streams(model: Simulated, requests: Sequence[Request]) -> list[list[Chunk]]:
    async def together() -> list[list[Chunk]]:
        return await asyncio.gather(*(chunks_of(model, request) for request in requests))

    return asyncio.run(together())


def stream(model: Simulated, request: Request) -> list[Chunk]:
    return streams(model, [request])[0]


def text_of(chunks: Sequence[Chunk], choice: int = 0) -> str:
    return "".join(chunk.text for chunk in chunks if chunk.choice == choice)


def draw(model: Simulated, n: int, problem: Problem = PROBLEM, **changes: object) -> list[str]:
    chunks = stream(model, ask(problem, n=n, **changes))
    texts = [""] * n
    for chunk in chunks:
        texts[chunk.choice] += chunk.text
    return texts


def answers(model: Simulated, n: int, problem: Problem = PROBLEM, **changes: object) -> list[str]:
    """Final answers alone, one token each: asked at once, the model makes its steps in silence."""
    return draw(model, n, problem, prefix="answer ", **changes)


def share_right(texts: Sequence[str]) -> float:
    return fmean(final_answer(text) == PROBLEM.reference for text in texts)


def majority(votes: Sequence[str]) -> str:
    return Counter(votes).most_common(1)[0][0]


# --- the law of answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("p", "curve"),
    [(0.6, {1: 0.6, 3: 0.648, 5: 0.6826, 11: 0.7535, 41: 0.9035}), (0.4, {1: 0.4, 3: 0.352, 5: 0.3174, 11: 0.2465, 41: 0.0965})],
)
def test_majority_follows_the_binomial_curve(p: float, curve: dict[int, float]) -> None:
    """Of two answers the majority of odd n is right with the binomial tail above n/2. Tolerance: 4 standard errors."""
    drawn = answers(replace(BINARY, accuracy=p), POOL)
    rate = fmean(answer == "17" for answer in drawn)
    assert rate == pytest.approx(p, abs=4 * sqrt(p * (1 - p) / POOL))
    for n, expected in curve.items():
        groups = [drawn[i : i + n] for i in range(0, len(drawn) - n + 1, n)]
        accuracy = fmean(majority(group) == "17" for group in groups)
        assert accuracy == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / len(groups)))


@pytest.mark.parametrize(("attractor", "limit"), [(0.9, 0.0), (0.1, 1.0)])
def test_majority_fails_when_the_attractor_outweighs_the_truth(attractor: float, limit: float) -> None:
    """At p = .4 the majority of many falls to 0 if kappa (1-p) > p, and rises to 1 otherwise."""
    model = replace(BINARY, accuracy=0.4, attractor=attractor)
    drawn = answers(model, 3000)
    accuracy = [fmean(majority(drawn[i : i + n]) == "17" for i in range(0, 3000, n)) for n in (1, 20, 300)]
    assert accuracy[2] == limit
    assert accuracy == sorted(accuracy, reverse=limit == 0)


def test_wrong_answers_are_an_attractor_and_zipfian_others() -> None:
    drawn = Counter(answers(replace(BINARY, accuracy=0, attractor=0.25, wrong=3), POOL))
    law = {"17~0": 0.25, "17~1": 0.75 * 6 / 11, "17~2": 0.75 * 3 / 11, "17~3": 0.75 * 2 / 11}
    assert {name: count / POOL for name, count in drawn.items()} == pytest.approx(law, abs=0.03)


def test_coverage_of_one_problem_is_one_minus_all_wrong() -> None:
    """pass@k = 1 - (1-p)^k. Tolerance: 4 standard errors."""
    right = [answer == "17" for answer in answers(replace(BINARY, accuracy=0.1), POOL)]
    for k in (1, 5, 20):
        groups = [any(right[i : i + k]) for i in range(0, len(right), k)]
        expected = 1 - 0.9**k
        assert fmean(groups) == pytest.approx(expected, abs=4 * sqrt(expected * (1 - expected) / len(groups)))


def test_coverage_of_a_beta_mixture() -> None:
    """p ~ Beta(a, b) gives a mean E(1-p)^k of B(a, b+k) / B(a, b), here by the unbiased estimator on 16 draws."""
    a, b, n = 0.6, 1.4, 16
    model = replace(BINARY, accuracy=(a, b))
    asked = problems(250)
    right = [sum(answer == one.reference for answer in answers(model, n, one)) for one in asked]
    for k in (1, 4, 8):
        failing = [comb(n - c, k) / comb(n, k) for c in right]
        expected = exp(lgamma(b + k) - lgamma(a + b + k) + lgamma(a + b) - lgamma(b))
        assert fmean(failing) == pytest.approx(expected, abs=0.08)
        assert fmean((1 - model.difficulty(one)) ** k for one in asked) == pytest.approx(fmean(failing), abs=0.03)


# --- steps ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 6])
def test_hazards_multiply_to_the_accuracy(steps: int) -> None:
    """(1-h)^M = p, whatever M is."""
    model = Simulated(accuracy=0.5, steps=steps, words=4, wrong=1)
    assert model.chance(PROBLEM) == pytest.approx(0.5)
    assert share_right(draw(model, 500)) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(
    ("prefix", "remaining"),
    [("", 4), ("step 1 ab right\n", 3), ("step 1 ab right\nstep 2 cd", 3), ("step 1 a right\nstep 2 b right", 2)],
)
def test_a_sound_prefix_leaves_only_the_remaining_hazards(prefix: str, remaining: int) -> None:
    """P(right | no error so far) = (1-h)^remaining."""
    model = Simulated(accuracy=0.3, steps=4, words=4)
    expected = 0.3 ** (remaining / 4)
    assert model.chance(PROBLEM, prefix) == pytest.approx(expected)
    assert share_right(draw(model, 500, prefix=prefix)) == pytest.approx(expected, abs=0.07)


def test_an_error_stays_unless_it_is_recovered() -> None:
    """The two-state chain: after m steps P(right) = L + (s-L) (1-h-rho)^m with L = rho / (h+rho)."""
    prefix = "step 1 ab wrong\n"
    assert share_right(draw(Simulated(accuracy=0.3), 100, prefix=prefix)) == 0
    model = Simulated(accuracy=0.3, recovery=0.2, words=4)
    hazard = 1 - 0.3**0.25
    limit = 0.2 / (0.2 + hazard)
    assert model.chance(PROBLEM, prefix) == pytest.approx(limit - limit * (0.8 - hazard) ** 3)
    assert share_right(draw(model, 500, prefix=prefix)) == pytest.approx(model.chance(PROBLEM, prefix), abs=0.07)
    assert share_right(draw(model, 500)) == pytest.approx(model.chance(PROBLEM), abs=0.07)


def test_a_draw_and_its_own_continuation_join_to_a_whole_solution() -> None:
    model = Simulated(accuracy=0.9)
    whole = draw(model, 1)[0]
    for cut in range(len(whole.split()) + 1):
        prefix = text_of(stream(model, ask(max_tokens=cut)))
        assert whole.startswith(prefix)
        lines = (prefix + text_of(stream(model, ask(prefix=prefix)))).split("\n")
        assert [line.split()[:2] for line in lines[:4]] == [["step", str(i)] for i in (1, 2, 3, 4)]
        assert lines[4].startswith("answer 17")


def test_asked_for_the_answer_it_gives_it_at_once_with_the_chance_it_had() -> None:
    """Budget forcing: the steps that remain are made in silence."""
    model = Simulated(accuracy=0.5, attractor=1)
    forced = draw(model, 1000, prefix="step 1 ab right\nFinal Answer:")
    assert {text.strip() for text in forced} == {"17", "17~0"}
    assert fmean(text == " 17" for text in forced) == pytest.approx(0.5**0.75, abs=0.07)


@pytest.mark.parametrize("start", [0.2, 0.9])
def test_revision_converges_to_the_markov_chains_limit(start: float) -> None:
    """acc -> p_fix / (p_fix + p_break), from below and from above."""
    model = replace(BINARY, accuracy=start, fixes=0.3, breaks=0.1)
    tries = draw(model, 300)
    for turn in range(10):
        histories = [(*PROBLEM.messages, Message("assistant", text), Message("user", "Check it.")) for text in tries]
        tries = [
            text_of(chunks) for chunks in streams(model, [Request(one, seed=400 * turn + i) for i, one in enumerate(histories)])
        ]
    assert set(tries) == {"answer 17", "answer 17~0"}
    assert fmean(text == "answer 17" for text in tries) == pytest.approx(0.75, abs=0.11)


@pytest.mark.parametrize(("p", "attractor", "mode"), [(0.5, 0.2, "17"), (0.2, 0.9, "17~0"), (0.05, 0.0, "17~1")])
def test_temperature_zero_is_the_most_likely_answer(p: float, attractor: float, mode: str) -> None:
    model = Simulated(accuracy=p, attractor=attractor)
    assert {answer for seed in range(5) for answer in answers(model, 1, temperature=0.0, seed=seed)} == {mode}
    assert majority(answers(model, 400)) == mode


# --- lengths and log-probabilities ----------------------------------------------------------------------------------


def test_lengths_are_lognormal_and_longer_when_wrong() -> None:
    model = Simulated(accuracy=0.5, steps=1, words=20, spread=0.5, longer=1.5)
    lengths: dict[bool, list[float]] = {True: [], False: []}
    for text in draw(model, 600):
        lengths[text.endswith(" 17")].append(log(len(text.split()) - 2))
    assert median(lengths[True]) == pytest.approx(log(20), abs=0.12)
    assert median(lengths[False]) == pytest.approx(log(30), abs=0.12)
    assert sqrt(fmean((x - fmean(lengths[True])) ** 2 for x in lengths[True])) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("confidence", [0.0, 0.6, 1.0])
def test_confidence_correlates_with_correctness(confidence: float) -> None:
    """At p = .5 the correlation of -ln(-logprob) with correctness is the parameter itself."""
    model = replace(BINARY, accuracy=0.5, confidence=confidence)
    drawn = streams(model, [ask(seed=seed, logprobs=True) for seed in range(800)])
    right = [float(text_of(chunks).endswith(" 17")) for chunks in drawn]
    sure = [-log(-chunks[0].logprobs[0]) for chunks in drawn]
    assert correlation(right, sure) == pytest.approx(confidence, abs=0.1)


def test_the_likeliest_tokens_share_what_the_drawn_one_leaves() -> None:
    """p = exp(logprob), every other of V tokens (1-p)/(V-1); uniform, p = 1/V, where the drawn one is like the others."""
    drawn = stream(Simulated(), ask(logprobs=True, top_logprobs=3))
    for chunk in drawn:
        [logprob], [top] = chunk.logprobs, chunk.top_logprobs
        other = log((1 - exp(logprob)) / (VOCABULARY - 1))
        assert top == pytest.approx((logprob, other, other))
    assert [structs.replace(chunk, top_logprobs=(), top_tokens=()) for chunk in drawn] == stream(Simulated(), ask(logprobs=True))
    assert stream(Simulated(), ask(top_logprobs=3))[0].top_logprobs == drawn[0].top_logprobs


def test_a_prefix_scores_as_it_did_when_it_was_drawn() -> None:
    model = Simulated()
    drawn = stream(model, ask(logprobs=True))
    again = stream(model, ask(prefix=text_of(drawn) + "\n", prompt_logprobs=True, max_tokens=0))
    assert again[0].prompt_logprobs[0] is None
    assert len(again[0].prompt_logprobs) == model.prompt_tokens(ask(prefix=text_of(drawn)))
    assert again[0].prompt_logprobs[3:] == tuple(chunk.logprobs[0] for chunk in drawn)


# --- the stream -----------------------------------------------------------------------------------------------------

requests = some.builds(
    ask,
    some.sampled_from(problems(3)),
    prefix=some.sampled_from(["", "step 1 ab right\n", "step 1 ab wrong\nstep 2", "so,", "answer "]),
    seed=some.integers(0, 3),
    max_tokens=some.integers(0, 40),
    stop=some.sampled_from([(), ("\n",), ("t\nste",), ("right", "wrong"), ("answer",), ("absent",)]),
    temperature=some.sampled_from([0.0, 0.7]),
    logprobs=some.booleans(),
    top_logprobs=some.sampled_from([0, 2]),
    n=some.integers(1, 3),
)


@given(some.lists(requests, min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_it_is_a_pure_function_of_the_request(asked: list[Request]) -> None:
    """The same request gives the same chunks, in another order, concurrently, and from another instance."""
    model, twin = Simulated(recovery=0.2), Simulated(recovery=0.2)
    alone = [stream(model, request) for request in asked]

    assert streams(twin, asked[::-1])[::-1] == alone
    assert model.fingerprint == twin.fingerprint != Simulated().fingerprint


@given(requests)
@settings(max_examples=60, deadline=None)
def test_every_token_is_counted_and_limits_are_obeyed(request: Request) -> None:
    """Words counted from outside = usage = tally; `max_tokens` and `stop` hold; each choice ends once, at its end."""
    model = Simulated(block=4)
    chunks = stream(model, request)
    assert chunks[-1].usage == model.tally.usage
    assert model.tally.prompt == 3 + len(request.prefix.split())
    assert model.tally.completion == sum(len(chunk.token_ids) for chunk in chunks)
    unstopped = stream(model, replace(request, max_tokens=9999, stop=()))
    unlimited = stream(model, replace(request, max_tokens=9999))
    for choice in range(request.n):
        own = [chunk for chunk in chunks if chunk.choice == choice]
        text, spent = text_of(own, choice), sum(len(chunk.token_ids) for chunk in own)
        needed = sum(len(chunk.token_ids) for chunk in unlimited if chunk.choice == choice)
        assert spent == min(needed, request.max_tokens)
        assert [chunk.finish_reason for chunk in own if chunk.finish_reason] == ["length" if needed > spent else "stop"]
        assert own[-1].finish_reason
        assert text_of(unstopped, choice).startswith(text + (own[-1].stop or ""))
        assert not any(stop in text for stop in request.stop)
        if own[-1].stop is None:
            assert spent == len(text.split())
        assert all(len(chunk.logprobs) == request.logprobs * len(chunk.token_ids) for chunk in own)
        assert all(len(chunk.top_logprobs) == bool(request.top_logprobs) * len(chunk.token_ids) for chunk in own)


def test_a_stop_string_takes_the_text_before_it_and_names_itself() -> None:
    whole = draw(Simulated(), 1)[0]
    last = stream(Simulated(), ask(stop=("answer", "\n")))
    assert text_of(last) == whole.split("\n")[0]
    assert (last[-1].finish_reason, last[-1].stop) == ("stop", "\n")
    assert last[-1].usage == Usage(1, 3, 0, len(whole.split("\n")[0].split()))


def test_cached_tokens_are_the_whole_blocks_of_a_continued_prompt() -> None:
    model = Simulated(block=4)
    used = {prefix: stream(model, ask(prefix=prefix))[-1].usage for prefix in ("", "a", "a b", "a b c d e", "a b c d e f")}
    assert [usage.cached for usage in used.values() if usage] == [0, 0, 4, 4, 8]
    assert stream(Simulated(), ask(prefix="a b c d e f"))[0].usage == Usage(1, 9, 0, 1)


def test_latency_is_awaited_token_by_token() -> None:
    async def clock() -> float:
        start = asyncio.get_running_loop().time()
        await chunks_of(Simulated(latency=0.01), ask(max_tokens=5, n=3))
        return asyncio.get_running_loop().time() - start

    assert asyncio.run(clock()) >= 0.049


def test_an_aborted_stream_is_tallied_to_the_token() -> None:
    model = Simulated()

    async def abort() -> None:
        async with aclosing(model.stream(ask())) as chunks:
            for _ in range(7):
                await anext(chunks)

    asyncio.run(abort())
    assert model.tally.usage == Usage(1, 3, 0, 7)


def test_the_page_shows_what_its_example_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parent.parent / "docs" / "simulated.md").read_text()
    example = page.split("```python\n")[1].split("```")[0]
    exec(compile(example, "docs/simulated.md", "exec"), {})
    assert indent(capsys.readouterr().out, "    ") in page


# --- faults ---------------------------------------------------------------------------------------------------------


def failing(fault: Fault) -> Simulated:
    return Simulated(faults={fault: 1.0})


def seen(model: Simulated) -> tuple[list[Chunk], BaseException | None]:
    """What arrives until the stream ends, fails, or has hung for a while."""
    arrived: list[Chunk] = []

    async def listen() -> None:
        async with asyncio.timeout(0.5):
            async for chunk in model.stream(ask()):
                arrived.append(chunk)

    try:
        asyncio.run(listen())
    except (EndpointError, TimeoutError) as error:
        return arrived, error
    return arrived, None


def test_refuse_fails_before_the_first_chunk_and_costs_a_call_only() -> None:
    model = failing("refuse")
    arrived, error = seen(model)
    assert not arrived
    assert isinstance(error, EndpointError)
    assert error.status == 503
    assert model.tally.usage == Usage(calls=1)


@pytest.mark.parametrize(("fault", "error"), [("break", EndpointError), ("stall", TimeoutError), ("cut", type(None))])
def test_faults_midway_leave_half_of_the_draw(fault: Fault, error: type) -> None:
    model, whole = failing(fault), stream(Simulated(), ask())
    arrived, raised = seen(model)
    assert isinstance(raised, error)
    assert arrived == whole[: len(whole) // 2]
    assert arrived[-1].finish_reason is None
    assert model.tally.usage == arrived[-1].usage


def test_silent_gives_everything_but_the_usage() -> None:
    arrived, _ = seen(failing("silent"))
    assert arrived == [structs.replace(chunk, usage=None) for chunk in stream(Simulated(), ask())]


def test_faults_come_with_their_probabilities() -> None:
    model = replace(BINARY, faults={"refuse": 0.2, "silent": 0.3})

    async def kind(seed: int) -> str:
        try:
            return "whole" if (await chunks_of(model, ask(seed=seed)))[-1].usage else "silent"
        except EndpointError:
            return "refuse"

    async def kinds() -> list[str]:
        return [await kind(seed) for seed in range(600)]

    shares = {name: count / 600 for name, count in Counter(asyncio.run(kinds())).items()}
    assert shares == pytest.approx({"refuse": 0.2, "silent": 0.3, "whole": 0.5}, abs=0.07)


@pytest.mark.parametrize("wrong", [{"accuracy": 1.2}, {"recovery": -1}, {"steps": 0}, {"faults": {"cut": 0.6, "stall": 0.6}}])
def test_impossible_parameters_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Simulated(**wrong)  # type: ignore[arg-type]


# --- problems and verifiers -----------------------------------------------------------------------------------------


def samples(texts: Sequence[str]) -> list[Sample]:
    return [Sample(text, index) for index, text in enumerate(texts)]


def test_the_tasks_own_answers_grade_one() -> None:
    asked = simulated.load("test", 5) + simulated.load("train", 5)
    assert len({problem.id for problem in asked}) == 10
    assert simulated.verifier is not None
    for problem in asked:
        gold, bad, none = asyncio.run(simulated.verifier(problem, samples([f"answer {problem.reference}", "answer x", "hm"])))
        assert (gold.value, bad.value, none.value) == (1.0, 0.0, 0.0)
        assert simulated.recognise(problem.question) == problem
    assert simulated.recognise("What is a simulated problem 17?") is None


def test_an_imperfect_verifier_sets_a_ceiling() -> None:
    """Accept-first accuracy at p=.1, tpr=.9, fpr=.1 is .1, .2795, .4796, .5 at N = 1, 4, 16, 64."""
    assert simulated.verifier is not None
    texts = draw(replace(BINARY, accuracy=0.1), POOL)
    scores = asyncio.run(Imperfect(simulated.verifier)(PROBLEM, samples(texts)))
    pool = [(score.value == 1, text.endswith(" 17")) for score, text in zip(scores, texts, strict=True)]
    assert fmean(accepted for accepted, right in pool if right) == pytest.approx(0.9, abs=0.05)
    assert fmean(accepted for accepted, right in pool if not right) == pytest.approx(0.1, abs=0.02)
    rng = Random(0)
    for n, expected in {1: 0.1, 4: 0.2795, 16: 0.4796, 64: 0.5}.items():
        groups = [rng.choices(pool, k=n) for _ in range(2000)]
        chosen = [next((right for accepted, right in group if accepted), group[-1][1]) for group in groups]
        assert fmean(chosen) == pytest.approx(expected, abs=0.05)


def test_an_exact_process_reward_is_the_chance_and_never_rises_on_an_error() -> None:
    model = Simulated(accuracy=0.5)
    exact = Process(model.chance, sigma=0, floor=0)
    for score, text in zip(asyncio.run(exact(PROBLEM, samples(draw(model, 20)))), draw(model, 20), strict=True):
        states = [line.split()[-1] == "right" for line in text.split("\n")[:-1]]
        assert score.steps[:4] == pytest.approx([0.5 ** (1 - (i + 1) / 4) if right else 0.0 for i, right in enumerate(states)])
        assert score.value == float(text.endswith(" 17"))


def test_process_noise_has_the_bias_and_deviation_asked_for() -> None:
    """PRM_t = sigmoid(logit P + bias + sigma eps): the logits' mean and deviation, for one step at P = .5."""
    model = Simulated(accuracy=0.5, steps=2, words=4)
    half = asyncio.run(Process(model.chance, bias=0.4, sigma=1.5)(PROBLEM, samples([f"hm {i}" for i in range(2000)])))
    logits = [log(score.value / (1 - score.value)) for score in half if score.value is not None]
    assert fmean(logits) == pytest.approx(0.4, abs=0.15)
    assert sqrt(fmean((x - fmean(logits)) ** 2 for x in logits)) == pytest.approx(1.5, abs=0.12)


def test_a_failed_draw_cannot_be_judged() -> None:
    assert simulated.verifier is not None
    failed = [Sample("", error="the endpoint broke off")]
    for verifier in (Imperfect(simulated.verifier), Process(Simulated().chance)):
        (score,) = asyncio.run(verifier(PROBLEM, failed))
        assert score.value is None
        assert "broke off" in (score.error or "")


def test_a_judge_prefers_the_right_one_and_its_own_side() -> None:
    """Right before wrong with p_comp + b, wrong before right with 1 - p_comp + b, alike with 1/2 + b; b cancels in the
    mean over both orders."""
    assert simulated.verifier is not None
    judge = Judge(simulated.verifier, accuracy=0.7, bias=0.1)

    async def first(left: str, right: str, votes: int) -> float:
        pairs = [samples([f"{i} answer {left}", f"{i} answer {right}"]) for i in range(1000)]
        return fmean([await judge.compare(PROBLEM, *pair, votes) for pair in pairs])

    for votes, expected in ((1, [0.8, 0.4, 0.6]), (2, [0.7, 0.3, 0.5])):
        rates = [asyncio.run(first(*pair, votes)) for pair in (("17", "x"), ("x", "17"), ("x", "y"))]
        assert rates == pytest.approx(expected, abs=0.05)
