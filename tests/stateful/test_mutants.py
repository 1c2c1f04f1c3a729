"""Bugs that were put into guards and gates on purpose: the suites must find every one of them.

Each must die of the promise that it breaks, and of nothing else: a KeyError or a fault of the harness proves nothing.
A mutant that survives says that a promise is not watched, or that the drawn orders never come by it.
"""

import msgspec
import pytest
from hypothesis import Phase, settings

from clankvox.actors import dave, media_link, router
from clankvox.actors.capture import CaptureActor
from clankvox.actors.connection import ConnectionActor
from clankvox.actors.dave import DaveActor
from clankvox.actors.desired_media import CaptureWish, MusicWish, PlaybackWish, PublishWish
from clankvox.actors.link import LinkActor, OfSocket
from clankvox.actors.music import MusicActor
from clankvox.actors.playback import PlaybackActor
from clankvox.actors.publish import PublishActor
from clankvox.actors.router import RouterActor
from clankvox.actors.supervision import Supervision
from clankvox.actors.transmission import Transmission
from clankvox.actors.video import VideoActor
from clankvox.actors.voice import VoiceActor
from clankvox.fsm.dave import DaveState
from clankvox.ids import Role, connection_address
from clankvox.ledger import Fate, StreamLedger
from clankvox.media.audio_stream import AudioStream
from clankvox.media.frame_cipher import FrameCipher, Gate
from clankvox.media.frame_ledger import FrameFate
from clankvox.messages.common import ResetBaton
from clankvox.messages.connection import AskDue, CredentialsOverdue, KeepaliveDue, RetryDue
from clankvox.messages.router import MusicReplaced, SpeakingReported
from clankvox.protocol.backoff import AttemptBudget
from clankvox.protocol.dave import DaveConversation
from clankvox.protocol.session_offer import resume
from clankvox.protocol.voice_gateway import VoiceGateway
from clankvox.wire.gateway_ops import Op, encode_json
from tests.stateful.test_call import Capture, Connection, DaveChurn, Deaf, Resumed, Tts
from tests.stateful.test_orders import Orders
from tests.stateful.test_packets import Packets
from tests.stateful.test_system import (
    FailingCaptures,
    FailingSound,
    FailingStreams,
    MusicOrders,
    OwnStream,
    PicturesSeen,
    StreamGroups,
)
from tests.support.call_machine import profile
from tests.support.promises import (
    PROMISES,
    ActorFailure,
    BlamedTwice,
    InClear,
    KeptBeside,
    LeftOver,
    NotAsTold,
    NotHeard,
    NotMended,
    NotOneEnd,
    NotResumed,
    NotSaid,
    OutOfOrder,
    OverBudget,
    PromiseBroken,
    StaleNews,
    Unbalanced,
)

EXAMPLES = 150
"""In a round, at most; most mutants die within a few."""
ROUNDS = 12
"""Most die in the first; one needs three at the median."""


def clear_gate_while_negotiating(patch):
    patch.setitem(dave.GATE_OF, DaveState.NEGOTIATING, Gate.CLEAR)


def clear_gate_while_rekeying(patch):
    patch.setitem(dave.GATE_OF, DaveState.REKEYING, Gate.CLEAR)


def a_gate_that_is_open_stays_open(patch):
    def set_gate(self, gate):
        if gate is not Gate.CLOSED:
            original(self, gate)

    original = FrameCipher.set_gate
    patch.setattr(FrameCipher, "set_gate", set_gate)


def packets_leave_in_clear(patch):
    def seal_opus(self, frame):
        return None if self._gate is Gate.CLOSED else frame

    patch.setattr(FrameCipher, "seal_opus", seal_opus)


def failed_ids_are_forgotten(patch):
    def bury(self, playback_id):
        original(self, playback_id)
        self._failed_ids.clear()

    original = PlaybackActor._bury
    patch.setattr(PlaybackActor, "_bury", bury)


def a_stop_is_told_twice(patch):
    def end_speech(self, reason):
        if self._playback_id is not None:
            self._tell_tts("stopped", reason)
        original(self, reason)

    original = PlaybackActor._end_speech
    patch.setattr(PlaybackActor, "_end_speech", end_speech)


