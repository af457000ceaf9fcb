"""Numbers from real databases and over real HTTP: read, bounded, and nothing is ever written."""

from __future__ import annotations

import json
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool
from tests.postgres import USER, PostgresServer
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.loop.number_sources import PromqlNumbers, SqlNumbers, read_numbers, source_of
from trimtab.loop.request_counts import read_request_counts
from trimtab.monitoring.check import Window
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.monitoring.sources import NumberReading, PromqlSource, Question, SqlSource
from trimtab.serving.spec import EndpointSpec

ASKED = Question("shop", "shop", "v1", 3, Window(1_000_000_000, 4_600_000_000))
WRITES = [
    "DELETE FROM visits",
    "DROP TABLE visits",
    "INSERT INTO visits VALUES (1, 1)",
    "UPDATE visits SET bought = 1",
    "CREATE TABLE other (a int)",
    "SELECT 1; DROP TABLE visits",
    "COMMIT; DROP TABLE visits",
    "ALTER TABLE visits ADD COLUMN more int",
]
OF_SQLITE = [
    "PRAGMA query_only = OFF",
    "ATTACH 'other.db' AS other",
    "SELECT load_extension('x')",
    "VACUUM INTO 'copy.db'",
    "PRAGMA user_version = 7",
]
OF_POSTGRES = ["SET TRANSACTION READ WRITE", "COPY visits TO PROGRAM 'true'", "SELECT lo_create(7)"]
ROWS = "INSERT INTO visits VALUES (1200, 1), (2400, 0), (4599, 1), (4600, 0)"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE visits (at_s float, bought int)")
        connection.execute(ROWS)
    connection.close()
    return tmp_path


@pytest.fixture(scope="module")
def postgres_shop(postgres: PostgresServer) -> str:
    url = postgres.url(postgres.create())
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visits (at_s float, bought int)"))
        connection.execute(text(ROWS))
        password = str(make_url(url).password)
        connection.execute(text(f"CREATE ROLE shopkeeper LOGIN PASSWORD '{password}'"))
        # More than it should: what is refused is refused by the session, not for want of a right.
        connection.execute(text("GRANT ALL ON visits TO shopkeeper"))
        connection.execute(text("GRANT CREATE ON SCHEMA public TO shopkeeper"))
    return make_url(url).set(username="shopkeeper").render_as_string(hide_password=False)


def of_sqlite(shop: Path, query: str, **more: Any) -> NumberReading:
    return SqlNumbers(SqlSource(url="sqlite:///shop.db", query=query, **more), shop).read(ASKED)


def of_postgres(url: str, query: str, monkeypatch: pytest.MonkeyPatch, **more: Any) -> NumberReading:
    password = make_url(url).password
    assert password
    monkeypatch.setenv("SHOP_PASSWORD", quote(password, safe=""))
    shown = make_url(url).set(password="PASSWORD").render_as_string(hide_password=False)
    hidden = shown.replace("PASSWORD", "${SHOP_PASSWORD}")
    reading = SqlNumbers(SqlSource(url=hidden, query=query, **more), Path()).read(ASKED)
    assert password not in reading.problem
    return reading


CONVERSION = "SELECT avg(bought) FROM visits WHERE at_s >= :window_start AND at_s < :window_end AND :version = 3"


