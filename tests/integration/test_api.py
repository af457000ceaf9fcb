from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.integration.office import AS_JSON, SOME_ID, Office, is_problem, opened_office, platform_at, served, upload
from tests.integration.processes import control_plane, eventually, process
from tests.integration.small_project import FILES, HEADER, make_project, write_rows
from tests.integration.test_role_table import OTHERS

from trimtab.api.door import Limits
from trimtab.api.errors import status_of
from trimtab.core import errors
from trimtab.core.enums import Role
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.platform import Platform


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("project")) as opened:
        yield opened


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Bearer tt_wrong", "Bearer", "Basic dHQ6dHQ=", "Bearer tt_\xff", "tt_wrong"])
def test_a_key_that_is_none_is_answered_with_401(office: Office, header: str) -> None:
    answer = httpx.get(
        f"{office.plane.url}/api/status", headers={b"Authorization": header.encode("latin-1")}, trust_env=False
    )
    assert is_problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "tt_wrong" not in answer.text


def test_a_revoked_key_is_nobodys(office: Office) -> None:
    with office.plane.client() as admin:
        key = admin.post("/api/keys", json={"name": "leaver", "role": "viewer"}).json()["key"]
        with office.plane.client(key) as leaver:
            assert leaver.get("/api/status").status_code == 200
            assert admin.post("/api/keys/leaver/revoke", json={}).status_code == 200
            assert is_problem(leaver.get("/api/status"), 401)
        listed = admin.get("/api/keys").json()["keys"]
    assert key not in str(listed)
    assert next(one for one in listed if one["name"] == "leaver")["revoked_us"] is not None


def test_keys_stand_nowhere_on_disk_but_in_the_users_own_file(office: Office) -> None:
    state = office.plane.project / ".trimtab"
    secret = office.keys[Role.ADMIN].encode()
    for path in [*state.rglob("*"), office.plane.project / "control-plane.log"]:
        if path.is_file() and path.name != "credentials.json":
            assert secret not in path.read_bytes(), path
    assert (state / "credentials.json").stat().st_mode & 0o077 == 0


# --- whom the request is for ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::2]:80"])
def test_a_foreign_name_for_this_machine_is_not_answered(office: Office, host: str) -> None:
    for path in ("/api/health", "/openapi.json", "/docs", "/api/status"):
        answer = httpx.get(office.plane.url + path, headers={"Host": host}, trust_env=False)
        assert answer.status_code in {400, 421}, answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:8765", "[::1]:8765"])
def test_this_machine_answers_to_its_own_names(office: Office, host: str) -> None:
    answer = httpx.get(f"{office.plane.url}/api/health", headers={"Host": host}, trust_env=False)
    assert answer.status_code == 200


def test_a_page_of_another_origin_is_allowed_nothing(office: Office) -> None:
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = httpx.options(f"{office.plane.url}/api/keys", headers=asked, trust_env=False)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_fields_are_read_only_from_what_says_that_it_is_json(office: Office, kind: str) -> None:
    """A page of another origin can send these three kinds without asking first."""
    body = b'{"name": "sneaky", "role": "admin"}'
    answer = office.client.post("/api/keys", content=body, headers={"Content-Type": kind})
    assert is_problem(answer, 422)
    assert "application/json" in answer.text


@pytest.mark.parametrize("path", ["/api/health", "/api/status", "/api/nothing", "/openapi.json", "/docs"])
def test_every_answer_tells_browsers_to_keep_their_hands_off(office: Office, path: str) -> None:
    with office.plane.client() as client:
        headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "server" not in headers


# --- what is wrong is told as a problem document ----------------------------------------------------------------------


def test_each_class_of_error_has_a_status_of_its_kind() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name != "TrimtabError"]
    told = {kind.__name__: status_of(kind("why")) for kind in classes}
    assert told == {
        "ApprovalRequiredError": 409,
        "ArtifactUntrustedError": 409,
        "BackendError": 503,
        "ConfigError": 422,
        "ConflictError": 409,
        "DataContractError": 422,
        "IllegalTransitionError": 409,
        "NotFoundError": 404,
        "PermissionDeniedError": 403,
        "UnknownCallerError": 401,
    }


