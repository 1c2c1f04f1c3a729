from clankvox.ids import Ssrc, UserId
from clankvox.ledger import Fate
from clankvox.media.stream_register import MOST_STREAMS, STRAGGLERS_S
from tests.support.hearing import ALICE, ME, Ears, Talker, opus_packets, room_of

FRAMES = opus_packets(0.1)


def ears_with_alice(ssrc=7):
    ears = Ears(clear=True)
    ears.pipeline.hint(Ssrc(ssrc), ALICE)
    ears.hear(Talker(ssrc).packets(FRAMES))
    return ears, ears.pipeline._streams


def test_a_stream_is_news_only_when_packets_have_come():
    ears, register = ears_with_alice()
    (news,) = register.take_news()
    assert (news.user_id, news.ledger.arrived, news.ended) == (ALICE, len(FRAMES), False)
    assert register.take_news() == []
    ears.hear(Talker(7).packets(FRAMES[:1]))
    assert [report.ledger.arrived for report in register.take_news()] == [len(FRAMES) + 1]


def test_the_end_of_a_stream_is_told_once_and_names_who_left():
    _ears, register = ears_with_alice()
    register.forget_user(ALICE)
    (news,) = register.take_news()
    assert (news.user_id, news.ended) == (ALICE, True)
    register.drop()
    assert register.take_news() == []


def test_who_leaves_before_the_first_of_him_that_was_opened_is_played_is_named_with_its_end():
    room, ears = room_of(ME, ALICE), Ears()
    ears.pipeline.hint(Ssrc(7), ALICE)
    ears.hear(Talker(7, room.members[ALICE]).packets(FRAMES))
    ears.join(room)
    ears.cipher.mls(lambda engine: engine.ready)
    ears.pipeline.take_news()
    ears.pipeline.forget_user(ALICE)
    ends = [(news.user_id, news.ledger.arrived) for news in ears.pipeline.take_news() if news.ended]
    assert ends == [(ALICE, len(FRAMES))]


def test_what_an_ended_stream_had_stays_in_the_sums():
    _ears, register = ears_with_alice()
    register.drop()
    assert register.get(Ssrc(7)) is None
    assert register.ended().arrived == register.total().arrived == len(FRAMES)


def test_of_too_many_streams_the_one_that_was_silent_for_longest_is_forgotten():
    ears, register = ears_with_alice()
    for ssrc in range(1_000, 1_000 + MOST_STREAMS):
        register.begin(Ssrc(ssrc), 0.0).last_arrival = 200.0 + ssrc
    assert register.get(Ssrc(7)) is None
    assert len([*register]) == MOST_STREAMS
    assert register.ended().arrived == len(FRAMES)
    register.take_news()
    ears.hear(Talker(7).packets(FRAMES))
    assert [news.ledger.arrived for news in register.take_news() if not news.ended] == [len(FRAMES)], "it is another"


def test_hints_are_bounded_and_reach_streams_that_begin_later():
    _ears, register = ears_with_alice()
    for ssrc in range(1_000, 1_000 + MOST_STREAMS + 5):
        register.hint(Ssrc(ssrc), UserId(ssrc))
    assert len(register._hints) == MOST_STREAMS
    assert register.begin(Ssrc(1_000 + MOST_STREAMS), 0.0).binding.hinted == 1_000 + MOST_STREAMS


def test_a_forged_packet_counts_only_for_a_stream_that_is_known():
    _ears, register = ears_with_alice()
    register.enter(Ssrc(7), Fate.AEAD_FAILED)
    register.enter(Ssrc(8), Fate.AEAD_FAILED)
    assert register.get(Ssrc(7)).ledger.fates[Fate.AEAD_FAILED] == 1
    assert register.get(Ssrc(8)) is None


def test_who_left_makes_way_for_who_comes_and_stays_in_the_sums():
    ears, register = ears_with_alice()
    for number in range(50):
        ears.pipeline.forget_user(ALICE)
        ears.wait(STRAGGLERS_S + 0.1)
        ears.pipeline.hint(Ssrc(100 + number), ALICE)
        ears.hear(Talker(100 + number).packets(FRAMES))
    assert len([*register]) == 1
    assert register.total().arrived == 51 * len(FRAMES)
    assert ears.pipeline.totals.streams_evicted == 0
    ears.check()
    told = register.take_news()
    assert sum(news.ledger.arrived for news in told) == 51 * len(FRAMES)


def test_a_straggler_is_entered_into_the_stream_of_who_left_a_moment_ago():
    ears, register = ears_with_alice()
    ears.pipeline.forget_user(ALICE)
    register.take_news()
    ears.wait(STRAGGLERS_S / 2)
    ears.hear(Talker(8).packets(FRAMES))
    assert register.get(Ssrc(7)) is not None
