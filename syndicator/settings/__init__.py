"""The configuration: one TOML file and the environment → frozen, typed settings, all faults at once.

`keys` lists every section and key, `values` what a key may hold, `sources` reads file, environment
and flags, `reading` understands them and checks entries against each other. Flows never see this
room: `runtime` hands them values. What each key means for operators: docs/settings.md.
"""

from syndicator.settings.keys import Tls, Transport
from syndicator.settings.provided import (
    FilePartner,
    FileSchedule,
    FileSpokesperson,
    FileTopic,
    FileUpstream,
    Redirect,
)
from syndicator.settings.reading import Settings, load
from syndicator.settings.schema import schema
from syndicator.settings.secrets import Secret, SecretUrl
from syndicator.settings.sources import Origin, Source
from syndicator.settings.values import Listen, Sender

__all__ = [
    "FilePartner",
    "FileSchedule",
    "FileSpokesperson",
    "FileTopic",
    "FileUpstream",
    "Listen",
    "Origin",
    "Redirect",
    "Secret",
    "SecretUrl",
    "Sender",
    "Settings",
    "Source",
    "Tls",
    "Transport",
    "load",
    "schema",
]
