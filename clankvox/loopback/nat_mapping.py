"""The way to one client through its NAT, which only what the client sends keeps open (RFC 4787 section 4.3)."""

from math import inf


class NatMapping:
    """Opens with the first datagram. What the client sends after the NAT forgot comes from another port.

    So the media server knows it by nothing but IP discovery, which names the SSRC. The event loop owns it.
    """

    def __init__(self) -> None:
        """Never forget, as without any NAT."""
        self.forgets_after_s = inf
        """How long the client may be silent."""
        self._sent_at_s = -inf
        self._forgotten = False

    def forget(self) -> None:
        """Forget the client now, whatever it sends."""
        self._forgotten = True

    def discovered(self, now: float) -> None:
        """Note that the client's port became known."""
        self._sent_at_s = now
        self._forgotten = False

    def passes_up(self, now: float) -> bool:
        """Whether a datagram of the client comes from the port that is known."""
        if not self.passes_down(now):
            self._forgotten = True
            return False
        self._sent_at_s = now
        return True

    def passes_down(self, now: float) -> bool:
        """Whether a datagram to the port that is known reaches the client."""
        if self._forgotten:
            return False
        return self._sent_at_s == -inf or now - self._sent_at_s <= self.forgets_after_s
