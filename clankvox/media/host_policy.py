"""Which addresses a source may be read from: public ones, unless the process was started otherwise.

A URL comes from whoever talks to the voice agent. Without this rule it could be made to read the metadata service of
its cloud (169.254.169.254), a router's or a database's pages, or the debugging port of the parent itself.
"""

import ipaddress
from typing import Final

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, and whoever translates reaches it."""


def is_public(address: str) -> bool:
    """Whether `address` (numeric, as the resolver gives it; a zone after % is allowed) is a public unicast host.

    An IPv4 address inside of an IPv6 one (mapped, 6to4, Teredo, NAT64) must be public as well. False for all else.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(part) for part in (parsed, *_embedded(parsed)))


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64):
        return True  # what is inside decides
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False  # RFC 3879: given up, but still in use, and "global" by the registry
    return address.is_global and not address.is_multicast and not address.is_reserved


def _embedded(address: _Address) -> list[ipaddress.IPv4Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [found for found in inside if found is not None]
