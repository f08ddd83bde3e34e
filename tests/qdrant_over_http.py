"""The in-memory Qdrant of the official client behind Qdrant's HTTP interface, as far as the store uses it.

Tests use it to check the requests on the network: the official models of requests parse them.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from qdrant_client import QdrantClient
from qdrant_client.http import models
from qdrant_client.http.models import models as requests


class Refusal(Exception):  # noqa: N818
    """An error status instead of an answer."""


@contextmanager
def served(version: str = "1.16.0", answer: Callable[[str], Any] | None = None) -> Iterator[str]:
    """Serve an empty Qdrant and yield its URL. `answer` gets each path and may raise `Refusal`."""
    client, turn = QdrantClient(":memory:"), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def reply(self) -> None:
            path = unquote(self.path.partition("?")[0])
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                if answer:
                    answer(path)
                with turn:
                    code, result = 200, _result(client, self.command, path, json.loads(body or b"{}"))
            except Refusal as error:
                code, result = int(str(error)), None
            except ValueError as error:
                code, result = 404, str(error)
            document = {"title": "qdrant", "version": version} if path == "/" else {"result": result}
            if code != 200:
                document = {"status": {"error": str(result)}, "time": 0}
            text = json.dumps(document | ({"status": "ok", "time": 0} if code == 200 else {})).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = reply  # noqa: N815

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that disconnect before their answer."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        client.close()


def _result(client: QdrantClient, method: str, path: str, body: dict[str, Any]) -> Any:
    if path == "/":
        return None
    _, _, name, *rest = [*path.split("/"), "", ""][:6]
    what = f"{method} {'/'.join(part for part in rest if part)}".strip()
    found = _DO[what if name else "LIST"](client, name, body)
    return _plain(found)


def _plain(found: Any) -> Any:
    if isinstance(found, list):
        return [_plain(each) for each in found]
    return json.loads(found.model_dump_json()) if hasattr(found, "model_dump_json") else found


def _create(client: QdrantClient, name: str, body: dict[str, Any]) -> bool:
    asked = requests.CreateCollection.model_validate(body)
    assert asked.vectors is not None
    return client.create_collection(name, asked.vectors, metadata=asked.metadata)


def _index(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    requests.CreateFieldIndex.model_validate(body)
    return _done()


def _upsert(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    asked = requests.PointsList.model_validate(body)
    return client.upsert(name, asked.points, update_filter=asked.update_filter)


def _retrieve(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    asked = requests.PointRequest.model_validate(body)
    return client.retrieve(name, asked.ids, asked.with_payload, asked.with_vector or False)  # type: ignore[arg-type]


def _delete(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    kind = requests.FilterSelector if "filter" in body else requests.PointIdsList
    return client.delete(name, kind.model_validate(body))


def _batch(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    return client.batch_update_points(name, requests.UpdateOperations.model_validate(body).operations)


def _scroll(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    asked = requests.ScrollRequest.model_validate(body)
    points, offset = client.scroll(
        name, asked.filter, asked.limit or 10, offset=asked.offset, with_vectors=asked.with_vector or False
    )
    return {"points": _plain(points), "next_page_offset": offset}


def _count(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    return client.count(name, requests.CountRequest.model_validate(body).filter)


def _facet(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    asked = requests.FacetRequest.model_validate(body)
    return client.facet(name, asked.key, limit=asked.limit or 10)


def _query(client: QdrantClient, name: str, body: dict[str, Any]) -> Any:
    asked = requests.QueryRequestBatch.model_validate(body)
    assert all(each.params is not None and each.params.exact for each in asked.searches)
    for each in asked.searches:
        each.params = None  # the in-memory Qdrant warns about them
    return client.query_batch_points(name, asked.searches)


def _done() -> models.UpdateResult:
    return models.UpdateResult(operation_id=0, status=models.UpdateStatus.COMPLETED)


_DO: dict[str, Callable[[QdrantClient, str, dict[str, Any]], Any]] = {
    "LIST": lambda client, _, __: client.get_collections(),
    "GET": lambda client, name, _: client.get_collection(name),
    "GET exists": lambda client, name, _: {"exists": client.collection_exists(name)},
    "PUT": _create,
    "DELETE": lambda client, name, _: client.delete_collection(name),
    "PUT index": _index,
    "PUT points": _upsert,
    "POST points": _retrieve,
    "POST points/delete": _delete,
    "POST points/batch": _batch,
    "POST points/scroll": _scroll,
    "POST points/count": _count,
    "POST facet": _facet,
    "POST points/query/batch": _query,
}
