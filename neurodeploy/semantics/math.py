"""Elementary functions, written in the language from ``+ - * /``, rounding and powers of two.

A library's exp and tanh differ between numpy, torch and C; these are the same everywhere, bit
for bit. All are for float32. Every finite argument has a finite result: where the true one
leaves float32, or the function has no value, the argument saturates (each function says where).

The coefficients are minimax polynomials for the relative error of the function itself, found by
Remez exchange at 50 digits on the interval named beside them and rounded to float32; the tests
measure the errors that result.
"""

from __future__ import annotations

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.language import (
    Sym,
    absolute,
    clip,
    constant,
    maximum,
    minimum,
    mod,
    pow2,
    shift_right,
    to_float,
    to_int,
    where,
)
from neurodeploy.semantics.types import F32, Int, type_text

__all__ = ["cos", "erf", "exp", "log", "power", "sigmoid", "sin", "softplus", "tanh"]

LOG2_E = 1.442695
# ln 2 in two parts: the first has 15 bits, so that its product with an exponent is exact
LN2 = (0.693145751953125, 1.4286068e-06)
# exp(r) = 1 + r + r^2 P(r) on |r| <= ln(2) / 2; error 2^-28.3
EXP = (0.49999994, 0.1666652, 0.04166839, 0.00836875, 0.0013814773)
EXP_LOWEST, EXP_HIGHEST = -104.0, 88.72283
# log(1 + f) = 2 s + s z P(z), s = f / (2 + f), z = s^2, on sqrt(1/2) <= 1 + f <= sqrt(2);
# error 2^-37.6
LOG = (0.6666666, 0.40000337, 0.28537238, 0.2358357)
SQRT2 = 1.4142135
SMALLEST = 2.0**-149
# tanh(x) = x + x z P(z), z = x^2, on |x| <= 0.625; error 2^-32.6
TANH = (-0.3333333, 0.1333321, -0.053947203, 0.021702968, -0.008182675, 0.0021475377)
TANH_NEAR = 0.625
# erf(x) = x + x P(z), z = x^2, on |x| <= 1; error 2^-29.6
ERF = (
    0.12837917,
    -0.37612626,
    0.112835854,
    -0.026853813,
    0.0051883277,
    -0.0008010194,
    7.853861e-05,
)
# erf(x) = 1 - exp(-x P(x)) on 1 <= x <= 3.92, above which it rounds to 1; error 2^-31.4
ERF_TAIL = (
    1.1286972,
    0.6349583,
    0.10654909,
    -0.024025496,
    0.0037646545,
    -0.00035233088,
    1.4133721e-05,
)
ERF_ONE = 3.92
# sin(r) = r + r z P(z) and cos(r) = 1 - z / 2 + z^2 P(z), z = r^2, on |r| <= pi / 4;
# errors 2^-37.6 and 2^-43.2
SIN = (-0.16666667, 0.008333329, -0.00019839327, 2.7182373e-06)
COS = (0.041666668, -0.0013888883, 2.4799512e-05, -2.720955e-07)
TWO_OVER_PI = 0.63661975
# pi / 2 in four parts: three of 11 bits, whose products with 13 bits of quadrant are exact
HALF_PI = (1.5703125, 0.0004837512969970703, 7.549533620476723e-08, 2.563344e-12)
MAX_ANGLE = 8192.0


def _single(name: str, x: Sym) -> Sym:
    if x.type != F32:
        raise SemanticsError(
            f"{name} is for f32, not {type_text(x.type)}", hint="convert with to_float"
        )
    return x


