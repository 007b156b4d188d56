"""What may not be in the repository: generated, vendored and secret files; one machine's paths and addresses.

The patterns are spelled in pieces so that this file does not refuse itself.
"""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

SIZE_BYTES_MAX = 2_000_000

REFUSED_NAMES = re.compile(
    r"""
    (^|/)(node_modules|vendor|third_party|dist|build|__pycache__|\.venv[^/]*|\.hypothesis|\.[a-z]+_cache)/
    | (^|/)[^/]+\.egg-info/
    | (^|/)(uv\.lock|\.env(\..*)?|\.netrc|\.pypirc|\.npmrc|pip\.conf|id_(rsa|ecdsa|ed25519)|\.DS_Store)$
    | \.(pyc|pyo|so|dylib|dll|exe|whl|min\.js|min\.css|js\.map|key|pem|p12|pfx|log|swp|orig|rej)$
    | \.(tally|sqlite|sqlite3|db)(-wal|-shm|-journal)?$
    """,
    re.VERBOSE,
)

_HOSTED_INDEX = r"https?://[^\s\"'<>)]*"
REFUSED_TEXT = {
    "an absolute path of one machine": re.compile(
        r"(?<![\w./<>{}\])~-])/" + r"(work|root|home)(?=/\w|[\s\"'`):,]|$)", re.MULTILINE
    ),
    "a package index's address": re.compile(
        r"--(extra-)?index-" + r"url|--find-" + r"links|\b(PIP|UV)_(EXTRA_|DEFAULT_)?INDEX"
        r"|" + _HOSTED_INDEX + r"(/simp" + r"le\b|pkg\.dev|artifactory|registry\.npmjs|goproxy)"
        r"|\"resolved\":\s*\"http"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----"),
}


def list_tracked_files() -> list[str]:
    """Return the paths git tracks or is about to, relative to the root; empty outside a checkout."""
    # One command without a shell; outside a checkout, or without git, there is nothing to list.
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=True, text=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    return sorted(path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file())


def check_name(path: str) -> list[str]:
    """Return a complaint if a file of this name has no place in the repository."""
    return [f"{path}: generated, vendored or secret"] if REFUSED_NAMES.search(path) else []


def check_text(text: str, *, path: str) -> list[str]:
    """Return a complaint for each line that ties the repository to one machine or gives a secret away."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {what}"
        for what, pattern in REFUSED_TEXT.items()
        for match in pattern.finditer(text)
    ]
