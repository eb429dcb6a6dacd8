"""When to ask an endpoint again: exponential backoff with full jitter, and `Retry-After` where the endpoint says."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class Retry:
    """At most `times` further attempts; attempt k (from 0) waits a uniform part of min(cap, base * 2**k) seconds.

    Full jitter, from M. Brooker, "Exponential Backoff And Jitter" (2015). What the endpoint asks for is waited in full, and the
    jitter comes on top, so that the draws that were refused together do not come back together.
    """

    times: int = 4
    base: float = 0.5
    cap: float = 30.0

    def wait(self, attempt: int, after: float | None) -> float:
        return (after or 0.0) + random.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempt, 64)))


def passes(status: int) -> bool:
    """Whether a status is worth another attempt: 408, 409, 429 and every 5xx."""
    return status in {408, 409, 429} or status >= 500


def retry_after(header: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or an HTTP date (RFC 9110, 10.2.3); None if it is neither."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        then = parsedate_to_datetime(header)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - (now or datetime.now(UTC))).total_seconds())