def speaking_is_told_again(patch):
    def set_speaking(self, *, speaking):
        original(self, speaking=speaking)
        role, user = self._address.role, self._user_id
        self.report(SpeakingReported(role=role, user_id=user, capture_id=None, speaking=speaking))

    original = CaptureActor._set_speaking
    patch.setattr(CaptureActor, "_set_speaking", set_speaking)


def a_piece_that_is_replaced_ends_twice(patch):
    def replace(self):
        piece = self._piece
        original(self)
        if piece is not None:
            self.report(MusicReplaced(music_id=piece.music_id, played_ms=0))

    original = MusicActor._replace
    patch.setattr(MusicActor, "_replace", replace)


def a_lost_link_is_not_told(patch):
    def report(self, event, *state, **more):
        if event != "connection_lost":
            original(self, event, *state, **more)

    original = VoiceActor._report
    patch.setattr(VoiceActor, "_report", report)


def nothing_is_asked_anew_on_another_link(patch):
    def on_link_lost(self):
        self._machine.link_lost()

    patch.setattr(VideoActor, "_on_link_lost", on_link_lost)


def an_heir_ends_a_capture_that_goes_on(patch):
    patch.setattr(CaptureWish, "_has_flowed", lambda _self, _will: False)


def an_heir_does_not_know_what_is_said(patch):
    patch.setattr(PlaybackWish, "_open_ids", lambda _self: [])


def an_heir_plays_a_piece_that_is_over(patch):
    patch.setattr(MusicWish, "_forget", lambda _self: None)


def gate_is_left_open_while_rekeying(patch):
    patch.setitem(dave.GATE_OF, DaveState.REKEYING, Gate.ENCRYPT)


def clear_gate_of_a_stream_while_rekeying(patch):
    clear_gate_while_rekeying(patch)


def _as_if_of(message, current):
    return msgspec.structs.replace(message, attempt=current) if hasattr(message, "attempt") else message


def news_of_old_sockets_are_heard(patch):
    def on_link_message(self, message):
        current = self._socket if isinstance(message, OfSocket) else self._attempt
        original(self, _as_if_of(message, current))

    original = LinkActor._on_link_message
    patch.setattr(LinkActor, "_on_link_message", on_link_message)


def old_timers_are_heard(patch):
    def handle(self, message):
        late = isinstance(message, AskDue | RetryDue | CredentialsOverdue)
        return original(self, _as_if_of(message, self._attempt) if late else message)

    original = ConnectionActor.handle
    patch.setattr(ConnectionActor, "handle", handle)


def news_of_old_groups_are_heard(patch):
    def on_members(self, _attempt, users):
        original(self, self._attempt, users)

    original = DaveActor._on_members
    patch.setattr(DaveActor, "_on_members", on_members)


def commands_do_not_settle(patch):
    patch.setattr(RouterActor, "_settle", lambda self, to, message: self._deliver(to, message))


def the_baton_visits_nobody(patch):
    def baton_of(request, _captures):
        named = {"role": request.role, "reason": request.reason, "connection_id": request.connection_id}
        return ResetBaton(ticket=request.ticket, route=(connection_address(request.role),), **named)

    patch.setattr(router, "baton_of", baton_of)


def a_capture_is_armed_behind_its_end_without_a_new_arming(patch):
    def on_speech_ended(self, arming, segment):
        before = self._capture
        original(self, arming, segment)
        if before is not None and before is self._capture:
            self._arm(arming)

    original = CaptureActor._on_speech_ended
    patch.setattr(CaptureActor, "_on_speech_ended", on_speech_ended)


def frames_are_forgotten_when_the_key_changes(patch):
    def withdraw(self):
        for frame in self._take_back(self._output.pacer.disarm(self._ssrc), wanted=False):
            self._over(frame, FrameFate.DROPPED)

    patch.setattr(Transmission, "_withdraw", withdraw)


