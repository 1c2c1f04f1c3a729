from clankvox.actors.voice_credentials import Credentials

FULL = Credentials("voice.example.com", "t0ken", "s3ssion", 7)


def test_complete_needs_all_four():
    assert FULL.complete
    for name in FULL._fields:
        assert not FULL._replace(**{name: None}).complete


def test_half_a_server_is_worth_nothing():
    assert FULL.with_server("e", None).server == (None, None)
    assert FULL.with_server(None, "t").server == (None, None)
    assert FULL.with_server("e", "t").server == ("e", "t")


def test_what_is_missing_is_filled_but_a_server_is_never_mixed():
    old = Credentials("old", "told", "sold", 1)
    assert Credentials().or_else(old) == old
    assert Credentials("new", "tnew").or_else(old) == Credentials("new", "tnew", "sold", 1)
    assert Credentials(session_id="snew").or_else(old) == Credentials("old", "told", "snew", 1)


def test_pieces_are_replaced_one_by_one():
    assert FULL.with_session(None).identity == (None, 7)
    assert FULL.with_user(8).identity == ("s3ssion", 8)


def test_identify_gets_what_is_known():
    session = FULL.for_gateway(10, 20)
    assert (session.server_id, session.channel_id, session.user_id) == (10, 20, 7)
    assert (session.session_id, session.token) == ("s3ssion", "t0ken")


def test_the_repr_shows_names_only():
    assert repr(FULL) == "Credentials(known=['endpoint', 'token', 'session_id', 'user_id'])"
