"""Carries out orders on a running server."""

import asyncio
from pathlib import Path

import msgspec

from clankvox.clock import Clock
from clankvox.errors import InvalidRequest
from clankvox.ids import GuildId, UserId
from clankvox.loopback.cast import Cast
from clankvox.loopback.commands import (
    AddPublisher,
    AddSpeaker,
    AddStream,
    AddWatcher,
    AnyCommand,
    BadCommit,
    Channel,
    Close,
    Downgrade,
    Garble,
    Impair,
    Nat,
    Pause,
    Rehearse,
    RemoveSpeaker,
    Resize,
    SetSfu,
    Snapshot,
    Stall,
    Stats,
    UpdateSession,
    Upgrade,
    Want,
    channel,
    server,
    user,
)
from clankvox.loopback.film import open_film
from clankvox.loopback.garbling import Garbling
from clankvox.loopback.impairment import Impairment
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.publisher import Publisher
from clankvox.loopback.registry import Registry
from clankvox.loopback.rehearsal import Stage
from clankvox.loopback.room import Room
from clankvox.loopback.session import Session
from clankvox.loopback.speaker import Speaker
from clankvox.loopback.watcher import Watcher
from clankvox.wire.gateway_ops import Op, SessionUpdate

Answer = dict[str, object]


class Control:
    """The event loop owns it."""

    def __init__(self, registry: Registry, stage: Stage, clock: Clock, emit: Emit, seed: int) -> None:
        """Act on the rooms of `registry`; `seed` stands in for an impairment that names none."""
        self._registry = registry
        self._stage = stage
        self._clock = clock
        self._seed = seed
        self.cast = Cast(registry, clock, emit, seed)
        self.endpoint = ""
        """Where clients find the gateway, once that is known."""

    async def carry_out(self, command: AnyCommand) -> Answer:
        """Do it and return the answer; InvalidRequest if it cannot be done."""
        if isinstance(command, Stats):
            answer = {"type": "stats", **self._stats()}
        else:
            answer = {"type": "ok", "command": command.__struct_config__.tag, **await self._act(command)}
        return answer if command.id is None else {**answer, "id": command.id}

    async def end(self) -> None:
        """Let all members of our own go, and their processes."""
        await self.cast.end()

    async def _act(self, command: AnyCommand) -> Answer:
        match command:
            case AddSpeaker() | AddPublisher() | AddWatcher():
                return await self.cast.engage(command)
            case RemoveSpeaker():
                self.cast.dismiss(user(command.user_id), _server(command.server_id))
            case Pause() | Resize() | Want() | Snapshot():
                return await self._direct(command)
            case Rehearse(server_id=server_id, seconds=seconds):
                return await self._rehearse(_server(server_id), seconds)
            case SetSfu():
                self._set_sfu(command)
            case UpdateSession():
                self._update_session(command)
            case AddStream():
                return self._add_stream(command)
            case Impair():
                self._impair(command)
            case Close():
                for session in self._sessions(command):
                    self._registry.close_session(session, command.code)
            case Stall() | Nat():
                self._cut_off(command)
            case Garble(media=media, of=of, until=until):
                for session in self._sessions(command):
                    sender = None if of is None else user(of)
                    session.port.garbling = Garbling(media, sender, until_new_group=until == "group")
            case Channel():
                self._registry.channels[server(command.server_id)] = channel(command.channel_id)
            case Downgrade(server_id=server_id):
                for room in self._rooms(server_id):
                    room.apply(room.service.prepare_downgrade(), self._clock.now())
            case Upgrade(server_id=server_id):
                for room in self._rooms(server_id):
                    room.apply(room.service.prepare_upgrade(), self._clock.now())
            case BadCommit():
                self._corrupt(user(command.user_id), _server(command.server_id))
        return {}

    def _cut_off(self, command: Stall | Nat) -> None:
        for session in self._sessions(command):
            if isinstance(command, Stall):
                session.port.stalled_until_s = self._clock.now() + command.ms / 1000
            elif command.after_ms is None:
                session.port.nat.forget()
            else:
                session.port.nat.forgets_after_s = command.after_ms / 1000

    def _impair(self, command: Impair) -> None:
        impairment = Impairment(
            loss=command.loss,
            jitter_ms=command.jitter_ms,
            reorder=command.reorder,
            duplicate=command.duplicate,
            seed=self._seed if command.seed is None else command.seed,
        )
        if command.user_id is None:
            self._registry.impair_all(impairment, command.direction)
            return
        for participant in self._participants(user(command.user_id), _server(command.server_id)):
            participant.port.impair(impairment, command.direction)

    def _corrupt(self, user_id: UserId, server_id: GuildId | None) -> None:
        self._participants(user_id, server_id)
        for room in self._registry.rooms.values():
            if server_id in (None, room.server_id):
                room.apply(room.service.corrupt_next_commit_for(user_id), self._clock.now())

    async def _direct(self, command: Pause | Resize | Want | Snapshot) -> Answer:
        """Tell a publisher or a watcher what to do."""
        user_id = user(command.user_id)
        match command:
            case Pause(paused=paused):
                self.cast.find(Publisher, user_id).pause(paused=paused)
            case Resize(width=width, height=height):
                publisher = self.cast.find(Publisher, user_id)
                settings = msgspec.structs.replace(publisher.settings, width=width, height=height)
                publisher.change(await asyncio.to_thread(open_film, settings, None, clock=True), settings)
            case Want(quality=quality):
                self.cast.find(Watcher, user_id).want(quality)
            case Snapshot(file=file, of=of):
                watched = None if of is None else user(of)
                return await self.cast.find(Watcher, user_id).snapshot(watched, Path(file))
        return {}

    async def _rehearse(self, server_id: GuildId | None, seconds: float) -> Answer:
        members = self.cast.members.items()
        tracks = [one.track for key, one in members if isinstance(one, Speaker) and server_id in (None, key[0])]
        begin_s, frames = await self._stage.rehearse(tracks, seconds)
        return {"beginMs": round(begin_s * 1000, 3), "frames": frames}

    def _set_sfu(self, command: SetSfu) -> None:
        video = self._registry.sfu.video
        changes = {"pli": command.pli, "nack": command.nack, "stap_a": command.stap_a}
        given = {name: value for name, value in changes.items() if value is not None}
        video.policy = msgspec.structs.replace(video.policy, **given)

    def _update_session(self, command: UpdateSession) -> None:
        update = SessionUpdate(
            video_codec=command.video_codec,
            audio_codec=command.audio_codec,
            keyframe_interval=command.keyframe_interval_ms,
        )
        for session in self._sessions(command):
            session.send(Op.SESSION_UPDATE, update)

    def _add_stream(self, command: AddStream) -> Answer:
        user_id = user(command.user_id)
        session_id = command.session_id or self._registry.voice_session(user_id)
        if session_id is None:
            raise InvalidRequest("this user is in no voice call, whose session a stream would borrow")
        server_id = _server(command.server_id)
        if server_id is None:
            server_id = self._registry.free_server_id()
        elif server_id not in self._registry.stream_servers and server_id in self._registry.servers:
            raise InvalidRequest("this server is there already, and it is no stream")
        return self._registry.stream_servers.issue(server_id, user_id, session_id).to_json(self.endpoint)

    def _rooms(self, server_id: str | None) -> list[Room]:
        rooms = list(self._registry.rooms.values())
        if server_id is None:
            return rooms
        named = [room for room in rooms if room.server_id == server(server_id)]
        if not named:
            raise InvalidRequest("no such room")
        return named

    def _sessions(self, command: Close | Stall | Nat | Garble | UpdateSession) -> list[Session]:
        server_id = _server(command.server_id)
        sessions = [
            session
            for session in self._registry.sessions_of(user(command.user_id))
            if server_id in (None, session.room.server_id)
        ]
        if not sessions:
            raise InvalidRequest("no such client")
        return sessions

    def _participants(self, user_id: UserId, server_id: GuildId | None = None) -> list[Participant]:
        present = [
            room.members[user_id]
            for room in self._registry.rooms.values()
            if user_id in room.members and server_id in (None, room.server_id)
        ]
        if not present:
            raise InvalidRequest("no such user")
        return present

    def _stats(self) -> Answer:
        rooms = self._registry.rooms.values()
        return {
            "nowMs": round(self._clock.now() * 1000, 3),
            "rooms": [room.report() for room in rooms],
            "clients": [_describe(participant, room) for room in rooms for participant in room.members.values()],
            "datagrams": dict(self._registry.sfu.dropped),
        }


def _describe(participant: Participant, room: Room) -> Answer:
    who = {"userId": str(participant.user_id), "serverId": str(room.server_id)}
    return {**who, **participant.report(), **participant.port.report()}


def _server(server_id: str | None) -> GuildId | None:
    return None if server_id is None else server(server_id)
