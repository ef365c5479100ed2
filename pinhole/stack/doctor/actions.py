"""What `pinhole doctor` does."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Final
from urllib.parse import urlsplit

from pinhole.runtime.settings import read_secret_file
from pinhole.stack.doctor.diagnosis import diagnose
from pinhole.stack.doctor.examined import Examined, of_stack
from pinhole.stack.doctor.facts import observe
from pinhole.stack.doctor.finding import Diagnosis
from pinhole.stack.failure import StackFailure
from pinhole.stack.layout import Layout

WELL: Final = 0
DANGEROUS: Final = 1


def run(arguments: argparse.Namespace) -> int:
    """Examine every node and say what was found."""
    nodes = [_named(arguments)] if arguments.rpc else of_stack(Layout.here())
    diagnoses = [diagnose(node, observe(node)) for node in nodes]
    write = _write_json if arguments.json else _write
    write(diagnoses)
    return DANGEROUS if any(diagnosis.is_dangerous for diagnosis in diagnoses) else WELL


def _named(arguments: argparse.Namespace) -> Examined:
    parts = urlsplit(arguments.rpc)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StackFailure(
            f"--rpc is an address such as http://127.0.0.1:5001, got {parts.geturl()}"
        )
    try:
        token = read_secret_file(arguments.token_file) if arguments.token_file else None
    except OSError as error:
        raise StackFailure(f"--token-file {arguments.token_file}: {error.strerror}") from error
    if arguments.repo is not None and not (arguments.repo / "config").is_file():
        raise StackFailure(f"--repo {arguments.repo} holds no Kubo repository: no file `config`")
    return Examined(
        name=f"{arguments.role}",
        role=arguments.role,
        rpc_url=arguments.rpc.rstrip("/"),
        token=token,
        gateway_url=arguments.gateway.rstrip("/") if arguments.gateway else None,
        repo=arguments.repo,
    )


def _write_json(diagnoses: list[Diagnosis]) -> None:
    answer = {
        "dangerous": any(diagnosis.is_dangerous for diagnosis in diagnoses),
        "nodes": [asdict(diagnosis) for diagnosis in diagnoses],
    }
    sys.stdout.write(json.dumps(answer, indent=1) + "\n")


def _write(diagnoses: list[Diagnosis]) -> None:
    for diagnosis in diagnoses:
        word = "DANGEROUS" if diagnosis.is_dangerous else "well"
        sys.stdout.write(f"{diagnosis.name}  {diagnosis.rpc_url}  {word}\n")
        for finding in diagnosis.findings:
            sys.stdout.write(
                f"  {finding.severity}  {finding.sentence}\n      mend: {finding.mend}\n"
            )
        for sentence in diagnosis.not_checked:
            sys.stdout.write(f"  not checked  {sentence}\n")
