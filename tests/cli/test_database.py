"""`meterbot db …` as an operator types it."""

from pathlib import Path

from typer.testing import CliRunner, Result

from meterbot.cli import cli
from tests.e2e import process


def typed(folder: Path, *words: str) -> Result:
    url = f"sqlite:///{folder}/meterbot.db"
    return CliRunner().invoke(cli, ["db", *words], env={"DATABASE_URL": url, "METERBOT_CONFIG_TOML": None})


def test_a_backup_prints_where_it_is_and_can_be_restored(tmp_path: Path) -> None:
    assert typed(tmp_path, "upgrade").exit_code == 0
    made = typed(tmp_path, "backup", str(tmp_path / "kept.db"))
    assert (made.exit_code, made.stdout) == (0, f"{tmp_path}/kept.db\n")
    restored = typed(tmp_path, "restore", str(tmp_path / "kept.db"))
    assert restored.exit_code == 0
    assert restored.stdout.startswith(
        f"restored from {tmp_path}/kept.db; the replaced database is kept as {tmp_path}/"
    )


def test_a_backup_without_a_name_is_beside_the_database(tmp_path: Path) -> None:
    typed(tmp_path, "upgrade")
    made = Path(typed(tmp_path, "backup").stdout.strip())
    assert made.parent == tmp_path
    assert made.is_file()


async def test_what_cannot_be_done_is_a_sentence_and_status_2(tmp_path: Path) -> None:
    for words, environ, why in (
        (("backup",), "sqlite:///none.db", "cannot back up"),
        (("restore", "none.db"), "sqlite:///meterbot.db", "there is no such file"),
        (("backup",), "postgresql://u:planted@localhost/m", "pg_dump --format=custom"),
        (("restore", "x"), "postgresql://u:planted@localhost/m", "pg_restore --clean"),
    ):
        ended = await process.meterbot("db", *words, environ={"DATABASE_URL": environ}, cwd=tmp_path)
        assert ended.status == 2
        assert why in ended.stderr
        assert "Traceback" not in ended.stderr
        assert "planted" not in ended.stderr


def test_failed_items_say_that_there_are_none_and_which_is_unknown(tmp_path: Path) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path}/meterbot.db", "METERBOT_CONFIG_TOML": None}
    listed = CliRunner().invoke(cli, ["failed"], env=environ)
    assert (listed.exit_code, listed.stdout) == (0, "nothing failed\n")
    tried = CliRunner().invoke(cli, ["failed", "--retry", "nope"], env=environ)
    assert (tried.exit_code, tried.stdout) == (1, "")
    assert "there is no failed item nope" in tried.stderr
