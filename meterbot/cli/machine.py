"""`meterbot secret-key`, `healthcheck` and `systemd`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from meterbot.cli.root import ConfigPath, cli, configured, done, from_config, option, refuse


@cli.command("secret-key")
def secret_key(
    context: typer.Context,
    config: ConfigPath = None,
    discard: Annotated[
        bool,
        typer.Option(
            "--discard-unreadable",
            help="Delete stored session keys that the current secret key cannot decrypt.",
        ),
    ] = False,
) -> None:
    """Print a new secret key for METERBOT_SECRET_KEY.

    meterbot encrypts stored session keys with it.
    """
    from meterbot.cli import operations
    from meterbot.core import cipher

    if not discard:
        print(cipher.new_key())
        return
    settings = configured(context, config)
    if not settings.secret_key:
        refuse(
            "there is no secret key: set METERBOT_SECRET_KEY, or secret_key_env or secret_key_file in the configuration"
        )
    seats = done(operations.discard_unreadable_sessions(settings))
    print(
        f"deleted the stored session keys of {', '.join(seats)}"
        if seats
        else "every stored session key can be decrypted"
    )


@cli.command()
def healthcheck(
    context: typer.Context,
    url: Annotated[
        str | None,
        option("URL", "The address to request. Default: /healthz on this machine, at PORT, [http], or 8080."),
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Check that a running bot is alive, for containers.

    Exits 0 if it is, 1 if not. The bot must have a listener: [http] in its configuration, or PORT.
    """
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    asked = url or f"http://{_own_address(context, config)}/healthz"
    if not asked.startswith(("http://", "https://")):
        refuse("--url must start with http:// or https://")
    try:
        # A proxy that the environment names cannot reach a bot on this machine.
        with build_opener(ProxyHandler({})).open(asked, timeout=4):
            print("alive")
            return
    except HTTPError as error:
        error.close()
        why = f"answers HTTP {error.code}"
    except OSError as error:
        reason = getattr(error, "reason", error)
        why = (
            f"does not answer: {getattr(reason, 'strerror', None) or reason}. A bot listens only with [http] in its "
            "configuration, or with PORT set; --url names another address"
        )
    refuse(f"{asked} {why}", status=1)


def _own_address(context: typer.Context, config: str | None) -> str:
    """Where a bot with this configuration listens on this machine."""
    from meterbot.app.config.loading import listening_address

    if port := os.environ.get("PORT"):
        return f"127.0.0.1:{port}"
    address = from_config(listening_address, context, config)
    if address is None:
        return "127.0.0.1:8080"
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - not bound
    return str(address._replace(host=host))


@cli.command("systemd")
def systemd_unit(
    context: typer.Context,
    config: ConfigPath = None,
    program: Annotated[str | None, option("PATH", "The installed program. Default: this one.")] = None,
) -> None:
    """Print a hardened systemd unit.

    The unit passes each secret of the configuration as a credential. The command writes no file.
    """
    import shutil

    from meterbot.app.config.loading import secrets_named
    from meterbot.cli import systemd_unit as units

    named = from_config(secrets_named, context, config)
    where = str(Path(program or shutil.which("meterbot") or sys.argv[0]).absolute())
    variables = [str(each.env) for each in named if each.env]
    paths = [str(each.file) for each in named if each.file and "/" in str(each.file)]
    files = [str(each.file or each.credential).rpartition("/")[2] for each in named if not each.env]
    print(units.unit(files, where), end="")
    said = [f"it expects in {units.DIRECTORY}, for root alone: {', '.join(['config.toml', *files])}"]
    said += [
        f"{name} is read from the environment, which the unit does not set: use a file" for name in variables
    ]
    said += [
        f"it passes {path} as {path.rpartition('/')[2]}: use that name in {units.DIRECTORY}/config.toml, without a folder"
        for path in paths
    ]
    if units.hidden_by_it(where):
        said.append(f"it cannot see {where}, nor any home directory: install with `pipx install --global`")
    print("\n".join(said), file=sys.stderr)
