import ssl

import pytest

from clankvox.loopback.certificate import make_authority, server_context


def handshake(trusted, context, name):
    client_context = ssl.create_default_context(cadata=trusted.pem.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "::1", "voice.test"])
def test_the_certificate_is_valid_for_each_name(name):
    authority = make_authority()
    assert handshake(authority, server_context(authority, "voice.test"), name)


def test_it_is_not_valid_for_another_name_or_under_another_authority():
    authority = make_authority()
    context = server_context(authority, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority, context, "voice.test")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(make_authority(), context, "127.0.0.1")
