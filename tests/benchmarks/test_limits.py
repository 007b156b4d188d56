import pytest
from nacl.signing import SigningKey

from benchmarks import limits


def triples(count):
    key = SigningKey(bytes(32))
    messages = [b"message %d" % index for index in range(count)]
    return [(bytes(key.verify_key), message, key.sign(message).signature) for message in messages]


def test_verifications_are_counted_over_two_processes():
    limit = limits.measure_verifications(triples(8), duration_seconds=0.02)
    assert limit.unit == "verifications/s"
    assert limit.value > 100
    assert limit.conditions["processes"] == 2


def test_verifications_of_nothing_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        limits.measure_verifications([])


def test_an_invalid_signature_stops_the_measurement(capfd):
    public_key, message, signature = triples(1)[0]
    with pytest.raises(RuntimeError, match="verify process died"):
        limits.measure_verifications([(public_key, message + b"!", signature)], duration_seconds=0.02)
    assert "BadSignatureError" in capfd.readouterr().err


def test_commits_hashes_and_updates_are_measured(tmp_path):
    assert limits.measure_durable_commits(tmp_path, duration_seconds=0.02).unit == "commits/s"
    assert limits.measure_sha256(count=100).unit == "hashes/s"
    assert limits.measure_dict_update(keys=100, count=1_000).unit == "ns"
    assert list(tmp_path.iterdir()) == []
