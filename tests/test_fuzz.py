"""The OpenAPI document, fuzzed: whatever is sent, no fault of the server's, no hang, and errors in OpenAI's shape."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from ponder.models.simulated import Simulated
from ponder.serve.app import app
from ponder.serve.settings import Settings

GATEWAY = app(Settings({"sim": Simulated()}, store=":memory:"))
OPERATIONS = [one.ok() for one in schemathesis.openapi.from_asgi("/openapi.json", GATEWAY).get_all_operations()]
GOOD, BAD = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [(one, GOOD) for one in OPERATIONS] + [(one, BAD) for one in OPERATIONS if one.body]
EXAMPLES = int(os.environ.get("PONDER_FUZZ", "10"))


@pytest.fixture(scope="module")
def client():
    with TestClient(GATEWAY) as opened:
        yield opened


@pytest.mark.parametrize(("operation", "mode"), CASES, ids=lambda one: getattr(one, "label", one))
def test_whatever_is_sent_the_server_answers(client, operation, mode):
    seen = []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def ask(case):
        response = case.call(session=client)
        case.validate_response(response, excluded_checks=[positive_data_acceptance])  # a request may want what a model lacks
        seen.append(response.status_code)
        if response.status_code >= 400:
            assert set(response.json()["error"]) == {"message", "type", "param", "code"}

    ask()
    assert seen
