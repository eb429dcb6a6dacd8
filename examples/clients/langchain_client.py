"""LangChain against a gateway: `pip install langchain-openai`.

ponder serve --model simulated            # or any other model, then:
python examples/clients/langchain_client.py [http://127.0.0.1:8000/v1] [KEY]
"""

import sys

from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

URL, KEY = (sys.argv[1:] + ["http://127.0.0.1:8000/v1", "none"][len(sys.argv[1:]) :])[:2]
vote = {"ponder": {"strategy": "self-consistency", "parameters": {"n": 16}}}
model = ChatOpenAI(model="ponder", base_url=URL, api_key=KEY, extra_body=vote)
chain = ChatPromptTemplate.from_template("simulated problem {number}") | model

answer = chain.invoke({"number": 17})
print(answer.content)
print(answer.usage_metadata)
for chunk in chain.stream({"number": 18}):
    print(chunk.content, end="", flush=True)
print()
