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
from tests.support.stream_call import BEEP_S, FILM_FPS
from tests.support.video_client import VideoClient, codecs

AUDIO_HZ, VIDEO_HZ = 48_000, 90_000
LOUD = 0.12
"""Of full scale."""
AROUND_S, CUT_S = 0.1, 0.01


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
        """RTP time of each beep's first and last loud sample; counter and RTP time of each picture."""
        self._opus = av.CodecContext.create("libopus", "r")
        self._h264 = av.CodecContext.create("h264", "r")
        self._h264.thread_count = 1
        self._parts, self._asked = [], False
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

        A source that stalls on a busy machine is later from then on, picture and sound alike. So each beep is judged by
        the pictures around it; one that was cut does not count, nor one that has no picture just before and behind it.
        """
        if len(self.beeps) <= beats or not {self.audio_ssrc, self.video_ssrc} <= self.reports.keys():
            return None
        shown = [(self._ntp(self.video_ssrc, at, VIDEO_HZ), counter / FILM_FPS) for counter, at in self.pictures]
        lags = []
        for first, last in self.beeps[:-1]:
            heard_s = self._ntp(self.audio_ssrc, first, AUDIO_HZ)
            before, behind = (
                [seen_s - media_s for seen_s, media_s in shown if 0 <= (seen_s - heard_s) * side < AROUND_S]
                for side in (-1, 1)
            )
            whole = abs((last - first) / AUDIO_HZ - BEEP_S) < CUT_S
            if whole and before and behind and abs(before[-1] - behind[0]) < 1 / FILM_FPS:
                since_zero_s = heard_s - before[-1]
                lags.append((since_zero_s - round(since_zero_s)) * 1000)
        return float(np.median(lags)) if lags else None

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
            pcm = decoded.to_ndarray().reshape(-1, 2)[:, 0]
            full_scale = 1.0 if pcm.dtype.kind == "f" else 32_768
            loud = np.flatnonzero(np.abs(pcm.astype(float)) > LOUD * full_scale)
            if not len(loud):
                continue
            first, last = (header.timestamp + int(loud[place]) for place in (0, -1))
            if not self.beeps or first > self.beeps[-1][1] + AUDIO_HZ // 10:
                self.beeps.append((first, last))
            else:
                self.beeps[-1] = (self.beeps[-1][0], last)

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
        limit = time.monotonic() + 2 * DEADLINE_S
        while (lag := reader.lag_ms(seconds)) is None:  # as fast as they come: the socket holds few
            assert time.monotonic() < limit, "never: beeps and pictures"
            reader.read()
        return lag
