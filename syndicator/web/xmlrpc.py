"""The little of XML-RPC that a ping needs: reading a call whose values are texts, and writing its answer.

Whoever calls is a stranger: what holds a document type is refused, so there is no entity to expand, and
what is long, deep or no text is refused, too (security:X1). Nothing is fetched. xmlrpc.com/spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from lxml import etree

MAX_BYTES = 16_000  # of a call; WordPress sends some four hundred
MAX_ELEMENTS = 100
MAX_PARAMS = 10
# XML-RPC for PHP's fault codes, which clients know (xmlrpc-epi "Specification for Fault Code Interoperability").
NOT_WELL_FORMED, INVALID, UNKNOWN_METHOD, BAD_PARAMS = -32700, -32600, -32601, -32602
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True)
class Call:
    """A method and the texts it is called with."""

    method: str
    params: tuple[str, ...]


class Fault(Exception):
    """A call that is not understood: a code of the interoperability list, and words."""

    def __init__(self, code: int, words: str) -> None:
        self.code = code
        super().__init__(words)


def read(body: bytes) -> Call:
    """The call in this body; raises Fault."""
    if len(body) > MAX_BYTES:
        raise Fault(INVALID, f"a call has at most {MAX_BYTES} bytes")
    root = _root(body)
    if sum(1 for _ in root.iter()) > MAX_ELEMENTS:
        raise Fault(INVALID, f"a call has at most {MAX_ELEMENTS} elements")
    method = root.find("methodName")
    if root.tag != "methodCall" or method is None:
        raise Fault(INVALID, "this is no methodCall with a methodName")
    params = tuple(_text(value) for value in root.iterfind("params/param/value"))
    if len(params) > MAX_PARAMS:
        raise Fault(BAD_PARAMS, f"a call has at most {MAX_PARAMS} params")
    return Call((method.text or "").strip(), params)


def answer(*, error: bool, message: str) -> bytes:
    """What `weblogUpdates.ping` answers: the struct {flerror, message}."""
    members = _member("flerror", f"<boolean>{int(error)}</boolean>"), _member("message", _string(message))
    return _response(f"<params><param><value><struct>{''.join(members)}</struct></value></param></params>")


def fault(trouble: Fault) -> bytes:
    """A fault."""
    members = (
        _member("faultCode", f"<int>{trouble.code}</int>"),
        _member("faultString", _string(str(trouble))),
    )
    return _response(f"<fault><value><struct>{''.join(members)}</struct></value></fault>")


def _root(body: bytes) -> etree._Element:
    # Before the parser sees it; one in an encoding that hides it is found by the parser.
    if b"<!DOCTYPE" in body.upper() or b"\0" in body:
        raise Fault(NOT_WELL_FORMED, "a call has no document type, and is written in UTF-8")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(body.strip(), parser)
    except (etree.XMLSyntaxError, ValueError) as broken:
        raise Fault(NOT_WELL_FORMED, "this is no well-formed XML") from broken
    if root.getroottree().docinfo.internalDTD is not None:
        raise Fault(NOT_WELL_FORMED, "a call has no document type")
    return root


def _text(value: etree._Element) -> str:
    """A value's text: untyped, or a string; any other type is none that a ping has."""
    inner = list(value.iterchildren("*"))
    if not inner:
        return (value.text or "").strip()
    if len(inner) > 1 or inner[0].tag != "string" or len(inner[0]):
        raise Fault(BAD_PARAMS, "every param of a ping is a string")
    return (inner[0].text or "").strip()


def _response(inside: str) -> bytes:
    return f"{HEAD}<methodResponse>{inside}</methodResponse>\n".encode()


def _member(name: str, value: str) -> str:
    return f"<member><name>{name}</name><value>{value}</value></member>"


def _string(text: str) -> str:
    return f"<string>{escape(text, quote=False)}</string>"
