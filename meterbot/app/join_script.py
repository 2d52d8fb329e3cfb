"""What `curl …/join/CODE | python3 -` runs: it fetches the agent, checks its digest, and starts it with the code."""

import json

from meterbot.app.agent_script import agent_script
from meterbot.commands.join_lines import AGENT_FILE, AGENT_FOLDER

_SCRIPT = """\
# Connects the Claude Code of this machine to the meterbot at {url}, as the seat {seat}.
# It downloads the agent, checks that it is the file with this SHA-256, keeps it in {folder}
# (on Windows in %LOCALAPPDATA%/meterbot) and starts it. The code works once, within ten minutes.
# Read the agent first: {url}/agent
import sys

URL = {url_text}
CODE = {code_text}
SHA256 = "{digest}"

if sys.version_info < (3, 8):
    sys.exit("meterbot needs Python 3.8 or later, and this is " + sys.version.split()[0])
if sys.argv[1:]:
    sys.exit("This line takes no options. To see what would be sent: curl -fsSL " + URL + "/agent | python3 - --dry-run")

import hashlib, http.client, os, ssl, subprocess, urllib.request

certificates = ssl.create_default_context()
system = "/etc/ssl/cert.pem"  # for a Python on macOS that has no certificates of its own
named = {{"SSL_CERT_FILE", "SSL_CERT_DIR"}} & set(os.environ)
if not certificates.get_ca_certs() and not named and os.path.exists(system):
    certificates.load_verify_locations(system)
try:
    agent = urllib.request.urlopen(URL + "/agent", timeout=30, context=certificates).read()
except (OSError, http.client.HTTPException) as failure:
    sys.exit("cannot download " + URL + "/agent: " + str(failure))
if hashlib.sha256(agent).hexdigest() != SHA256:
    sys.exit("the downloaded agent is not the file that was announced, so it is not started")

windows = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
folder = os.path.join(windows or os.path.expanduser("~/.local/share"), "meterbot")
os.makedirs(folder, mode=0o700, exist_ok=True)
path = os.path.join(folder, "{file}")
with open(path + ".new", "wb") as file:
    file.write(agent)
os.replace(path + ".new", path)  # a scheduled run may start meanwhile
sys.exit(subprocess.call([sys.executable, path, "join", URL, CODE]))
"""


def join_script(seat: str, url: str, code: str) -> str:
    """ASCII, so that every shell passes it on unchanged."""
    return _SCRIPT.format(
        url=url,
        seat=seat,
        folder=AGENT_FOLDER,
        url_text=json.dumps(url),
        code_text=json.dumps(code),
        digest=agent_script().digest,
        file=AGENT_FILE,
    )
