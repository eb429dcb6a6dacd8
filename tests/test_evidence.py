"""What an answer rests on: of each verifier, of several, and of each way to choose."""

import pytest

from ponder.models.simulated import Simulated
from ponder.solve import solve_sync
from ponder.tasks import get
from ponder.tasks.simulated import problems, simulated
from ponder.trace import Trace
from ponder.types import Answer, Candidate, Sample, Score
from ponder.verifiers.check import Check
from ponder.verifiers.code import code, examples
from ponder.verifiers.confidence import Confidence
from ponder.verifiers.ensemble import Ensemble
from ponder.verifiers.evidence import evidence, rests_on
from ponder.verifiers.judge import GenRM, Judge
from ponder.verifiers.prm import Generative, inline, question, turns, whole
from ponder.verifiers.reward import Reward
from ponder.verifiers.simulated import Judge as Comparing
from referee import Referee

MODEL = Referee(steps=1, words=1)
CHECK = Check("length", "nothing", lambda problem, text: Score(0.5))


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        (simulated.verifier, "reference"),
        (get("gsm8k").verifier, "reference"),
        (get("countdown-3").verifier, "check"),
        (code, "reference"),
        (examples, "check"),
        (CHECK, "check"),
        (Reward(MODEL), "model"),
        (Confidence(), "model"),
        (Generative(MODEL, inline), "model"),
        (Generative(MODEL, turns), "model"),
        (Generative(MODEL, question), "judge"),
        (Generative(MODEL, whole, outcome=True), "judge"),
        (Judge(MODEL), "judge"),
        (GenRM(MODEL), "judge"),
        (Comparing(CHECK), "judge"),
        (Ensemble((CHECK, Confidence())), "model"),
        (Ensemble((CHECK, Judge(MODEL), Confidence())), "judge"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_verifier_says_what_its_word_is(verifier, said):
    assert evidence(verifier) == said


def test_a_verifier_that_does_not_say_is_no_check():
    class Foreign:
        name, reads = "foreign", "nothing"

    assert evidence(Foreign()) == "model"


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("direct", None),
        ("think", None),
        ("self-consistency(n=4)", "vote"),
        ("revise(chains=2,length=2)", "vote"),
        ("knockout(n=4)", "judge"),
        ("league(n=4)", "judge"),
        ("universal-self-consistency(n=4)", "judge"),
        ("self-refine(rounds=1)", "judge"),
    ],
)
def test_what_an_answer_rests_on_is_read_from_its_trace(strategy, said):
    answer = solve_sync(problems(1)[0], model=MODEL, strategy=strategy)
    assert rests_on(answer, answer.trace.events) == said


def test_a_judge_that_says_nothing_leaves_the_vote():
    mute = Referee(steps=1, words_only="They all look fine.")
    answer = solve_sync(problems(1)[0], model=mute, strategy="universal-self-consistency(n=4)")
    assert rests_on(answer, answer.trace.events) == "vote"


def test_the_last_word_on_the_chosen_sample_counts():
    """A search whose steps a model judged, and whose solution a check accepted, rests on the check."""
    answer = Answer("b", "b", (Candidate(Sample("a", 0, event=1), "a"), Candidate(Sample("b", 1, event=2), "b")))
    record = Trace()
    for event, said in ((2, "judge"), (2, "check"), (1, "judge")):
        record.record("scored", event, evidence=said)
    assert rests_on(answer, record.events) == "check"


@pytest.mark.parametrize("spec", ["best-of-n(n=2)", "rstar(simulations=4)", "mcts(simulations=4)"])
def test_every_score_in_a_trace_says_what_it_is(spec):
    answer = solve_sync(problems(1)[0], model=Simulated(steps=2), strategy=spec, verifier=CHECK)
    scores = [event.data for event in answer.trace.events if event.kind == "scored"]
    assert scores
    assert all("evidence" in score for score in scores)
