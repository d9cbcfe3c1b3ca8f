"""Design rules as data: one record per rule, and the expressions that name derived layers.

The layout generators ask the rules for distances, and the design-rule check runs the same
records, so the two cannot drift apart.
"""

from __future__ import annotations

import ast
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

RuleKind = Literal[
    "width", "space", "isolation", "separation", "enclosure", "enclosure_opposite", "extension",
    "area", "hole_area", "exact", "wide_space", "max_distance", "no_overlap", "covered",
    "interacts", "angle", "grid", "rectangle", "aspect", "shared_edge",
]  # fmt: skip

# Operands and whether a value belongs to the kind. Order of the operands:
# enclosure, enclosure_opposite: outer, inner; extension: outer, inner, layer whose edge is crossed;
# max_distance, covered, interacts: what must obey, what it must be near, under or in touch with.
OPERANDS: dict[str, int] = {
    "width": 1, "space": 1, "isolation": 1, "separation": 2, "enclosure": 2,
    "enclosure_opposite": 2, "extension": 3, "area": 1, "hole_area": 1, "exact": 1,
    "wide_space": 1, "max_distance": 2, "no_overlap": 2, "covered": 2, "interacts": 2,
    "angle": 1, "grid": 1, "rectangle": 1, "aspect": 1, "shared_edge": 2,
}  # fmt: skip
NO_VALUE = {"no_overlap", "covered", "interacts", "rectangle"}

FUNCTIONS = {
    "interacting": [False, False],
    "not_interacting": [False, False],
    "sized": [False, True],
    "holes": [False],
    "corners": [False],
}
"""Functions that a layer expression may call: for each argument, whether it is a distance in nm."""

_OPERATORS: dict[type[ast.operator], str] = {
    ast.BitAnd: "&", ast.BitOr: "|", ast.Sub: "-", ast.BitXor: "^",
}  # fmt: skip

Expression: TypeAlias = "str | int | tuple[str, tuple[Expression, ...]]"
"""A parsed layer expression: a layer name, a distance in nm, or (operator, operands)."""


class Rule(BaseModel):
    """One design rule.

    Attributes:
        name: public name of the rule, unique in the PDK.
        kind: what is measured.
        layers: operands in the order of `OPERANDS`: layers, derived layers or expressions.
        value: limit in nm, in nm2 for the areas, in degrees for `angle`, a ratio for `aspect`.
        parallel: only `separation`: parallel edges that face each other, corners are free.
        touching: only `separation`: abutting and overlapping is allowed.
        width: only `wide_space`: shapes at least this wide (nm) count as wide.
        text: one line for the user.
        source: public document the number is taken from.
        query: further operand tuples under which the query methods of the PDK find the rule.
        context: the rule concerns a whole block; a lone leaf cell need not obey it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: RuleKind
    layers: tuple[str, ...]
    value: int = Field(default=0, ge=0)
    width: int = Field(default=0, ge=0)
    parallel: bool = False
    touching: bool = False
    text: str
    source: str = ""
    query: tuple[tuple[str, ...], ...] = ()
    context: bool = False

    @model_validator(mode="after")
    def _operands_fit_kind(self) -> Rule:
        """Refuse a wrong number of operands and a missing or superfluous value."""
        needed = OPERANDS[self.kind]
        if len(self.layers) != needed:
            msg = f"rule {self.name}: kind '{self.kind}' takes {needed} layers, {len(self.layers)} given"
            raise ValueError(msg)
        if (self.kind in NO_VALUE) != (self.value == 0):
            verb = "takes no" if self.kind in NO_VALUE else "needs a"
            msg = f"rule {self.name}: kind '{self.kind}' {verb} value"
            raise ValueError(msg)
        if (self.kind == "wide_space") != (self.width > 0):
            msg = f"rule {self.name}: 'width' belongs to kind 'wide_space' and only there"
            raise ValueError(msg)
        return self

    def answers(self, kind: str, operands: tuple[str, ...]) -> bool:
        """Tell whether this rule limits `kind` between `operands`."""
        if self.kind != kind:
            return False
        own = self.layers[:2] if kind == "extension" else self.layers
        return operands == own or operands in self.query


def parse_expression(text: str) -> Expression:
    """Parse a layer expression such as `licon1 & (diff | tap)` without evaluating it.

    Args:
        text: layer names joined by `&`, `|`, `-`, `^` and calls of `FUNCTIONS`.

    Returns:
        Nested tuples, leaves are layer names and distances in nm.

    Raises:
        ValueError: the text contains anything else.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        msg = f"'{text}' is not a layer expression: {error.msg}"
        raise ValueError(msg) from error
    expression = _convert(tree.body, text)
    if isinstance(expression, int):
        msg = f"'{text}' is a number, a layer is expected"
        raise ValueError(msg)
    return expression


def _convert(node: ast.expr, text: str) -> Expression:
    """Turn one syntax node into an `Expression`; `text` is for the message."""
    operands: tuple[Expression, ...]
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        operands = (_convert(node.left, text), _convert(node.right, text))
        if not any(isinstance(operand, int) for operand in operands):
            return _OPERATORS[type(node.op)], operands
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        operands = tuple(_convert(argument, text) for argument in node.args)
        numbers = [isinstance(operand, int) for operand in operands]
        if numbers == FUNCTIONS.get(node.func.id):
            return node.func.id, operands
    calls = ", ".join(sorted(FUNCTIONS))
    msg = f"'{text}' may only hold layer names, & | - ^ and the functions {calls}"
    raise ValueError(msg)


def layer_names(expression: Expression) -> set[str]:
    """Return every name that an expression refers to."""
    if isinstance(expression, str):
        return {expression}
    if isinstance(expression, int):
        return set()
    return set().union(*(layer_names(operand) for operand in expression[1]))
