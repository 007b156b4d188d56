"""schemathesis: whatever the OpenAPI document allows is answered as it says, and nothing with 5xx."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node_service.process import desk_for, node

pytestmark = pytest.mark.long

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_routes_keep_what_their_description_promises(tmp_path: Path) -> None:
    path = tmp_path / "a.tally"
    desk_for(path)
    schemathesis = Path(sys.executable).with_name("schemathesis")
    with node(path) as running:
        done = subprocess.run(
            [
                schemathesis, "run", f"{running.url}/v1/openapi.json", f"--checks={CHECKS}",
                "--phases=examples,coverage,fuzzing", "--max-examples=15", "--seed=1", "--workers=1",
                "--exclude-path=/v1/stream", "--request-timeout=10", "--generation-database=none",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"NO_COLOR": "1"},
            timeout=240,
            check=False,
        )  # fmt: skip
        assert running.process.poll() is None
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
