"""The official Anthropic client against a gateway.

ponder serve --model simulated            # or any other model, then:
python examples/clients/anthropic_client.py [http://127.0.0.1:8000] [KEY]
"""

import sys

from anthropic import Anthropic

URL, KEY = (sys.argv[1:] + ["http://127.0.0.1:8000", "none"][len(sys.argv[1:]) :])[:2]
client = Anthropic(base_url=URL, api_key=KEY)
question = [{"role": "user", "content": "simulated problem 17"}]

answer = client.messages.create(model="ponder/low", max_tokens=200, messages=question)
print(answer.content[-1].text)
print(f"{answer.usage.output_tokens} tokens")

# `thinking` is the dial: its budget is what the search may spend.
with client.messages.stream(
    model="ponder", max_tokens=2048, messages=question, thinking={"type": "enabled", "budget_tokens": 1024}
) as stream:
    for event in stream:
        if event.type == "content_block_delta":
            print(getattr(event.delta, "thinking", None) or getattr(event.delta, "text", None) or "", end="", flush=True)
    print(f"\n{stream.get_final_message().usage.output_tokens} tokens")
