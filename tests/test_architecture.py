"""The shape of the package: imports point one way, the core does no I/O, one folder speaks to people, each file is short."""

from __future__ import annotations

import ast
import configparser
import contextlib
import graphlib
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import vespa_client
from vespa_client.outbound import HOOKS

# Top to bottom: a room may import the rooms that its line names, and what is in its own folder. The files beside the folders
# are rooms too.
MAY_IMPORT = {
    "__main__": "command",
    "command": "client assembly account settings journal errors version",
    "__init__": "async_client client server account journal errors version",
    "async_client": "client server net settings journal",
    "client": "assembly server net settings journal",
    "assembly": "server routing account tracing outbound net settings journal errors",
    "server": "routing outbound dialects payload net settings http1 journal errors version",
    "routing": "account outbound payload net settings http1 journal errors",
    "account": "outbound net settings journal errors",
    "tracing": "outbound settings journal version",
    "outbound": "net settings http1 journal errors",
    "dialects": "errors",
    "payload": "http1 errors",
    "net": "http1 errors",
    "settings": "errors",
    "http1": "",
    "journal": "",
    "errors": "",
    "version": "",
}
# The sandbox stands beside: it knows nothing of the package, and is known to this one alone.
SANDBOX_USERS = {"assembly"}

RUN_TIME_PACKAGES = {"requests", "urllib3"}
TYPE_CHECKING_PACKAGES = {"typing_extensions"}
# The packages of setup.cfg's extras for users, and the modules that are loaded only where they are wanted.
OF_EXTRAS = {"opentelemetry": {"tracing.export", "tracing.spans"}}
# The first ones without a published hole (setup.cfg names the holes).
SAFE_SINCE = {"requests": (2, 33, 0), "urllib3": (2, 8, 0)}

# What these say must be right without a socket, a clock or a file.
PURE = ("http1", "payload", "dialects", "server.access", "net.addresses", "errors")
PURE_IMPORTS = {
    "__future__",
    "abc",
    "base64",
    "binascii",
    "codecs",
    "contextlib",
    "collections.abc",
    "dataclasses",
    "datetime",
    "functools",
    "hashlib",
    "hmac",
    "ipaddress",
    "itertools",
    "json",
    "json.decoder",
    "json.encoder",
    "math",
    "re",
    "struct",
    "typing",
    "urllib.parse",
    "zlib",
}

SPEAKS_AND_EXITS = {"command", "__main__"}

LONGEST = 400
MOST_FILES = 12
"""In a folder, its page aside."""

ROOT = Path(vespa_client.__file__).parent


class Import(NamedTuple):
    """One module's import of another, or of a name in it. ``module`` is absolute, and so is ``by``."""

    by: str
    module: str
    name: str
    line: int
    for_types: bool

    def __str__(self) -> str:
        return f"{self.by}:{self.line} imports {self.name or 'all'} of {self.module}"


