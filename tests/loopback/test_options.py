from clankvox.loopback.options import Options


def test_tokens_are_not_shown():
    assert "secret-token" not in repr(Options(tokens=frozenset({"secret-token"})))
