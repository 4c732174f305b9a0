"""The names of a model: its C identifier and its library."""

from __future__ import annotations

import re
import unicodedata

from tflm_ext.errors import ConfigError

LONGEST = 40

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

# <Name>.h lies in an include path, and some file systems do not tell Math.h from math.h.
_HEADERS = """
    algorithm array assert atomic bitset chrono cmath complex cstdint ctype errno exception fenv
    functional inttypes iso646 iterator limits list locale main map math memory new numeric optional
    queue random set setjmp setup signal span stack stdalign stdarg stdatomic stdbool stddef stdint
    stdio stdlib stdnoreturn string tgmath thread threads time tuple uchar utility variant vector
    wchar wctype client ipaddress loop pdm print printable server spi stream unity usb wire wstring
    golden protocol sample
"""

# The board's core defines functions like i2c_init and serial_reset.
_MBED = """
    analogin analogout can core crc dma flash gpio gpio_irq hal i2c lp_ticker mbed nrf nrfx os ospi
    pin port pwmout qspi rtc serial sleep sys ticker trng us_ticker usbphy watchdog
"""

RESERVED = frozenset(f"{_KEYWORDS} {_HEADERS} {_MBED}".split())


def model_name(text: str, *, derived: bool = False) -> str:
    """The C identifier of a model, in lower case.

    Args:
        text: the name that the user gave, or what to make one of, like the stem of a file.
        derived: make a name of it where it is none; a name that the user gave is never mended.

    Raises:
        ConfigError: the text is no name, or nothing is left of it.

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
            f"{_shown(text)} gives no name for the model: {problem}.",
            'Give one, as in name="digits" or --name digits.',
        )
    try:
        hint = f'Give another, as in name="{model_name(text, derived=True)}".'
    except ConfigError:
        hint = 'Give another, as in name="digits".'
    raise ConfigError(f"{_shown(text)} cannot be the name of a model: {problem}.", hint)


def library_name(name: str) -> str:
    """The library, its folder and its header, for the C identifier of a model.

    Two models never share one, and Arduino's rules for library names hold.

    Example:
        >>> library_name("digits")
        'Digits'
    """
    return name[0].upper() + name[1:]


def _problem(name: str) -> str | None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return "a name has letters a-z, digits and _ only, and begins with a letter"
    if len(name) > LONGEST:
        return f"it has {len(name)} characters, and a name has {LONGEST} at most"
    if "__" in name or name.endswith("_"):
        return "C++ keeps names with two _ in a row for itself, and symbols add one at the end"
    if name in RESERVED:
        return "C, C++ or the board's core uses that name"
    if name.startswith(("arduino", "tflm_ext")):
        return "names that begin with arduino or tflm_ext belong to others"
    return None


def _sanitise(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", ascii_only.lower()).strip("_")
    name = name[:LONGEST].rstrip("_")
    if name and _problem(name) is not None:
        name = f"model_{name}"[:LONGEST].rstrip("_")
    return name


def _shown(text: str) -> str:
    """The text as one short line of ASCII, between quotes."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")
