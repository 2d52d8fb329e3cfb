"""The unit with which systemd runs the bot: `meterbot systemd` prints it."""

from collections.abc import Sequence
from pathlib import PurePosixPath

DIRECTORY = "/etc/meterbot"
"""Where the configuration is, and a file for each secret."""
PROGRAM = "/opt/meterbot/.venv/bin/meterbot"

_UNIT = """\
# Printed by `meterbot systemd`, for /etc/systemd/system/meterbot.service. docs/vps.md goes through it step by step.

[Unit]
Description=meterbot, what a team's Claude seats really spend
Wants=network-online.target
After=network-online.target

[Service]
ExecStart={program} run --config ${{CREDENTIALS_DIRECTORY}}/config.toml
# sqlite:///meterbot.db starts from here, the only place that can be written to.
StateDirectory=meterbot
StateDirectoryMode=0700
WorkingDirectory=%S/meterbot

# Only this service sees what is loaded here; the files themselves may belong to root alone. The name before the colon
# is where meterbot looks. A line without a file stops the start.
{credentials}

# It says itself when it is ready, and then keeps the watchdog quiet for as long as its last look for seats was on time.
Type=notify
NotifyAccess=main
WatchdogSec=60
TimeoutStartSec=300
# A configuration that cannot be used (2) is not tried again; anything else is.
Restart=on-failure
RestartPreventExitStatus=2
RestartSec=10
# It ends within 10 seconds by itself.
TimeoutStopSec=20

DynamicUser=yes
UMask=0077
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(credentials: Sequence[str] = (), program: str = PROGRAM) -> str:
    """`credentials`: the names of the secrets' files in DIRECTORY."""
    lines = [f"LoadCredential={name}:{DIRECTORY}/{name}" for name in ("config.toml", *credentials)]
    return _UNIT.format(program=program, credentials="\n".join(lines))


def hidden_by_it(program: str) -> bool:
    """Whether the unit would hide the program from itself: no home directory is there for it."""
    parts = PurePosixPath(program).parts
    return parts[1:2] in {("home",), ("root",)} or parts[1:3] == ("run", "user")
