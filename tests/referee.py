"""A simulated model that also judges its problems: it knows the right answer, and errs and favours a place as it is told."""

from collections import Counter
from dataclasses import dataclass
from math import log

from ponder.models.simulated import QUESTION, Simulated, dice, final_answer
from ponder.types import Chunk, Usage


@dataclass(frozen=True)
class Referee(Simulated):
    """`skill`: how often a verdict is right (a greedy one: its probability). `place`: how often it says "1" whatever it reads.

    With `words_only` set, it says that and no verdict.
    """

    skill: float = 1.0
    place: float = 0.0
    words_only: str = ""

    async def stream(self, request):
        prompt = request.messages[-1].content
        if "# Problem" not in prompt:
            async for chunk in super().stream(request):
                yield chunk
            return
        self.tally.calls += 1
        for choice in range(request.n):
            rng = dice(self.seed, prompt, request.seed, choice)
            said = self.words_only or self.judged(prompt, rng)
            yield Chunk(said, choice, token_ids=(1,), logprobs=(log(self.skill),), finish_reason="stop", usage=Usage(1, 1, 0, 1))

    def judged(self, prompt, rng):
        question = QUESTION.findall(prompt)[0]
        if "`Response: K`" in prompt:
            return self.selected(prompt, rng)
        answers = [
            final_answer(part.partition("# Rubric")[0].partition("Is the final")[0]) for part in prompt.split("# Solution")[1:]
        ]
        right = [answer == question for answer in answers]
        sound = rng.random() < self.skill
        if "`Grade: G`" in prompt:
            return f"It {'holds' if right[0] else 'fails'}.\n**Grade:** {9 if right[0] == sound else 2}/10"
        if "`Correct: Yes`" in prompt:
            return f"Correct: No? I check again.\n\nCorrect: **{'Yes' if right[0] == sound else 'No'}**"
        if "one word" in prompt:
            return "Yes" if right[0] else "No"
        first = rng.random() < 0.5 if right[0] == right[1] else right[0] == sound
        return f"Better: {1 if first or rng.random() < self.place else 2}"

    def selected(self, prompt, rng):
        answers = [final_answer(part) for part in prompt.split("# Response")[1:]]
        largest = Counter(answers).most_common(1)[0][0]
        return f"Response: {1 if rng.random() < self.place else answers.index(largest) + 1}"
