"""Servers, clients and certificates for the tests of the wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from syndicator.wire.http import Client
from tests.wire.http_clients import Awaited, Open, opened
from tests.wire.http_server import Authority, Script, Serve, Server, certificate


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:

        def start(script: Script | bytes, **options: Any) -> Server:
            say = script if callable(script) else lambda connection, _: connection.sendall(script)
            server = Server(say, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture(scope="module", params=[Client, Awaited], ids=["threads", "asyncio"])
def client(request: pytest.FixtureRequest) -> Open:
    """Makes clients of either colour: every test that asks for it runs with both."""
    return opened(request.param)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca.test")])
    signed = certificate("ca.test", key, subject, key, authority=True)
    return Authority(key, signed, tmp_path_factory.mktemp("tls"))
