"""The texts that an expression of Python can make, with a readable name in braces for every value.

Constants of modules, variables of a function, both branches of a conditional, and the arguments of calls in
the same module are resolved. Nothing is imported or run.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, product

MOST = 30
"""Variants of one text. An expression with more keeps the names of its values."""
LONGEST_LIST = 90
"""Characters of a joined constant. A longer one keeps its name."""
_DEEPEST = 6
"""Names that are resolved inside each other."""

_NAMES = {
    "strerror": "cause",
    "why": "cause",
    "error": "cause",
    "where": "place",
    "most": "limit",
    "near": "suggestion",
    "said": "text",
    "shown": "value",
    "died": "cause",
    "deaths": "count",
    "shortened": "line",
    "unused": "setting",
    "used": "settings",
    "own": "settings",
    "there": "name",
    "mine": "old value",
    "theirs": "new value",
    "about": "file",
    "loc": "field",
    "msg": "cause",
    "__name__": "type",
    "__version__": "installed version",
    "sqrt": "length",
    "len": "count",
}
_OWN_NAMES = {"sqrt", "len"}
_WRAPPERS = {
    "str",
    "repr",
    "sorted",
    "list",
    "tuple",
    "set",
    "map",
    "round",
    "float",
    "int",
    "max",
    "min",
    "sum",
}
_METHODS = {
    *("format", "strip", "rstrip", "lower", "upper", "as_posix", "replace", "removesuffix", "removeprefix"),
    *(
        "splitlines",
        "decode",
        "rpartition",
        "partition",
        "keys",
        "values",
        "items",
        "tolist",
        "resolve",
        "group",
        "item",
    ),
}
"""Calls that give their argument, or their object, in another form."""


Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """The constants, imports and functions of a module."""

    name: str
    constants: dict[str, ast.expr] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    calls: dict[str, list[tuple[ast.Call, Function | None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @classmethod
    def of(cls, name: str, tree: ast.Module) -> "Module":
        """Return what the templates of a module need."""
        made = cls(name)
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value):
                    made.constants[target] = value
                case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value):
                    made.constants[target] = value
                case ast.ImportFrom(module=str(source), names=names):
                    made.imports.update((each.asname or each.name, (source, each.name)) for each in names)
        made._take_calls(tree, None)
        return made

    def _take_calls(self, node: ast.AST, inside: Function | None) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call) and (called := last_name(child.func)):
                self.calls[called].append((child, inside))
            if isinstance(child, Function):
                self.functions[child.name] = child
                self._take_calls(child, child)
            else:
                self._take_calls(child, inside)


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its module, its function, and the arguments of one call of it."""

    modules: Mapping[str, Module]
    module: Module
    function: Function | None = None
    given: Mapping[str, tuple[ast.expr, "Scope"]] = field(default_factory=dict)
    depth: int = 0

    def templates(self, node: ast.expr) -> list[str]:
        """Return the texts that an expression can make."""
        made = [text for scope in self._bound(node) for text in scope._texts(node)]
        return list(dict.fromkeys(map(_named, made)))

    def _bound(self, node: ast.expr) -> Iterator["Scope"]:
        """Yield a scope for each call in this module that gives a text to a parameter of the expression."""
        function = self.function
        if function is None or self.given:
            yield self
            return
        parameters = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
        used = _used(node, self._locals()) & set(parameters)
        positional = [each.arg for each in function.args.args if each.arg not in ("self", "cls")]
        defaults = dict(zip(reversed(parameters), reversed(function.args.defaults), strict=False))
        found: dict[object, Scope] = {}
        for call, inside in self.module.calls.get(function.name, []) if used else []:
            arguments = {
                **defaults,
                **dict(zip(positional, call.args, strict=False)),
                **{each.arg: each.value for each in call.keywords if each.arg},
            }
            values = {name: value for name, value in arguments.items() if name in used}
            caller = Scope(self.modules, self.module, inside, depth=self.depth + 1)
            everything = ast.Tuple(list(values.values()))
            for outer in caller._bound(everything) if self.depth < _DEEPEST else ():
                given = {
                    name: (value, outer)
                    for name, value in values.items()
                    if not _is_number(value) and outer._is_text(value)
                }
                key = tuple((name, *scope._texts(value)) for name, (value, scope) in given.items())
                found[key] = Scope(self.modules, self.module, function, given, self.depth) if given else self
        yield from list(found.values())[:MOST] or [self]

    def _locals(self) -> dict[str, list["_Assigned"]]:
        return _assigned(self.function) if self.function else {}

    def _assigned_before(self, node: ast.Name) -> list[ast.expr] | None:
        """The expressions that a local variable can stand for at a line; None for a name from elsewhere."""
        everywhere = self._locals().get(node.id)
        if everywhere is None:
            return None
        reaching: list[_Assigned] = []
        for each in everywhere:
            if each.first <= each.line < node.lineno:
                is_before = each.first <= node.lineno <= each.last
                reaching = [each] if is_before else [*reaching, *([] if each.ends else [each])]
        values = [each.value for each in reaching or everywhere]
        return [ast.Starred(each) if _names(each) & {node.id} else each for each in values]

    def _values(self, node: ast.Name | ast.Attribute) -> Iterator[tuple[ast.expr, "Scope"]]:
        """Yield the expressions that a name, or a constant of an imported module, can stand for."""
        if isinstance(node, ast.Attribute):
            other = self.modules.get(".".join(self.module.imports.get(last_name(node.value), ("",))))
            if other and node.attr in other.constants:
                yield other.constants[node.attr], Scope(self.modules, other, depth=self.depth + 1)
            return
        name = node.id
        if name in self.given:
            yield self.given[name]
            return
        inner = Scope(self.modules, self.module, self.function, self.given, self.depth + 1)
        if (mine := self._assigned_before(node)) is not None:
            # a number that a function counts is a value, not a text
            yield from (
                (ast.Starred(v) if isinstance(v, ast.Constant) and not isinstance(v.value, str) else v, inner)
                for v in mine
            )
            return
        function = self.function
        if function and name in {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}:
            return
        if name.startswith("__"):
            return
        if name in self.module.constants:
            yield self.module.constants[name], Scope(self.modules, self.module, depth=self.depth + 1)
        elif name in self.module.imports:
            source, original = self.module.imports[name]
            if source in self.modules and original in self.modules[source].constants:
                other = self.modules[source]
                yield other.constants[original], Scope(self.modules, other, depth=self.depth + 1)

    def _is_text(self, node: ast.expr) -> bool:  # noqa: PLR0911 (one return for each kind of node)
        """Whether an expression is text in the source, not a value that only a run knows."""
        if self.depth > _DEEPEST:
            return False
        match node:
            case ast.Constant(value=value):
                return isinstance(value, str | int | float) and not isinstance(value, bool)
            case ast.JoinedStr():
                return True
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._is_text(left) and self._is_text(right) and not _is_number(left, right)
            case ast.IfExp(body=body, orelse=other):
                return self._is_text(body) and self._is_text(other)
            case ast.Name() | ast.Attribute(value=ast.Name()):
                values = list(self._values(node))
                return bool(values) and all(scope._is_text(value) for value, scope in values)
        return bool(self._joined(node))

    def _joined(self, node: ast.expr) -> str:
        """The text of a constant list that is joined; "" for any other expression."""
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(by)), attr="join"), args=[values]):
                texts = self._elements(values)
                text = by.join(texts)
                return text if texts and len(text) <= LONGEST_LIST else ""
        return ""

    def _elements(self, node: ast.expr) -> list[str]:
        if self.depth > _DEEPEST:
            return []
        match node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                texts = [each.value for each in elements if isinstance(each, ast.Constant)]
            case ast.Dict(keys=keys):
                elements = [each for each in keys if each]
                texts = [each.value for each in elements if isinstance(each, ast.Constant)]
            case ast.Name():
                values = list(self._values(node))
                return values[0][1]._elements(values[0][0]) if len(values) == 1 else []
            case ast.Call(func=ast.Name(id="sorted" | "list" | "tuple"), args=[value]):
                return self._elements(value)
            case _:
                return []
        return [str(each) for each in texts] if len(texts) == len(elements) else []

    def _texts(self, node: ast.expr) -> list[str]:  # noqa: PLR0911 (one return for each kind of node)
        match node:
            case ast.Constant(value=str() | int() | float() as value):
                return [
                    value
                    if isinstance(value, str)
                    else f"{value:,}"
                    if isinstance(value, int)
                    else f"{value:g}"
                ]
            case ast.JoinedStr(values=values):
                return self._all(values)
            case ast.FormattedValue(value=value, conversion=conversion):
                mark = "'" if conversion == ord("r") else ""
                return [f"{mark}{text}{mark}" for text in self._texts(value)]
            case ast.BinOp(left=left, op=ast.Add(), right=right) if not _is_number(left, right):
                return self._all([left, right])
            case ast.BinOp(left=left, op=ast.Div(), right=right) if not (
                isinstance(right, ast.BinOp) or _is_number(right)
            ):
                return self._all([left, ast.Constant("/"), right])
            case ast.IfExp(body=body, orelse=other):
                return [text for each in (body, other) for text in self._texts(each)]
            case ast.BoolOp(op=ast.Or(), values=[first, *_]):
                return self._texts(first)
            case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(noun))]):
                return [f"{{count}} {noun}s"]
            case ast.Name() | ast.Attribute() if self._is_text(node):
                texts = [text for value, scope in self._values(node) for text in scope._texts(value)]
                return texts if len(texts) <= MOST else [_value(node)]
        return [self._joined(node) or _value(node)]

    def _all(self, nodes: Iterable[ast.expr]) -> list[str]:
        """Every combination of the texts of parts."""
        parts = [self._texts(each) for each in nodes]
        return ["".join(each) for each in islice(product(*parts), MOST)]


