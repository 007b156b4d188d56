"""What an operator does to a running node: certificates, log files, taken ports."""

import json
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.node_service.process import NodeProcess, desk_for, node

pytestmark = pytest.mark.long


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of its own for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate, and it is not installed")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


def test_a_node_with_a_certificate_is_asked_by_https_alone(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    path = tmp_path / "a.tally"
    desk_for(path)
    with node(path, options=["--tls", str(cert), str(key)]) as running:
        assert running.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=cert)
        assert httpx.get(f"{running.url}/ready", verify=trusting).json()["status"] == "ok"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{running.url}/ready")  # signed by nobody that this machine knows
        with pytest.raises(httpx.TransportError):
            httpx.get(running.url.replace("https", "http"))
        asked = subprocess.run(
            [sys.executable, "-m", "tallystick.cli", "balance", "alice", "--url", running.url],
            env=os.environ | {"SSL_CERT_FILE": str(cert)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "eur@bank" in asked.stdout


def test_a_log_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    path, log = tmp_path / "a.tally", tmp_path / "node.log"
    desk_for(path)
    running = NodeProcess(path, log_file=str(log), log_level="info")
    log.rename(tmp_path / "node.log.1")
    running.stop()
    first, second = (
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in (tmp_path / "node.log.1", log)
    )
    (message,) = [line["message"] for line in first]
    assert message.startswith(f"serving {running.url}; signatures are checked by libsodium")
    assert [line["message"] for line in second] == ["stopped"]
    assert set(first[0]) == {"time", "level", "logger", "message"}
