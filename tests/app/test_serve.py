"""The running process and its signals."""

import signal
import socket
from pathlib import Path

import pytest

from tests.e2e import process
from tests.e2e.test_handing_in import free_port

CONFIG = '[http]\nbind = "127.0.0.1:{port}"\n[[seats]]\nname = "{seat}"\nsource = "push"\n'


async def test_sighup_reloads_the_configuration_and_keeps_the_old_one_for_a_wrong_one(tmp_path: Path) -> None:
    file, port = tmp_path / "config.toml", free_port()
    file.write_text(CONFIG.format(port=port, seat="ana"))
    async with process.started("run", cwd=tmp_path) as bot:
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        file.write_text("timezone = 1\n")
        bot.send_signal(signal.SIGHUP)
        wrong = await process.line(bot.stderr, lambda line: "has mistakes" in line)
        assert "config.toml:1:1 timezone: must be an IANA time zone" in wrong
        file.write_text(CONFIG.format(port=port, seat="bo"))
        bot.send_signal(signal.SIGHUP)
        await process.line(bot.stderr, lambda line: '"event": "started"' in line)
        ended = await process.stop(bot)
        assert ended.status == 0, ended.stderr
    listed = await process.meterbot("seat", "list", cwd=tmp_path)
    assert "bo" in listed.stdout


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 1), ("203.0.113.1", 2)])
async def test_a_port_that_is_taken_is_tried_again_and_a_foreign_address_is_a_mistake(
    tmp_path: Path, host: str, status: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = CONFIG.replace("127.0.0.1", host).format(port=taken.getsockname()[1], seat="ana")
        (tmp_path / "config.toml").write_text(text)
        ended = await process.meterbot("run", cwd=tmp_path)
    assert (ended.status, "cannot listen on" in ended.stderr) == (status, True)
