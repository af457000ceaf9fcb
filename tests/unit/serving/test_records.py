from __future__ import annotations

import http.client
import signal
import threading
import time

from tests.unit.serving.running import ROW, Running, eventually, variant

from trimtab.core.clock import from_micros
from trimtab.records.layout import journal_files
from trimtab.records.truths import truth_text
from trimtab.serving.place import journal_folder
from trimtab.serving.spec import EndpointSpec


def test_every_answer_that_a_client_got_survives_the_kill_of_the_server_exactly_once(server: Running) -> None:
    received: list[str] = []
    lock = threading.Lock()

    def ask() -> None:
        try:
            while True:
                ids = [one["prediction_id"] for one in server.predict({"rows": [ROW] * 3}).json["predictions"]]
                with lock:
                    received.extend(ids)
        except (OSError, http.client.HTTPException):
            return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: len(received) > 300)
    # Shipped in the middle of it, too.
    server.shipped()
    assert server.stop(signal.SIGKILL) == -9
    for thread in threads:
        thread.join()
    shipped = [row["prediction_id"] for row in server.shipped()]
    assert len(shipped) == len(set(shipped))
    assert set(received) <= set(shipped)
    assert len(shipped) - len(received) <= 3 * len(threads)
    assert journal_files(journal_folder(server.state)) == []


def test_a_record_holds_what_the_caller_said(server: Running) -> None:
    live = (variant(server.state, "stable", "100"),)
    server.deploy(EndpointSpec(endpoint="heart", generation=2, variants=live, sticky_key="record_key"))
    before = time.time_ns() // 1000
    reply = server.call(
        "POST",
        "/predict",
        {
            "rows": [ROW, {"age": 5, "chol": None, "sex": "unheard of"}],
            "record_keys": ["a", 7],
            "event_times": ["2011-01-01T05:00:00+01:00", 1_300_000_000_000_000],
            "source": "north",
            "sticky_keys": ["me", "me"],
        },
        {"x-request-id": "req"},
    )
    first, second = sorted(server.shipped(), key=lambda row: row["record_key"], reverse=True)
    assert [one["prediction_id"] for one in reply.json["predictions"]] == [
        first["prediction_id"],
        second["prediction_id"],
    ]
    assert (first["record_key"], second["record_key"]) == ("a", "7")
    assert from_micros(first["event_us"]).isoformat() == "2011-01-01T04:00:00+00:00"
    assert second["event_us"] == 1_300_000_000_000_000
    assert before <= first["received_us"] <= time.time_ns() // 1000
    assert (first["source"], first["request_id"], first["variant"], first["generation"]) == (
        "north",
        "req",
        "stable",
        2,
    )
    assert first["assignment_probability"] == 1.0
    assert len(first["sticky_hash"]) == 16
    assert 0 < first["latency_ms"] < 1000
    assert (first["f.age"], first["f.chol"], first["f.sex"]) == (60.0, 250.0, "male")
    assert (second["f.chol"], second["f.sex"]) == (None, "unheard of")
    assert first["prediction"] == reply.json["predictions"][0]["prediction"]


def test_a_refused_request_leaves_no_record(server: Running) -> None:
    assert server.predict({"rows": [ROW, {"age": "x"}]}).status == 400
    assert server.shipped() == []


def test_true_outcomes_come_by_id_or_by_the_callers_key(server: Running) -> None:
    (prediction,) = server.predict({"row": ROW}).json["predictions"]
    reply = server.call(
        "POST",
        "/v1/ground-truth",
        {
            "records": [
                {"prediction_id": prediction["prediction_id"], "truth": "yes"},
                {
                    "endpoint": "heart",
                    "record_key": 7,
                    "event_time": "2011-01-01T00:00:00Z",
                    "truth": 12.0,
                    "labelled_at": "2011-01-02T00:00:00Z",
                },
            ]
        },
    )
    assert (reply.status, reply.json["accepted"]) == (202, 2)
    by_id, by_key = sorted(server.shipped("truth"), key=lambda row: row["record_key"] or "")
    assert (by_id["prediction_id"], by_id["truth"]) == (prediction["prediction_id"], "yes")
    assert (by_key["endpoint"], by_key["record_key"], by_key["truth"]) == ("heart", "7", "12")
    assert by_key["labelled_us"] - by_key["event_us"] == 86_400_000_000


def test_a_bulk_with_one_broken_outcome_is_refused_as_a_whole(server: Running) -> None:
    good = {"endpoint": "heart", "record_key": "1", "event_time": 0, "truth": "yes"}
    for broken in (
        {"truth": "yes"},
        {"record_key": "1", "truth": "yes"},
        {"prediction_id": "1", "truth": "yes"},
        {**good, "prediction_id": "01a1fc2c-98c8-74da-8a4f-f02467c3a497"},
        {**good, "truth": ""},
        {**good, "endpoint": "No Name"},
    ):
        reply = server.call("POST", "/v1/ground-truth", {"records": [good, broken]})
        assert reply.status == 400
        assert "records[1]" in reply.json["error"]
    bulk = {"records": [{**good, "record_key": str(place)} for place in range(50_000)]}
    assert server.call("POST", "/v1/ground-truth", bulk).status == 202
    assert server.call("POST", "/v1/ground-truth", {"records": [*bulk["records"], good]}).status == 400
    assert len(server.shipped("truth")) == 50_000


def test_a_single_outcome_needs_no_list_around_it(server: Running) -> None:
    alone = {"endpoint": "heart", "record_key": "1", "event_time": 0, "truth": False}
    reply = server.call("POST", "/v1/ground-truth", alone)
    assert (reply.status, reply.json["accepted"]) == (202, 1)
    [stored] = server.shipped("truth")
    assert (stored["record_key"], stored["truth"]) == ("1", "false")
    for broken, word in (
        ({**alone, "records": [alone]}, "beside records"),
        ({**alone, "event_time": None}, "event_time"),
        ({}, "truth: missing"),
        ({"records": []}, "1 to 50000"),
        ({**alone, "truth": [1]}, "truth"),
    ):
        reply = server.call("POST", "/v1/ground-truth", broken)
        assert reply.status == 400
        assert word in reply.json["error"]


def test_equal_numbers_are_equal_text() -> None:
    assert truth_text(1) == truth_text(1.0) == "1"
    assert truth_text(0.1 + 0.2) == "0.30000000000000004"
