from clankvox.ids import Ssrc, UserId
from clankvox.loopback.impairment import Impairment
from clankvox.loopback.media_port import MediaPort, Transport
from clankvox.wire.transport_crypto import TransportMode


def test_nonces_of_rtp_and_rtcp_never_meet():
    transport = Transport(TransportMode.XCHACHA20)
    rtp = [transport.seal_rtp(b"clear", b"x")[-4:] for _ in range(300)]
    rtcp = [transport.seal_rtcp(b"clear", b"x")[-4:] for _ in range(300)]
    assert len({*rtp, *rtcp}) == 600
    assert all(nonce[3] & 0x80 == 0 for nonce in rtp)
    assert all(nonce[3] & 0x80 for nonce in rtcp)


def test_every_transport_has_its_own_key():
    assert Transport(TransportMode.AES256_GCM).key != Transport(TransportMode.AES256_GCM).key


def test_faults_apply_to_the_directions_that_are_named():
    port = MediaPort(UserId(1), Ssrc(5), 0)
    port.impair(Impairment(loss=1.0), "up")
    assert (port.up.clean, port.up_probes.clean, port.down.clean, port.down_probes.clean) == (False, False, True, True)
    port.impair(Impairment(loss=1.0), "both")
    assert (port.down.clean, port.down_probes.clean) == (False, False)


def test_an_announcement_is_told_only_if_something_waits_for_it():
    port = MediaPort(UserId(1), Ssrc(5), 0)
    told = []
    port.on_announced = lambda: told.append(set(port.announced))
    port.announce((5,))
    assert told == []
    port.early.append((b"packet", 0.0))
    port.announce((6,))
    assert told == [{5, 6}]
