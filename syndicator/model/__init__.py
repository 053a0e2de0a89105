"""What the words mean: frozen dataclasses and pure rules. No I/O, no clock, no dice.

Everything here is a value or a decision; every other floor may import it, and it imports only
`errors` and `observe`. All instants are aware datetimes in UTC unless a name says otherwise.
"""