def test_sql_is_given_its_window(shop: Path, postgres_shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for reading in (of_sqlite(shop, CONVERSION), of_postgres(postgres_shop, CONVERSION, monkeypatch)):
        assert reading.value == pytest.approx(2 / 3), reading.problem


@pytest.mark.parametrize("query", [*WRITES, *OF_SQLITE])
def test_sqlite_refuses_to_write(shop: Path, query: str) -> None:
    before = (shop / "shop.db").read_bytes()
    reading = of_sqlite(shop, query)
    assert reading.value is None
    assert "the query failed" in reading.problem
    assert (shop / "shop.db").read_bytes() == before
    assert [path.name for path in shop.iterdir()] == ["shop.db"]


@pytest.mark.parametrize("query", [*WRITES, *OF_POSTGRES])
def test_postgresql_refuses_to_write(postgres_shop: str, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = of_postgres(postgres_shop, query, monkeypatch)
    assert reading.value is None
    assert reading.problem
    everything = of_postgres(postgres_shop, "SELECT count(*) + sum(bought) FROM visits", monkeypatch)
    assert everything.value == 6


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT at_s FROM visits", "more than one row"),
        ("SELECT at_s, bought FROM visits LIMIT 1", "2 columns"),
        ("SELECT at_s FROM visits WHERE at_s < 0", "query found nothing"),
        ("SELECT max(at_s) FROM visits WHERE at_s < 0", "gave no number"),
        ("SELECT 'many'", "expected a number"),
        ("SELECT 9e999", "gave no number"),
        ("SELECT absent FROM visits", "no such column"),
    ],
)
def test_what_is_no_one_number_is_told(shop: Path, query: str, said: str) -> None:
    reading = of_sqlite(shop, query)
    assert reading.value is None
    assert said in reading.problem


@pytest.mark.parametrize("place", ["../other/shop.db", "{whole}/other/shop.db"])
def test_sqlite_is_read_below_the_project_only(tmp_path: Path, place: str) -> None:
    project, other = tmp_path / "project", tmp_path / "other"
    for folder in (project, other):
        folder.mkdir()
    with sqlite3.connect(other / "shop.db") as connection:
        connection.execute("CREATE TABLE visits (at_s float)")
    connection.close()
    source = SqlSource(url=f"sqlite:///{place.format(whole=tmp_path)}", query="SELECT count(*) FROM visits")
    assert "no such file below" in SqlNumbers(source, project).read(ASKED).problem
    assert SqlNumbers(source, tmp_path if "whole" in place else other).read(ASKED).value == 0


def test_sqlite_makes_no_cell_of_any_size(shop: Path) -> None:
    for query in ("SELECT zeroblob(1000000000)", "SELECT length(replace(hex(zeroblob(400000)), '0', 'aaaaaaaaaa'))"):
        assert "too big" in of_sqlite(shop, query).problem
    assert of_sqlite(shop, "SELECT length(zeroblob(1000))").value == 1000


