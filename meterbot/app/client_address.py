"""Who sends a request, where proxies may stand in between."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

Networks = Sequence[IPv4Network | IPv6Network]


def client_address(request: web.Request, trusted: Networks) -> str:
    """The address of the client. Only proxies in `trusted` are believed when they name another one."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    return nearest_stranger(request.remote or "", forwarded, trusted)


def nearest_stranger(peer: str, forwarded: str, trusted: Networks) -> str:
    """The first address that is not a trusted proxy, looking back from `peer` along `X-Forwarded-For`."""
    address = peer
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _is_trusted(address, trusted):
        named = hops.pop()
        try:
            address = str(ip_address(named))
        except ValueError:  # whatever a proxy writes there, it is not an address
            return address
    return address


def _is_trusted(address: str, trusted: Networks) -> bool:
    try:
        host = ip_address(address)
    except ValueError:
        return False
    return any(host in network for network in trusted)
