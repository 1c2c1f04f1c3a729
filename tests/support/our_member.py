"""Our own DAVE actor, group library and frame cipher in a DaveRoom, beside members that are written otherwise."""

from clankvox.actors.base import Surroundings
from clankvox.actors.dave import DaveActor
from clankvox.ids import Role, dave_address
from clankvox.loopback.member import Answer
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.mls_engine import DaveyEngine
from clankvox.messages.connection import SendGatewayBinary, SendGatewayJson
from clankvox.messages.dave import DaveOpReceived, MemberDisconnected, MembersConnected, SessionNegotiated
from clankvox.wire.gateway_ops import Op
from tests.support.manual_clock import ManualClock

ATTEMPT = 1


class OurMember:
    """What DaveRoom asks of a DaveMember; the actor is constructed and never started."""

    def __init__(self, user, channel):
        self.user, self.channel = user, channel
        self.cipher, self.clock = FrameCipher(), ManualClock()
        self._answers: list[Answer] = []
        self.actor = DaveActor(Surroundings(dave_address(Role.VOICE), self.clock, self._take), self.cipher, DaveyEngine)

    @property
    def version(self):
        return 0 if self.cipher.gate is Gate.CLEAR else 1

    @property
    def ready(self):
        return self.cipher.gate is not Gate.CLOSED

    def start(self, version):
        return self._tell(
            SessionNegotiated(
                attempt=ATTEMPT,
                connection_id=None,
                user_id=self.user,
                group_id=self.channel,
                version=version,
                members=(),
            )
        )

    def users_connected(self, users):
        self._tell(MembersConnected(attempt=ATTEMPT, user_ids=tuple(users)))

    def user_left(self, user):
        self._tell(MemberDisconnected(attempt=ATTEMPT, user_id=user))

    def receive(self, op, payload):
        return self._tell(DaveOpReceived(attempt=ATTEMPT, op=op, payload=payload))

    def encrypt_opus(self, frame):
        return self.cipher.seal_opus(frame)

    def decrypt(self, user, frame):
        return self.cipher.open_audio(user, frame, self.clock.now()).payload

    def _tell(self, message):
        self.actor.handle(message)
        answers, self._answers = self._answers, []
        return answers

    def _take(self, envelope):
        message = getattr(envelope, "message", None)
        if isinstance(message, SendGatewayBinary | SendGatewayJson):
            self._answers.append(Answer(Op(message.op), message.payload))
