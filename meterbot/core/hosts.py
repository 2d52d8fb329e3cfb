"""Which hosts are this machine, and which proxy the environment names for another one: `HTTPS_PROXY`, `HTTP_PROXY`,
`ALL_PROXY` and `NO_PROXY`.

The libraries do not read these variables themselves: aiohttp looks for `WSS_PROXY`, which nobody sets, and its
`trust_env` also sends passwords from ~/.netrc and starts a thread for every request.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SCHEMES = {"wss": "https", "ws": "http"}


def is_loopback(host: str) -> bool:
    """Whether a URL's host, without brackets, is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def proxy_for(url: str) -> str | None:
    """The proxy's URL, which may contain a password; None for an address without a proxy. Loopback has none."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        asked = host if parts.port is None else f"{host}:{parts.port}"
    except ValueError:
        return None  # no address: the client says so when it is used
    if is_loopback(host) or proxy_bypass(asked):
        return None
    proxies = getproxies()
    proxy = proxies.get(_SCHEMES.get(parts.scheme, parts.scheme)) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def without_password(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
