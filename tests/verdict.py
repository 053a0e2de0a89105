"""The verdict on an embargo oracle: what was seen, against what the store says was released when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from syndicator.model.release import Release
from tests.watchers import Letter, Sights, canaries


@dataclass
class Found:
    """What the oracle saw; every list but those of lateness (`late_…`, in seconds) must be empty."""

    releases: int
    released: int = 0
    acts: int = 0
    asked: int = 0
    early: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    late_lifts: list[float] = field(default_factory=list)
    late_feeds: list[float] = field(default_factory=list)
    late_mails: list[float] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Whatever must not be."""
        return [*self.early, *self.leaked, *self.changed, *self.missing]

    def __str__(self) -> str:
        return (
            f"{self.releases} releases, {self.released} released, {self.acts} other acts, {self.asked} answers read: "
            f"{len(self.early)} sights before the instant, {len(self.leaked)} of what never went out, "
            f"{len(self.changed)} changes before the first, {len(self.missing)} not seen where they should be; "
            f"lateness of lifts {_figures(self.late_lifts)}, of feed bytes {_figures(self.late_feeds)}, of the first mail {_figures(self.late_mails)}"
        )


@dataclass
class Judge:
    """Puts together who saw what: `out` is what was released, by canary; `lifted` when an editor asked for that.

    `approved` are the canaries somebody stood for, `trusted` the accredited, `witness` who is to have each once.
    """

    found: Found
    sights: Sights
    out: Mapping[str, Release]
    lifted: Mapping[str, datetime]
    approved: frozenset[str]
    trusted: frozenset[str]
    witness: str
    logs: Mapping[str, frozenset[str]]

    def verdict(self) -> Found:
        """What must not be, and the figures."""
        self.found.released = len(self.out)
        self.found.asked = sum(self.sights.asked.values())
        for release in self.out.values():
            self._instant(release)
        for canary, (at, surface) in self.sights.public.items():
            self._sight(canary, at, surface)
        self._mail()
        for call in self.sights.calls:
            for canary in call.canaries:
                self._sight(canary, call.at, f"POST {call.path}")
            if call.at < self.sights.opens:
                self.found.changed.append(f"{call.path} was called at {call.at}")
        self._bytes()
        self._lateness()
        return self.found

    def _instant(self, release: Release) -> None:
        """It went out at its instant or when somebody lifted it, never before."""
        assert release.released
        if release.uid in self.lifted:
            due = self.lifted[release.uid]
        else:
            ends = release.embargo.until if release.embargo else release.released
            due = max(ends, release.at or ends)
        if release.released < due:
            self.found.early.append(f"{release.uid} was released at {release.released}, due at {due}")

    def _sight(self, canary: str, at: datetime, where: str) -> None:
        release = self.out.get(canary)
        if release is None:
            self.found.leaked.append(f"{canary} in {where} at {at}")
        elif release.released is None or at < release.released:
            self.found.early.append(f"{canary} in {where} at {at}, released at {release.released}")

    def _mail(self) -> None:
        reached: dict[str, int] = {}
        for letter in self.sights.letters:
            for canary in letter.canaries:
                if letter.recipient not in self.trusted:
                    self._sight(canary, letter.at, f"mail to {letter.recipient}: {letter.subject}")
                elif canary not in self.approved:
                    self.found.leaked.append(
                        f"{canary}, never approved, to {letter.recipient}: {letter.subject}"
                    )
                elif not _marked(letter) and letter.at < _public_from(self.out.get(canary)):
                    self.found.leaked.append(f"{canary} unmarked to {letter.recipient}: {letter.subject}")
                if letter.recipient == self.witness:
                    reached[canary] = reached.get(canary, 0) + 1
        for canary in self.sights.copies - self.approved:
            self.found.leaked.append(f"{canary}, never approved, on the page of an advance copy")
        self.found.missing += [
            f"{canary}: {reached.get(canary, 0)} mails to {self.witness}"
            for canary in self.out
            if reached.get(canary) != 1
        ]

    def _bytes(self) -> None:
        quiet, refused = self.sights.quiet, self.sights.refusals
        self.found.changed += [
            f"{path}: {len(seen)} answers before the first" for path, seen in quiet.items() if len(seen) > 1
        ]
        self.found.changed += [
            f"/{where}/: {len(seen)} kinds of 404" for where, seen in refused.items() if len(seen) > 1
        ]
        if not quiet:
            self.found.missing.append("nobody looked before the first instant")
        for log, said in self.logs.items():
            self.found.leaked += [f"{canary} in {log}" for canary in said]

    def _lateness(self) -> None:
        mails: dict[str, datetime] = {}
        for letter in self.sights.letters:
            for canary in letter.canaries & self.out.keys():
                if letter.recipient == self.witness:
                    mails.setdefault(canary, letter.at)
        for canary, release in self.out.items():
            if release.uid in self.lifted or release.at is None:
                continue
            self.found.late_lifts.append((_public_from(release) - release.at).total_seconds())
            for seen, late in ((self.sights.in_feeds, self.found.late_feeds), (mails, self.found.late_mails)):
                if canary in seen:
                    late.append((seen[canary] - release.at).total_seconds())
        if len(self.found.late_feeds) < 0.9 * len(
            [one for one in self.out.values() if one.uid not in self.lifted]
        ):
            self.found.missing.append(f"only {len(self.found.late_feeds)} were seen in feeds")


def canary_of(release: Release) -> str:
    """The canary of its words."""
    (found,) = canaries(release.content.title.encode())
    return found


def _marked(letter: Letter) -> bool:
    return letter.subject.upper().startswith(("EMBARGO", "CANCELLED", "HOLD"))


def _public_from(release: Release | None) -> datetime:
    """When it became public; the end of time if it did not."""
    return release.released if release and release.released else datetime.max.replace(tzinfo=UTC)


def _figures(late: list[float]) -> str:
    if not late:
        return "unknown"
    ordered = sorted(late)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, most {ordered[-1]:.2f} s"
