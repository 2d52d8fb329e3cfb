"""The page that a browser shows for `/join/CODE`. It works without JavaScript, which only adds the copy buttons."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from meterbot.app.agent_script import agent_script
from meterbot.commands.join_lines import (
    UNINSTALL_LINE,
    WINDOWS_UNINSTALL_LINE,
    dry_run_line,
    unix_line,
    windows_line,
)

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --code: #8881; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.1rem; margin: 1.75rem 0 .25rem; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: .4rem; padding: .75rem;
  white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; user-select: all; }
pre, code { font: .9rem/1.45 ui-monospace, monospace; } code { overflow-wrap: anywhere; }
button { font: inherit; min-height: 2.75rem; padding: 0 1rem; border-radius: .4rem; cursor: pointer; }
"""
_SCRIPT = """
for (const text of document.querySelectorAll("pre.copy")) {
  const button = document.createElement("button");
  button.textContent = "Copy";
  button.onclick = async () => {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "Copied";
  };
  text.after(button);
}
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


PAGE_POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

_SENT = """{
 "org_uuid": "11111111-1111-4111-8111-111111111111",
 "account_uuid": "22222222-2222-4222-8222-222222222221",
 "fetched_at": "2026-04-20T09:59:00.000Z",
 "usage": {
  "five_hour": {"utilization": 41.0, "resets_at": "2026-04-20T12:00:00Z"},
  "extra_usage": {"is_enabled": true, "used_credits": 420, "monthly_limit": 5000, "currency": "USD"}
 },
 "errors": []
}"""


def join_page(seat: str, url: str, code: str) -> str:
    """How the person connects the seat, what is sent, and how to stop it."""
    script = agent_script()
    lines = len(script.text.splitlines())
    return _page(
        f"Connect {escape(seat)} to meterbot",
        f"""
<p>Run one line on the machine where you use Claude Code. meterbot then shows your team what the seat
<strong>{escape(seat)}</strong> spends. The line works once, within ten minutes, and needs Python 3.8 or later.</p>
<h2>macOS and Linux</h2>
{_copied(unix_line(url, code))}
<h2>Windows (PowerShell)</h2>
{_copied(windows_line(url, code))}
<h2>Read it first</h2>
<p>The line downloads one file and starts it: <a href="{escape(url)}/agent">{escape(url)}/agent</a>,
{lines} lines of Python, version {escape(script.version)}, SHA-256:</p>
<pre>{script.digest}</pre>
<h2>What it sends</h2>
<p>Numbers, every 15 minutes, to {escape(url)} and to nobody else. No prompt, no code, no name, no e-mail address and no
sign-in leaves your machine. It looks like this:</p>
<pre>{escape(_SENT)}</pre>
<p>This shows the very bytes, and neither installs nor sends anything:</p>
{_copied(dry_run_line(url))}
<h2>What it does on your machine</h2>
<p>It runs under your own account: a systemd timer, launchd, Task Scheduler or cron starts it. It asks your
<code>claude</code> for what <code>/usage</code> shows. It updates only when you run a new line.</p>
<h2>Stop and delete it</h2>
{_copied(UNINSTALL_LINE)}
<p>On Windows:</p>
{_copied(WINDOWS_UNINSTALL_LINE)}
""",
    )


def expired_page() -> str:
    """The page for a used, old or mistyped code."""
    return _page(
        "This link is no longer valid",
        "<p>It was used, or it is older than ten minutes. Ask <code>/claude-spend join</code> in the chat again.</p>",
    )


def _copied(line: str) -> str:
    return f'<pre class="copy">{escape(line)}</pre>'


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<script>{_SCRIPT}</script>
</body>
</html>
"""
