"""What an accredited person may see, asked of either database."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.suppression import Reason
from syndicator.press.desk import desk
from syndicator.store import Store, accreditations, releases, suppressions
from syndicator.store.deliveries import advances
from tests.make import NOW, make_contact, make_content, make_newsroom, make_subscription


def test_the_releases_of_one_person(store: Store) -> None:
    """security:E1 mail:LM20 those of which they have the advance, what ends first at the top; none once suppressed."""
    make_newsroom(store, "policy", "funding")
    with store.begin() as tx:
        jane = make_subscription(tx, "jane@paper.example").contact_id
        tom = make_contact(tx, "tom@paper.example").id
        for one in (jane, tom):
            accreditations.accredit(tx, one, "desk", "signed")
        for name, hours, topic in (("late", 3, "policy"), ("soon", 1, "policy"), ("other", 1, "funding")):
            until = NOW + timedelta(hours=hours)
            content = make_content(name, topics=(topic,))
            scheduled: dict[str, Any] = {
                "state": ReleaseState.SCHEDULED,
                "embargo": Embargo(until=until),
                "at": until,
            }
            made = releases.add(tx, f"tag:x:{name}", content, **scheduled)
            advances.plan_advances(tx, releases.save(tx, replace(made, advance=NOW)), NOW)
    with store.begin() as tx:
        mine, toms = desk(tx, jane, 0), desk(tx, tom, 0)
        assert mine is not None
        assert toms is not None
        assert ["soon", "late"] == [one.content.title for one in mine.releases]
        assert [] == toms.releases
        assert desk(tx, jane, 1) is None
        suppressions.suppress(tx, mine.contact.address, Reason.LEFT)
        assert desk(tx, jane, 0) is None
