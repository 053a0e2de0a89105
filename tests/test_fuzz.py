"""The short form of `make fuzz`: a few hundred bodies, each of them one that any seed might have brought."""

from __future__ import annotations

import random

from tests import fuzz


def test_no_body_ends_in_anything_but_items_or_words() -> None:
    """security:X1, security:X3, security:X5, feeds:I12 — no fault in bodies made up and mutilated."""
    figures = fuzz.fuzz(seed=5, enough=lambda so_far: so_far.bodies >= 200)
    assert [] == figures.faults
    assert figures.read
    assert figures.items
    assert len(figures.refusals) > 3


def test_a_body_can_be_made_again() -> None:
    """A fault is found again by its seed and number alone."""
    known = fuzz.seeds()
    one, other = (fuzz.body_of(random.Random("5/17"), known) for _ in range(2))
    assert one == other
    assert one != fuzz.body_of(random.Random("5/18"), known)
