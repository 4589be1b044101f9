"""No code outside an engine names that engine or its parts, so that another engine needs no change there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = re.compile(
    r"kubernetes|kubeadm|kubelet|kubectl|kubeconfig|k8s|etcd|flannel|calico|cilium|containerd|system:(masters|node)"
    r"|swarm|dockerd|raft|mesos|marathon|zookeeper",
    re.IGNORECASE,
)
# The engines themselves, and where Magnum's own API or an example for readers has such a word.
EXCEPTIONS = (
    "shared/drivers/kubernetes/",
    "shared/drivers/dcos/",
    "shared/drivers/mesos/",
    "shared/drivers/mesos_agents/",
    "shared/drivers/swarm/",
    "shared/drivers/magnum_imported.py",
    "shared/db/migrations/",
    "services/api/openapi/examples.py",
    "shared/events/examples.py",
    "services/api/clusters/patch.py",
    "jeroboam/testing/cases.py",  # names of made-up clusters and nodes
)


def names_and_texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Everything in the code but comments and docstrings, with its line."""
    prose = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                prose.add(id(first.value))
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in prose:
                yield node.lineno, text
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.FunctionDef(name=text) | ast.ClassDef(name=text):
                yield node.lineno, text
            case ast.ImportFrom(module=str(text)):
                yield node.lineno, text


def test_neutral_code_knows_no_engine() -> None:
    found = []
    for folder in ("services", "shared", "jeroboam"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if not name.startswith(EXCEPTIONS):
                texts = names_and_texts(ast.parse(path.read_text()))
                found += [f"{name}:{line}: {text[:80]}" for line, text in texts if WORDS.search(text)]
    assert found == []
