from clankvox.loopback.nat_mapping import NatMapping


def mapping(forgets_after_s):
    nat = NatMapping()
    nat.forgets_after_s = forgets_after_s
    return nat


def test_without_a_nat_nothing_is_forgotten():
    nat = NatMapping()
    assert (nat.passes_down(0.0), nat.passes_up(0.0), nat.passes_up(1e9), nat.passes_down(2e9)) == (True,) * 4


def test_what_the_client_sends_keeps_the_way_open_and_what_it_gets_does_not():
    nat = mapping(30.0)
    assert all(nat.passes_up(now) for now in (0.0, 29.0, 58.0))
    assert all(nat.passes_down(now) for now in (60.0, 70.0, 88.0))
    assert not nat.passes_down(88.1)


def test_a_forgotten_client_has_a_port_that_nobody_knows_until_it_asks_for_it():
    nat = mapping(30.0)
    nat.passes_up(0.0)
    assert [nat.passes_up(now) for now in (31.0, 31.1, 32.0)] == [False] * 3
    assert not nat.passes_down(32.0)
    nat.discovered(33.0)
    assert nat.passes_up(33.1)
    assert nat.passes_down(33.1)


def test_a_nat_can_be_told_to_forget():
    nat = NatMapping()
    nat.passes_up(0.0)
    nat.forget()
    assert not nat.passes_up(0.1)
