"""The members of our own: who is engaged, with which library, and when they go."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, TypeVar

from clankvox.clock import Clock
from clankvox.errors import InvalidRequest
from clankvox.ids import GuildId, Ssrc, UserId
from clankvox.loopback import publisher, speech, watcher
from clankvox.loopback.child_member import ChildMember
from clankvox.loopback.commands import AddPublisher, AddSpeaker, AddWatcher, channel, server, user
from clankvox.loopback.film import open_film
from clankvox.loopback.hosted_member import HostedMember, InlineMember
from clankvox.loopback.member import DaveMember
from clankvox.loopback.opus_track import Script
from clankvox.loopback.own_member import OwnMember, recording_in
from clankvox.loopback.participant import Emit
from clankvox.loopback.picture_encoder import VideoSettings
from clankvox.loopback.publisher import Publisher, Showing
from clankvox.loopback.registry import Registry
from clankvox.loopback.room import Room
from clankvox.loopback.speaker import Speaker
from clankvox.loopback.watcher import Watcher, Watching

Answer = dict[str, object]
Engagement: TypeAlias = AddSpeaker | AddPublisher | AddWatcher
_T = TypeVar("_T", bound=OwnMember)

_MAX_LIBDAVE: Final = 5
"""libdave can abort the process in larger groups."""


class Part(NamedTuple):
    """What a member is to do: how many SSRCs it takes, and how it is made of the first one and its DAVE member."""

    ssrcs: int
    make: Callable[[Ssrc, HostedMember], OwnMember]


class Cast:
    """The event loop owns it."""

    def __init__(self, registry: Registry, clock: Clock, emit: Emit, seed: int) -> None:
        """Engage members for the rooms of `registry`."""
        self.members: dict[tuple[GuildId, UserId], OwnMember] = {}
        self._registry = registry
        self._clock = clock
        self._emit = emit
        self._seed = seed
        self._children: list[ChildMember] = []
        self._joining: set[tuple[GuildId, UserId]] = set()

    async def engage(self, order: Engagement) -> Answer:
        """Let a member join; InvalidRequest if it cannot."""
        user_id = user(order.user_id)
        key = (self._room_for(order).server_id, user_id)  # refuse before the work of encoding
        if key in self._joining:
            raise InvalidRequest("this user is joining already")
        self._joining.add(key)
        try:
            part = await self._part(user_id, order)
            member = await self._host(user_id, order)
            try:
                return self._join(user_id, order, part, member)
            except InvalidRequest:
                member.close()
                raise
        finally:
            self._joining.discard(key)

    def dismiss(self, user_id: UserId, server_id: GuildId | None = None, reason: str = "removed") -> None:
        """Let a member go, from all its rooms or from that of one server; InvalidRequest if it is in none."""
        keys = [key for key in self.members if key[1] == user_id and server_id in (None, key[0])]
        if not keys:
            raise InvalidRequest("no such speaker, publisher or watcher")
        for key in keys:
            member = self.members.pop(key)
            member.end()
            for room in list(self._registry.rooms.values()):
                self._registry.leave(member, room, reason)

    def find(self, kind: type[_T], user_id: UserId) -> _T:
        """Return the member of that kind; InvalidRequest if there is none."""
        for (_, found), member in self.members.items():
            if found == user_id and isinstance(member, kind):
                return member
        raise InvalidRequest(f"no such {kind.__name__.lower()}")

    async def end(self) -> None:
        """Let all go, and their processes."""
        for server_id, user_id in list(self.members):
            self.dismiss(user_id, server_id)
        await asyncio.gather(*(child.ended() for child in self._children))

    async def _part(self, user_id: UserId, order: Engagement) -> Part:
        match order:
            case AddSpeaker():
                return await self._speaker(user_id, order)
            case AddPublisher():
                return await self._publisher(user_id, order)
            case AddWatcher():
                return self._watcher(user_id, order)

    async def _speaker(self, user_id: UserId, order: AddSpeaker) -> Part:
        if (order.file is None) == (order.tone is None):
            raise InvalidRequest("name either a file or a tone")
        script = Script(
            speech=await _load(order.file, order.tone),
            start_s=order.start_ms / 1000,
            loop=order.tone is not None if order.loop is None else order.loop,
            pause_s=order.pause_ms / 1000,
        )
        recording = recording_in(order.record)
        receive, library, seed = order.receive, order.library, self._seed

        def make(ssrc: Ssrc, member: HostedMember) -> Speaker:
            return Speaker(user_id, ssrc, member, script, recording, receive=receive, library=library, seed=seed)

        return Part(1, make)

    async def _publisher(self, user_id: UserId, order: AddPublisher) -> Part:
        settings = VideoSettings(
            codec=order.codec,
            width=order.width,
            height=order.height,
            fps=order.fps,
            gop=order.gop,
            slices=order.slices,
            bit_rate=order.bit_rate,
        )
        if order.tone is not None and order.sound is not None:
            raise InvalidRequest("name either a sound or a tone")
        sound = None
        if order.tone is not None or order.sound is not None:
            sound = Script(speech=await _load(order.sound, order.tone), loop=True)
        path = None if order.file is None else Path(order.file)
        film = await asyncio.to_thread(open_film, settings, path, clock=order.clock)
        showing = Showing(
            settings=settings, honours_pli=order.honours_pli, answers_nack=order.answers_nack, sound=sound
        )
        return Part(
            publisher.SSRCS,
            lambda ssrc, member: Publisher(
                user_id, ssrc, member, film, showing, library=order.library, seed=self._seed
            ),
        )

    def _watcher(self, user_id: UserId, order: AddWatcher) -> Part:
        watching = Watching(
            decode=order.decode,
            nack=order.nack,
            pli=order.pli,
            quality=order.quality,
            folder=None if order.record is None else Path(order.record),
            every=order.record_every,
        )
        recording = recording_in(order.record)
        return Part(
            watcher.SSRCS,
            lambda ssrc, member: Watcher(
                user_id, ssrc, member, watching, recording, library=order.library, seed=self._seed
            ),
        )

    async def _host(self, user_id: UserId, order: Engagement) -> HostedMember:
        channel_id = self._room_for(order).channel_id
        if order.library == "davey":
            return InlineMember(DaveMember(user_id, channel_id, order.library))
        child = await ChildMember.spawn(user_id, channel_id)
        self._children.append(child)
        return child

    def _join(self, user_id: UserId, order: Engagement, part: Part, member: HostedMember) -> Answer:
        room = self._room_for(order)
        key = (room.server_id, user_id)
        if key in self.members or user_id in room.members:
            raise InvalidRequest("this user is in the room already")
        if isinstance(member, ChildMember):
            with_libdave = sum(one.library == "libdave" for one in room.members.values() if isinstance(one, OwnMember))
            if with_libdave >= _MAX_LIBDAVE:
                raise InvalidRequest(f"no more than {_MAX_LIBDAVE} members with libdave in a room")
            member.on_lost = lambda: self.dismiss(user_id, room.server_id, "died")
        engaged = part.make(self._registry.allocate_ssrcs(part.ssrcs), member)
        self.members[key] = engaged
        self._registry.admit(engaged, room)
        room.enter(engaged)
        engaged.begin(room, self._registry.sfu, self._clock, self._emit)
        self._registry.joined(engaged, room, library=order.library)
        return {"userId": str(user_id), "serverId": str(room.server_id), "ssrc": engaged.port.ssrc}

    def _room_for(self, order: Engagement) -> Room:
        if order.server_id is None:
            return self._registry.only_room()
        channel_id = None if order.channel_id is None else channel(order.channel_id)
        return self._registry.room(server(order.server_id), channel_id)


async def _load(file: str | None, hz: float | None) -> speech.Speech:
    if file is not None:
        return await asyncio.to_thread(speech.load, Path(file))
    return await asyncio.to_thread(speech.tone, hz or 0.0)
