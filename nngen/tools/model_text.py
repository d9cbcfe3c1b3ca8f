"""Read foundry SPICE model libraries: sections, includes, parameters, expressions.

Only what MOS and capacitor subcircuits need is understood: `.lib`, `.include`, `.param`,
`.subckt`, `.model`, `.option scale`. Statistical functions give their mean, which is what
ngspice gives with the mismatch and process switches off.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nngen.errors import PdkError

_SUFFIXES = {
    "t": 1e12, "g": 1e9, "meg": 1e6, "k": 1e3, "m": 1e-3,
    "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18,
}  # fmt: skip
_NUMBER = re.compile(r"(?<![\w.])(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)(meg|[tgkmunpfa])(?![\w.])")
_IDENTIFIER = re.compile(r"\b[a-z_]\w*")
# A value is a run without blanks; braces may hold blanks, and terms may follow with + - * /.
_ASSIGNMENT = re.compile(
    r"([a-z_]\w*)\s*=\s*"
    r"((?:\{[^}]*\}|'[^']*'|[^\s{}'=]+)(?:\s*[-+*/]\s*(?:\{[^}]*\}|[^\s{}=]+)(?!\s*=))*)"
)
_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.Pow: operator.pow,
    ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt, "exp": math.exp, "log": math.log, "ln": math.log, "abs": abs,
    "max": max, "min": min, "pow": math.pow, "int": math.trunc,
    "agauss": lambda mean, _spread, _sigma: mean,
    "gauss": lambda mean, _spread, _sigma: mean,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """One `.model` card: its name, device type and parameters as text, all lower case."""

    name: str
    kind: str
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSubcircuit:
    """A device subcircuit: ports, parameters with their defaults, element lines, cards."""

    name: str
    ports: tuple[str, ...]
    parameters: dict[str, str]
    elements: tuple[str, ...]
    cards: tuple[ModelCard, ...]


@dataclass(slots=True)
class ModelLibrary:
    """One section (corner) of a model library.

    Attributes:
        scale_m: metres per unit of a length in an instance line (`.option scale`).
        parameters: global parameters as text, lower case.
        lines: the subcircuit and card lines, joined over continuations.
        files: every file read, in order.
        texts: joined lines of each file, so that one which includes its own sections is read once.
        depth: subcircuits open at the line being read.
    """

    scale_m: float = 1.0
    parameters: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    texts: dict[Path, list[str]] = field(default_factory=dict)
    depth: int = 0

    def subcircuit(self, name: str) -> ModelSubcircuit:
        """Return the device subcircuit `name`.

        Raises:
            PdkError: the library has no such subcircuit.
        """
        start = re.compile(rf"^\.subckt\s+{re.escape(name.lower())}(\s|$)")
        for index, line in enumerate(self.lines):
            if start.match(line):
                body = []
                for inner in self.lines[index + 1 :]:
                    if inner.startswith(".ends"):
                        break
                    body.append(inner)
                return self._with_cards(_subcircuit(line, body))
        msg = f"{self.files[0] if self.files else 'model library'}: no subcircuit '{name}'; check devices in pdk.yaml"
        raise PdkError(msg)

    def _with_cards(self, cell: ModelSubcircuit) -> ModelSubcircuit:
        """Add the cards of the transistor's model where they stand outside the subcircuit."""
        transistors = [line.split() for line in cell.elements if line.startswith("m")]
        if cell.cards or len(transistors) != 1:
            return cell
        name = re.escape(transistors[0][5])
        card = re.compile(rf"^\.model\s+{name}(\.\d+)?\s")
        cards = tuple(_card(line) for line in self.lines if card.match(line))
        return replace(cell, cards=cards)


def read_library(path: Path, section: str, preface: Sequence[Path] = ()) -> ModelLibrary:
    """Read `section` of the library file `path` with everything it includes.

    Args:
        path: library file.
        section: name of a section, `.lib <name>` to `.endl`.
        preface: files that set parameters for it, read before.

    Raises:
        PdkError: a file or the section is missing.
    """
    library = ModelLibrary()
    for file in preface:
        for line in _lines_of(library, file):
            _take_line(library, file, line)
    _take_section(library, path, section)
    return library


def _take_section(library: ModelLibrary, path: Path, section: str) -> None:
    """Take the lines between `.lib <section>` and `.endl`; sections may include others."""
    inside = False
    found = False
    for line in _lines_of(library, path):
        words = line.split()
        if words[0] == ".lib" and len(words) == 2:
            inside = words[1] == section.lower()
            found = found or inside
        elif words[0] == ".endl":
            inside = False
        elif inside:
            _take_line(library, path, line)
    if not found:
        msg = f"{path}: no section '{section}'; check models.sections in pdk.yaml"
        raise PdkError(msg)


def assignments(text: str) -> dict[str, str]:
    """Return `name = value` pairs of a parameter list; values keep no braces or quotes."""
    pairs = {}
    for name, value in _ASSIGNMENT.findall(text):
        pairs[name] = value.replace("{", "(").replace("}", ")").replace("'", " ").strip()
    return pairs


