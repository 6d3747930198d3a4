"""The contracts as their sources compile now."""

import json
import pathlib
import subprocess
import tempfile

from .chain import Unasked, selector, unhex

CONTRACTS = pathlib.Path(__file__).resolve().parent.parent.parent / "contracts"


class Contract:
    """A compiled contract."""

    def __init__(self, name, artifact, names):
        self.name = name
        self.creation = unhex(artifact["bytecode"]["object"])
        self.runtime = unhex(artifact["deployedBytecode"]["object"])
        places = artifact["deployedBytecode"].get("immutableReferences", {})
        # Immutables by name, with the offsets of the words that the constructor fills in.
        self.immutables = {names[key]: [place["start"] for place in found] for key, found in places.items()}
        self.errors = {}
        for entry in artifact["abi"]:
            if entry["type"] == "error":
                signature = f"{entry['name']}({','.join(argument['type'] for argument in entry['inputs'])})"
                self.errors[selector(signature)] = entry["name"]

    def masked(self, code):
        """Code with zeros where the immutables are."""
        masked = bytearray(code)
        for starts in self.immutables.values():
            for start in starts:
                masked[start : start + 32] = bytes(32)
        return bytes(masked[: len(code)])

    def values(self, code):
        """The immutables' values in deployed code; `None` for one that is not the same in all its places."""
        found = {name: {code[start : start + 32] for start in starts} for name, starts in self.immutables.items()}
        return {name: values.pop() if len(values) == 1 else None for name, values in found.items()}

    def error(self, data):
        """The name of the error in a revert's data; `None` if the contract has none with this selector."""
        return self.errors.get(data[:4]) if data else None


def declarations(node, names):
    """Collects the names of all variables of a syntax tree."""
    if isinstance(node, dict):
        if node.get("nodeType") == "VariableDeclaration":
            names[str(node["id"])] = node["name"]
        for child in node.values():
            declarations(child, names)
    elif isinstance(node, list):
        for child in node:
            declarations(child, names)


def compile_all():
    """Compiles contracts/ into a temporary folder; the contracts by name."""
    with tempfile.TemporaryDirectory(prefix="check-l1-") as folder:
        command = ["tools/foundry", "forge", "build", "--force", "--ast", "--skip", "test", "--out", f"{folder}/out"]
        try:
            done = subprocess.run(command + ["--cache-path", f"{folder}/cache"], cwd=CONTRACTS, capture_output=True, text=True)
        except OSError as error:
            raise Unasked(f"the sources cannot be compiled: {error}: install node") from error
        if done.returncode:
            raise Unasked(f"the sources cannot be compiled: {(done.stderr or done.stdout).strip()[-500:]}")
        files = sorted(pathlib.Path(folder, "out").glob("*.sol/*.json"))
        artifacts = {file.stem: json.loads(file.read_text()) for file in files}
    names = {}
    for artifact in artifacts.values():
        declarations(artifact.get("ast"), names)
    return {name: Contract(name, artifact, names) for name, artifact in artifacts.items()}
