"""Both ends of watching for tests: senders of real coded video with real DAVE and a real transport, and recorders."""

from clankvox.ids import Attempt, Role, Ssrc
from clankvox.media.capture_board import CaptureBoard
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.receive import ReceivePipeline
from clankvox.media.video_receiver import VideoReceiver
from clankvox.media.watch_list import PictureWish, RemoteStream
from clankvox.wire import h264, rtcp, rtx, vp8
from clankvox.wire.rtp import H264_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE, build_header, pad
from clankvox.wire.transport_crypto import TransportMode
from clankvox.wire.video_codec import VideoCodec
from clankvox.wire.video_extensions import build_video_extensions
from tests.support.hearing import KEY, ME, Heard, RoomEngine

OWN_SSRC, VIDEO_SSRC, RTX_SSRC = Ssrc(999), Ssrc(21), Ssrc(22)
PAYLOAD_TYPE = {VideoCodec.H264: H264_PAYLOAD_TYPE, VideoCodec.VP8: VP8_PAYLOAD_TYPE}
FRAME_S = 1 / 30
WISH = PictureWish(30, 75)


class SeeingEngine(RoomEngine):
    """MlsEngine over a member of a DaveRoom, for pictures."""

    def decrypt_video(self, user_id, frame):
        self.tried += 1
        return self._member.decrypt_video(user_id, frame)


class Seen:
    """AccessUnitSink, VideoFacts and RtcpSender that remember everything."""

    def __init__(self):
        self.units, self.ended, self.facts, self.feedback = [], [], [], []
        self.accepting = True

    def access_unit(self, unit):
        self.units.append(unit)
        return self.accepting

    def stream_ended(self, ssrc):
        self.ended.append(ssrc)

    def __call__(self, compound):
        self.feedback.extend(rtcp.parse_compound(compound))

    def of(self, kind):
        return [packet for packet in self.feedback if isinstance(packet, kind)]

    @property
    def nacked(self):
        return [sequence for nack in self.of(rtcp.Nack) for sequence in nack.sequences]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.facts.append((name, *args))


class Eyes:
    """A pipeline that watches, attached and keyed; `clear` executes version 0, without a room there is no group."""

    def __init__(self, room=None, clear=False):
        self.cipher, self.seen, self.requests = FrameCipher(), Seen(), []
        self.video = VideoReceiver(Role.STREAM_WATCH, self.cipher, self.seen, self.seen, self.seen)
        self.pipeline = ReceivePipeline(
            self.cipher, CaptureBoard(), Heard(), Heard(), self.video, lambda *packet: self.requests.append(packet)
        )
        self.now = 100.0
        if clear:
            self.cipher.set_gate(Gate.CLEAR)
        elif room is not None:
            self.join(room)
        self.pipeline.attach(Attempt(1), OWN_SSRC)
        self.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, KEY))

    @property
    def totals(self):
        return self.video.totals

    @property
    def units(self):
        return [unit.data for unit in self.seen.units]

    def join(self, room):
        self.engine = SeeingEngine(room, ME)
        self.cipher.install(self.engine)

    def watch(self, user, ssrc=VIDEO_SSRC, rtx_ssrc=RTX_SSRC, wish=WISH):
        self.pipeline.watch((RemoteStream(user, ssrc, rtx_ssrc, "screen", "100", wish),))
        self.pipeline.poll(self.now)
        return self

    def feed(self, datagram):
        self.pipeline.feed(datagram, self.now)
        self.pipeline.poll(self.now)

    def see(self, frames, interval_s=FRAME_S):
        """Take each frame's datagrams at once, the next frame's a little later."""
        for datagrams in frames:
            for datagram in datagrams:
                self.feed(datagram)
            self.wait(interval_s)

    def wait(self, seconds):
        """Let time pass, polling when the pipeline asks to."""
        end = self.now + seconds
        while True:
            due = self.pipeline.poll(self.now)
            assert due > self.now, "a poll that asks to be called at once again"
            if due > end:
                break
            self.now = due
        self.now = end
        self.pipeline.poll(self.now)


class Filmer:
    """Sends access units as RTP, sealed as Discord's server would, and again as RTX when asked."""

    def __init__(self, member=None, codec=VideoCodec.H264, sequence=65_500, timestamp=0xFFFF_0000, max_payload=400):
        self.member, self.codec, self.max_payload = member, codec, max_payload
        self.sequence, self.timestamp, self.rtx_sequence = sequence, timestamp, 7
        self.picture_id = 0
        self.sealer = PacketSealer(TransportMode.AES256_GCM, KEY)
        self.sent = {}

    def frame(self, unit):
        """The datagrams of one access unit."""
        sealed = self.member.encrypt_video(self.codec.value, unit) if self.member is not None else unit
        if self.codec is VideoCodec.H264:
            payloads = h264.packetise(h264.split_annex_b(sealed), self.max_payload)
        else:
            payloads = vp8.packetise(sealed, self.picture_id, self.max_payload)
            self.picture_id += 1
        return self.packets(payloads)

    def frames(self, units):
        return [self.frame(unit) for unit in units]

    def packets(self, payloads, marker=True):
        """The datagrams of one frame that is packetised already."""
        made = [
            self._packet(payload, marker and last == 1) for last, payload in zip(*_countdown(payloads), strict=True)
        ]
        self.timestamp = (self.timestamp + 3_000) & 0xFFFF_FFFF
        return made

    def probe(self, padding=9):
        """A packet of padding only, which takes a sequence number."""
        return self._packet(b"", marker=False, padding=padding)

    def again(self, sequences, padding=0):
        """RTX packets of what was sent under these numbers."""
        made = []
        for sequence in sequences:
            payload, timestamp, marker = self.sent[sequence]
            number, self.rtx_sequence = self.rtx_sequence, self.rtx_sequence + 1
            header = self._header(RTX_SSRC, PAYLOAD_TYPE[self.codec] + 1, number, timestamp, marker, padding)
            made.append(self._seal(header, rtx.wrap(sequence, payload), padding, repair=True))
        return made

    def _packet(self, payload, marker, padding=None):
        number = self.sequence & 0xFFFF
        self.sequence += 1
        self.sent[number] = (payload, self.timestamp, marker)
        padding = number % 3 if padding is None else padding
        header = self._header(VIDEO_SSRC, PAYLOAD_TYPE[self.codec], number, self.timestamp, marker, padding)
        return self._seal(header, payload, padding)

    @staticmethod
    def _header(ssrc, payload_type, sequence, timestamp, marker, padding):
        return build_header(
            payload_type=payload_type,
            sequence=sequence & 0xFFFF,
            timestamp=timestamp,
            ssrc=ssrc,
            marker=marker,
            padding=padding > 0,
            extension_words=5,
        )

    def _seal(self, header, payload, padding, repair=False):
        body = build_video_extensions(1.0, self.sequence, repair=repair)
        return self.sealer.seal(header, body + (pad(payload, padding) if padding else payload))


def widened(unit):
    """An access unit with all start codes of 4 bytes, as DAVE hands it out."""
    return h264.join_annex_b(h264.split_annex_b(unit))


def _countdown(payloads):
    return range(len(payloads), 0, -1), payloads