def test_a_superuser_is_no_reader(postgres_shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    almighty = make_url(postgres_shop).set(username=USER).render_as_string(hide_password=False)
    reading = of_postgres(almighty, "SELECT count(*) FROM visits", monkeypatch)
    assert reading == NumberReading(None, f"source: role '{USER}' is a superuser; expected one that may only read")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT repeat('x', 200000000)", "no column of numbers; expected a number"),
        ("SELECT '\\x00'::bytea", "no column of numbers; expected a number"),
        ("SELECT repeat('x', 200000000), 1", "the query gave 2 columns"),
        ("SELECT generate_series(1, 100000000)", "more than one row"),
        ("SELECT 1 WHERE false", "query found nothing"),
        ("SELECT NULL::float", "gave no number"),
    ],
)
def test_postgresql_sends_no_cell_of_any_size_and_no_row_too_many(
    postgres_shop: str, query: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reading = of_postgres(postgres_shop, query, monkeypatch)
    assert reading.value is None
    assert said in reading.problem
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100_000


@pytest.mark.parametrize(
    "query",
    [
        "WITH seen AS (SELECT * FROM visits) SELECT sum(bought) FROM seen;",
        "SELECT 2 -- as text it would be none",
        "SELECT count(*)::numeric / 2 FROM visits",
        "VALUES (2::float4)",
    ],
)
def test_postgresql_is_asked_as_people_write(postgres_shop: str, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_postgres(postgres_shop, query, monkeypatch).value == 2.0


FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


def test_a_query_without_end_is_ended(shop: Path, postgres_shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began_s = time.monotonic()
    assert "interrupted" in of_sqlite(shop, FOREVER, timeout="300ms").problem
    assert "timeout" in of_postgres(postgres_shop, "SELECT 1 FROM pg_sleep(120)", monkeypatch, timeout="300ms").problem
    assert time.monotonic() - began_s < 60


def test_a_secret_that_is_not_set_and_a_file_that_is_not_there_are_told(shop: Path) -> None:
    url = "postgresql://reader:${NOBODY_SET_THIS}@127.0.0.1/shop"
    assert "NOBODY_SET_THIS} is not set" in SqlNumbers(SqlSource(url=url, query="SELECT 1"), shop).read(ASKED).problem
    reading = SqlNumbers(SqlSource(url="sqlite:///other.db", query="SELECT 1"), shop).read(ASKED)
    assert "no such file" in reading.problem
    assert not (shop / "other.db").exists(), "SQLite makes files where none are"


@pytest.fixture
def prometheus() -> Iterator[tuple[str, list[dict[str, str]], dict[str, Any]]]:
    """Something that answers as Prometheus does: its address, what it was asked, and what it answers."""
    asked: list[dict[str, str]] = []
    answer: dict[str, Any] = {"status": 200, "body": b""}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked.append({"path": parts.path, **{name: one[0] for name, one in parse_qs(parts.query).items()}})
            asked[-1]["key"] = self.headers.get("Authorization", "")
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked, answer
    server.shutdown()
    thread.join()
    server.server_close()


def told(kind: str, result: object) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "value", "said"),
    [
        (200, told("vector", [{"metric": {}, "value": [1, "0.25"]}]), 0.25, ""),
        (200, told("scalar", [1, "7"]), 7.0, ""),
        (200, told("vector", []), None, "query found nothing"),
        (200, told("vector", [{"value": [1, "1"]}] * 2), None, "vector of 2"),
        (200, told("vector", [{"value": [1, "NaN"]}]), None, "no number"),
        (400, json.dumps({"status": "error", "error": "parse error"}).encode(), None, "400: parse error"),
        (200, b"<html>", None, "expected Prometheus' API"),
        (200, b"[]", None, "expected Prometheus' API"),
        (200, b" " * 2_000_000, None, "more than 1000000 bytes"),
        (302, b"{}", None, "Prometheus answered 302"),
        (502, b"[]", None, "expected Prometheus' API"),
        (500, b'"oops"', None, "expected Prometheus' API"),
        (200, told("scalar", []), None, "expected Prometheus' API"),
        (200, told("vector", [{"value": []}]), None, "expected Prometheus' API"),
    ],
)
def test_promql_gives_one_number_or_says_why_not(
    prometheus: tuple[str, list[dict[str, str]], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: bytes,
    value: float | None,
    said: str,
) -> None:
    url, asked, answer = prometheus
    answer |= {"status": status, "body": body}
    monkeypatch.setenv("PROM_TOKEN", "s3cret")
    query = 'sum(rate(orders_total{variant="$variant"}[$window])) and $$'
    reading = PromqlNumbers(PromqlSource(url=url, query=query, token_env="PROM_TOKEN")).read(ASKED)
    assert reading.value == value
    assert said in reading.problem
    assert "s3cret" not in reading.problem
    assert asked[0]["query"] == 'sum(rate(orders_total{variant="v1"}[3600s])) and $'
    assert (asked[0]["time"], asked[0]["key"]) == ("4600.000", "Bearer s3cret")


@pytest.mark.parametrize("secret", ["p@ss:w0rd", "p@ssw0rd", "pass/w0rd", "w0rd?host=elsewhere"])
def test_a_secret_that_would_be_read_as_an_address_is_never_told(
    shop: Path, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", secret)
    url = "postgresql://reader:${SHOP_PASSWORD}@127.0.0.1:1/shop"
    problem = SqlNumbers(SqlSource(url=url, query="SELECT 1", timeout=timedelta(seconds=2)), shop).read(ASKED).problem
    assert "${SHOP_PASSWORD}" in problem
    assert "percent-encoded" in problem
    assert "w0rd" not in problem


@pytest.mark.parametrize("token", ["s3cret\n", "s3crét"])
def test_a_token_that_no_header_may_hold_is_never_told(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROM_TOKEN", token)
    source = PromqlSource(url="http://127.0.0.1:1", query="up", token_env="PROM_TOKEN")
    problem = PromqlNumbers(source).read(ASKED).problem
    assert "PROM_TOKEN} holds what no header may" in problem
    assert "s3cr" not in problem


def test_an_answer_that_drips_for_ever_is_left_alone() -> None:
    gone = threading.Event()

    class Dripping(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while not gone.wait(0.05):
                    self.wfile.write(b" ")
            except OSError:
                gone.set()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            source = PromqlSource(
                url=f"http://127.0.0.1:{server.server_address[1]}", query="up", timeout=timedelta(seconds=1)
            )
            assert "no whole answer within 1 s" in PromqlNumbers(source).read(ASKED).problem
        finally:
            gone.set()
            server.shutdown()


def test_prometheus_address_holds_no_password() -> None:
    with pytest.raises(ValueError, match="url holds a password"):
        PromqlSource(url="http://admin:hunter2@127.0.0.1:9090", query="up")


def test_a_source_that_raises_what_nobody_expected_is_no_number(shop: Path) -> None:
    (shop / "loop.db").symlink_to(shop / "loop.db")
    source = {"type": "sql", "url": "sqlite:///loop.db", "query": "SELECT 1"}
    monitor = {"type": "business", "name": "a", "source": source, "at_least": 1}
    config = MonitoringConfig.model_validate({"window": "1h", "monitors": [monitor]})
    assert read_numbers(config, shop, ASKED, source_of)["a"].value is None


def test_each_monitor_gets_the_number_of_its_own_window(shop: Path) -> None:
    source = {"type": "sql", "url": "sqlite:///shop.db", "query": "SELECT :window_end - :window_start"}
    config = MonitoringConfig.model_validate(
        {
            "window": "1h",
            "monitors": [
                {"type": "business", "name": "a", "source": source, "at_least": 1},
                {"type": "business", "name": "b", "source": source, "at_least": 1, "window": "2h"},
                {"type": "business", "name": "c", "source": {**source, "query": "SELECT ("}, "at_least": 1},
                {"type": "latency", "p95_ms": 5},
            ],
        }
    )
    numbers = read_numbers(config, shop, ASKED, source_of)
    assert {name: reading.value for name, reading in numbers.items()} == {"a": 3600, "b": 7200, "c": None}
    assert config.window_of(config.monitors[1]) == timedelta(hours=2)


def test_a_servers_requests_are_counted_by_variant_and_outcome(tmp_path: Path) -> None:
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v1", "100"),)))
    server = Running(tmp_path)
    url = f"http://127.0.0.1:{server.info.port}"
    try:
        for row in (ROW, ROW, {}, ROW | {"age": "60 y"}, ROW | {"sex": 1}, ROW):
            server.predict({"row": row})
        counts = read_request_counts(url, lambda: None, "heart", at_us=7)
        assert read_request_counts(url, lambda: None, "other", at_us=7) == {}
    finally:
        server.stop()
    ((served, found),) = counts.items()
    assert served == ("v1", 1)
    assert (found.at_us, found.answered, found.refused, found.failed) == (7, 3, 3, 0)
    assert found.refused_by_column == {"age": 2, "sex": 1}
    assert read_request_counts(url, lambda: None, "heart", at_us=7) == {}, "nobody answers there any more"
    assert read_request_counts(None, lambda: None, "heart", at_us=7) == {}
