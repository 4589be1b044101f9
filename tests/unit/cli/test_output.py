"""Tables: IDs stay on one line, and a pipe has no width."""

from __future__ import annotations

from typing import Any

import pytest

from cli.output import Format, show_one, show_rows

ID = "01234567-89ab-cdef-0123-456789abcdef"
PROJECT = "0123456789abcdef0123456789abcdef"
ROW = {"uuid": ID, "project": PROJECT, "name": "n" * 60, "reason": "some words " * 40}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.output.is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("columns", [("uuid", "name"), ("uuid", "name", "reason", "project"), tuple(ROW)])
def test_an_id_is_never_broken(columns: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([ROW, ROW], columns, Format.TABLE)
    shown = lines(capsys)
    assert sum(ID in line for line in shown) == 2
    assert sum(PROJECT in line for line in shown) == (2 if "project" in columns else 0)


@pytest.mark.usefixtures("terminal")
def test_a_terminal_that_is_wide_enough_is_not_exceeded(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([ROW], ("uuid", "name"), Format.TABLE)
    assert {len(line) for line in lines(capsys)} == {80}


@pytest.mark.parametrize("number", [1, 3])
def test_a_row_is_one_line_of_a_pipe(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([ROW] * number, tuple(ROW), Format.TABLE)
    shown = lines(capsys)
    assert len(shown) == number + 4
    assert sum(ROW["reason"].strip() in line for line in shown) == number
    assert all(line.isascii() for line in shown)


def test_one_object_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    thing: dict[str, Any] = {"uuid": ID, "spec": {"a": "b" * 300}, "links": []}
    show_one(thing, Format.TABLE)
    assert len(lines(capsys)) == 6