def module_name(path: Path) -> str:
    """``vespa_client.sandbox.http`` for its file; ``vespa_client`` for its ``__init__``."""
    parts = [ROOT.name, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8"), str(path)) for name, path in SOURCES.items()}


def imports(by: str) -> Iterator[Import]:
    """Every import of the module, nested ones and those for type checkers included."""
    tree = TREES[by]
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = by.split(".") if SOURCES[by].name == "__init__.py" else by.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(by, alias.name, "", node.lineno, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                found = (inner, "") if inner in SOURCES else (module, alias.name)
                yield Import(by, *found, node.lineno, id(node) in guarded)


IMPORTS = [one for name in SOURCES for one in imports(name)]
OWN_IMPORTS = [one for one in IMPORTS if one.module in SOURCES]


def is_of_sandbox(module: str) -> bool:
    return module.startswith(f"{ROOT.name}.sandbox")


def short(module: str) -> str:
    """The name below the package."""
    return module.partition(".")[2] or "__init__"


def room(module: str) -> str:
    """The name in :data:`MAY_IMPORT`."""
    return short(module).partition(".")[0]


# Directions


def test_every_module_has_its_room() -> None:
    assert {room(name) for name in SOURCES if not is_of_sandbox(name)} == set(MAY_IMPORT)


def test_imports_point_down() -> None:
    below: set[str] = set()
    for name, allowed in reversed(MAY_IMPORT.items()):
        assert set(allowed.split()) <= below | {"__init__"}, name
        below.add(name)
    outside = [one for one in OWN_IMPORTS if not is_of_sandbox(one.by) and not is_of_sandbox(one.module)]
    crossing = [one for one in outside if room(one.by) != room(one.module)]
    assert crossing
    wrong = [str(one) for one in crossing if room(one.module) not in MAY_IMPORT[room(one.by)].split()]
    assert not wrong


def test_no_room_may_import_what_it_does_not() -> None:
    used: dict[str, set[str]] = {name: set() for name in MAY_IMPORT}
    for one in OWN_IMPORTS:
        if not is_of_sandbox(one.by) and not is_of_sandbox(one.module) and room(one.by) != room(one.module):
            used[room(one.by)].add(room(one.module))
    assert {name: set(allowed.split()) for name, allowed in MAY_IMPORT.items()} == used


def test_nothing_goes_round_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for one in OWN_IMPORTS:
        if one.by != one.module:
            graph.setdefault(one.by, set()).add(one.module)
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) <= set(SOURCES)


def test_the_sandbox_knows_itself_and_the_standard_library_alone() -> None:
    of_sandbox = [one for one in IMPORTS if is_of_sandbox(one.by)]
    assert of_sandbox
    outside = [one for one in of_sandbox if not is_of_sandbox(one.module)]
    wrong = [str(one) for one in outside if one.module.split(".")[0] not in sys.stdlib_module_names]
    assert not wrong


def test_the_sandbox_is_known_to_those_alone_who_start_it() -> None:
    users = {room(one.by) for one in OWN_IMPORTS if is_of_sandbox(one.module) and not is_of_sandbox(one.by)}
    assert users <= SANDBOX_USERS


# Dependencies


def test_only_the_dependencies_that_were_allowed_are_imported() -> None:
    wrong = []
    for one in IMPORTS:
        package = one.module.split(".")[0]
        allowed = RUN_TIME_PACKAGES | (TYPE_CHECKING_PACKAGES if one.for_types else set())
        allowed |= {extra for extra, modules in OF_EXTRAS.items() if short(one.by) in modules}
        if one.module not in SOURCES and package not in sys.stdlib_module_names and package not in allowed:
            wrong.append(str(one))
    assert not wrong


def test_no_dependency_may_be_older_than_its_last_known_hole() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT.parent / "setup.cfg", "utf-8")
    bounds = {}
    for line in config["options"]["install_requires"].split():
        name, bound = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", line).groups()  # type: ignore[union-attr]
        bounds[name] = tuple(map(int, bound.split(".")))
    assert set(bounds) == set(SAFE_SINCE) == RUN_TIME_PACKAGES
    assert [name for name, bound in bounds.items() if bound < SAFE_SINCE[name]] == []


def test_at_run_time_nothing_is_loaded_but_what_the_dependencies_load_themselves() -> None:
    of_extras = set().union(*OF_EXTRAS.values())
    ours = loaded_by([name for name in SOURCES if not name.endswith("__main__") and short(name) not in of_extras])
    assert ROOT.name in ours
    assert ours - loaded_by(["requests", "urllib3.connection"]) - {ROOT.name} <= sys.stdlib_module_names


def loaded_by(modules: list[str]) -> set[str]:
    """The top-level packages that a new interpreter has loaded after importing these."""
    script = "import sys, json, importlib; [importlib.import_module(name) for name in json.loads(sys.argv[1])]; "
    script += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-W", "error", "-c", script, json.dumps(modules)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent, timeout=60)
    assert not done.stderr
    return set(json.loads(done.stdout))


def test_the_core_does_no_io() -> None:
    modules = {name for name in SOURCES if any(f"{short(name)}.".startswith(f"{pure}.") for pure in PURE)}
    wrong = [str(one) for one in IMPORTS if one.by in modules and one.module not in modules and one.module not in PURE_IMPORTS]
    assert not wrong


def test_requests_and_urllib3_are_spoken_to_in_one_folder() -> None:
    users = [one for one in IMPORTS if one.module.split(".")[0] in RUN_TIME_PACKAGES and room(one.by) != "outbound"]
    # How to wait for a socket on any system is urllib3's knowledge too.
    assert [str(one) for one in users if one.module != "urllib3.util.wait"] == []


@pytest.mark.parametrize("hook", HOOKS.split())
def test_what_we_override_or_lean_on_is_still_there(hook: str) -> None:
    parts = hook.split(".")
    found: object = importlib.import_module(parts[0])
    for count, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            with contextlib.suppress(ImportError):
                importlib.import_module(".".join(parts[:count]))
        is_of_instances = inspect.isclass(found) and f"self.{part} =" in inspect.getsource(found)
        gone = f"{hook} is gone from this release of {parts[0]}: see vespa_client/outbound/__init__.py"
        assert hasattr(found, part) or is_of_instances, gone
        found = getattr(found, part, None)