class Evaluator:
    """Evaluate expressions over named parameters, each resolved once, local before global."""

    def __init__(self, *scopes: Mapping[str, str | float]) -> None:
        """Take the scopes, innermost first."""
        self._scopes = scopes
        self._values: dict[str, float] = {}
        self._pending: list[str] = []

    def value(self, text: str | float) -> float:
        """Return the number that `text` stands for.

        Raises:
            PdkError: an unknown name or function, a circular definition, a syntax error.
        """
        if isinstance(text, (int, float)):
            return float(text)
        plain = _NUMBER.sub(lambda m: f"({m[1]}*{_SUFFIXES[m[2]]!r})", text.strip())
        try:
            # The prefix keeps `as`, `is`, `if` from being read as Python's own words.
            tree = ast.parse(_IDENTIFIER.sub(r"p_\g<0>", plain), mode="eval").body
            return self._node(tree)
        except (SyntaxError, ZeroDivisionError, ValueError) as error:
            msg = f"model expression '{text}' cannot be evaluated: {error}"
            raise PdkError(msg) from error

    def _node(self, node: ast.AST) -> float:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.Name):
            return self._name(node.id.removeprefix("p_"))
        if isinstance(node, ast.BinOp):
            return _OPERATORS[type(node.op)](self._node(node.left), self._node(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sides = self._node(node.left), self._node(node.comparators[0])
            return float(_OPERATORS[type(node.ops[0])](*sides))
        if isinstance(node, ast.UnaryOp):
            return _OPERATORS[type(node.op)](self._node(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            function = _FUNCTIONS.get(node.func.id.removeprefix("p_"))
            if function is not None:
                return float(function(*(self._node(argument) for argument in node.args)))
        msg = f"unsupported expression '{ast.unparse(node)}'"
        raise ValueError(msg)

    def _name(self, name: str) -> float:
        if name in self._values:
            return self._values[name]
        if name in self._pending:
            msg = f"model parameter '{name}' is defined by itself: {' -> '.join([*self._pending, name])}"
            raise PdkError(msg)
        for scope in self._scopes:
            if name in scope:
                self._pending.append(name)
                self._values[name] = self.value(scope[name])
                self._pending.pop()
                return self._values[name]
        msg = f"model parameter '{name}' is not defined"
        raise PdkError(msg)


def _lines_of(library: ModelLibrary, path: Path) -> list[str]:
    """Return a file's joined lines and note the file."""
    if path not in library.texts:
        if not path.is_file():
            msg = f"{path}: model file is missing; run 'nngen pdk install' again"
            raise PdkError(msg)
        library.files.append(path)
        library.texts[path] = _joined_lines(path)
    return library.texts[path]


def _joined_lines(path: Path) -> list[str]:
    """Return lower-case lines without comments, continuations joined."""
    joined: list[list[str]] = []
    for raw in path.read_text(encoding="utf-8", errors="replace").splitlines():
        line = raw.split(";", 1)[0].strip().lower()
        if not line or line[0] in "*$":
            continue
        if line[0] == "+" and joined:
            joined[-1].append(line[1:])
        else:
            joined.append([line])
    return [" ".join(parts).strip() for parts in joined]


def _take_line(library: ModelLibrary, path: Path, line: str) -> None:
    words = line.split()
    if words[0] in {".include", ".inc"}:
        child = _same_name(path.parent, line.split(None, 1)[1].strip("\"' "))
        for inner in _lines_of(library, child):
            _take_line(library, child, inner)
    elif words[0] == ".lib":
        child = _same_name(path.parent, words[1].strip("\"'"))
        _take_section(library, child, words[2])
    elif library.depth == 0 and words[0] == ".param":
        library.parameters.update(assignments(line[len(".param") :]))
    elif words[0] in {".option", ".options"}:
        options = assignments(line)
        if "scale" in options:
            library.scale_m = Evaluator().value(options["scale"])
    else:
        library.lines.append(line)
        library.depth += (words[0] == ".subckt") - (words[0] == ".ends")


def _same_name(folder: Path, name: str) -> Path:
    """Return the file `name` whatever its case: lines are read in lower case, disks are not."""
    exact = folder / name
    if exact.is_file() or not exact.parent.is_dir():
        return exact
    matches = sorted(p for p in exact.parent.iterdir() if p.name.lower() == exact.name)
    return matches[0] if matches else exact


def _card(line: str) -> ModelCard:
    """Read a `.model` line."""
    _, name, kind, rest = line.split(None, 3)
    return ModelCard(name=name, kind=kind, parameters=assignments(rest))


def _subcircuit(header: str, body: list[str]) -> ModelSubcircuit:
    """Split a subcircuit into ports, parameters, elements and cards."""
    words = header.split("=", 1)[0].split() if "=" in header else header.split()
    ports = words[2:-1] if "=" in header else words[2:]
    parameters = assignments(header)
    elements, cards = [], []
    for line in body:
        first = line.split()[0]
        if first == ".param":
            parameters.update(assignments(line[len(".param") :]))
        elif first == ".model":
            cards.append(_card(line))
        elif not first.startswith("."):
            elements.append(line)
    return ModelSubcircuit(
        name=words[1], ports=tuple(p for p in ports if p != "params:"),
        parameters=parameters, elements=tuple(elements), cards=tuple(cards),
    )  # fmt: skip
