import pytest

from clankvox.protocol.close_codes import BUDGETS, CLOSE_CODES, Budget, Recovery, policy_for

EXPECTED = {
    4001: Recovery.NEW_SESSION_LIMITED,
    4002: Recovery.NEW_SESSION_LIMITED,
    4003: Recovery.NEW_SESSION_LIMITED,
    4004: Recovery.FRESH_CREDENTIALS,
    4005: Recovery.NEW_SESSION_LIMITED,
    4006: Recovery.NEW_SESSION,
    4009: Recovery.NEW_SESSION,
    4011: Recovery.NEW_SESSION,
    4012: Recovery.TERMINAL,
    4013: Recovery.RESUME,
    4014: Recovery.WAIT_FOR_MOVE,
    4015: Recovery.RESUME,
    4016: Recovery.OTHER_MODE,
    4017: Recovery.TERMINAL,
    4020: Recovery.NEW_SESSION_LIMITED,
    4021: Recovery.TERMINAL,
    4022: Recovery.WAIT_FOR_MOVE,
}


@pytest.mark.parametrize(("code", "recovery"), EXPECTED.items())
def test_every_documented_code_has_its_policy(code, recovery):
    policy = policy_for(code)
    assert (policy.code, policy.recovery) == (code, recovery)
    assert policy.sentence.endswith(".")
    assert policy.name.isidentifier()
    assert policy.name.islower()


def test_the_table_has_no_other_rows_and_no_name_twice():
    assert CLOSE_CODES.keys() == EXPECTED.keys()
    assert len({row.name for row in CLOSE_CODES.values()}) == len(EXPECTED)


@pytest.mark.parametrize("code", [None, 0, 1000, 1001, 1005, 1006, 1011, 1012, 3999])
def test_a_loss_below_the_application_codes_resumes(code):
    policy = policy_for(code)
    assert (policy.code, policy.recovery) == (code, Recovery.RESUME)


@pytest.mark.parametrize("code", [4000, 4007, 4008, 4010, 4018, 4019, 4023, 4999])
def test_an_unknown_application_code_identifies_anew(code):
    policy = policy_for(code)
    assert (policy.code, policy.recovery) == (code, Recovery.NEW_SESSION)


def test_every_recovery_has_its_budget():
    assert {
        Recovery.RESUME: Budget(3, 10.0),
        Recovery.NEW_SESSION: Budget(5, 60.0),
        Recovery.NEW_SESSION_LIMITED: Budget(2, 60.0),
        Recovery.FRESH_CREDENTIALS: Budget(1, 60.0),
        Recovery.OTHER_MODE: Budget(1, 60.0),
        Recovery.WAIT_FOR_MOVE: Budget(0, 5.0),
        Recovery.TERMINAL: Budget(0, 0.0),
    } == BUDGETS
    assert set(BUDGETS) == set(Recovery)
    assert policy_for(4015).budget == Budget(3, 10.0)