def a_frame_has_no_fate_when_the_key_changes(patch):
    def withdraw(self):
        self._take_back(self._output.pacer.disarm(self._ssrc), wanted=True)

    patch.setattr(Transmission, "_withdraw", withdraw)


def late_slot_reports_are_counted(patch):
    def on_slot(self, _path):
        if self._armed:
            self._over(self._armed.popleft().frame, FrameFate.SENT)
        self._go_on()

    patch.setattr(Transmission, "on_slot", on_slot)


def a_transition_is_blamed_again(patch):
    def recover(self, transition, now):
        effects = original(self, transition, now)
        self._flagged.clear()
        return effects

    original = DaveConversation._recover
    patch.setattr(DaveConversation, "_recover", recover)


def actors_may_fail_as_often_as_they_like(patch):
    def admit(self, address, error, now):
        original(self, address, error, now)
        return True

    original = Supervision.admit
    patch.setattr(Supervision, "admit", admit)


def resumes_cost_nothing(patch):
    patch.setattr(AttemptBudget, "spend", lambda _self, _now: True)


def a_resume_keeps_the_heartbeat_of_the_socket_before(patch):
    def begin_resume(self):
        beats = self._beats
        original(self)
        self._beats = beats

    original = VoiceGateway.begin_resume
    patch.setattr(VoiceGateway, "begin_resume", begin_resume)


def a_resume_names_an_old_number(patch):
    def resume_message(self):
        return encode_json(Op.RESUME, resume(self._credentials, max(self._seq_ack - 1, 0)))

    patch.setattr(VoiceGateway, "resume_message", resume_message)


def a_lost_socket_takes_udp_with_it(patch):
    def lose_socket(self, *given):
        original(self, *given)
        if self._resumption is not None:
            self._udp.close()

    original = LinkActor._lose_socket
    patch.setattr(LinkActor, "_lose_socket", lose_socket)


def the_watchdog_begins_with_the_hardest_step(patch):
    patch.setitem(media_link.LADDERS, Role.VOICE, media_link.LADDERS[Role.VOICE][::-1])


def keepalives_outlive_their_session(patch):
    link = LinkActor._on_link_message

    def on_link_message(self, message):
        if isinstance(message, KeepaliveDue):
            self._on_keepalive_due()
        else:
            link(self, message)

    patch.setattr(LinkActor, "_on_link_message", on_link_message)


def a_capture_stays_armed_behind_the_end(patch):
    patch.setattr(CaptureActor, "let_go", lambda _self: None)


def a_group_outlives_its_connection(patch):
    patch.setattr(DaveActor, "_on_suspended", lambda _self: None)


def whoever_joins_ends_a_loneliness(patch):
    def on_members(self, attempt, users):
        if attempt == self._attempt and self._conversation is not None:
            self._conversation.members_connected(users)
            self._take(self._machine.member_joined)

    patch.setattr(DaveActor, "_on_members", on_members)


def packets_ahead_of_their_key_are_forgotten(patch):
    def retry(self, _now, *, all_of_it=True):
        while self._held:
            self._drop(self._held.popleft())

    patch.setattr(AudioStream, "retry", retry)


def a_duplicate_has_no_fate(patch):
    def settle(self, fate, count=1):
        original(self, fate, 0 if fate is Fate.DUPLICATE else count)

    original = StreamLedger.settle
    patch.setattr(StreamLedger, "settle", settle)


def a_source_is_kept_behind_its_end(patch):
    def drop_source(self):
        request = self._request
        original(self)
        self._request = request

    original = PublishActor._drop_source
    patch.setattr(PublishActor, "_drop_source", drop_source)


def a_capture_outlives_its_call(patch):
    def on_reset(self, baton):
        self._set_speaking(speaking=False)
        self.report(baton)

    patch.setattr(CaptureActor, "_on_reset", on_reset)


def the_source_of_an_actor_that_failed_too_often_is_not_told_to_end(patch):
    patch.setattr(PublishWish, "last_words", lambda self, failure: [])