def test_errors_of_routing_are_problems_too(office: Office) -> None:
    with office.plane.client() as client:
        assert is_problem(client.get("/api/nothing"), 404)
        assert is_problem(client.delete("/api/status"), 405)
        assert client.delete("/api/status").headers["allow"] == "GET"
        assert is_problem(client.post("/api/keys", content=b"{", headers=AS_JSON), 422)
        assert is_problem(client.get("/api/jobs", params={"limit": "many"}), 422)
        assert is_problem(client.get("/api/jobs", params={"colour": "blue"}), 422)
        assert is_problem(client.get(f"/api/jobs/{SOME_ID}"), 404)
        assert is_problem(client.get("/api/models/nobody/versions"), 404)
        assert is_problem(client.post("/api/keys", json={"name": "a-viewer", "role": "viewer"}), 409)
        assert is_problem(client.post("/api/keys", json={"name": "x", "role": "king"}), 422)


def test_a_body_of_fields_is_bounded_while_it_is_read(office: Office) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield b" " * 10_000

    with office.plane.client() as client:
        before = psutil.Process(office.plane.pid).memory_info().rss
        assert is_refused_as_too_large(lambda: client.post("/api/keys", content=endless()))
        assert is_refused_as_too_large(lambda: client.post("/api/keys", content=b" " * 1_000_001))
        after = psutil.Process(office.plane.pid).memory_info().rss
    assert after - before < 50_000_000


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_describes_every_operation(office: Office) -> None:
    document = httpx.get(f"{office.plane.url}/openapi.json", trust_env=False).json()
    for asked in OPERATIONS.values():
        route = document["paths"][asked.path][asked.method.lower()]
        assert route["operationId"] == asked.name.replace(".", "_")
        assert route["summary"] == asked.summary
        assert f"`{asked.role}`" in route["description"]
        assert route["security"] == [{"HTTPBearer": []}, {"Session": []}]
        assert {"401", "403", "422"} <= set(route["responses"])
        assert {one["name"] for one in route.get("parameters", []) if one["in"] == "path"} == set(asked.path_fields)
        assert ("requestBody" in route) == (
            asked.method == "POST" and bool(set(asked.request.model_fields) - set(asked.path_fields))
        )
    pages = ("/docs", "/openapi", "/links")
    others = {(path, method.lower()) for method, path in OTHERS if not path.startswith(pages)}
    known = {(asked.path, asked.method.lower()) for asked in OPERATIONS.values()} | others
    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == known


def test_the_document_is_sound(office: Office) -> None:
    document = httpx.get(f"{office.plane.url}/openapi.json", trust_env=False).json()
    assert document["openapi"].startswith("3.1")
    references = re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document))
    schemas = document["components"]["schemas"]
    assert set(references) <= set(schemas)
    ids = [route["operationId"] for methods in document["paths"].values() for route in methods.values()]
    assert len(ids) == len(set(ids))


# --- uploads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "word"),
    [
        ({"filename": "rows.exe"}, 422, ".parquet"),
        ({"filename": "rows"}, 422, ".parquet"),
        ({"filename": ".."}, 422, ".parquet"),
        ({"filename": "rows.csv/x"}, 422, ".parquet"),
        ({"filename": "rows\x1b[31m.csv"}, 422, "filename"),
        ({"filename": "r" * 300 + ".csv"}, 422, "255"),
        ({}, 422, "filename"),
        ({"filename": "rows.csv", "feed": "nobody"}, 404, "feed"),
        ({"filename": "rows.csv", "model": "nobody"}, 404, "model"),
        ({"filename": "rows.csv", "model": "..%2f.."}, 404, ""),
    ],
)
def test_an_upload_that_cannot_be_taken_leaves_nothing(
    office: Office, query: dict[str, str], status: int, word: str
) -> None:
    with office.plane.client() as client:
        answer = upload(client, b"a,b\n1,2\n", **query)
        assert answer.status_code == status, answer.text
        assert word in answer.text
        assert client.get("/api/deliveries").json()["deliveries"] == []
    state = office.plane.project / ".trimtab"
    assert list((state / "uploads").glob("*")) == []
    assert list((state / "lake").rglob("*.csv")) == []


