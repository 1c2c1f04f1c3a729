"""Carries out orders on a running server."""

import asyncio
from pathlib import Path
from typing import Final

from clankvox.clock import Clock
from clankvox.errors import InvalidRequest
from clankvox.ids import ChannelId, UserId
from clankvox.loopback import speech
from clankvox.loopback.child_member import ChildMember
from clankvox.loopback.commands import (
    AddSpeaker,
    AnyCommand,
    BadCommit,
    Channel,
    Close,
    Downgrade,
    Impair,
    RemoveSpeaker,
    Stall,
    Stats,
    Upgrade,
    channel,
    server,
    user,
)
from clankvox.loopback.hosted_member import HostedMember, InlineMember
from clankvox.loopback.impairment import Impairment
from clankvox.loopback.member import DaveMember, Library
from clankvox.loopback.participant import Emit, Participant
from clankvox.loopback.recording import Recording
from clankvox.loopback.registry import Registry
from clankvox.loopback.room import Room
from clankvox.loopback.session import Session
from clankvox.loopback.speaker import Script, Speaker

Answer = dict[str, object]

_MAX_LIBDAVE: Final = 5
"""libdave can abort the process in larger groups."""


class Control:
    """The event loop owns it."""

    def __init__(self, registry: Registry, clock: Clock, emit: Emit, seed: int) -> None:
        """Act on the rooms of `registry`; `seed` stands in for an impairment that names none."""
        self._registry = registry
        self._clock = clock
        self._emit = emit
        self._seed = seed
        self._speakers: dict[UserId, Speaker] = {}
        self._children: list[ChildMember] = []
        self._joining: set[UserId] = set()

    async def carry_out(self, command: AnyCommand) -> Answer:
        """Do it and return the answer; InvalidRequest if it cannot be done."""
        if isinstance(command, Stats):
            answer = {"type": "stats", **self._stats()}
        else:
            answer = {"type": "ok", "command": command.__struct_config__.tag, **await self._act(command)}
        return answer if command.id is None else {**answer, "id": command.id}

    async def end(self) -> None:
        """Let all members of our own go, and their processes."""
        for user_id in list(self._speakers):
            self._remove_speaker(user_id)
        await asyncio.gather(*(child.ended() for child in self._children))

    async def _act(self, command: AnyCommand) -> Answer:
        match command:
            case AddSpeaker():
                return await self._add_speaker(command)
            case RemoveSpeaker():
                self._remove_speaker(user(command.user_id))
            case Impair():
                self._impair(command)
            case Close():
                for session in self._sessions(command.user_id):
                    self._registry.close_session(session, command.code)
            case Stall():
                for session in self._sessions(command.user_id):
                    session.port.stalled_until_s = self._clock.now() + command.ms / 1000
            case Channel():
                self._registry.channels[server(command.server_id)] = channel(command.channel_id)
            case Downgrade(server_id=server_id):
                for room in self._rooms(server_id):
                    room.apply(room.service.prepare_downgrade(), self._clock.now())
            case Upgrade(server_id=server_id):
                for room in self._rooms(server_id):
                    room.apply(room.service.prepare_upgrade(), self._clock.now())
            case BadCommit():
                self._corrupt(user(command.user_id))
        return {}

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
        for participant in self._participants(user(command.user_id)):
            participant.port.impair(impairment, command.direction)

    def _corrupt(self, user_id: UserId) -> None:
        self._participants(user_id)
        for room in self._registry.rooms.values():
            room.apply(room.service.corrupt_next_commit_for(user_id), self._clock.now())

    async def _add_speaker(self, command: AddSpeaker) -> Answer:
        user_id = user(command.user_id)
        if (command.file is None) == (command.tone is None):
            raise InvalidRequest("name either a file or a tone")
        if user_id in self._joining:
            raise InvalidRequest("this user is joining already")
        self._room_for(command)  # refuse before the work of encoding
        self._joining.add(user_id)
        try:
            said = await _load(command.file, command.tone)
            member = await self._host(user_id, self._room_for(command).channel_id, command.library)
            try:
                return self._join(user_id, command, said, member)
            except InvalidRequest:
                member.close()
                raise
        finally:
            self._joining.discard(user_id)

    async def _host(self, user_id: UserId, channel_id: ChannelId, library: Library) -> HostedMember:
        if library == "davey":
            return InlineMember(DaveMember(user_id, channel_id, library))
        child = await ChildMember.spawn(user_id, channel_id)
        self._children.append(child)
        return child

    def _join(self, user_id: UserId, command: AddSpeaker, said: speech.Speech, member: HostedMember) -> Answer:
        room = self._room_for(command)
        if user_id in self._speakers or user_id in room.members:
            raise InvalidRequest("this user is in the room already")
        if isinstance(member, ChildMember):
            if (
                sum(one.library == "libdave" for one in room.members.values() if isinstance(one, Speaker))
                >= _MAX_LIBDAVE
            ):
                raise InvalidRequest(f"no more than {_MAX_LIBDAVE} members with libdave in a room")
            member.on_lost = lambda: self._remove_speaker(user_id, "died")
        recording = None if command.record is None else Recording(Path(command.record))
        speaker = Speaker(
            user_id,
            self._registry.allocate_ssrcs(1),
            member,
            Script(
                speech=said,
                start_s=command.start_ms / 1000,
                loop=command.tone is not None if command.loop is None else command.loop,
                pause_s=command.pause_ms / 1000,
            ),
            recording,
            receive=command.receive,
            library=command.library,
            seed=self._seed,
        )
        self._speakers[user_id] = speaker
        self._registry.admit(speaker, room)
        room.enter(speaker)
        speaker.begin(room, self._registry.sfu, self._clock, self._emit)
        self._registry.joined(speaker, room, library=command.library)
        return {"userId": str(user_id), "serverId": str(room.server_id), "ssrc": speaker.port.ssrc}

    def _remove_speaker(self, user_id: UserId, reason: str = "removed") -> None:
        speaker = self._speakers.pop(user_id, None)
        if speaker is None:
            raise InvalidRequest("no such speaker")
        speaker.end()
        for room in list(self._registry.rooms.values()):
            self._registry.leave(speaker, room, reason)

    def _room_for(self, command: AddSpeaker) -> Room:
        if command.server_id is None:
            return self._registry.only_room()
        channel_id = None if command.channel_id is None else channel(command.channel_id)
        return self._registry.room(server(command.server_id), channel_id)

    def _rooms(self, server_id: str | None) -> list[Room]:
        rooms = list(self._registry.rooms.values())
        if server_id is None:
            return rooms
        named = [room for room in rooms if room.server_id == server(server_id)]
        if not named:
            raise InvalidRequest("no such room")
        return named

    def _sessions(self, user_id: str) -> list[Session]:
        sessions = self._registry.sessions_of(user(user_id))
        if not sessions:
            raise InvalidRequest("no such client")
        return sessions

    def _participants(self, user_id: UserId) -> list[Participant]:
        present = [room.members[user_id] for room in self._registry.rooms.values() if user_id in room.members]
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


async def _load(file: str | None, hz: float | None) -> speech.Speech:
    if file is not None:
        return await asyncio.to_thread(speech.load, Path(file))
    return await asyncio.to_thread(speech.tone, hz or 0.0)
