"""A stand-in for the server of Weights & Biases, as far as its client asks: which runs there are, and their history."""

import gzip
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROJECT = {"id": "project", "name": "memagents", "entity": {"id": "entity", "name": "somebody"}}
ARTIFACT = {"id": "artifact", "state": "COMMITTED"}


class WandbServer(ThreadingHTTPServer):
    """Keeps what it is sent. Used as a context, which ends it.

    Attributes:
        history: the rows of each run, by its id, in the order in which they stand.
        summary: the last values of each run, by its id.
        runs: what each run said of itself, by its id.
        artifacts: what was announced, which it says it has already, so that nothing is uploaded.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.history: dict[str, list[dict[str, Any]]] = {}
        self.summary: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.artifacts: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a client talk to this server."""
        return {"WANDB_BASE_URL": f"http://127.0.0.1:{self.server_port}", "WANDB_API_KEY": "0" * 40}

    def take(self, run: str, files: dict[str, Any]) -> None:
        """Puts lines of the history where they are to stand."""
        if chunk := files.get("wandb-history.jsonl"):
            self.history[run][chunk["offset"] :] = map(json.loads, chunk["content"])
        if chunk := files.get("wandb-summary.json"):
            self.summary[run] = json.loads(chunk["content"][-1])

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Answers a GraphQL query."""
        operation, run = re.findall(r"(?:query|mutation)\s+(\w+)", query)[:1], str(variables.get("name"))
        if operation == ["UpsertBucket"]:
            self.runs.setdefault(run, variables)
            return {"upsertBucket": {"bucket": self.describe(run), "inserted": run not in self.history}}
        if operation == ["RunResumeStatus"]:
            return {"model": PROJECT | {"bucket": self.describe(run) if run in self.history else None}}
        if operation == ["CreateRunFiles"]:
            return {"createRunFiles": {"runID": run, "uploadHeaders": [], "files": []}}
        if operation == ["ArtifactType"]:
            return {"project": {"artifact": None}}
        if operation == ["CreateArtifact"]:
            self.artifacts.append(variables["input"])
            return {"createArtifact": {"artifact": ARTIFACT | {"artifactSequence": {"latestArtifact": ARTIFACT}}}}
        return {"viewer": {"id": "user", "entity": "somebody", "username": "somebody", "teams": {"edges": []}}}

    def describe(self, run: str) -> dict[str, Any]:
        """A run, which is there from now on."""
        lines = [json.dumps(row) for row in self.history.setdefault(run, [])]
        known = {"id": run, "name": run, "displayName": run, "project": PROJECT, "config": "{}", "tags": []}
        counts = {"historyLineCount": len(lines), "eventsLineCount": 0, "logLineCount": 0}
        tails = {"historyTail": json.dumps(lines[-1:]), "eventsTail": "[]", "summaryMetrics": (lines or ["{}"])[-1]}
        return known | counts | tails | {"wandbConfig": json.dumps({"t": 1})}


class Handler(BaseHTTPRequestHandler):
    server: WandbServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        contents = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if contents.startswith(b"\x1f\x8b"):
            contents = gzip.decompress(contents)
        answer: dict[str, Any] = {}
        if self.path.endswith("/file_stream"):
            self.server.take(self.path.split("/")[-2], json.loads(contents).get("files") or {})
        elif self.path.endswith("/graphql"):
            asked = json.loads(contents)
            answer = {"data": self.server.answer(asked["query"], asked.get("variables") or {})}
        self.reply(answer)

    def do_GET(self) -> None:
        self.reply({})

    def do_PUT(self) -> None:
        self.reply({})

    def reply(self, answer: dict[str, Any]) -> None:
        contents = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents)