def test_a_path_in_a_filename_is_only_a_name(platform: Platform, tmp_path: Path) -> None:
    content = write_rows(tmp_path / "rows.csv", count=5).read_bytes()
    outside = tmp_path / "evil.csv"
    for filename in (str(outside), "..\\..\\evil.csv", "../../../evil.csv"):
        with served(platform) as client:
            answer = upload(client, content, filename=filename)
            assert answer.status_code == 200, answer.text
            shown = client.get(f"/api/deliveries/{answer.json()['delivery_id']}").json()
        assert shown["name"] == "evil.csv"
    assert not outside.exists()
    assert list(platform.project.root.rglob("evil.csv")) == []


def test_an_upload_is_bounded_while_it_is_received(platform: Platform) -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        for _ in range(100_000):
            read += 1_000
            yield b"x" * 1_000

    with served(platform, Limits(upload_bytes=1_000)) as client:
        assert is_refused_as_too_large(lambda: upload(client, endless(), filename="rows.csv"))
        assert is_refused_as_too_large(lambda: upload(client, b"x" * 1_001, filename="rows.csv"))
    assert read < 50_000_000
    assert list((platform.project.state / "uploads").glob("*")) == []


def test_an_upload_whose_sender_hangs_up_leaves_nothing(office: Office) -> None:
    host, port = office.plane.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as line:
        line.sendall(
            f"POST /api/models/churn/deliveries?filename=rows.csv HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {office.plane.key}\r\nContent-Length: 100000\r\n\r\n{HEADER}\n".encode()
        )
        uploads = office.plane.project / ".trimtab" / "uploads"
        eventually(lambda: list(uploads.glob("*")), within_s=10, wanted="an upload under way")
    eventually(lambda: not list(uploads.glob("*")), within_s=10, wanted="an upload that is cleaned away")
    with office.plane.client() as client:
        assert client.get("/api/deliveries").json()["deliveries"] == []


def is_refused_as_too_large(send: Callable[[], httpx.Response]) -> bool:
    """Whether 413 came back, or the server hung up while we were still sending."""
    try:
        return is_problem(send(), 413)
    except (httpx.WriteError, httpx.ReadError):
        return True


# --- its process ------------------------------------------------------------------------------------------------------


def test_a_stopped_control_plane_leaves_no_address_behind(tmp_path: Path) -> None:
    with control_plane(make_project(tmp_path)) as plane, plane.client() as client:
        address = tmp_path / ".trimtab" / "control-plane.json"
        assert address.exists()
        with client.stream("GET", "/api/stream") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("retry: ")
            psutil.Process(plane.pid).send_signal(signal.SIGTERM)
            # Who looks on is sent away: a stream that were waited for would hold the end up, and be cut off.
            assert list(lines)[-1] == ""
        eventually(lambda: not address.exists(), within_s=60, wanted="an address that is taken back")
    assert "control-plane.stopped" in (tmp_path / "control-plane.log").read_text()


def test_a_port_in_use_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        make_project(tmp_path)
        port = taken.getsockname()[1]
        (tmp_path / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("port: 0}", f"port: {port}}}"))
        with process("-m", "trimtab.api", "--project", tmp_path, log=tmp_path / "log") as child:
            assert child.wait(120) == 2
        told = (tmp_path / "log").read_text()
    assert f"127.0.0.1:{port}" in told
    assert "api.port" in told
    assert "Traceback" not in told
