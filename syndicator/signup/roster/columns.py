"""Which column is which: by our names, by names that lists bear in several languages, by what was said. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syndicator.errors import Invalid

OURS = (
    *("email", "name", "outlet", "timezone", "topics", "cadence", "consent"),
    *("country", "language", "tags", "notes", "status", "first", "last"),
)
IGNORE = "ignore"  # what a column is mapped to that is to be left alone
SYNONYMS = {
    "email": (
        "e-mail, mail, email address, e-mail address, mail address, e-mail-adresse, emailadresse, mailadresse, "
        "adresse e-mail, adresse mail, adresse email, courriel, correo, correo electrónico, dirección de correo, "
        "indirizzo email, posta elettronica, e-mailadres, e-post, e-postadress, sähköposti, email_address"
    ),
    "name": (
        "full name, fullname, contact, contact name, vollständiger name, kontakt, nom complet, nombre completo, "
        "nome completo, naam, namn, display name"
    ),
    "first": (
        "first name, firstname, first_name, given name, fname, vorname, prénom, nombre, nome, voornaam, förnamn"
    ),
    "last": (
        "last name, lastname, last_name, surname, family name, lname, nachname, familienname, nom, "
        "nom de famille, apellido, apellidos, cognome, achternaam, efternamn"
    ),
    "outlet": (
        "medium, media, publication, company, organisation, organization, redaktion, zeitung, firma, unternehmen, "
        "média, entreprise, société, rédaction, medio, empresa, testata, azienda, krant, tidning"
    ),
    "country": "country code, cc, land, pays, país, paese",
    "language": "lang, locale, sprache, langue, idioma, lingua, taal, språk",
    "timezone": "time zone, tz, zeitzone, fuseau horaire, zona horaria, fuso orario, tijdzone",
    "topics": "topic, beat, beats, thema, themen, sujet, sujets, thèmes, tema, temas, argomenti, onderwerpen",
    "cadence": "frequency, häufigkeit, fréquence, frecuencia, frequenza, frequentie",
    "consent": "einwilligung, consentement, consentimiento, consenso, toestemming, opt-in source",
    "tags": "tag, labels, label, schlagworte, schlagwörter, étiquettes, etiquetas",
    "notes": "note, comment, comments, remarks, notizen, bemerkung, bemerkungen, remarques, notas",
    "status": "subscription status, état, estado, stato",
}


def plain(header: str) -> str:
    """A header as it is compared: composed, small letters, one blank between words.

    >>> plain("  E-Mail  Adresse ")
    'e-mail adresse'
    """
    return " ".join(unicodedata.normalize("NFC", header).casefold().split())


KNOWN = {plain(name): name for name in OURS} | {
    plain(word): ours for ours, words in SYNONYMS.items() for word in words.split(",")
}


MOST_NAMED = 8  # columns that nobody reads


@dataclass(frozen=True, slots=True)
class Columns:
    """Our name for each column of a table, empty for one that is left alone; `told` says what was guessed."""

    names: tuple[str, ...]
    told: tuple[str, ...] = ()

    def cells(self, row: Sequence[str]) -> dict[str, str]:
        """A row by our names."""
        return {name: cell for name, cell in zip(self.names, row, strict=False) if name}

    def surplus(self, row: Sequence[str]) -> bool:
        """Whether something stands in a row beyond the columns that the header names."""
        return any(cell.strip() for cell in row[len(self.names) :])


def mapping(maps: Iterable[str]) -> dict[str, str]:
    """What --map said, by their name as it is compared; raises Invalid for what names none of ours."""
    found = {}
    for pair in maps:
        theirs, parted, ours = pair.rpartition("=")
        if not parted or ours not in (*OURS, IGNORE):
            choices = ", ".join((*OURS, IGNORE))
            raise Invalid(f"--map {pair!r}: write THEIRS=OURS, where OURS is one of {choices}")
        found[plain(theirs)] = ours
    return found


def matched(header: Sequence[str], said: Mapping[str, str], own: Mapping[str, str] | None = None) -> Columns:
    """The columns of a header: what was said first, then a format's `own` names, then ours, then a guess.

    Of two columns for one thing the first of the better kind is taken. `name` alone needs no `first` and `last`.
    """
    words = [plain(one) for one in header]
    found = [""] * len(words)
    ranks = (said, own or {}, {plain(name): name for name in OURS}, KNOWN)
    taken: set[str] = set()
    for rank in ranks:
        for number, word in enumerate(words):
            ours = "" if found[number] else rank.get(word, "")
            if ours == IGNORE or (ours and ours not in taken):
                found[number] = ours
                taken.add(ours)
    guessed = [
        f'"{" ".join(header[number].split())[:40]}" as {ours}'
        for number, ours in enumerate(found)
        if ours and ours != IGNORE and words[number] not in said and words[number] != ours
    ]
    told = [f"read {', '.join(guessed)}; --map says otherwise"] if guessed else []
    told += _left_alone(header, found)
    return Columns(tuple("" if one == IGNORE else one for one in found), tuple(told) if own is None else ())


def _left_alone(header: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """Which columns nobody reads: of two that say who left, the second might be the one that is true."""
    names = [" ".join(one.split())[:40] for one, ours in zip(header, found, strict=True) if not ours]
    if named := [f'"{one}"' for one in names if one]:
        more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
        yield f"left alone {', '.join(named[:MOST_NAMED])}{more}; --map NAME=OURS reads one, NAME=ignore says it is meant"
