from clankvox.protocol.close_codes import Recovery
from clankvox.protocol.gateway_effects import CloseSocket, DaveMessage, SendBinary, SendText, SessionReady
from clankvox.wire.gateway_ops import ExecuteTransition, Op
from clankvox.wire.transport_crypto import TransportMode


def test_no_repr_shows_a_key_a_token_or_raw_bytes():
    key = b"K" * 32
    effects = [
        SendText('{"token":"KKKK"}'),
        SendBinary(key),
        SessionReady(5, TransportMode.AES256_GCM, key, 1, (), "10.0.0.1", 1, "H264"),
        DaveMessage(Op.MLS_WELCOME, key),
    ]
    for effect in effects:
        assert "KKKK" not in repr(effect)
        assert "KKKK" not in f"{effect}"
    assert "KKKK" not in repr(effects)


def test_reprs_still_say_what_matters():
    assert repr(DaveMessage(Op.MLS_WELCOME, b"12345")) == "DaveMessage(op=MLS_WELCOME, payload=<5 bytes>)"
    assert "transition_id=7" in repr(DaveMessage(Op.EXECUTE_TRANSITION, ExecuteTransition(transition_id=7)))
    assert "dave_version=1" in repr(SessionReady(5, TransportMode.AES256_GCM, bytes(32), 1, (), "::1", 1, None))
    assert CloseSocket(1002, "malformed_op_2", Recovery.NEW_SESSION).reason in repr(
        CloseSocket(1002, "malformed_op_2", Recovery.NEW_SESSION)
    )
