"""DAVE member engine on libdave (package `dave`), Discord's own library; a development dependency.

libdave can abort the process in groups of ten and more: keep rooms with it to five members.
"""

import logging
from collections.abc import Set as AbstractSet

import dave

from clankvox.errors import MlsError, OpenFailed
from clankvox.loopback.member_engine import VideoCodec

_VERSION = 1
_AUDIO_SSRC = 1
"""Codecs are assigned by SSRC; the engine has one stream of each, so any numbers serve."""
_VIDEO_SSRCS = {"H264": (2, dave.Codec.h264), "VP8": (3, dave.Codec.vp8)}

# It reports every refused message there, which is our daily business.
logging.getLogger("dave").setLevel(logging.CRITICAL)


class LibdaveEngine:
    """Engine on one Session, its only Encryptor, and a Decryptor for each other user."""

    def __init__(self, user_id: int, channel_id: int) -> None:
        """Begin with a private group for `user_id` in the group of `channel_id`."""
        self._user_id = user_id
        self._channel_id = channel_id
        self._external_sender: bytes | None = None
        self._session = dave.Session()
        self._session.init(_VERSION, channel_id, str(user_id))
        self._encryptor = dave.Encryptor()
        self._encryptor.assign_ssrc_to_codec(_AUDIO_SSRC, dave.Codec.opus)
        for ssrc, codec in _VIDEO_SSRCS.values():
            self._encryptor.assign_ssrc_to_codec(ssrc, codec)
        self._decryptors: dict[int, dave.Decryptor] = {}
        self._retired: dict[int, dave.Decryptor] = {}
        self._roster: set[int] = set()
        self._ratchet_due = False

    @property
    def ready(self) -> bool:
        """Whether there is a key to encrypt with."""
        return bool(self._encryptor.has_key_ratchet())

    def restart(self) -> None:
        """See Engine. Sending goes on with the old key until `switch`."""
        self._session.reset()
        self._session.init(_VERSION, self._channel_id, str(self._user_id))
        if self._external_sender is not None:
            self._session.set_external_sender(self._external_sender)
        self._ratchet_due = False

    def key_package(self) -> bytes:
        """See Engine."""
        package = self._session.get_marshalled_key_package()
        if package is None:
            raise MlsError("libdave gives no key package")
        return bytes(package)

    def set_external_sender(self, payload: bytes) -> None:
        """See Engine."""
        self._external_sender = payload
        self._session.set_external_sender(payload)

    def propose(self, payload: bytes, recognized: AbstractSet[int]) -> bytes | None:
        """See Engine. libdave wants the operation byte too."""
        return self._session.process_proposals(payload, {str(user_id) for user_id in recognized})

    def follow_commit(self, commit: bytes) -> bool:
        """See Engine."""
        answer = self._session.process_commit(commit)
        if isinstance(answer, dave.RejectType):
            if answer == dave.RejectType.ignored:
                return False
            raise MlsError("libdave cannot process the commit")
        self._enter_epoch(answer)
        return True

    def join(self, welcome: bytes, recognized: AbstractSet[int]) -> None:
        """See Engine."""
        roster = self._session.process_welcome(welcome, {str(user_id) for user_id in recognized})
        if roster is None:
            raise MlsError("libdave cannot process the welcome")
        self._enter_epoch(roster)

    def switch(self) -> None:
        """See Engine. A ratchet is taken once an epoch, so that no key ever meets the same nonce twice."""
        if self._ratchet_due:
            self._ratchet_due = False
            self._encryptor.set_key_ratchet(self._session.get_key_ratchet(str(self._user_id)))
        elif not self._session.has_established_group():
            self._encryptor.set_key_ratchet(None)

    def encrypt_opus(self, frame: bytes) -> bytes:
        """See Engine."""
        return self._encrypt(dave.MediaType.audio, _AUDIO_SSRC, frame)

    def encrypt_video(self, codec: VideoCodec, frame: bytes) -> bytes:
        """See Engine."""
        return self._encrypt(dave.MediaType.video, _VIDEO_SSRCS[codec][0], frame)

    def decrypt(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        return self._open(self._decryptors, user_id, dave.MediaType.audio, frame)

    def decrypt_video(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        return self._open(self._decryptors, user_id, dave.MediaType.video, frame)

    def decrypt_retired(self, user_id: int, frame: bytes) -> bytes:
        """See Engine."""
        return self._open(self._retired, user_id, dave.MediaType.audio, frame)

    def _encrypt(self, media: dave.MediaType, ssrc: int, frame: bytes) -> bytes:
        sealed = self._encryptor.encrypt(media, ssrc, frame)
        if sealed is None:
            raise MlsError("libdave cannot encrypt")
        return bytes(sealed)

    @staticmethod
    def _open(decryptors: dict[int, dave.Decryptor], user_id: int, media: dave.MediaType, frame: bytes) -> bytes:
        decryptor = decryptors.get(user_id)
        plain = None if decryptor is None else decryptor.decrypt(media, frame)
        if plain is None:
            raise OpenFailed("libdave cannot decrypt")
        return bytes(plain)

    def _enter_epoch(self, changes: dict[int, list[int]]) -> None:
        """Apply roster changes and prepare a receiving key for every other user.

        An empty key means removed. libdave reports changes against the last roster, of an older group too.
        """
        for user_id, key in changes.items():
            (self._roster.add if key else self._roster.discard)(user_id)
        for user_id in self._decryptors.keys() - self._roster:
            self._retired[user_id] = self._decryptors.pop(user_id)
        for user_id in self._roster - {self._user_id}:
            ratchet = self._session.get_key_ratchet(str(user_id))
            if ratchet is not None:
                self._decryptors.setdefault(user_id, dave.Decryptor()).transition_to_key_ratchet(ratchet)
        self._ratchet_due = True
