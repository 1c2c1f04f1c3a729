"""A WebSocket server in which the test itself is the voice gateway, and a certificate authority of its own."""

import datetime as dt
import ipaddress
import logging
import queue
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.sync.server import serve

from clankvox.shells.tls_socket import TlsSocket

DEADLINE_S = 10.0


class GatewayServer:
    """Hands each accepted connection to the test and keeps it open until the server is shut down."""

    def __init__(self, tls=None, **options):
        self.connections = queue.SimpleQueue()
        self._over = threading.Event()
        quiet = logging.getLogger("tests.gateway_server")
        quiet.setLevel(logging.CRITICAL)
        options.setdefault("close_timeout", 1.0)
        self._server = serve(self._handle, "127.0.0.1", 0, ssl=tls, logger=quiet, ping_interval=None, **options)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, name="gateway-server")
        self._thread.start()

    def _handle(self, connection):
        self.connections.put(connection)
        self._over.wait()

    def accept(self):
        return self.connections.get(timeout=DEADLINE_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._thread.join(DEADLINE_S)


def certificate(folder, name="127.0.0.1"):
    """Write a CA and a server certificate for the IP address `name`; return (CA file, server context)."""
    now = dt.datetime.now(dt.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clankvox test CA")])

    def build(subject, public_key, *extensions):
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name).public_key(public_key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - dt.timedelta(days=1))
        builder = builder.not_valid_after(now + dt.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    ca_identifier = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())
    ca = build(
        ca_name,
        ca_key.public_key(),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (ca_identifier, False),
        (x509.KeyUsage(True, False, False, False, False, True, True, False, False), True),
    )
    leaf = build(
        x509.Name([]),
        key.public_key(),
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), True),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_identifier), False),
    )
    (folder / "ca.pem").write_bytes(ca)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(private + leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.sslsocket_class = TlsSocket  # the library's server reads and writes from two threads, too
    return folder / "ca.pem", context