def last_name(node: ast.AST) -> str:
    """The last word of `a.b.c`, or "" for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


@dataclass(frozen=True)
class _Assigned:
    """An assignment: its value, its line, and its block. A block that `ends` leaves the function or loop."""

    value: ast.expr
    line: int
    first: int
    last: int
    ends: bool


@lru_cache(None)
def _assigned(function: Function) -> dict[str, list[_Assigned]]:
    """The assignments to each local variable of a function, in order."""
    found: dict[str, list[_Assigned]] = defaultdict(list)
    for parent in ast.walk(function):
        for _, block in ast.iter_fields(parent):
            if not (isinstance(block, list) and block and isinstance(block[0], ast.stmt)):
                continue
            first, last = block[0].lineno, block[-1].end_lineno or block[-1].lineno
            ends = isinstance(block[-1], ast.Raise | ast.Return | ast.Continue | ast.Break)
            for statement in block:
                for name, value in _targets(statement):
                    found[name].append(_Assigned(value, statement.lineno, first, last, ends))
    for each in found.values():
        each.sort(key=lambda one: one.line)
    return dict(found)


def _targets(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            yield name, value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            for target, value in zip(targets, values, strict=False):
                yield last_name(target), value
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
            yield from ((last_name(target), ast.Starred(value)) for target in targets)
        case ast.AugAssign(target=ast.Name(id=name), value=value):
            yield name, ast.Starred(value)
        case ast.For(target=target, iter=value):
            yield from (
                (each.id, ast.Starred(value)) for each in ast.walk(target) if isinstance(each, ast.Name)
            )


def _is_number(*nodes: ast.expr) -> bool:
    """Whether one of the expressions is a number in the source."""
    return any(isinstance(each, ast.Constant) and not isinstance(each.value, str) for each in nodes)


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _used(node: ast.AST, variables: Mapping[str, list[_Assigned]]) -> set[str]:
    """The names in an expression, and in the variables that it names."""
    found: set[str] = set()
    todo = [node]
    while todo:
        names = _names(todo.pop()) - found
        found |= names
        todo += [each.value for name in names for each in variables.get(name, [])]
    return found


def _value(node: ast.expr) -> str:
    """The mark of a value: its name, a longer name for when two values have the same, and its code."""
    short, long = _words(node)
    return f"\ue000{short}\ue001{long}\ue001{ast.unparse(node)}\ue002"


def _words(node: ast.AST) -> tuple[str, str]:  # noqa: PLR0911, PLR0912 (one return for each kind of node)
    """The short and the long name of a value."""
    match node:
        case ast.Name(id=name):
            return _readable(name), _readable(name)
        case ast.Attribute(value=value, attr=name):
            before = "" if last_name(value) in ("self", "") else _readable(last_name(value))
            return _readable(name), f"{before} {_readable(name)}".strip()
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return _readable(key), _readable(key)
        case ast.Subscript(value=value, slice=ast.Constant(value=int(edge))) if last_name(value) in (
            "size",
            "upright",
        ):
            side = "height" if edge else "width"
            return side, f"{_words(value)[0]} {side}"
        case ast.Subscript(value=value) | ast.Starred(value=value) | ast.Await(value=value):
            return _words(value)
        case ast.Call(func=ast.Name(id="len"), args=[value]):
            return "count", f"count of {_words(value)[0]}"
        case ast.Call(func=ast.Name(id="type"), args=[value]):
            return "type", "type"
        case ast.Call(func=ast.Name(id="getattr"), args=[_, value, *_]):
            return "value", "value"
        case ast.Call(func=ast.Attribute(attr="join"), args=[values]):
            return _words(values)
        case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value=str(key)), *_]):
            return _readable(key), _readable(key)
        case ast.Call(func=ast.Attribute(value=value, attr="upper")):
            return _words(value)[0].upper(), _words(value)[1].upper()
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in {*_METHODS, "get", "pop"}:
            return _words(value)
        case ast.Call(func=ast.Name(id=name), args=[*_, value]) if name in _WRAPPERS:
            return _words(value)
        case ast.Call(
            func=ast.Name(id=name), args=[ast.Name() | ast.Attribute() | ast.Subscript() as value]
        ) if name not in _OWN_NAMES and name.strip("_")[:1].islower():
            return _words(value)
        case ast.Call(func=function):
            return _words(function)
        case ast.GeneratorExp(generators=[ast.comprehension(iter=values), *_]):
            return _words(values)
        case ast.ListComp(generators=[ast.comprehension(iter=values), *_]):
            return _words(values)
        case ast.List(elts=[value, *_]) | ast.Tuple(elts=[value, *_]):
            return _words(value)
        case ast.BinOp(left=left, right=right):
            names = _words(left)
            return names if names[0] != "value" else _words(right)
        case ast.BoolOp(values=[value, *_]) | ast.UnaryOp(operand=value):
            return _words(value)
        case ast.IfExp(body=body, orelse=other):
            names = _words(body)
            return names if names[0] != "value" else _words(other)
    return "value", "value"


def _readable(name: str) -> str:
    return _NAMES.get(name, name.strip("_").lower().replace("_", " "))


_MARK = re.compile("\ue000(.*?)\ue001(.*?)\ue001(.*?)\ue002", re.DOTALL)


def _named(text: str) -> str:
    """Put a name in braces for each mark; different values have different names."""
    codes: dict[str, list[str]] = defaultdict(list)
    for short, _, code in _MARK.findall(text):
        if code not in codes[short]:
            codes[short].append(code)

    def name(match: re.Match[str]) -> str:
        short, long, _ = match.groups()
        if len(codes[short]) == 1:
            return f"{{{short}}}"
        longer = {each[1] for each in _MARK.findall(text) if each[0] == short}
        return f"{{{long if len(longer) > 1 else short}}}"

    return " ".join(_MARK.sub(name, text).split())
