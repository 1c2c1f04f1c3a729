"""Lip sync as a member sees it: sender reports put the sound and the pictures of a stream on one clock."""

import time

import av
import numpy as np

from clankvox.errors import WireError
from clankvox.loopback import h264_payload
from clankvox.loopback.clock_picture import read_clock
from clankvox.loopback.picture_decoder import luma_of
from clankvox.wire import rtcp, rtp
from clankvox.wire.rtp import OPUS_PAYLOAD_TYPE
from clankvox.wire.transport_crypto import open_sealed
from tests.support.process_call import DEADLINE_S
from tests.support.stream_call import FILM_FPS
from tests.support.video_client import VideoClient, codecs

AUDIO_HZ, VIDEO_HZ = 48_000, 90_000
LOUD = 4_000


class LipReader(VideoClient):
    """A member of its own making who decrypts and decodes what one sender sends."""

    def __init__(self, discord, credentials, sender):
        super().__init__(
            discord,
            int(credentials["userId"]),
            server=int(credentials["serverId"]),
            channel=int(credentials["daveChannelId"]),
            token=credentials["token"],
            session_id=credentials["sessionId"],
            codecs=codecs(105, 107),
        )
        self.sender = int(sender)
        self.reports = {}
        """NTP and RTP time of the last sender report, by SSRC."""
        self.beeps, self.pictures = [], []
        """RTP time of each beep's first loud sample; counter and RTP time of each picture."""
        self._opus = av.CodecContext.create("libopus", "r")
        self._h264 = av.CodecContext.create("h264", "r")
        self._h264.thread_count = 1
        self._parts, self._asked, self._loud_until = [], False, 0
        self.audio_ssrc = self.video_ssrc = None

    def read(self):
        """Take one datagram."""
        datagram = self.udp.recv(2048)
        if rtp.is_rtcp(datagram):
            for packet in rtcp.parse_compound(datagram[:8] + open_sealed(self.mode, self.key, datagram, 8)):
                if isinstance(packet, rtcp.SenderReport):
                    self.reports[packet.ssrc] = packet.ntp / (1 << 32), packet.rtp_timestamp
        elif rtp.is_rtp(datagram):
            header = rtp.parse_header(datagram)
            payload = rtp.strip(header, open_sealed(self.mode, self.key, datagram, header.clear_bytes))
            if payload and header.payload_type == OPUS_PAYLOAD_TYPE:
                self._hear(header, payload)
            elif payload and header.payload_type == 105:
                self._see(header, payload)

    def lag_ms(self, beats):
        """How much later the sound is than the picture, in ms, over the beeps heard; None before there are enough.

        The first one does not count: the sound may have come in its midst.
        """
        if len(self.beeps) <= beats or not {self.audio_ssrc, self.video_ssrc} <= self.reports.keys():
            return None
        ahead = [self._ntp(self.video_ssrc, at, VIDEO_HZ) - counter / FILM_FPS for counter, at in self.pictures]
        zero_s = float(np.median(ahead))
        lags = []
        for at in self.beeps[1:]:
            since_zero_s = self._ntp(self.audio_ssrc, at, AUDIO_HZ) - zero_s
            lags.append((since_zero_s - round(since_zero_s)) * 1000)
        return float(np.median(lags))

    def _ntp(self, ssrc, timestamp, rate_hz):
        ntp_s, reported = self.reports[ssrc]
        behind = (timestamp - reported + (1 << 31)) % (1 << 32) - (1 << 31)
        return ntp_s + behind / rate_hz

    def _hear(self, header, payload):
        self.audio_ssrc = header.ssrc
        try:
            frame = self.member.decrypt(self.sender, payload)
        except WireError:  # from before we were in the group
            return
        for decoded in self._opus.decode(av.Packet(frame)):
            pcm = np.abs(decoded.to_ndarray().reshape(-1, 2)[:, 0].astype(float))
            loud = np.flatnonzero(pcm > (LOUD if pcm.max() > 1 else LOUD / 32_768))
            if not len(loud):
                continue
            at = header.timestamp + int(loud[0])
            if at > self._loud_until:
                self.beeps.append(at)
            self._loud_until = at + AUDIO_HZ // 5

    def _see(self, header, payload):
        self.video_ssrc = header.ssrc
        if not self.member.ready:
            return
        if not self._asked:
            self._asked = True
            self.send_rtcp(rtcp.Pli(self.ssrc, header.ssrc))
        self._parts.append(payload)
        if not header.marker:
            return
        parts, self._parts = self._parts, []
        try:
            unit = self.member.decrypt_video(self.sender, h264_payload.depacketise(parts))
        except WireError:  # as above
            return
        for frame in self._h264.decode(av.Packet(unit)):
            stamp = read_clock(luma_of(frame))
            if stamp is not None:
                self.pictures.append((stamp.counter, header.timestamp))


def lag_ms(stream, credentials, seconds):
    """Watch a film with a beep at each whole second, and return how late the sound is; negative: the picture is."""
    with LipReader(stream.discord, credentials, stream.call.me) as reader:
        limit = time.monotonic() + DEADLINE_S
        while (lag := reader.lag_ms(seconds)) is None:  # as fast as they come: the socket holds few
            assert time.monotonic() < limit, "never: beeps and pictures"
            reader.read()
        return lag
