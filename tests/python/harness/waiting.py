"""Waiting for a condition with a deadline: the only way in which these tests wait."""

import time

POLL_INTERVAL_S = 0.02


class DeadlineExceeded(AssertionError):
    """A condition did not come true in time. Its message says which, and what was seen last."""


def until(what, condition, deadline_s=30.0, interval_s=POLL_INTERVAL_S):
    """Calls `condition()` until it returns something true, and returns that.

    `what` completes the sentence "waited N s until ...". It may be a callable, asked only when time is up.
    """
    end = time.monotonic() + deadline_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= end:
            description = what() if callable(what) else what
            raise DeadlineExceeded(f"waited {deadline_s:g} s until {description}; last seen: {result!r}")
        time.sleep(interval_s)
