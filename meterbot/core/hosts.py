"""Which host names mean this machine."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a URL's host, without brackets, is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
