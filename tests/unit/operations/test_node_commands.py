"""What commands said: its end on one line, and the results of those that say them in sentences."""

from __future__ import annotations

import pytest

from shared.operations.node_commands import MOST_RESULTS, is_result, last_line, last_words, spoken_results


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, ""),
        ("", ""),
        ("\n \n", ""),
        ("== step\njeroboam: the API does\nnot answer\n", "== step jeroboam: the API does not answer"),
        ("\x1b[31merror\x1b[0m: \x1b[1;38;5;9mno\x1b[K way", "error: no way"),
        ("10%\r50%\r100%\r\ndone\r\n", "10% 50% 100% done"),
        ("\x1b]0;title\x07shown \x1b]8;;http://x\x1b\\link", "shown link"),
        ("a\x00b\x07c\x7fd\x9be", "abcde"),
        ("cut \x1b[3", "cut 3"),
        ("cut \x1b", "cut"),
        ("naïve – ü", "naïve – ü"),
    ],
)
def test_the_end_of_an_output_is_one_plain_line(output: str | None, words: str) -> None:
    assert last_words(output) == words


def test_at_most_a_thousand_bytes_of_it_are_kept_and_no_character_is_cut() -> None:
    assert last_words("x" * 5000 + " end") == ("x" * 5000 + " end")[-1000:]
    assert last_words("ü" * 2000 + "e") == "ü" * 499 + "e"


def test_the_last_line_is_the_last_that_says_something() -> None:
    assert last_line("first\n\x1b[31mlast\x1b[0m one \n\n \n") == "last one"
    assert last_line("10%\r90%") == "90%"
    assert last_line(None) == ""
    assert len(last_line("y" * 500)) == 200


def test_sentences_of_the_version_before_are_results() -> None:
    output = (
        "restarted\nnot drained w-2: error: pod web-0 did not go\r\nnot restarted shop/web: timed out\nnot drained x:\n"
    )
    assert spoken_results(output) == {
        "not_drained.w-2": "error: pod web-0 did not go",
        "not_restarted.shop/web": "timed out",
    }


def test_results_that_were_printed_for_want_of_a_file_are_results() -> None:
    output = "== step\nnot_drained.w-2=a = b\nnot_restarted.deployments/shop/web=\nnot_known.x=y\n"
    assert spoken_results(output) == {"not_drained.w-2": "a = b", "not_restarted.deployments/shop/web": ""}


def test_no_more_is_read_from_an_output_than_an_agent_may_send() -> None:
    assert len(spoken_results("".join(f"not drained n-{number}: x\n" for number in range(500)))) == MOST_RESULTS
    assert spoken_results("not drained a b: x\nnot drained ü: x\n") == {}


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("not_drained.w-1", "because", True),
        ("a/b.c_d-E9", "", True),
        ("a" * 200, "v" * 1000, True),
        ("", "v", False),
        ("a" * 201, "v", False),
        ("a b", "v", False),
        ("a", "v" * 1001, False),
        ("a", "two\nlines", False),
        ("a", "line\n", False),
        ("a\n", "v", False),
        ("a", "\x1b[31m", False),
    ],
)
def test_a_result_is_a_short_name_and_one_printable_line(name: str, value: str, fits: bool) -> None:
    assert is_result(name, value) is fits


def test_the_cause_is_kept_and_not_the_advice_after_it() -> None:
    output = (
        "\x1b[32m[init] Using version\x1b[0m\n"
        "\x1b[31merror execution phase preflight: [preflight] Some fatal errors occurred:\x1b[0m\n"
        "\t[ERROR Port-6443]: Port 6443 is in use\n"
        "[preflight] If you know what you are doing, you can make a check non-fatal\n"
        + "To see the stack trace of this, execute with --v=5 or higher\n"
        * 40
    )
    kept = last_words(output)
    assert "[ERROR Port-6443]: Port 6443 is in use" in kept
    assert "stack trace" not in kept
