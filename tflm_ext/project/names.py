"""Names of a model in C: its identifier, its library, its inputs and outputs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from tflm_ext.errors import ConfigError

LONGEST = 40
_LONGEST_PORT = 24  # lines with the names of a model and of a port fit into 100 columns

_KEYWORDS = """
    alignas alignof and and_eq asm atomic auto bitand bitor bool break case catch char char8_t
    char16_t char32_t class co_await co_return co_yield compl concept const const_cast consteval
    constexpr constinit continue decltype default delete do double dynamic_cast else enum explicit
    export extern false float for friend goto if import inline int long module mutable namespace
    new noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast
    struct switch synchronized template this thread_local throw true try typedef typeid typename
    typeof typeof_unqual union unsigned using virtual void volatile wchar_t while xor xor_eq
"""

# <Name>.h is in an include path, and some file systems do not distinguish Math.h from math.h.
_HEADERS = """
    algorithm array assert atomic bitset chrono cmath complex cstdint ctype errno exception fenv
    functional inttypes iso646 iterator limits list locale main map math memory new numeric optional
    queue random set setjmp setup signal span stack stdalign stdarg stdatomic stdbool stddef stdint
    stdio stdlib stdnoreturn string tgmath thread threads time tuple uchar utility variant vector
    wchar wctype client ipaddress loop pdm print printable server spi stream unity usb wire wstring
    app golden protocol sample
"""

# The board's core defines functions like i2c_init and serial_reset.
_MBED = """
    analogin analogout can core crc dma flash gpio gpio_irq hal i2c lp_ticker mbed nrf nrfx os ospi
    pin port pwmout qspi rtc serial sleep sys ticker trng us_ticker usbphy watchdog
"""

RESERVED = frozenset(f"{_KEYWORDS} {_HEADERS} {_MBED}".split())


def model_name(text: str, *, derived: bool = False) -> str:
    """Return the C identifier of a model, in lower case.

    Args:
        text: the name that the user chose, or a text to derive one from, such as a file's stem.
        derived: derive a valid name from the text; a name chosen by the user is never changed.

    Raises:
        ConfigError: the text is not a valid name, or no valid name can be derived from it.

    Example:
        >>> model_name("digits")
        'digits'
        >>> model_name("KWS ref-model (2)", derived=True)
        'kws_ref_model_2'
    """
    name = _sanitise(text) if derived else text.lower() if text.isascii() else text
    problem = _problem(name)
    if problem is None:
        return name
    if derived:
        raise ConfigError(
            f"No name for the model can be derived from {_shown(text)}: {problem}.",
            'Choose one, for example name="digits" or --name digits.',
        )
    try:
        hint = f'Choose another name, for example name="{model_name(text, derived=True)}".'
    except ConfigError:
        hint = 'Choose another name, for example name="digits".'
    raise ConfigError(f"{_shown(text)} is not a valid name for a model: {problem}.", hint)


def library_name(name: str) -> str:
    """Return the name of a model's library, its folder and its header, from its C identifier.

    Different models have different libraries, and the names follow Arduino's rules.

    Example:
        >>> library_name("digits")
        'Digits'
    """
    return name[0].upper() + name[1:]


def port_symbols(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the part of each port's names in C: by its own name if there are several ports.

    Args:
        kind: "input" or "output".
        names: what Keras or the signature calls the ports, in order; untrusted.

    Example:
        >>> port_symbols("input", ["image"]), port_symbols("input", ["Image 1", "meta"])
        (('input0',), ('input_image_1', 'input_meta'))
        >>> port_symbols("output", ["Identity", ""])
        ('output0', 'output1')
    """
    if len(names) == 1:
        return (f"{kind}0",)
    own = [_words(name.removeprefix(f"{kind}_"))[:_LONGEST_PORT].rstrip("_") for name in names]
    return tuple(
        f"{kind}{i}" if _meaningless(text) or own.count(text) > 1 else f"{kind}_{text}"
        for i, text in enumerate(own)
    )


def _meaningless(text: str) -> bool:
    """Whether a port's own name says no more than its number, or ends like a function of others."""
    return re.fullmatch(r"(identity(_\d+)?|\d*|input|output|.*_array(_int16)?)", text) is not None


def _problem(name: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "a name consists of a-z, 0-9 and _, and begins with a letter"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, but at most {LONGEST} are allowed"
    if "__" in name or name.endswith("_"):
        return "C++ reserves names with two _ in a row, and symbols append _ to the name"
    if name in RESERVED:
        return "C, C++ or the board's core already uses it"
    if name.startswith(("arduino", "tflm_ext")):
        return "names that begin with arduino or tflm_ext are reserved"
    return None


def _words(text: str) -> str:
    """Return what a text has of a-z and 0-9, with _ between the words."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_only.lower()).strip("_")
    return name[:LONGEST].rstrip("_")


def _sanitise(text: str) -> str:
    name = _words(text)
    if name and _problem(name) is not None:
        name = f"model_{name}"[:LONGEST].rstrip("_")
    return name


def _shown(text: str) -> str:
    """Return the text as one short line of ASCII, in quotes."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")
