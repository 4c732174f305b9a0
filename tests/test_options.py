"""Versions and addresses that users pass: what Arduino, PlatformIO, ESP-IDF and CMake all read."""

from __future__ import annotations

from typing import Any

import pytest

from tflm_ext.cli import main
from tflm_ext.errors import ConfigError
from tflm_ext.options import as_url, as_version


@pytest.mark.parametrize(
    "version",
    [
        *("0.0.0", "1.2.0", "999999999.0.10", "1.2.0-rc.1", "1.2.0-0", "1.2.0-0a.b-c", "1.2.0--"),
        *("1.2.0+5", "1.2.0-a+b.07"),
    ],
)
def test_versions(version: str) -> None:
    assert as_version(version) == version


@pytest.mark.parametrize(
    "version",
    [
        *("", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3 ", "1.2.3\n", "1.2.\u0663"),
        *("1.2.3-", "1.2.3-a..b", "1.2.3-.", "1.2.3-01", "1.2.3+", "1.2.3+a..b", "1.2.3-\xe9"),
        *("1.2.3-" + "a" * 60, "1000000000.0.0", 1, 1.2, b"1.2.3", ["1.2.3"], True, '1.2.3"', "*/"),
    ],
)
def test_what_is_not_a_version(version: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        as_version(version)
    assert caught.value.problem.endswith("is not a version.")


@pytest.mark.parametrize(
    "url",
    [
        *("https://example.org", "http://localhost:8080/a/b.html?c=1&d=(e)#f", "https://[::1]/x"),
        *("https://example.org/%C3%A9~a+b;c,d", "https://user@example.org:443/"),
    ],
)
def test_addresses(url: str) -> None:
    assert as_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "ftp://a.b", "https://", "https:///a", "https://?a", "https://:80/"),
        *(
            "https://[",
            "https://a:99999/",
            "https://a:x/",
            "https://a b",
            "https://a/\n",
            "https://\xe9",
        ),
        *('https://a/"', "https://a/\\", "https://a/`b`", "https://a/<b>", "https://a/{b}"),
        *("https://a/" + "b" * 400, 1, b"https://a", ["https://a"], True),
    ],
)
def test_what_is_not_an_address(url: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        as_url(url)
    assert caught.value.problem.endswith("is not an address of the web.")


@pytest.mark.parametrize("option", [["--version", "1.2"], ["--url", "example.org"]])
def test_on_the_command_line(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "missing.tflite", "-o", "missing", *option]) == 2
    assert option[1] in capsys.readouterr().err
