"""The widget's files, and what its public key may do."""

import base64
import gzip
import hashlib
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from perfectlook.errors import UsageError
from perfectlook.service.security import new_key
from perfectlook.service.settings import Settings
from perfectlook.service.widget import FILE, widget_router
from serving import Running, Store, running

CHAIR = {"product": "p", "category": "A", "rank": 1}


@pytest.fixture(scope="module")
def keyed(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, httpx.Client]]:
    """A server that requires keys, and a client with a public one."""
    folder = tmp_path_factory.mktemp("public")
    key, line = new_key("pages", public=True)
    settings = {"keyed_reading": True, "allow_private": True, "photo_hosts": ("localhost",)}
    with running(store, folder, **settings) as found:
        with (folder / "keys").open("a") as file:
            file.write(line + "\n")
        with httpx.Client(base_url=found.url, headers={"Authorization": f"Bearer {key}"}) as client:
            yield found, client


@pytest.fixture(scope="module")
def pictures(store: Store) -> Iterator[int]:
    """The port of a server of the store's photos. /moved leads to another host."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/")
                self.end_headers()
            else:
                super().do_GET()

    with ThreadingHTTPServer(
        ("localhost", 0), partial(Quiet, directory=str(store.source / "scenes"))
    ) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_widget_has_an_address_that_never_changes(shop: Running):
    about = shop.client.get("/widget.json").json()
    digest = hashlib.sha384(FILE.read_bytes()).digest()
    assert about["integrity"] == f"sha384-{base64.b64encode(digest).decode()}"
    assert about["integrity"] in about["tag"]
    for address, cache in ((about["address"], "immutable"), ("widget.js", "max-age=300")):
        answer = shop.client.get(f"/{address}")
        assert answer.content == FILE.read_bytes()
        assert answer.headers["content-encoding"] == "gzip"  # the client has unpacked it
        assert cache in answer.headers["cache-control"]
        assert answer.headers["access-control-allow-origin"] == "*"
        again = shop.client.get(f"/{address}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    plain = shop.client.get("/widget.js", headers={"Accept-Encoding": "identity"})
    assert (plain.content, plain.headers.get("content-encoding")) == (FILE.read_bytes(), None)
    refused = shop.client.get("/widget-0000000000000000.js")
    assert refused.status_code == 404
    assert about["tag"] in refused.json()["error"]["message"]  # what to use instead


def test_an_address_of_an_earlier_version_stays_if_its_file_is_kept(store: Store, tmp_path: Path):
    old = b"export const version = 1;\n"
    name = f"widget-{hashlib.sha384(old).hexdigest()[:16]}.js"
    kept = tmp_path / "widgets"
    kept.mkdir()
    (kept / name).write_bytes(old)
    (kept / "widget-0123456789abcdef.js").write_bytes(b"changed")
    with running(store, tmp_path, widgets=str(kept)) as shop:
        answer = shop.client.get(f"/{name}")
        assert (answer.content, answer.headers["content-encoding"]) == (old, "gzip")
        assert "immutable" in answer.headers["cache-control"]
        again = shop.client.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert shop.client.get("/widget.js").content == FILE.read_bytes()
        assert shop.client.get("/widget-0123456789abcdef.js").status_code == 404
        address = shop.client.get("/widget.json").json()["address"]
    assert (kept / address).read_bytes() == FILE.read_bytes()  # for the next version


def test_a_folder_of_widgets_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"--widgets .*file: .*Name a folder that can be written"):
        widget_router(kept=tmp_path / "file")


def test_the_widget_stays_small():
    assert len(gzip.compress(FILE.read_bytes(), 9)) < 15_000


def test_a_public_key_reads_and_reports_and_nothing_else(keyed: tuple[Running, httpx.Client]):
    shop, client = keyed
    product = shop.keyed.get("/v1/products?limit=1").json()["products"][0]["id"]
    assert client.post("/v1/complete", json={"product": product}).status_code == 200
    body = {"request_id": "request-1", "events": [{**CHAIR, "event": "shown"}]}
    assert client.post("/v1/feedback", json=body).status_code == 202
    refused = client.delete(f"/v1/products/{product}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "no_scope")


def test_a_public_key_has_the_rate_of_each_address(store: Store, tmp_path: Path):
    public, line = new_key("pages", public=True)
    server, server_line = new_key("server")
    with running(store, tmp_path, rate=0.001, burst=2, trusted_proxies="127.0.0.1") as shop:
        (tmp_path / "keys").write_text(f"{line}\n{server_line}\n")

        def statuses(key: str, *addresses: str) -> list[int]:
            headers = [{"Authorization": f"Bearer {key}", "X-Forwarded-For": each} for each in addresses]
            return [shop.client.get("/v1/categories", headers=each).status_code for each in headers]

        assert statuses(public, "1.1.1.1", "1.1.1.1", "1.1.1.1", "2.2.2.2") == [200, 200, 429, 200]
        assert statuses(server, "3.3.3.3", "4.4.4.4", "5.5.5.5") == [200, 200, 429]


def test_a_public_key_names_photos_of_listed_hosts_only(
    keyed: tuple[Running, httpx.Client], store: Store, pictures: int
):
    shop, client = keyed
    photo = store.photos[0].name

    def asked(by: httpx.Client, url: str) -> httpx.Response:
        return by.post("/v1/complete", json={"url": url, "k": 1})

    assert asked(client, f"http://LOCALHOST:{pictures}/{photo}").status_code == 200
    other = asked(client, f"http://127.0.0.1:{pictures}/{photo}")
    assert other.status_code == 422
    assert other.json()["error"]["message"] == (
        "url: photos from the host '127.0.0.1' are not accepted. Add it to --photo-hosts."
    )
    assert asked(client, f"http://localhost:{pictures}/moved").json()["error"]["code"] == "bad_url"
    assert asked(shop.keyed, f"http://127.0.0.1:{pictures}/{photo}").status_code == 200


def test_without_a_list_callers_without_a_key_name_any_host(store: Store, pictures: int, tmp_path: Path):
    public, line = new_key("pages", public=True)
    with running(store, tmp_path, allow_private=True) as shop:
        (tmp_path / "keys").write_text(line + "\n")
        body = {"url": f"http://localhost:{pictures}/{store.photos[0].name}", "k": 1}
        assert shop.client.post("/v1/complete", json=body).status_code == 200
        key = {"Authorization": f"Bearer {public}"}
        assert shop.client.post("/v1/complete", json=body, headers=key).status_code == 422


def test_a_public_key_has_no_other_scopes():
    with pytest.raises(UsageError, match="--public and --scope exclude each other"):
        new_key("pages", ["write"], public=True)


@pytest.mark.parametrize("origin", ["https://a.example; script-src *", "*", "a.example", "https://a/b"])
def test_only_origins_may_be_frame_ancestors(origin: str):
    with pytest.raises(UsageError, match=r"--frame-ancestors .* expected an origin such as"):
        Settings.of({"model": "m", "catalogue": "c", "frame_ancestors": (origin,)})


def test_other_sites_show_the_page_in_a_frame_if_a_setting_says_so(store: Store, tmp_path: Path):
    allowed = ("https://shop.example", "self")
    with running(store, tmp_path, frame_ancestors=allowed, allow_origin=("https://shop.example",)) as shop:
        page = shop.client.get("/")
        assert page.headers["content-security-policy"].endswith("frame-ancestors https://shop.example 'self'")
        assert "x-frame-options" not in page.headers
        answer = shop.client.get("/v1/categories", headers={"Origin": "https://shop.example"})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
