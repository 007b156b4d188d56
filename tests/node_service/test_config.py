"""Settings: one table, and the page that lists it."""

from pathlib import Path

import pytest

from tallystick.node.config import Config, ConfigError, config_reference, load_config
from tallystick.node.webhooks import decode_secret, sign_webhook
from tests.tidy.tracked_files import ROOT


def test_the_reference_page_is_what_the_program_reads() -> None:
    page = ROOT / "docs" / "reference" / "configuration.md"
    assert page.read_text(encoding="utf-8") == config_reference()


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("port = 1\nwaiting_max = 2\nsender_rate = 3\n")
    environment = {
        "TALLYSTICK_PORT": "10",
        "TALLYSTICK_WAITING_MAX": "20",
        "TALLYSTICK_LEDGER": "other.tally",
    }
    config = load_config(file=file, environment=environment, flags={"port": "100", "host": None})
    assert (config.port, config.waiting_max, config.sender_rate) == (100, 20, 3.0)
    assert config.host == Config().host


@pytest.mark.parametrize(
    "text",
    [
        "prot = 1",
        "port = 65536",
        "port = 'x'",
        "log_level = 'loud'",
        "tls_cert = 'a.pem'",
        "this is no toml",
        "[[webhooks]]\nname = 'a'",
        "[[webhooks]]\nname = 'a'\nurl = 'ftp://x'\nsecret = 'whsec_x'",
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "node.toml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        load_config(file=file)


def test_a_webhook_is_signed_as_standard_webhooks_says() -> None:
    # The specification's own example, "Signature scheme".
    secret = decode_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign_webhook(
        secret,
        identifier="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp_seconds=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["whsec_", "whsec_!!!!", "whsec_AAAA"])
def test_a_short_or_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        decode_secret(text)
