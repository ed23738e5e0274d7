"""The file of `--record`: what is in it, what is not, and what a reader says of a wrong one."""

from __future__ import annotations

import json
import multiprocessing
import stat
from pathlib import Path
from typing import Any

import pytest

from compare_records import HTML, JSON, request_record, response_record
from rsgi.compare.storage.recording import Recorder, read_recording
from rsgi.errors import StartupError

LINE = {
    "route": "/x",
    "app": "old",
    "request": {"method": "GET", "target": "/x", "headers": [["Host", "a"]]},
    "response": {
        "status": 200,
        "headers": [],
        "body": "é",
        "size": 2,
        "complete": True,
        "sha256": None,
        "seconds": 0.1,
    },
}
HEADER = {"rsgi-recording": 1, "created": "2026-01-01T00:00:00Z", "redact": []}


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "old.jsonl"
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines))
    return path


def test_what_was_recorded_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    recorder = Recorder(path)
    responses = [
        response_record({"n": "é€"}),
        response_record("<p>é", HTML),
        response_record(b"", JSON, status=404),
        response_record(b"\x89", "image/png"),
    ]
    for number, response in enumerate(responses):
        assert recorder.record("/x", "old:app", request_record(f"/{number}?q=%C3%A9"), response)
    recorder.close()
    read = read_recording(path).requests
    assert [each.line for each in read] == [2, 3, 4, 5]
    assert [each.request.target for each in read] == [f"/{number}?q=%C3%A9" for number in range(4)]
    assert [each.response.status for each in read] == [200, 200, 404, 200]
    assert json.loads(read[0].response.body) == {"n": "é€"}
    assert read[1].response.body == "<p>é".encode()
    assert (read[3].response.body, read[3].response.size, read[3].response.complete) == (b"", 1, False)
    assert read[3].response.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_only_safe_requests_with_whole_responses_are_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "old.jsonl")
    assert recorder.record("/x", "old", request_record(method="HEAD"), response_record())
    assert not recorder.record("/x", "old", request_record(method="POST"), response_record({}))
    assert not recorder.record("/x", "old", request_record(), response_record(error="timeout"))
    assert not recorder.record("/x", "old", request_record(), response_record(status=304))
    assert recorder.lost == 0


def test_secrets_are_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    recorder = Recorder(path, ("nickname",))
    request = request_record(
        "/x?token=hunter2", ("Cookie", "id=hunter2"), ("Authorization", "Basic hunter2"), ("If-None-Match", "x")
    )
    recorder.record("/x", "old", request, response_record({"nickname": "hunter2"}, JSON, ("Set-Cookie", "id=hunter2")))
    text = path.read_text()
    assert "hunter2" not in text
    assert "If-None-Match" not in text
    recording = read_recording(path)
    assert recording.redact == ("nickname",)
    assert recording.requests[0].redacted


def test_the_same_request_is_recorded_three_times(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "old.jsonl")
    assert [recorder.record("/x", "old", request_record("/x"), response_record({})) for _ in range(5)] == [True] * 3 + [
        False
    ] * 2
    assert recorder.record("/x", "old", request_record("/x?a=1"), response_record({}))


def test_the_file_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    recorder = Recorder(path, max_bytes=5000)
    wrote = [
        recorder.record("/x", "old", request_record(f"/{number}"), response_record({"n": "x" * 100}))
        for number in range(50)
    ]
    assert path.stat().st_size <= 5000
    assert 5 < sum(wrote) < 50
    assert recorder.lost == 50 - sum(wrote)
    assert len(read_recording(path).requests) == sum(wrote)


def _record(path: str, start: Any, name: str) -> None:
    recorder = Recorder(path)
    start.wait(30)
    for number in range(200):
        assert recorder.record("/x", name, request_record(f"/{name}/{number}"), response_record({"text": "x" * 2000}))
    recorder.close()


def test_several_processes_write_to_one_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    path = tmp_path / "old.jsonl"
    writers = [context.Process(target=_record, args=(str(path), start, f"w{number}")) for number in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(120)
        assert each.exitcode == 0
    read = read_recording(path).requests
    assert {each.request.target for each in read} == {f"/w{w}/{n}" for w in range(3) for n in range(200)}


def test_a_recording_is_continued_and_other_files_are_not_touched(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, LINE)
    recorder = Recorder(path)
    recorder.record("/y", "old", request_record("/y"), response_record({}))
    recorder.close()
    assert [each.route for each in read_recording(path).requests] == ["/x", "/y"]
    other = tmp_path / "notes.txt"
    other.write_text("my notes\n")
    with pytest.raises(StartupError, match=r"notes.txt` is not a recording"):
        Recorder(other)
    assert other.read_text() == "my notes\n"
    with pytest.raises(StartupError, match="cannot write the recording"):
        Recorder(tmp_path / "missing" / "old.jsonl")


def changed(*path: str, to: object) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(json.dumps(LINE))
    inner = line
    for step in path[:-1]:
        inner = inner[step]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return line


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is not a recording: line 1 has no `rsgi-recording`"),
        (["no JSON"], "is not a recording: line 1 has no `rsgi-recording`"),
        (["[]"], "is not a recording: line 1 has no `rsgi-recording`"),
        ([LINE], "is not a recording: line 1 has no `rsgi-recording`"),
        ([{"rsgi-recording": 2}], "line 1 of `{}`: the recording has version 2"),
        ([{"rsgi-recording": 1, "redact": 5}], "line 1 of `{}`: `redact` is not a list of names"),
        ([HEADER, LINE, '{"route": '], "line 3 of `{}` is not a recorded request: it is not a JSON object"),
        ([HEADER, "5"], "line 2 of `{}` is not a recorded request: "),
        (
            [HEADER, changed("request", "method", to=None)],
            "line 2 of `{}` is not a recorded request: it has no `method`",
        ),
        ([HEADER, changed("request", "headers", to=[["a"]])], "line 2 of `{}` is not a recorded request: "),
        (
            [HEADER, changed("request", "headers", to=[["a", 5]])],
            "line 2 of `{}` is not a recorded request: 5 is not text",
        ),
        ([HEADER, changed("request", "target", to="x")], "line 2 of `{}` is not a recorded request: the target"),
        (
            [HEADER, changed("response", "status", to="200")],
            'line 2 of `{}` is not a recorded request: "200" is not',
        ),
        ([HEADER, changed("response", "body", to={"base64": "%"})], "line 2 of `{}` is not a recorded request: "),
        ([HEADER, changed("response", "body", to=[])], "line 2 of `{}` is not a recorded request: `body` is not text"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, lines: list[object], message: str) -> None:
    path = written(tmp_path, *lines)
    with pytest.raises(StartupError) as error:
        read_recording(path)
    assert message.replace("{}", str(path)) in error.value.message
    assert error.value.hint


def test_files_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="No such file"):
        read_recording(tmp_path / "missing")
    (tmp_path / "latin").write_bytes(b'{"rsgi-recording": 1}\n\xff\n')
    with pytest.raises(StartupError, match="it is not UTF-8"):
        read_recording(tmp_path / "latin")
