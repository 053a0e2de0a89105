"""What becomes of sign-ups that nobody confirms."""

from datetime import timedelta

from syndicator import signup
from syndicator.model.joining import Terms, Wish
from syndicator.runtime import clock
from syndicator.signup import Visit
from syndicator.store import open_store, requests
from tests.cli.program import KEY, InProcess


def test_they_are_forgotten(lite: InProcess) -> None:
    """mail:LM4 security:D7 the hourly tidy forgets what is older than privacy.requests, and says how many."""
    url, age = lite.env["SYNDICATOR_STORE__URL"], timedelta(days=31)
    for then, mail in ((lambda: clock() - age, "old@example.org"), (clock, "new@example.org")):
        with open_store(url, host_clock=then, keys=lambda: (KEY,)) as store, store.begin() as tx:
            signup.join(tx, Wish(address=mail, topics=("policy",)), Visit(), Terms())
    lite("worker", "--once", "prune")
    with open_store(url, host_clock=clock, keys=lambda: (KEY,)) as store, store.read() as tx:
        assert [None, "new@example.org"] == [
            one and one.wish and one.wish.address for one in (requests.by_id(tx, 1), requests.by_id(tx, 2))
        ]
