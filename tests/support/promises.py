"""The promises that every drawn order must keep. Each is a class of its own, so that a failure says what was broken."""


class PromiseBroken(AssertionError):
    """What a suite raises, and nothing else: any other exception is a fault of the harness."""

    @classmethod
    def unless(cls, kept: object, what: str = "") -> None:
        """Raise unless `kept`; `what` says how this order broke the promise."""
        if not kept:
            raise cls(what)

    def __str__(self) -> str:
        return f"{type(self).__doc__} But: {super().__str__()}"


class OutOfOrder(PromiseBroken):
    """Commands take effect in the order in which they were written, and endings precede what replaces them."""


class NotOneEnd(PromiseBroken):
    """What has an id begins once, and ends once."""


class StaleNews(PromiseBroken):
    """Nothing is heard of a generation that is over."""


class InClear(PromiseBroken):
    """Nothing leaves in clear where encryption was negotiated."""


class Unbalanced(PromiseBroken):
    """Every frame and every packet has one fate, and what is counted as sent has left."""


class LeftOver(PromiseBroken):
    """Nothing is left over at the end: no timer, slot, socket, source, capture, group or actor."""


class NotAsTold(PromiseBroken):
    """What the parent was told is what the machines say."""


class KeptBeside(PromiseBroken):
    """What an actor keeps is there in the states of its machine to which it belongs, and in no other."""


class NotHeard(PromiseBroken):
    """Who is subscribed to is heard, and nobody else."""


class NotSaid(PromiseBroken):
    """Speech is said as a whole, and comes to its end."""


class OverBudget(PromiseBroken):
    """Nothing is tried more often than its budget allows."""


class BlamedTwice(PromiseBroken):
    """A transition is blamed (op 31) once."""


class NotResumed(PromiseBroken):
    """A resumed session goes on where it was: keys, group, numbers and a heartbeat of its own."""


class NotMended(PromiseBroken):
    """Deafness that is proven is mended step by step, gentlest first."""


class ActorFailure(PromiseBroken):
    """No actor fails by itself, and every event in every state is declared."""


PROMISES = PromiseBroken.__subclasses__()
