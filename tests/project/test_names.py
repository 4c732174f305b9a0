"""Valid names of models."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tflm_ext.errors import ConfigError
from tflm_ext.project.names import LONGEST, RESERVED, library_name, model_name


@pytest.mark.parametrize("name", ["digits", "a", "kws_ref_model", "m2", "x" * LONGEST])
def test_a_good_name_stays(name: str) -> None:
    assert model_name(name) == name
    assert model_name(name, derived=True) == name


def test_upper_case_becomes_lower_case() -> None:
    assert model_name("Digits") == "digits"


@pytest.mark.parametrize(
    ("text", "problem", "suggestion"),
    [
        ("", "a name consists of a-z", "digits"),
        ("../x", "a name consists of a-z", "x"),
        ("/etc/passwd", "a name consists of a-z", "etc_passwd"),
        ("my model", "a name consists of a-z", "my_model"),
        ("2nd", "a name consists of a-z", "model_2nd"),
        ("_x", "a name consists of a-z", "x"),
        ("größe", "a name consists of a-z", "groe"),
        ("x\n", "a name consists of a-z", "x"),
        ("x\0y", "a name consists of a-z", "x_y"),
        ("模型", "a name consists of a-z", "digits"),
        ("a__b", "C++ reserves names", "a_b"),
        ("a_", "C++ reserves names", "a"),
        ("int", "C, C++ or the board's core already uses it", "model_int"),
        ("Class", "C, C++ or the board's core already uses it", "model_class"),
        ("math", "C, C++ or the board's core already uses it", "model_math"),
        ("app", "C, C++ or the board's core already uses it", "model_app"),
        ("i2c", "C, C++ or the board's core already uses it", "model_i2c"),
        ("arduino_digits", "are reserved", "model_arduino_digits"),
        ("tflm_ext", "are reserved", "model_tflm_ext"),
        ("x" * 41, "it has 41 characters, but at most 40 are allowed", "x" * 40),
    ],
)
def test_a_bad_name_is_refused_with_a_better_one(text: str, problem: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as error:
        model_name(text)
    assert error.value.problem.startswith(f"{text!a} is not a valid name for a model: ")
    assert problem in error.value.problem
    assert error.value.hint == f'Choose another name, for example name="{suggestion}".'
    assert model_name(suggestion) == suggestion


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a" * 39 + " b", "a" * 39),
        ("a" * 40 + " b", "a" * 40),
        ("2" + "a" * 32 + " b", "model_2" + "a" * 32),
        ("2" + "a" * 33 + " b", "model_2" + "a" * 33),
        ("2" + "a" * 50, "model_2" + "a" * 33),
    ],
)
def test_a_name_is_cut_to_its_longest_without_a_last_underscore(text: str, name: str) -> None:
    assert model_name(text, derived=True) == name


@pytest.mark.parametrize("text", ["arduino", "arduinonet", "arduino_net", "tflm_ext_net"])
def test_prefixes_of_the_cores_and_of_tflm_ext_are_reserved(text: str) -> None:
    with pytest.raises(ConfigError, match="names that begin with arduino or tflm_ext are reserved"):
        model_name(text)
    assert model_name(f"my_{text}") == f"my_{text}"


def test_a_letter_that_only_becomes_ascii_in_lower_case_is_not_valid() -> None:
    with pytest.raises(ConfigError):
        model_name("\N{KELVIN SIGN}ws")


@pytest.mark.parametrize(("count", "shown"), [(60, "X" * 60), (61, "X" * 60 + "...")])
def test_a_message_shows_up_to_60_characters(count: int, shown: str) -> None:
    with pytest.raises(ConfigError) as error:
        model_name("X" * count)
    assert error.value.problem.startswith(f"'{shown}' is not a valid name")


@pytest.mark.parametrize("text", ["", "..", "模型", "___"])
def test_a_text_without_a_name_asks_for_one(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        model_name(text, derived=True)
    assert error.value.problem.startswith(f"No name for the model can be derived from {text!a}: ")
    assert error.value.hint == 'Choose one, for example name="digits" or --name digits.'


def test_a_long_text_makes_a_short_message() -> None:
    with pytest.raises(ConfigError) as error:
        model_name("\n" * 100_000)
    assert len(str(error.value)) < 400
    assert len(str(error.value).splitlines()) == 2


@given(st.text(max_size=60), st.booleans())
@example("İ", False)
@example("K", False)  # the Kelvin sign, whose lower case is an ASCII k
def test_what_comes_out_is_a_name(text: str, derived: bool) -> None:
    try:
        name = model_name(text, derived=derived)
    except ConfigError as error:
        assert len(str(error).splitlines()) == 2
        assert str(error).isascii()
        return
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert len(name) <= LONGEST
    assert name not in RESERVED
    assert model_name(name) == name


@given(st.lists(st.text("abc_09", min_size=1, max_size=4), max_size=20, unique=True))
def test_libraries_of_two_models_never_share_a_folder(texts: list[str]) -> None:
    names = {model_name(text, derived=True) for text in texts if text.strip("_")}
    libraries = {library_name(name) for name in names}
    assert len({library.lower() for library in libraries}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", library) for library in libraries)
