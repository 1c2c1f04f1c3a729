"""A raw client that sends and gets video packets and RTCP: what it says is up to the test."""

from clankvox.loopback import h264_payload
from clankvox.wire import gateway_ops as ops
from clankvox.wire import rtcp, rtp
from clankvox.wire.gateway_ops import Op
from clankvox.wire.transport_crypto import open_sealed, seal
from tests.support.raw_client import RawClient


def codecs(h264=101, vp8=103, **more):
    """An op 1 list; repair payload types are one above."""
    listed = [("H264", 1000, h264), ("VP8", 2000, vp8)]
    return (
        ops.Codec(name="opus", type="audio", priority=1000, payload_type=120),
        *(
            ops.Codec(name=name, type="video", priority=rank, payload_type=pt, rtx_payload_type=pt + 1, **more)
            for name, rank, pt in listed
            if pt
        ),
    )


class VideoClient(RawClient):
    """Joined with `video`; by default it has told ops 12 and 5, as a client has to before it sends or gets video."""

    def __init__(self, discord, user, told=True, **options):
        options.setdefault("codecs", codecs())
        offer = (ops.StreamDescription(type="screen", rid="100", quality=100),)
        super().__init__(discord, user, video=True, streams=offer, **options)
        stream = self.wait(Op.READY)["streams"][0]
        self.video, self.rtx = stream["ssrc"], stream["rtx_ssrc"]
        self.video_sequence = 65_530
        if told:
            self.speak(0)
            self.describe(active=False)
            self.settle()

    def settle(self):
        """Wait until the gateway has taken what was sent before."""
        since = len(self.seen)
        self.send(Op.BACKEND_VERSION, ops.BackendVersion())
        self.wait(Op.BACKEND_VERSION, since)

    def describe(self, active=True):
        stream = ops.StreamDescription(type="video", rid="100", ssrc=self.video, rtx_ssrc=self.rtx, active=True)
        shown = (self.video, self.rtx, (stream,)) if active else (0, 0, ())
        video_ssrc, rtx_ssrc, streams = shown
        self.send(
            Op.VIDEO,
            ops.Video(audio_ssrc=self.ssrc, video_ssrc=video_ssrc, rtx_ssrc=rtx_ssrc, streams=streams),
        )

    def send_video(self, payload, payload_type=101, marker=True, timestamp=9000, ssrc=None, sequence=None):
        """Send one packet and return its sequence number."""
        number = self.video_sequence & 0xFFFF if sequence is None else sequence
        self.video_sequence += sequence is None
        clear = rtp.build_header(
            payload_type=payload_type,
            sequence=number,
            timestamp=timestamp,
            ssrc=self.video if ssrc is None else ssrc,
            marker=marker,
            padding=not payload,
        )
        self.send_packet(clear, payload or rtp.pad(b"", 9))
        return number

    def send_picture(self, access_unit, timestamp=9000):
        """Send a picture as it is, and return its sequence numbers."""
        payloads = h264_payload.packetise(access_unit)
        last = len(payloads) - 1
        return [
            self.send_video(payload, marker=index == last, timestamp=timestamp)
            for index, payload in enumerate(payloads)
        ]

    def send_rtcp(self, *packets, clear_bytes=8):
        plain = rtcp.build_compound(packets)
        self.nonce += 1
        nonce = (0x8000_0000 + self.nonce).to_bytes(4, "big")
        self.udp.send(seal(self.mode, self.key, plain[:clear_bytes], plain[clear_bytes:], nonce))

    def read_rtcp(self):
        """The next RTCP datagram; RTP before it is passed over."""
        while True:
            datagram = self.udp.recv(2048)
            if rtp.is_rtcp(datagram):
                return rtcp.parse_compound(datagram[:8] + open_sealed(self.mode, self.key, datagram, 8))

    def read_video(self, wanted=1):
        """The next RTP packets as [(header, payload)]; everything else is passed over."""
        found = []
        while len(found) < wanted:
            datagram = self.udp.recv(2048)
            if rtp.is_rtp(datagram):
                header = rtp.parse_header(datagram)
                plaintext = open_sealed(self.mode, self.key, datagram, header.clear_bytes)
                found.append((header, rtp.strip(header, plaintext)))
        return found

    def nothing_more(self, seconds=0.15):
        """Whether no RTP comes for so long."""
        self.udp.settimeout(seconds)
        try:
            self.read_video()
        except TimeoutError:
            return True
        finally:
            self.udp.settimeout(10.0)
        return False
