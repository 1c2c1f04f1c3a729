"""All rooms and sessions of the server: who may come in, who is replaced, and who is gone for good."""

import random
from typing import Final

from clankvox.clock import Clock
from clankvox.errors import InvalidRequest, PeerViolation, WireError
from clankvox.ids import ChannelId, GuildId, Ssrc, UserId
from clankvox.loopback.impairment import Impairment
from clankvox.loopback.media_port import Direction
from clankvox.loopback.options import Options
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.room import Room
from clankvox.loopback.session import SSRCS_A_SESSION, Link, Session
from clankvox.loopback.sfu import Sfu
from clankvox.loopback.stream_servers import StreamServers, dave_channel
from clankvox.wire.gateway_ops import CloseCode, Identify, Resume, snowflake

_SSRC_LIMIT: Final = 1 << 32
_FIRST_SERVER: Final = 1_400_000_000_000_000_000
_SERVER_STEP: Final = 10
_RESUMABLE: Final = frozenset({CloseCode.WORKER_CRASHED, CloseCode.SERVER_CRASHED})
"""Close codes of 4000 and above after which a session lives on."""


class Registry:
    """The event loop owns it."""

    def __init__(self, options: Options, sfu: Sfu, udp_port: int, emit: Emit, clock: Clock) -> None:
        """Begin without rooms: a room appears with its first participant and goes with its last."""
        self.udp_port = udp_port
        self.sfu = sfu
        self.rooms: dict[tuple[GuildId, ChannelId], Room] = {}
        self.channels = {GuildId(server): ChannelId(channel) for server, channel in options.channels.items()}
        self.stream_servers = StreamServers()
        self._options = options
        self._emit = emit
        self._clock = clock
        self._impairments: dict[Direction, Impairment] = {}
        self._sessions: list[Session] = []
        self._next_server = _FIRST_SERVER
        self._next_ssrc = random.Random(options.seed).randrange(1, _SSRC_LIMIT // 2)  # noqa: S311 - reproducible

    def open_session(self, identify: Identify, version: int) -> Session:
        """Op 0: find or make the room, let a former session of the user go first; PeerViolation if refused."""
        if self._options.require_dave and not identify.max_dave_protocol_version:
            raise PeerViolation("DAVE is required", CloseCode.DAVE_REQUIRED)
        try:
            server_id, user_id = GuildId(snowflake(identify.server_id)), UserId(snowflake(identify.user_id))
            channel_id = None if identify.channel_id is None else ChannelId(snowflake(identify.channel_id))
        except WireError as error:
            raise PeerViolation("no such server", CloseCode.SERVER_NOT_FOUND) from error
        self._check_credentials(identify, server_id, user_id)
        self._retire(server_id, user_id)
        room = self.room(server_id, channel_id)
        ssrc = self.allocate_ssrcs(SSRCS_A_SESSION)
        session = Session(identify, room, user_id, ssrc, version, self._options.seed)
        session.port.on_invalid_ssrc = lambda: self.close_session(session, CloseCode.BAD_REQUEST, "Invalid SSRC")
        self._sessions.append(session)
        self.admit(session, room)
        return session

    def voice_session(self, user_id: UserId) -> str | None:
        """Return the session id of the user's voice connection, which its streams borrow."""
        for session in self._sessions:
            if session.user_id == user_id and session.room.server_id not in self.stream_servers:
                return session.identify.session_id
        return None

    def _check_credentials(self, identify: Identify, server_id: GuildId, user_id: UserId) -> None:
        issued = self.stream_servers.issued(server_id, user_id)
        if issued is not None:
            if identify.token != issued.token:
                raise PeerViolation("not the token of this stream", CloseCode.AUTHENTICATION_FAILED)
            if identify.session_id != issued.session_id:
                raise PeerViolation("not the session of the voice call", CloseCode.SESSION_NO_LONGER_VALID)
        elif self._options.tokens and identify.token not in self._options.tokens:
            raise PeerViolation("token not listed", CloseCode.AUTHENTICATION_FAILED)
        if not identify.session_id:
            raise PeerViolation("no session", CloseCode.SESSION_NO_LONGER_VALID)

    def admit(self, participant: Participant, room: Room) -> None:
        """Let the SFU know `participant`, who is about to enter `room`."""
        self.rooms[room.server_id, room.channel_id] = room
        self.sfu.attach(participant.port)
        if self._options.nat_forget_s is not None:
            participant.port.nat.forgets_after_s = self._options.nat_forget_s
        for direction, impairment in self._impairments.items():
            participant.port.impair(impairment, direction)

    def impair_all(self, impairment: Impairment, direction: Direction) -> None:
        """Apply faults to everybody who is or will be there."""
        if direction == "both":
            self._impairments.clear()
        self._impairments[direction] = impairment
        for room in self.rooms.values():
            for participant in room.members.values():
                participant.port.impair(impairment, direction)

    def session_described(self, session: Session, address: tuple[str, int]) -> None:
        """Op 4 is queued: media may flow. `address` is what the client says; a datagram that came says more."""
        if session.port.address is None:
            self.sfu.learn_address(session.port, address)
        newly = not session.room.is_connected(session)
        session.room.connect(session, self._clock.now())
        if newly:
            self.joined(session, session.room, gatewayVersion=session.version, daveVersion=session.dave_version)

    def resumable_session(self, resume: Resume) -> Session:
        """Op 7: return the session if it can go on; PeerViolation (4006) if the client has to identify anew."""
        for session in self._sessions:
            known = session.identify
            same = (known.server_id, known.session_id, known.token) == (
                resume.server_id,
                resume.session_id,
                resume.token,
            )
            if same and session.resumable and session.can_replay(resume.last_seen):
                return session
        raise PeerViolation("no such session", CloseCode.SESSION_NO_LONGER_VALID)

    def resumed(self, session: Session, replayed: int) -> None:
        """Report a resume that replayed so many messages."""
        self._emit("resumed", {**_who(session, session.room), "replayed": replayed})

    def close_session(self, session: Session, code: int, reason: str = "") -> None:
        """Close the client's socket; most codes of 4000 and above end the session too."""
        session.resumable = code < CloseCode.UNKNOWN_OPCODE or code in _RESUMABLE
        session.close(code, reason)

    def connection_lost(self, session: Session, link: Link, *, left: bool) -> None:
        """Keep the session of a WebSocket that is gone, unless the client `left` or its session was ended."""
        if session.link is not link:
            return
        session.link = None
        if left or not session.resumable or not session.room.is_connected(session):
            self.leave(session, session.room, "left" if left else "closed")
        else:
            session.lost_at_s = self._clock.now()
            self._emit("lost", _who(session, session.room))

    def room(self, server_id: GuildId, channel_id: ChannelId | None = None) -> Room:
        """Return the room of a server; without a channel the one that is there, or a new one: `admit` keeps it."""
        present = [room for room in self.rooms.values() if room.server_id == server_id]
        if server_id in self.stream_servers:
            channel_id = dave_channel(server_id)  # whichever of its two channels a client names
        if channel_id is None and server_id in self.channels:
            channel_id = self.channels[server_id]
        if channel_id is None and present:
            return present[0]
        # in a private call the server id is the channel id, so this is right for those at least
        guess = ChannelId(server_id)
        key = (server_id, guess if channel_id is None else channel_id)
        guessed = self.rooms.get((server_id, guess))
        if key not in self.rooms and guessed is not None and guessed.rename(key[1]):
            self.rooms[key] = self.rooms.pop((server_id, guess))
        return self.rooms.get(key) or Room(*key, self._emit, dave=self._options.dave)

    def only_room(self) -> Room:
        """Return the room that is meant when none is named; InvalidRequest if that is unclear."""
        if len(self.rooms) != 1:
            raise InvalidRequest(f"name a serverId: there are {len(self.rooms)} rooms")
        return next(iter(self.rooms.values()))

    def joined(self, participant: Participant, room: Room, **fields: object) -> None:
        """Report that media may flow to and from `participant`."""
        about = {**_who(participant, room), "channelId": str(room.channel_id), "ssrc": participant.port.ssrc}
        self._emit("joined", {**about, "version": room.report()["version"], **fields})

    def leave(self, participant: Participant, room: Room, reason: str) -> None:
        """Take `participant` out of `room` for good; an empty room goes too."""
        if room.members.get(participant.user_id) is not participant:
            return
        if isinstance(participant, Session):
            self._sessions.remove(participant)
        was_connected = room.is_connected(participant)
        self.sfu.detach(participant.port)
        room.leave(participant, self._clock.now())
        if was_connected:
            self._emit("left", {**_who(participant, room), "reason": reason, "counters": participant.port.report()})
        if not room.members:
            del self.rooms[room.server_id, room.channel_id]

    def tick(self, now: float) -> None:
        """Act on time limits: transitions and commits of each room, sessions that nobody resumed."""
        for room in list(self.rooms.values()):
            room.apply(room.service.tick(now), now)
        for session in list(self._sessions):
            if session.lost_at_s is not None and now >= session.lost_at_s + self._options.resume_window_s:
                self.leave(session, session.room, "timed_out")

    def allocate_ssrcs(self, count: int) -> Ssrc:
        """Return the first of `count` consecutive SSRCs that nobody else has."""
        first = self._next_ssrc
        self._next_ssrc += count
        return Ssrc(first)

    @property
    def servers(self) -> set[GuildId]:
        """The servers that have a room now."""
        return {server_id for server_id, _ in self.rooms}

    def free_server_id(self) -> GuildId:
        """Return the id of a server that does not exist yet, nor its neighbours."""
        self._next_server += _SERVER_STEP
        return GuildId(self._next_server)

    def sessions_of(self, user_id: UserId) -> list[Session]:
        """Return the sessions of one user, of which there is one a room."""
        return [session for session in self._sessions if session.user_id == user_id]

    def _retire(self, server_id: GuildId, user_id: UserId) -> None:
        """Let the user's former session go before the new one is announced, or the others would refuse it."""
        for room in [room for room in self.rooms.values() if room.server_id == server_id]:
            former = room.members.get(user_id)
            if former is None:
                continue
            if not isinstance(former, Session):
                raise PeerViolation("a member of our own has this user id", CloseCode.BAD_REQUEST)
            self.close_session(former, CloseCode.SESSION_NO_LONGER_VALID)
            self.leave(former, room, "replaced")


def _who(participant: Participant, room: Room) -> dict[str, object]:
    return {"userId": str(participant.user_id), "serverId": str(room.server_id)}
