"""The table of close codes in docs/operations.md, from the policy that the process follows."""

from typing import Final

from clankvox.protocol.close_codes import BUDGETS, CLOSE_CODES, ClosePolicy, Recovery, policy_for

_WHAT: Final[dict[Recovery, str]] = {
    Recovery.RESUME: "resume the session",
    Recovery.NEW_SESSION: "new session, with one op 4 an attempt",
    Recovery.NEW_SESSION_LIMITED: "new session; our fault, so it is logged",
    Recovery.FRESH_CREDENTIALS: "ask once for fresh credentials",
    Recovery.OTHER_MODE: "the other transport encryption, once",
    Recovery.WAIT_FOR_MOVE: "wait for news of a move",
    Recovery.TERMINAL: "the call is over",
}


def close_code_table() -> str:
    """Return the table, each line ended."""
    lost = policy_for(None)._replace(code=None)
    unknown = policy_for(4999)._replace(code=None)
    rows = ["| code | name | meaning | what clankvox does | at most |", "|---|---|---|---|---|"]
    rows.append(_row("none, or below 4000", lost))
    rows += [_row(str(code), policy) for code, policy in sorted(CLOSE_CODES.items())]
    rows.append(_row("any other", unknown))
    return "\n".join(rows) + "\n"


def _row(code: str, policy: ClosePolicy) -> str:
    attempts, window_s = BUDGETS[policy.recovery]
    limit = f"{attempts} in {window_s:g} s" if attempts else (f"{window_s:g} s" if window_s else "")
    return f"| {code} | `{policy.name}` | {policy.sentence} | {_WHAT[policy.recovery]} | {limit} |"
