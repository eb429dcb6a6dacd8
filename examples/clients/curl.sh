#!/bin/sh
# Plain curl against a gateway: ponder serve --model simulated, then: sh examples/clients/curl.sh [http://127.0.0.1:8000] [KEY]
set -eu
url=${1:-http://127.0.0.1:8000} key=${2:-none}

# A vote of sixteen under a hard budget; the `ponder` object says what was done and what it cost.
curl --fail --silent --show-error "$url/v1/chat/completions" -H "Authorization: Bearer $key" -H "Content-Type: application/json" -d '{
  "model": "ponder",
  "messages": [{"role": "user", "content": "simulated problem 17"}],
  "ponder": {"strategy": "self-consistency", "parameters": {"n": 16}, "budget": {"tokens": 2000}}
}'
echo

# The same, streamed.
curl --fail --silent --show-error --no-buffer "$url/v1/chat/completions" -H "Authorization: Bearer $key" \
  -H "Content-Type: application/json" -d '{
  "model": "ponder", "stream": true, "reasoning_effort": "low",
  "messages": [{"role": "user", "content": "simulated problem 17"}]
}'
