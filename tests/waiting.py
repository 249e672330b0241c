"""Waiting in a page whose policy evaluates no text; Playwright's own `wait_for_function` does."""

import time


def until(page, condition, argument=None, seconds=30):
    """Wait until `condition`, an expression or a function of `argument`, holds in a page."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition, argument):
        assert time.monotonic() < end, f"never came true: {condition}"
        page.wait_for_timeout(50)
