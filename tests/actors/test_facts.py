from clankvox.actors.facts import FactMail
from clankvox.ids import Role, capture_address, connection_address, dave_address
from clankvox.media.segment import Segment
from clankvox.messages.capture import SpeakingEnded, SpeakingStarted, SpeechEnded, SpeechStarted
from clankvox.messages.common import Envelope
from clankvox.messages.connection import DiscoveryReplied, PongReceived
from clankvox.messages.dave import FramesUndecryptable

SEGMENT = Segment(48_000, 96_000, 700, 9_000, -20.0)


def test_every_fact_becomes_one_message_for_whom_it_concerns():
    told = []
    facts = FactMail(Role.STREAM_WATCH, told.append, lambda: 9)
    facts.speaking_started(42)
    facts.speaking_ended(42)
    facts.speech_started(42, 3)
    facts.speech_ended(42, 3)
    facts.speech_ended(42, 4, SEGMENT)
    facts.discovery_replied("203.0.113.9", 4)
    facts.pong(5)
    facts.undecryptable(1, 42, 36)
    facts.member_heard(1, 42)
    user = capture_address(42, Role.STREAM_WATCH)
    connection = connection_address(Role.STREAM_WATCH)
    assert told == [
        Envelope(to=user, message=SpeakingStarted()),
        Envelope(to=user, message=SpeakingEnded()),
        Envelope(to=user, message=SpeechStarted(arming=3)),
        Envelope(to=user, message=SpeechEnded(arming=3)),
        Envelope(to=user, message=SpeechEnded(arming=4, segment=SEGMENT)),
        Envelope(to=connection, message=DiscoveryReplied(attempt=9, address="203.0.113.9", port=4)),
        Envelope(to=connection, message=PongReceived(attempt=9, counter=5)),
        Envelope(to=dave_address(Role.STREAM_WATCH), message=FramesUndecryptable(attempt=9)),
    ]
