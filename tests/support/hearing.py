"""Both ends of the receive path for tests: talkers with real Opus, real DAVE and a real transport, and recorders."""

from collections import defaultdict

import numpy as np

from clankvox.ids import Attempt, CaptureId, Ssrc, UserId
from clankvox.media.capture_board import CaptureBoard, CaptureConfig
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.packet_sealer import PacketSealer
from clankvox.media.receive import ReceivePipeline
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE, SILENCE_FRAME, build_extensions, build_header, pad
from clankvox.wire.transport_crypto import TransportMode
from tests.support.dave_room import DaveRoom
from tests.support.spoken import plain_opuslib, voice

opuslib = plain_opuslib()

KEY = bytes(range(32))
ME, ALICE, BOB, CAROL = UserId(1), UserId(20), UserId(30), UserId(40)
FRAME_MS = 20


def encoder(application="voip", channels=2, fec_percent=0):
    made = opuslib.Encoder(48_000, channels, application)
    if fec_percent:
        api, ctl = opuslib.api.encoder, opuslib.api.ctl
        api.encoder_ctl(made.encoder_state, ctl.set_inband_fec, 1)
        api.encoder_ctl(made.encoder_state, ctl.set_packet_loss_perc, fec_percent)
        api.encoder_ctl(made.encoder_state, ctl.set_bitrate, 32_000)
        api.encoder_ctl(made.encoder_state, ctl.set_signal, opuslib.SIGNAL_VOICE)
    return made


def opus_packets(seconds, frame_ms=FRAME_MS, seed=1, channels=2, **kwargs):
    """Real Opus of a synthetic voice."""
    made = encoder(channels=channels, **kwargs)
    samples = int(48 * frame_ms)
    pcm = np.repeat(voice(seconds, seed)[:, None], channels, axis=1)
    return [
        made.encode(pcm[start : start + samples].tobytes(), samples)
        for start in range(0, len(pcm) - samples + 1, samples)
    ]


def plain_decode(packets, rate_hz=24_000):
    """What libopus alone makes of packets; None conceals 20 ms."""
    decoder = opuslib.Decoder(rate_hz, 1)
    parts = []
    for packet in packets:
        size = rate_hz * 120 // 1000 if packet is not None else rate_hz // 50
        parts.append(np.frombuffer(decoder.decode(packet or b"", size), np.int16))
    return np.concatenate(parts)


class RoomEngine:
    """MlsEngine over a member of a DaveRoom."""

    def __init__(self, room: DaveRoom, user):
        self._room, self._member = room, room.members[user]
        self.tried = 0

    @property
    def ready(self):
        return self._member.ready and self._member.version == 1

    @property
    def members(self):
        return frozenset(UserId(user) for user in self._room.members)

    def decrypt_audio(self, user_id, frame):
        self.tried += 1
        return self._member.decrypt(user_id, frame)


class Heard:
    """PcmSink and ReceiveFacts that remember everything."""

    def __init__(self):
        self.facts = []
        self.pieces = defaultdict(list)
        self.stats = []
        self.timings = []
        self.segments = []
        self.views = []
        self.accepting = True

    def user_audio(self, user_id, capture_id, pcm, signal, duration_ms, timing):
        assert len(pcm) == 2 * signal.total
        self.views.append(pcm)
        self.stats.append((*signal, duration_ms))
        self.timings.append(timing)
        if self.accepting:
            self.pieces[user_id, capture_id].append(np.frombuffer(bytes(pcm), np.int16))
            self.facts.append(("pcm", user_id))
        return self.accepting

    def speech_ended(self, user_id, arming, segment=None):
        self.facts.append(("speech_ended", user_id, arming))
        if segment is not None:
            self.segments.append(segment)

    def pcm(self, user_id, capture_id=None):
        parts = self.pieces[user_id, capture_id]
        return np.concatenate(parts) if parts else np.empty(0, np.int16)

    def of(self, *kinds):
        return [fact for fact in self.facts if fact[0] in kinds]

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args: self.facts.append((name, *args))


class Ears:
    """A pipeline with its surroundings, attached and keyed; `clear` executes version 0."""

    def __init__(self, room=None, clear=False):
        self.cipher, self.board, self.heard = FrameCipher(), CaptureBoard(), Heard()
        self.pipeline = ReceivePipeline(self.cipher, self.board, self.heard, self.heard)
        self.engine = None
        self.now = 100.0
        if clear:
            self.cipher.set_gate(Gate.CLEAR)
        elif room is not None:
            self.join(room)
        self.attach()

    def join(self, room):
        self.engine = RoomEngine(room, ME)
        self.cipher.install(self.engine)

    def attach(self, attempt=1, key=KEY):
        self.pipeline.attach(Attempt(attempt), Ssrc(999))
        self.pipeline.open_with(PacketSealer(TransportMode.AES256_GCM, key))

    def arm(self, user, arming=1, capture_id=None, rate_hz=24_000, silence_ms=300, **more):
        capture = CaptureId(capture_id) if capture_id else None
        self.board.arm(user, CaptureConfig(arming, capture, rate_hz, silence_ms, **more))

    def feed(self, datagram, at=None):
        self.now = self.now if at is None else at
        self.pipeline.feed(datagram, self.now)
        self.pipeline.poll(self.now)

    def hear(self, datagrams, interval_s=0.02):
        for datagram in datagrams:
            self.feed(datagram)
            self.now += interval_s

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

    def check(self):
        """Every ledger sums up; returns the reports by SSRC."""
        reports = self.pipeline.reports()
        for report in reports:
            report.ledger.check(report.pending)
        self.pipeline.ended_streams().check(0)
        return {report.ledger.ssrc: report for report in reports}

    def fates(self, ssrc):
        return {str(fate): n for fate, n in self.check()[ssrc].ledger.fates.items() if n}


class Talker:
    """Sends Opus frames as RTP, sealed as Discord's server would."""

    def __init__(self, ssrc, member=None, sequence=65_530, timestamp=0xFFFF_F000, key=KEY, nonce_from=0):
        self.ssrc, self.sequence, self.timestamp = ssrc, sequence, timestamp
        self.member = member
        self.sealer = PacketSealer(TransportMode.AES256_GCM, key)

    def packet(self, frame, ticks=960, padding=0, extension=True, advance=True):
        payload = self.member.encrypt_opus(frame) if self.member is not None and frame else frame
        body = build_extensions({1: b"\x8a"}) if extension else b""
        header = build_header(
            payload_type=OPUS_PAYLOAD_TYPE,
            sequence=self.sequence & 0xFFFF,
            timestamp=self.timestamp & 0xFFFF_FFFF,
            ssrc=self.ssrc,
            padding=padding > 0,
            extension_words=len(body) // 4 if extension else None,
        )
        if advance:
            self.sequence += 1
            self.timestamp += ticks
        return self.sealer.seal(header, body + (pad(payload, padding) if padding else payload))

    def packets(self, frames, ticks=960):
        return [self.packet(frame, ticks) for frame in frames]

    def silence(self, count=5):
        return self.packets([SILENCE_FRAME] * count)


def room_of(*users):
    room = DaveRoom()
    for user in users:
        room.join(user)
    return room.run()


def talkers(room, **ssrcs):
    return [Talker(ssrc, room.members[user]) for user, ssrc in ssrcs.items()]
