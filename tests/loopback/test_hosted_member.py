from clankvox.loopback.hosted_member import InlineMember
from clankvox.loopback.member import DaveMember
from clankvox.wire.gateway_ops import Op


def test_an_inline_member_answers_before_the_call_returns():
    member = InlineMember(DaveMember(1, 2))
    answers, frames = [], []
    member.start(0, answers.extend)
    member.encrypt(b"\xfcword", frames.append)
    member.decrypt(9, b"\xfcword", frames.append)
    assert (answers, frames) == ([], [b"\xfcword", b"\xfcword"])
    member.start(1, answers.extend)
    assert [answer.op for answer in answers] == [Op.MLS_KEY_PACKAGE]
    assert not member.ready


def test_what_the_library_refuses_is_none():
    member = InlineMember(DaveMember(1, 2))
    frames = []
    member.start(1, lambda _: None)
    member.encrypt(b"\xfcword", frames.append)
    member.decrypt(9, b"\xfcword", frames.append)
    assert frames == [None, None]
