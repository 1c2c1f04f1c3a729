"""Whom the parent wants to see. Wishes outlast a call, and each call says anew whether the parent decodes VP8."""

import logging

from msgspec import structs

from clankvox.ids import UserId
from clankvox.messages.video import SubscribeVideo, UnsubscribeVideo

_log = logging.getLogger("clankvox.video")

Order = SubscribeVideo | UnsubscribeVideo


class Viewing:
    """The orders for the video actors that stand. Router's thread."""

    def __init__(self) -> None:
        self._orders: dict[UserId, SubscribeVideo] = {}

    def noted(self, order: Order) -> Order:
        """Return `order`, which stands from now on, or ends one that stood."""
        if isinstance(order, SubscribeVideo):
            self._orders[order.user_id] = order
            fields = {"user_id": order.user_id, "quality": order.quality, "pixel_count": order.pixel_count}
            _log.info("native video subscribe requested", extra={"fields": fields})
        else:
            self._orders.pop(order.user_id, None)
        return order

    def joined(self, *, decode_vp8: bool) -> list[SubscribeVideo]:
        """Return the orders that a call with such a parent changes, as they are now."""
        changed = [
            structs.replace(order, decode_vp8=decode_vp8)
            for order in self._orders.values()
            if order.decode_vp8 is not decode_vp8
        ]
        self._orders |= {order.user_id: order for order in changed}
        return changed
