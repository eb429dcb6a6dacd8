"""The official OpenAI client against a gateway: only the base URL changes.

ponder serve --model simulated            # or any other model, then:
python examples/clients/openai_client.py [http://127.0.0.1:8000/v1] [KEY]
"""

import sys

from openai import OpenAI

URL, KEY = (sys.argv[1:] + ["http://127.0.0.1:8000/v1", "none"][len(sys.argv[1:]) :])[:2]
client = OpenAI(base_url=URL, api_key=KEY)
model = client.models.list().data[0].id
question = [{"role": "user", "content": "simulated problem 17"}]

# One answer, by a vote of sixteen samples: the model's name says so.
answer = client.chat.completions.create(model=f"{model}:self-consistency(n=16)", messages=question, max_completion_tokens=200)
usage = answer.usage
print(answer.choices[0].message.content)
print(f"{usage.completion_tokens} tokens, of which {usage.completion_tokens_details.reasoning_tokens} are not seen")

# The same by a dial that every OpenAI client has, streamed: summaries of the search, then the answer as it is decided.
stream = client.chat.completions.create(
    model=model, messages=question, reasoning_effort="low", stream=True, stream_options={"include_usage": True}
)
for chunk in stream:
    for choice in chunk.choices:
        print(getattr(choice.delta, "reasoning_content", None) or choice.delta.content or "", end="", flush=True)
    if chunk.usage:
        print(f"\n{chunk.usage.total_tokens} tokens in all")

# A hard budget, and what happened.
bounded = client.chat.completions.create(
    model=model, messages=question, extra_body={"ponder": {"strategy": "self-consistency", "budget": {"tokens": 500}}}
)
print(bounded.choices[0].message.content.splitlines()[-1], bounded.ponder)
