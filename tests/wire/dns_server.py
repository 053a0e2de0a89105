"""A DNS server on the loopback, UDP and TCP on one port, that answers from a few lines of zone file."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Self

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

SHORT = 512  # octets an answer over UDP may have (RFC 1035 §4.2.1)
Records = Mapping[str, str | Sequence[str]]  # "news.example TXT" → the record as in a zone file, or several


class Server:
    """Answers for `records`; the names in `broken` get SERVFAIL, those in `mute` nothing at all."""

    def __init__(self, records: Records, *, broken: Sequence[str] = (), mute: Sequence[str] = ()) -> None:
        self.records = {
            key.lower(): [said] if isinstance(said, str) else list(said) for key, said in records.items()
        }
        self.broken, self.mute = broken, mute
        self.over_tcp = 0
        self._udp, self._tcp = _bound()
        self.place = f"127.0.0.1:{self._udp.getsockname()[1]}"
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._serve_udp, self._serve_tcp)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._udp, self._tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def _serve_udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                asked, who = self._udp.recvfrom(65535)
                if not asked:  # how shutdown wakes us
                    return
                reply = self._reply(asked)
                if reply is None:
                    continue
                wire = reply.to_wire(max_size=65535)
                if len(wire) > SHORT:
                    reply.answer.clear()
                    reply.flags |= dns.flags.TC
                    wire = reply.to_wire()
                self._udp.sendto(wire, who)

    def _serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                talk, _ = self._tcp.accept()
                with talk, contextlib.suppress(OSError):
                    asked = talk.recv(65535)
                    reply = self._reply(asked[2:])
                    if reply is not None:
                        wire = reply.to_wire(max_size=65535)
                        self.over_tcp += 1  # before whoever asked can look
                        talk.sendall(struct.pack("!H", len(wire)) + wire)

    def _reply(self, asked: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(asked)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        if name in self.mute:
            return None
        reply = dns.message.make_response(query, recursion_available=True)
        if name in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif found := self.records.get(f"{name} {dns.rdatatype.to_text(question.rdtype)}".lower()):
            data = [dns.rdata.from_text(dns.rdataclass.IN, question.rdtype, text) for text in found]
            reply.answer.append(dns.rrset.from_rdata_list(question.name, 60, data))
        elif not any(key.split()[0] == name for key in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply


def _bound() -> tuple[socket.socket, socket.socket]:
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        try:
            return udp, socket.create_server(udp.getsockname())
        except OSError:  # somebody has the TCP port of this number
            udp.close()
