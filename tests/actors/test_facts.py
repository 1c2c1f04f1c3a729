from clankvox.actors.facts import FactMail
from clankvox.audio_lane import News
from clankvox.ids import Role, capture_address, connection_address, dave_address
from clankvox.media.segment import Segment
from clankvox.messages.capture import SpeakingEnded, SpeakingStarted, SpeechEnded, SpeechStarted
from clankvox.messages.common import Envelope
from clankvox.messages.connection import DiscoveryReplied, PongReceived
from clankvox.messages.dave import FramesUndecryptable
from clankvox.outbox import Outbox

SEGMENT = Segment(48_000, 96_000, 700, 9_000, -20.0)


def test_every_fact_becomes_one_message_for_whom_it_concerns():
    told = []
    facts = FactMail(Role.STREAM_WATCH, told.append, lambda: 9, Outbox())
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


def test_a_users_pcm_waits_for_what_takes_the_way_through_actors():
    for fact, news in (
        (lambda facts: facts.speaking_started(42), News.SPEECH_BEGAN),
        (lambda facts: facts.speech_ended(42, 3), News.UTTERANCE_ENDED),
        (lambda facts: facts.speech_cut(42), News.UTTERANCE_ENDED),
    ):
        outbox = Outbox()
        fact(FactMail(Role.VOICE, lambda _message: None, lambda: 9, outbox))
        outbox.put_audio("a", bytearray(b"pcm"), 20, 42)
        assert outbox.take(0.0) is None
        outbox.release_audio(42, news)
        assert outbox.take(0.0) == b"pcm"


def test_pcm_of_a_stream_waits_for_no_speaking_start_because_there_is_none():
    outbox = Outbox()
    FactMail(Role.STREAM_WATCH, lambda _message: None, lambda: 9, outbox).speaking_started(42)
    outbox.put_audio("a", bytearray(b"pcm"), 20, 42)
    assert outbox.take(0.0) == b"pcm"