# Speaking to people


def calls(name: str) -> Iterator[tuple[str, int]]:
    """What the module calls and raises, as written, with its line."""
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            yield node.exc.id, node.lineno


def callers(*wanted: str) -> set[str]:
    return {short(name) for name in SOURCES for call, _ in calls(name) if call in wanted}


def rooms_that_call(*wanted: str) -> set[str]:
    return {name.partition(".")[0] for name in callers(*wanted)}


def test_only_the_command_line_and_its_prompts_speak() -> None:
    assert rooms_that_call("print") <= SPEAKS_AND_EXITS
    assert callers("input", "getpass.getpass", "getpass") <= {"command.prompts"}
    assert not callers("sys.stdout.write", "sys.stderr.write", "os.write", "traceback.print_exc", "warnings.warn")


def test_only_the_command_line_exits() -> None:
    assert rooms_that_call("sys.exit", "exit", "quit", "os._exit", "os.abort", "SystemExit") <= SPEAKS_AND_EXITS


def test_a_library_leaves_signals_and_the_callers_logging_alone() -> None:
    assert callers("signal.signal") <= {"command.process"}
    others = ("logging.basicConfig", "logging.config.dictConfig", "logging.disable", "sys.setswitchinterval")
    assert rooms_that_call(*others) <= SPEAKS_AND_EXITS


def test_every_thread_has_a_name_and_keeps_no_interpreter_from_ending() -> None:
    made = [
        (name, {keyword.arg: keyword.value for keyword in node.keywords}, node.lineno)
        for name in SOURCES
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("threading.Thread", "Thread")
    ]
    assert made
    for name, keywords, line in made:
        assert "name" in keywords, f"{name}:{line}"
        assert "daemon" in keywords and ast.unparse(keywords["daemon"]) == "True", f"{name}:{line}"


# Names


@pytest.mark.parametrize("name", [name for name in SOURCES if not name.endswith("__main__")])
def test_what_is_public_is_listed_and_there(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    assert listed is not None, f"{name} has no __all__"
    assert len(set(listed)) == len(listed)
    assert [one for one in listed if not hasattr(module, one)] == []
    assert [one for one in listed if one.startswith("_") and one != "__version__"] == []


def test_what_another_module_imports_is_public() -> None:
    named = [one for one in OWN_IMPORTS if one.name]
    wrong = [str(one) for one in named if one.name not in importlib.import_module(one.module).__all__]
    assert not wrong


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_public_says_what_it_is(name: str) -> None:
    tree = TREES[name]
    assert ast.get_docstring(tree), f"{name} has no docstring"
    silent = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                silent.append(node.name)
            if isinstance(node, ast.ClassDef):
                silent += [f"{node.name}.{member}" for member in silent_members(name, node)]
    assert not silent, f"{name}: {', '.join(silent)}"


def silent_members(module: str, cls: ast.ClassDef) -> Iterator[str]:
    """The public methods without a docstring, save those that only do their own way what a base class promises."""
    bases = getattr(importlib.import_module(module), cls.name).__mro__[1:]
    for node in cls.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_") or ast.get_docstring(node):
            continue
        is_setter = any(ast.unparse(decorator).endswith(".setter") for decorator in node.decorator_list)
        if not is_setter and not any(node.name in vars(base) for base in bases):
            yield node.name


# Length


def test_a_file_holds_one_noun() -> None:
    """A file that grows past the limit is asked which second noun it hides."""
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in SOURCES.items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_a_folder_is_taken_in_at_a_glance() -> None:
    folders: dict[Path, int] = {}
    for name, path in SOURCES.items():
        if path.name != "__init__.py" and not is_of_sandbox(name):
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {str(folder): count for folder, count in folders.items() if count > MOST_FILES} == {}


def test_each_folder_has_a_page_that_says_which_file_to_open_first() -> None:
    folders = [name for name, path in SOURCES.items() if path.name == "__init__.py" and name != ROOT.name]
    for name in folders:
        if not is_of_sandbox(name):
            assert "Open :mod:`" in (ast.get_docstring(TREES[name]) or ""), name


def test_a_page_names_each_of_its_files() -> None:
    for name, path in SOURCES.items():
        if path.name != "__init__.py" and path.parent != ROOT and not is_of_sandbox(name):
            page = ast.get_docstring(TREES[module_name(path.parent / "__init__.py")]) or ""
            assert f":mod:`.{path.stem}`" in page, name
