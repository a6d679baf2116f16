"""Type rules of the language: what each operation accepts and the type of its result.

Integers carry their range, and every rule does interval arithmetic on it, so that C can use
the narrowest type and a state can be proven to hold its next value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neurodeploy.errors import SemanticsError
from neurodeploy.semantics.types import BOOL, F32, F64, Bool, Float, Int, Type, type_text

__all__ = ["LEAVES", "OPERATIONS", "ROUNDINGS", "SHIFT_ROUNDINGS", "result_type"]

LEAVES = frozenset({"input", "param", "state"})
ROUNDINGS = ("nearest_even", "floor", "zero")
SHIFT_ROUNDINGS = ("floor", "zero", "nearest", "even")
MAX_COUNT = 2**31 - 1

Attrs = Mapping[str, str | int | bool]
Rule = Callable[[tuple[Type, ...], Attrs], Type]


def _fail(op: str, types: tuple[Type, ...], hint: str = "") -> SemanticsError:
    shown = ", ".join(type_text(t) for t in types)
    return SemanticsError(f"{op}({shown}) is not in the language", hint=hint)


def _int_attr(op: str, attrs: Attrs, name: str) -> int:
    value = attrs.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise SemanticsError(f"{op} needs the integer attribute {name!r}")
    return value


def _same(op: str, types: tuple[Type, ...], *, hint: str = "") -> Float | tuple[Int, ...]:
    """Give the common float type, or the tuple of integer types."""
    first = types[0]
    if isinstance(first, Float) and all(t == first for t in types):
        return first
    ints = tuple(t for t in types if isinstance(t, Int))
    if len(ints) == len(types):
        return ints
    if any(isinstance(t, Bool) for t in types):
        hint = "a bool is no number: use where(condition, a, b)"
    elif ints:
        hint = hint or "convert with to_float or to_int: int and float do not mix"
    raise _fail(op, types, hint)


def _arith(op: str, span: Callable[[Int, Int], tuple[int, ...]]) -> Rule:
    def rule(types: tuple[Type, ...], attrs: Attrs) -> Type:
        common = _same(op, types)
        if isinstance(common, Float):
            return common
        corners = span(common[0], common[1])
        return Int(min(corners), max(corners))

    return rule


def _neg(types: tuple[Type, ...], attrs: Attrs) -> Type:
    common = _same("neg", types)
    return common if isinstance(common, Float) else Int(-common[0].hi, -common[0].lo)


def _float_only(op: str) -> Rule:
    def rule(types: tuple[Type, ...], attrs: Attrs) -> Type:
        common = _same(op, types, hint="integers have floor_div, mod and shift_right")
        if isinstance(common, Float):
            return common
        raise _fail(op, types, "integers have floor_div, mod, shift_left and shift_right")

    return rule


def _compare(op: str) -> Rule:
    def rule(types: tuple[Type, ...], attrs: Attrs) -> Type:
        _same(op, types)
        return BOOL

    return rule


def _logic(op: str) -> Rule:
    def rule(types: tuple[Type, ...], attrs: Attrs) -> Type:
        if all(isinstance(t, Bool) for t in types):
            return BOOL
        raise _fail(op, types, "& | ~ are for conditions only")

    return rule


def _where(types: tuple[Type, ...], attrs: Attrs) -> Type:
    condition, a, b = types
    if not isinstance(condition, Bool):
        raise _fail("where", types, "the condition is a bool, such as v > threshold")
    if isinstance(a, Int) and isinstance(b, Int):
        return a.union(b)
    if a == b:
        return a
    raise _fail("where", types, "both branches have one type")


def _fire(types: tuple[Type, ...], attrs: Attrs) -> Type:
    _same("fire", types)
    if not isinstance(attrs.get("strict"), bool):
        raise SemanticsError(
            "fire needs strict=True (v > threshold) or strict=False (v >= threshold)"
        )
    return BOOL


def _const(types: tuple[Type, ...], attrs: Attrs) -> Type:
    kind, value = attrs.get("kind"), attrs.get("value")
    if kind == "bool" and isinstance(value, bool):
        return BOOL
    if kind == "int" and isinstance(value, int) and not isinstance(value, bool):
        return Int(value, value)
    if kind in ("f32", "f64") and isinstance(value, str) and len(value) < 40:
        number = float.fromhex(value)
        if number - number != 0 or number.hex() != value:
            raise SemanticsError(f"constant {value!r} is not a finite number in canonical form")
        return F32 if kind == "f32" else F64
    raise SemanticsError(f"constant {value!r} of kind {kind!r} is not in the language")


def _one_int(op: str, types: tuple[Type, ...]) -> Int:
    if isinstance(types[0], Int):
        return types[0]
    raise _fail(op, types, "it is for integers")


def _shift_left(types: tuple[Type, ...], attrs: Attrs) -> Type:
    x, n = _one_int("shift_left", types), _int_attr("shift_left", attrs, "n")
    if not 0 <= n <= 62:
        raise SemanticsError(f"shift_left by {n}: 0 to 62 are possible")
    return Int(x.lo * 2**n, x.hi * 2**n)


def shift_right_value(x: int, n: int, rounding: str) -> int:
    """Give ``x / 2**n`` rounded: the scalar definition that all evaluators follow."""
    unit: int = 2**n
    whole, rest = x >> n, x & (unit - 1)
    if rounding == "zero":
        return whole + (1 if x < 0 and rest else 0)
    if rounding == "nearest":  # half away from minus infinity, as hardware adds half and shifts
        return (x + unit // 2) >> n
    if rounding == "even":
        return whole + (1 if 2 * rest > unit or (2 * rest == unit and whole & 1) else 0)
    return whole


def _shift_right(types: tuple[Type, ...], attrs: Attrs) -> Type:
    x, n = _one_int("shift_right", types), _int_attr("shift_right", attrs, "n")
    rounding = attrs.get("rounding")
    if not 1 <= n <= 62 or rounding not in SHIFT_ROUNDINGS:
        raise SemanticsError(
            f"shift_right by {n}, rounding {rounding!r}: 1 to 62 and one of {SHIFT_ROUNDINGS}"
        )
    if rounding in ("nearest", "even"):
        Int(x.lo, x.hi + 2 ** (n - 1))  # the half that is added must not leave 64 bits
    return Int(shift_right_value(x.lo, n, str(rounding)), shift_right_value(x.hi, n, str(rounding)))


def _saturate(types: tuple[Type, ...], attrs: Attrs) -> Type:
    x = _one_int("saturate", types)
    bound = Int(_int_attr("saturate", attrs, "lo"), _int_attr("saturate", attrs, "hi"))
    return Int(*(min(max(v, bound.lo), bound.hi) for v in (x.lo, x.hi)))


def _wrap(types: tuple[Type, ...], attrs: Attrs) -> Type:
    x, bits = _one_int("wrap", types), _int_attr("wrap", attrs, "bits")
    if not 1 <= bits <= 63:
        raise SemanticsError(f"wrap to {bits} bits: 1 to 63 are possible")
    full = Int(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return x if full.holds(x) else full


def _declare(types: tuple[Type, ...], attrs: Attrs) -> Type:
    _one_int("declare", types)
    return Int(_int_attr("declare", attrs, "lo"), _int_attr("declare", attrs, "hi"))


def _divide(op: str) -> Rule:
    def rule(types: tuple[Type, ...], attrs: Attrs) -> Type:
        x, by = _one_int(op, types), _int_attr(op, attrs, "by")
        if not 1 <= by <= 2**62:
            raise SemanticsError(f"{op} by {by}: a constant from 1 to 2**62 is needed")
        return Int(x.lo // by, x.hi // by) if op == "floor_div" else Int(0, by - 1)

    return rule


def _pow2(types: tuple[Type, ...], attrs: Attrs) -> Type:
    x, bits = _one_int("pow2", types), _int_attr("pow2", attrs, "bits")
    limit = Int(-126, 127) if bits == 32 else Int(-1022, 1023)
    if not limit.holds(x):
        raise SemanticsError(
            f"pow2 of {type_text(x)}: f{bits} has exponents {limit.lo} to {limit.hi}"
        )
    return Float(bits)


def _to_float(types: tuple[Type, ...], attrs: Attrs) -> Type:
    bits = _int_attr("to_float", attrs, "bits")
    if isinstance(types[0], Bool):
        raise _fail("to_float", types, "a bool is no number: use where(condition, 1.0, 0.0)")
    return Float(bits)


def _to_int(types: tuple[Type, ...], attrs: Attrs) -> Type:
    if not isinstance(types[0], Float):
        raise _fail("to_int", types, "it is for floats")
    if attrs.get("rounding") not in ROUNDINGS:
        raise SemanticsError(f"to_int rounding {attrs.get('rounding')!r}: one of {ROUNDINGS}")
    out = Int(_int_attr("to_int", attrs, "lo"), _int_attr("to_int", attrs, "hi"))
    digits = 24 if types[0].bits == 32 else 53
    if out.lo < -(2**digits) or out.hi > 2**digits:
        raise SemanticsError(
            f"to_int to {type_text(out)}: a bound is not exact in {type_text(types[0])}"
        )
    return out


def _lookup(types: tuple[Type, ...], attrs: Attrs) -> Type:
    table, index = types
    if not isinstance(index, Int) or index.lo < 0:
        raise _fail("lookup", types, "the index is an integer from 0 on: saturate it")
    return table


def _count(op: str) -> Rule:
    return lambda types, attrs: Int(0, MAX_COUNT)


def _random(types: tuple[Type, ...], attrs: Attrs) -> Type:
    if _int_attr("random_bits", attrs, "draw") < 0:
        raise SemanticsError("random_bits needs a draw number from 0 on")
    return Int(0, 2**32 - 1)


def _products(a: Int, b: Int) -> tuple[int, ...]:
    return (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)


# operation: number of operands, names of the attributes, rule
OPERATIONS: dict[str, tuple[int, frozenset[str], Rule]] = {
    "const": (0, frozenset({"kind", "value"}), _const),
    "step": (0, frozenset(), _count("step")),
    "index": (0, frozenset(), _count("index")),
    "random_bits": (0, frozenset({"draw"}), _random),
    "add": (2, frozenset(), _arith("add", lambda a, b: (a.lo + b.lo, a.hi + b.hi))),
    "sub": (2, frozenset(), _arith("sub", lambda a, b: (a.lo - b.hi, a.hi - b.lo))),
    "mul": (2, frozenset(), _arith("mul", _products)),
    "neg": (1, frozenset(), _neg),
    "div": (2, frozenset(), _float_only("div")),
    "sqrt": (1, frozenset(), _float_only("sqrt")),
    "floor": (1, frozenset(), _float_only("floor")),
    "rint": (1, frozenset(), _float_only("rint")),
    "pow2": (1, frozenset({"bits"}), _pow2),
    "to_float": (1, frozenset({"bits"}), _to_float),
    "to_int": (1, frozenset({"rounding", "lo", "hi"}), _to_int),
    **{op: (2, frozenset(), _compare(op)) for op in ("gt", "ge", "lt", "le", "eq", "ne")},
    "and": (2, frozenset(), _logic("and")),
    "or": (2, frozenset(), _logic("or")),
    "not": (1, frozenset(), _logic("not")),
    "where": (3, frozenset(), _where),
    "fire": (2, frozenset({"strict"}), _fire),
    "stop_gradient": (1, frozenset(), lambda types, attrs: types[0]),
    "shift_left": (1, frozenset({"n"}), _shift_left),
    "shift_right": (1, frozenset({"n", "rounding"}), _shift_right),
    "saturate": (1, frozenset({"lo", "hi"}), _saturate),
    "wrap": (1, frozenset({"bits"}), _wrap),
    "declare": (1, frozenset({"lo", "hi"}), _declare),
    "floor_div": (1, frozenset({"by"}), _divide("floor_div")),
    "mod": (1, frozenset({"by"}), _divide("mod")),
    "lookup": (2, frozenset(), _lookup),
}


def result_type(op: str, types: tuple[Type, ...], attrs: Attrs) -> Type:
    """Give the type of ``op`` applied to operands of ``types``.

    Raises:
        SemanticsError: the operation is unknown, or it does not accept these operands.
    """
    if op not in OPERATIONS:
        raise SemanticsError(f"{op[:40]!r} is no operation of the language")
    count, names, rule = OPERATIONS[op]
    if len(types) != count or set(attrs) != names:
        raise SemanticsError(
            f"{op} takes {count} operands and {sorted(names)}, not {len(types)} and {sorted(attrs)}"
        )
    return rule(types, attrs)
