"""Numbers as constants of C, and the code that depends on the type: float or double."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from handnn.arrays import Array


@dataclass(frozen=True)
class Real:
    """float or double: its names in C, and the constants of the functions for it.

    The constants are those of the kernels: exp.hpp, erf.hpp, log.hpp and dots.hpp give their
    sources.
    """

    name: str
    suffix: str
    word: str
    bits: int
    digits: str
    whole: Mapping[str, int]
    constants: Mapping[str, float]
    lists: Mapping[str, tuple[float, ...]]


def _hex(text: str) -> tuple[float, ...]:
    return tuple(map(float.fromhex, text.split()))


REALS: Mapping[str, Real] = {
    "float32": Real(
        name="float",
        suffix="f",
        word="uint32_t",
        bits=32,
        digits="FLT_MANT_DIG",
        whole={"BIAS": 127, "MANTISSA": 23, "UPPER_HALF": 12, "CHAINS": 16},
        constants={
            "EXP_LEAST": -105.0,
            "EXP_LEAST_NORMAL": float.fromhex("-0x1.5d589ep6"),
            "EXP_MOST": 89.0,
            "EXP_ROUND": 1.5 * 2**23 + 127,
            "LN2_HIGH": float.fromhex("0x1.62e4p-1"),
            "LN2_LOW": float.fromhex("0x1.7f7d1cp-20"),
            "LOG_SPLIT": 2 * 0.7071067811865476,
            "NORMAL_END": 14.4,
        },
        lists={
            "EXP_Q": _hex("0x1.698b12p-10 0x1.12456ap-7 0x1.555a02p-5 0x1.555482p-3 0x1.fffffap-2"),
            "NORMAL_G": _hex(
                """0x1.11ac0cp-15 0x1.79ebdap-15 -0x1.9aa852p-12 -0x1.ccb4eap-11 0x1.ed0f8cp-10
                0x1.eed698p-7 0x1.7e002ep-5 0x1.8c6d9p-4 0x1.373e38p-3 0x1.82b4bcp-3"""
            ),
            "LOG_TERMS": tuple(2 / (2 * k + 1) for k in (4, 3, 2, 1)),
        },
    ),
    "float64": Real(
        name="double",
        suffix="",
        word="uint64_t",
        bits=64,
        digits="DBL_MANT_DIG",
        whole={"BIAS": 1023, "MANTISSA": 52, "UPPER_HALF": 27, "CHAINS": 8},
        constants={
            "EXP_LEAST": -746.0,
            "EXP_LEAST_NORMAL": float.fromhex("-0x1.6232bdd7abcd2p9"),
            "EXP_MOST": 710.0,
            "EXP_ROUND": 1.5 * 2**52 + 1023,
            "LN2_HIGH": float.fromhex("0x1.62e42fefa4p-1"),
            "LN2_LOW": float.fromhex("-0x1.8432a1b0e2634p-43"),
            "LOG_SPLIT": 2 * 0.7071067811865476,
            "NORMAL_END": 38.6,
        },
        lists={
            "EXP_Q": _hex(
                """0x1.ad85f2cd9ec1cp-26 0x1.28b5de4089686p-22 0x1.71df2e216dd2ep-19
                0x1.a0199115958f4p-16 0x1.a01a0120843bep-13 0x1.6c16c1876741ep-10
                0x1.111111112aa49p-7 0x1.555555554fa09p-5 0x1.55555555554eap-3
                0x1.000000000000cp-1"""
            ),
            "NORMAL_G": _hex(
                """-0x1.487f77e1fadddp-32 0x1.4fd75f3fc1b0ep-34 0x1.f815b13a87368p-29
                -0x1.125b23685e40ap-28 -0x1.4c738f5a1cdeep-26 0x1.5006527ec0131p-25
                0x1.1bf5d163ab82dp-24 -0x1.1248c09c55ce3p-22 -0x1.4fcf56cb5be3ap-23
                0x1.8d48ba3d1c53p-20 0x1.7fed4adb4e13dp-23 -0x1.26d0646e21c37p-17
                -0x1.0012bab1b9624p-21 0x1.e4a4220291d81p-15 0x1.17a4a77731385p-15
                -0x1.ab825fb2fd4f8p-12 -0x1.c81719cc87602p-11 0x1.ee276104494b4p-10
                0x1.eec4cc3e47fbbp-7 0x1.7dff2bff68431p-5 0x1.8c6dbf2cfc2c6p-4
                0x1.373e3a893c28ap-3 0x1.82b4bb8c94dcep-3"""
            ),
            "LOG_TERMS": tuple(2 / (2 * k + 1) for k in range(10, 0, -1)),
        },
    ),
}


MAX_LINE = 96
"""The largest length of a line of numbers."""


def number(value: float, real: Real) -> str:
    """Return a number of float32 or float64 as an exact constant of C.

    The constant is decimal if that is short and exact, otherwise hexadecimal.
    """
    rounded = float(np.float32(value)) if real.bits == 32 else float(value)
    if np.isnan(rounded):
        return f"({real.name})NAN"
    if np.isinf(rounded):
        return f"{'-' if rounded < 0 else ''}({real.name})INFINITY"
    if rounded.is_integer() and abs(rounded) < 2**53:
        return f"{rounded:.1f}{real.suffix}"
    if (rounded * 1024).is_integer() and len(repr(rounded)) < 8:
        return f"{rounded!r}{real.suffix}"
    mantissa, power = rounded.hex().split("p")
    return f"{mantissa.rstrip('0')}p{power}{real.suffix}"


def numbers(array: Array | tuple[float, ...], real: Real, indent: str = "  ") -> str:
    """Return the entries of an array as constants in C order, with commas, wrapped."""
    flat: Iterable[float] = array.ravel().tolist() if isinstance(array, np.ndarray) else array
    return _in_lines((number(value, real) for value in flat), indent)


def bytes_in_c(data: bytes) -> str:
    """Return bytes as numbers with commas, wrapped; a string literal would be limited in length."""
    return _in_lines(map(str, data), "  ")


def _in_lines(words: Iterable[str], indent: str) -> str:
    lines = [indent]
    for word in words:
        if len(lines[-1]) + len(word) > MAX_LINE:
            lines.append(indent)
        lines[-1] += f"{word}, "
    return "\n".join(line.rstrip() for line in lines).strip().rstrip(",")