def _polynomial(x: Sym, coefficients: tuple[float, ...]) -> Sym:
    """Give ``c0 + x (c1 + x (c2 + ...))``."""
    value = constant(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value = value * x + c
    return value


def exp(x: Sym) -> Sym:
    """Give e to the power of ``x``, within 1 ulp.

    ``x`` saturates at -104 (0) and 88.72283 (3.4027985e38, near the largest float32).

    ``exp(x) = 2**n exp(r)`` with ``n = rint(x / ln 2)`` and ``r = x - n ln 2`` in two parts
    (Cody and Waite 1980, "Software Manual for the Elementary Functions").

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    x = clip(_single("exp", x), EXP_LOWEST, EXP_HIGHEST)
    n = to_int(x * LOG2_E, rounding="nearest_even", lo=-160, hi=160)
    turns = to_float(n)
    r = (x - turns * LN2[0]) - turns * LN2[1]
    near_one = 1 + (r + (r * r) * _polynomial(r, EXP))
    # two factors: 2**n itself may be subnormal, or above the largest float
    half = shift_right(n, 1, rounding="floor")
    rest = shift_right(n + 1, 1, rounding="floor")
    return near_one * pow2(half) * pow2(rest)


def log(x: Sym) -> Sym:
    """Give the natural logarithm of ``x``, within 1 ulp.

    ``x`` saturates at the smallest positive float32, 2**-149, whose logarithm is -103.27893.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    m = maximum(_single("log", x), SMALLEST)
    # bring m to [1, 2) by exact products with powers of two, which are counted
    e = constant(m, 0)
    for limit, shift in ((2.0**-22, 127), (1.0, 22)):
        low = m < limit
        m, e = where(low, m * 2.0**shift, m), where(low, e - shift, e)
    for shift in (64, 32, 16, 8, 4, 2, 1):
        high = m >= 2.0**shift
        m, e = where(high, m * 2.0**-shift, m), where(high, e + shift, e)
    return _log_of_parts(m, e)


def _log_of_parts(m: Sym, e: Sym) -> Sym:
    """Give ``log(m 2**e)`` with ``1 <= m <= 2``."""
    fold = m > SQRT2
    m, e = where(fold, m * 0.5, m), where(fold, e + 1, e)
    f = m - 1
    s = f / (f + 2)
    z = s * s
    # 2 s = f - s f
    return e * LN2[0] + (f - (s * (f - z * _polynomial(z, LOG)) - e * LN2[1]))


def sigmoid(x: Sym) -> Sym:
    """Give ``1 / (1 + exp(-x))``, within 3 ulp; below -104 it is 0.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    e = exp(-absolute(_single("sigmoid", x)))
    return where(x < 0, e, 1) / (e + 1)


def tanh(x: Sym) -> Sym:
    """Give the hyperbolic tangent of ``x``, within 2 ulp; odd, and -1 or 1 from about 9 on.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    size = absolute(_single("tanh", x))
    far = 1 - 2 / (exp(size * 2) + 1)
    small = minimum(size, TANH_NEAR)  # an overflow here would give a gradient of NaN
    z = small * small
    near = small + small * (z * _polynomial(z, TANH))
    value = where(size < TANH_NEAR, near, far)
    return where(x < 0, -value, value)


def erf(x: Sym) -> Sym:
    """Give the error function of ``x``, within 2 ulp; odd, and -1 or 1 from 3.92 on.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    size = minimum(absolute(_single("erf", x)), ERF_ONE)
    far = 1 - exp(-size * _polynomial(size, ERF_TAIL))
    z = size * size
    near = size + size * _polynomial(z, ERF)
    value = where(size < 1, near, far)
    return where(x < 0, -value, value)


def softplus(x: Sym) -> Sym:
    """Give ``log(1 + exp(x))`` as ``max(x, 0) + log1p(exp(-|x|))``, within 3 ulp.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    e = exp(-absolute(_single("softplus", x)))
    one_more = e + 1
    # what the rounding of 1 + e lost
    lost = (e - (one_more - 1)) / one_more
    return maximum(x, 0) + (_log_of_parts(one_more, constant(e, 0)) + lost)


def sin(x: Sym) -> Sym:
    """Give the sine of ``x`` in radians, within 3 ulp; ``x`` saturates at -8192 and 8192.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    return _circular(_single("sin", x), 0)


def cos(x: Sym) -> Sym:
    """Give the cosine of ``x`` in radians, within 3 ulp; ``x`` saturates at -8192 and 8192.

    Raises:
        SemanticsError: ``x`` is not f32.
    """
    return _circular(_single("cos", x), 1)


def _circular(x: Sym, ahead: int) -> Sym:
    """Give the sine of ``x + ahead pi / 2``."""
    x = clip(x, -MAX_ANGLE, MAX_ANGLE)
    n = to_int(x * TWO_OVER_PI, rounding="nearest_even", lo=-5216, hi=5216)
    quarters, r = to_float(n), x
    for part in HALF_PI:
        r = r - quarters * part
    z = r * r
    sine = r + r * (z * _polynomial(z, SIN))
    cosine = 1 - (z * 0.5 - (z * z) * _polynomial(z, COS))
    quadrant = mod(n + ahead, 4)
    value = where((quadrant == 1) | (quadrant == 3), cosine, sine)
    return where(quadrant >= 2, -value, value)


def power(x: Sym, n: int) -> Sym:
    """Give ``x`` to the whole power ``n`` by repeated squaring.

    With the bits of ``|n|`` from the lowest on, ``result = result * x`` where the bit is set,
    then ``x = x * x``; a negative ``n`` gives ``1 / power(x, -n)``. Integers keep their range.

    Raises:
        SemanticsError: ``n`` is no whole number, or negative with an integer ``x``.
    """
    if type(n) is not int:
        raise SemanticsError(f"power takes a whole number, not {n!r}")
    if n < 0:
        if isinstance(x.type, Int):
            raise SemanticsError("a negative power of an integer is no integer")
        return 1 / power(x, -n)
    if n == 0:
        return constant(x, 1)
    result: Sym | None = None
    while n:
        if n & 1:
            result = x if result is None else result * x
        n >>= 1
        if n:
            x = x * x
    return constant(x, 1) if result is None else result
