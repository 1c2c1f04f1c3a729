from clankvox.media.keyframe_gate import KeyframeGate


def test_deltas_pass_only_behind_a_key_frame_without_a_loss():
    gate = KeyframeGate()
    assert not gate.admit(keyframe=False)
    assert gate.admit(keyframe=True)
    assert gate.admit(keyframe=False)
    gate.lose()
    assert not gate.admit(keyframe=False)
    assert gate.admit(keyframe=True)


def requests(gate, *, alive):
    return [tenth / 10 for tenth in range(160) if gate.take_request(tenth / 10, alive=alive)]


def test_requests_are_a_second_apart_and_rarer_when_nothing_comes_at_all():
    gate = KeyframeGate()
    assert requests(gate, alive=False) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15]
    gate.admit(keyframe=True)
    assert not gate.take_request(99.0, alive=True)
    assert (gate.unanswered, gate.due) == (0, None)
    assert requests(KeyframeGate(), alive=True) == list(range(16))


def test_a_loss_right_behind_the_key_frame_that_was_asked_for_is_asked_about_soon():
    gate = KeyframeGate()
    assert gate.take_request(1.0, alive=True)
    gate.admit(keyframe=True)
    gate.lose()
    assert not gate.take_request(1.29, alive=True)
    assert gate.due == 1.3
    assert gate.take_request(1.3, alive=True)
    assert not gate.take_request(1.7, alive=True)


def test_a_decoder_that_is_too_slow_asks_for_no_more_than_a_key_frame_a_second():
    gate = KeyframeGate()
    asked = []
    for tenth in range(100):
        if gate.take_request(tenth / 10, alive=True):
            asked.append(tenth / 10)
            assert gate.admit(keyframe=True)
            gate.shed()
            assert not gate.admit(keyframe=False)
    assert asked == list(range(10))


def test_every_two_seconds_without_a_picture_are_told():
    gate = KeyframeGate()
    told = [tenth / 10 for tenth in range(70) if gate.take_overdue(tenth / 10)]
    assert told == [2.0, 4.0, 6.0]
    gate.admit(keyframe=True)
    assert not gate.take_overdue(8.0)
    gate.lose()
    assert not gate.take_overdue(9.0)
    assert gate.take_overdue(11.0)
