"""Who is let in."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.core.errors import ConfigError
from trimtab.serving.access import Gate
from trimtab.serving.asgi import RefusedError
from trimtab.serving.keys import AccessKey, AccessScope, make_key, make_keys_file, read_keys

PREDICT, TRUTH, METRICS, ADMIN = (make_key(scope.value, (scope,)) for scope in AccessScope)
KEYS = tuple(key for _, key in (PREDICT, TRUTH, METRICS, ADMIN))


def asked(gate: Gate | None, path: str = "/predict/heart", method: str = "POST", **headers: str) -> tuple[int, str]:
    """Return the status that the gate gives, 200 where it lets in, and what it says."""
    assert gate is not None
    named = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    try:
        gate.check({"type": "http", "method": method, "path": path, "headers": named})
    except RefusedError as refused:
        return refused.status, str(refused)
    return 200, ""


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/predict/heart", PREDICT),
        ("POST", "/v2/models/heart/infer", PREDICT),
        ("POST", "/invocations", PREDICT),
        ("POST", "/models/heart/invoke", PREDICT),
        ("GET", "/openapi.json", PREDICT),
        ("GET", "/nowhere", PREDICT),
        ("POST", "/v1/ground-truth", TRUTH),
        ("POST", "/v1/ground-truth/bulk", TRUTH),
        ("GET", "/metrics", METRICS),
        ("GET", "/metrics/", METRICS),
        ("GET", "/health", METRICS),
        ("GET", "/v1/stats", METRICS),
        ("GET", "/v1/variants/heart/counts", METRICS),
        ("POST", "/models", ADMIN),
        ("DELETE", "/models/heart", ADMIN),
        ("DELETE", "/models/invoke", ADMIN),
        ("POST", "/models/invoke/invoke", PREDICT),
    ],
)
def test_each_path_takes_the_key_of_its_scope_and_no_other(
    method: str, path: str, needed: tuple[str, AccessKey]
) -> None:
    gate = Gate(KEYS, None)
    assert asked(gate, path, method)[0] == 401
    for text, key in (PREDICT, TRUTH, METRICS, ADMIN):
        allowed = key is needed[1] or key is ADMIN[1]
        assert asked(gate, path, method, Authorization=f"Bearer {text}")[0] == (200 if allowed else 403)
        assert asked(gate, path, method, X_API_Key=text)[0] == (200 if allowed else 403)


@pytest.mark.parametrize("path", ["/ping", "/v2/health/live", "/v2/health/ready"])
def test_probes_need_no_key(path: str) -> None:
    assert asked(Gate(KEYS, None), path, "GET") == (200, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Basic {PREDICT[0]}"},
        {"Authorization": PREDICT[0]},
        {"Authorization": "Bearer "},
        {"X_API_Key": ""},
        {"X_API_Key": PREDICT[0] + "x"},
        {"X_API_Key": "x" * 100_000},
        {"X_API_Key": KEYS[0].sha256},
    ],
)
def test_what_is_no_key_is_told_so_without_telling_it(headers: dict[str, str]) -> None:
    status, said = asked(Gate(KEYS, None), **headers)
    assert status == 401
    assert said.startswith("key: ")
    assert PREDICT[0] not in said


@pytest.mark.parametrize("host", ["127.0.0.1:8766", "localhost", "LOCALHOST:1", "[::1]:80", "127.0.0.1"])
def test_a_server_on_loopback_answers_to_its_own_names(host: str) -> None:
    gate = Gate.of((), None, "127.0.0.1")
    assert asked(gate, Host=host) == (200, "")
    assert asked(gate, Host=host, Origin=f"http://{host}") == (200, "")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8766"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": ""},
        {"Host": "[::1"},
        {"Host": "localhost:8766", "Origin": "https://evil.example"},
        {"Host": "localhost:8766", "Origin": "null"},
    ],
)
def test_a_page_of_another_site_reaches_no_server_on_loopback(headers: dict[str, str]) -> None:
    gate = Gate.of((), None, "127.0.0.1")
    assert asked(gate, Host="localhost:8766")[0] == 200
    status, said = asked(gate, **headers)
    assert status == 403
    assert "not a name of this server" in said


def test_names_are_checked_elsewhere_only_where_they_are_given() -> None:
    assert Gate.of((), None, "0.0.0.0") is None
    gate = Gate.of((), ("models.example",), "0.0.0.0")
    assert asked(gate, Host="models.example")[0] == 200
    assert asked(gate, Host="localhost")[0] == 403


def test_a_made_keys_file_is_read_by_its_owner_only_and_holds_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    text = make_keys_file(path)
    assert path.stat().st_mode & 0o077 == 0
    assert text not in path.read_text()
    assert asked(Gate(read_keys(path), None), X_API_Key=text)[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": []}',
        '{"keys": [{"name": "a", "sha256": "abc", "scopes": ["predict"]}]}',
        '{"keys": [{"name": "a", "sha256": "%s", "scopes": ["everything"]}]}' % ("0" * 64),
        '{"keys": [{"name": "a", "key": "secret", "scopes": ["predict"]}]}',
        "\udcff",
    ],
)
def test_a_keys_file_that_does_not_fit_leaves_no_server_open(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"keys\.json: "):
        read_keys(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path / "nowhere")


def test_two_hosts_are_refused_whichever_is_known() -> None:
    gate = Gate.of((), None, "127.0.0.1")
    assert gate is not None
    for names in ((b"evil.example", b"localhost"), (b"localhost", b"localhost")):
        headers = [(b"host", name) for name in names]
        with pytest.raises(RefusedError, match="Host: stands there twice") as refused:
            gate.check({"type": "http", "method": "GET", "path": "/ping", "headers": headers})
        assert refused.value.status == 400