MUTANTS = {
    clear_gate_while_negotiating: (DaveChurn, InClear),
    clear_gate_while_rekeying: (DaveChurn, InClear),
    clear_gate_of_a_stream_while_rekeying: (StreamGroups, InClear),
    gate_is_left_open_while_rekeying: (DaveChurn, InClear),
    a_gate_that_is_open_stays_open: (DaveChurn, InClear),
    packets_leave_in_clear: (Tts, InClear),
    a_lost_link_is_not_told: (Connection, NotAsTold),
    failed_ids_are_forgotten: (Tts, NotOneEnd),
    a_stop_is_told_twice: (Tts, NotOneEnd),
    speaking_is_told_again: (Capture, NotOneEnd),
    a_piece_that_is_replaced_ends_twice: (MusicOrders, NotOneEnd),
    nothing_is_asked_anew_on_another_link: (PicturesSeen, NotHeard),
    an_heir_ends_a_capture_that_goes_on: (FailingCaptures, NotHeard),
    an_heir_does_not_know_what_is_said: (FailingSound, NotAsTold),
    an_heir_plays_a_piece_that_is_over: (FailingSound, NotOneEnd),
    news_of_old_sockets_are_heard: (Connection, StaleNews),
    old_timers_are_heard: (Connection, StaleNews),
    news_of_old_groups_are_heard: (DaveChurn, StaleNews),
    commands_do_not_settle: (Orders, OutOfOrder),
    the_baton_visits_nobody: (Connection, OutOfOrder),
    a_capture_outlives_its_call: (FailingCaptures, OutOfOrder),
    the_source_of_an_actor_that_failed_too_often_is_not_told_to_end: (FailingStreams, NotAsTold),
    a_capture_is_armed_behind_its_end_without_a_new_arming: (Capture, NotHeard),
    frames_are_forgotten_when_the_key_changes: (Tts, NotSaid),
    a_frame_has_no_fate_when_the_key_changes: (Tts, NotSaid),
    late_slot_reports_are_counted: (Tts, Unbalanced),
    a_transition_is_blamed_again: (DaveChurn, BlamedTwice),
    actors_may_fail_as_often_as_they_like: (FailingCaptures, OverBudget),
    resumes_cost_nothing: (Connection, OverBudget),
    a_resume_keeps_the_heartbeat_of_the_socket_before: (Resumed, NotResumed),
    a_resume_names_an_old_number: (Resumed, NotResumed),
    a_lost_socket_takes_udp_with_it: (Resumed, NotResumed),
    the_watchdog_begins_with_the_hardest_step: (Deaf, NotMended),
    keepalives_outlive_their_session: (Resumed, LeftOver),
    a_capture_stays_armed_behind_the_end: (Capture, LeftOver),
    packets_ahead_of_their_key_are_forgotten: (Packets, NotHeard),
    a_duplicate_has_no_fate: (Packets, Unbalanced),
    a_source_is_kept_behind_its_end: (OwnStream, KeptBeside),
    a_group_outlives_its_connection: (DaveChurn, StaleNews),
    whoever_joins_ends_a_loneliness: (DaveChurn, ActorFailure),
}
"""Each with the suite that must find it, and the promise that it breaks."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_seeded_bug_dies_of_the_promise_that_it_breaks(monkeypatch, mutant):
    suite, promise = MUTANTS[mutant]
    mutant(monkeypatch)
    found = []
    for number in range(ROUNDS):  # hypothesis also draws constants of the modules that happen to be imported
        monkeypatch.setattr(suite, "_hypothesis_internal_use_seed", number, raising=False)
        found.append(broken_promise(suite))
        if isinstance(found[-1], promise):
            return
    raise AssertionError(f"not found, but {found}")


def broken_promise(suite):
    """Draw examples of `suite` until a promise breaks; None if none does."""
    case = suite.TestCase
    case.settings = settings(
        profile(EXAMPLES), phases=[Phase.generate], database=None, print_blob=False, report_multiple_bugs=False
    )
    try:
        case("runTest").runTest()
    except PromiseBroken as broken:
        return broken
    return None


def test_every_promise_can_be_broken():
    assert {promise for _, promise in MUTANTS.values()} == set(PROMISES)
