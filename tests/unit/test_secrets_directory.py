"""Settings from files, and what is said when one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.services import read_settings
from shared.domain.errors import PermanentError
from shared.settings import Settings


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JEROBOAM_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("JEROBOAM_CLOUD__AUTH_URL", "http://keystone.test/v3")
    monkeypatch.setenv("JEROBOAM_CLOUD__USERNAME", "jeroboam")
    for name in ("JEROBOAM_DATABASE_URL", "JEROBOAM_SECRET_KEYS", "JEROBOAM_CLOUD__PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "jeroboam_database_url").write_text("postgresql://a/b\n")
    (tmp_path / "JEROBOAM_SECRET_KEYS").write_text('["key"]\n')
    (tmp_path / "jeroboam_cloud__password").write_text("from the file\n")
    return tmp_path


def test_files_complete_the_environment(directory: Path) -> None:
    settings = Settings()
    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://a/b"
    assert [key.get_secret_value() for key in settings.secret_keys] == ["key"]
    assert (settings.cloud.username, settings.cloud.password.get_secret_value()) == ("jeroboam", "from the file")


def test_a_variable_takes_precedence(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEROBOAM_CLOUD__PASSWORD", "from the environment")
    assert Settings().cloud.password.get_secret_value() == "from the environment"


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "jeroboam_database_url").unlink()
    with pytest.raises(
        PermanentError, match=rf"JEROBOAM_DATABASE_URL \(or the file {directory}/jeroboam_database_url\)"
    ):
        read_settings()


def test_a_missing_directory_is_named(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JEROBOAM_SECRETS_DIR", str(directory / "none"))
    with pytest.raises(PermanentError, match=r"JEROBOAM_SECRETS_DIR: .*none.* does not exist"):
        read_settings()
