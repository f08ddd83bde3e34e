"""Start the service, and call it with the Python client, as a shop's software does.

    python examples/call_api.py SET MODEL [PHOTO] [--out FOLDER]

The products of the set become the catalogue of the service.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perfectlook import Client
from perfectlook.answers import FeedbackEvent
from perfectlook.catalogue import Catalogue
from perfectlook.errors import ServerError
from perfectlook.model.runtime import Model


def free_port() -> int:
    """Find a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def service(model: Path, catalogue: Path, feedback: Path, *more: str) -> Iterator[str]:
    """Run `perfectlook serve` with more flags, yield its URL when it is ready, and stop it at the end."""
    port = free_port()
    flags = ["--model", model, "--catalogue", catalogue, "--feedback", feedback, "--port", port]
    command = [sys.executable, "-m", "perfectlook", "serve", *map(str, flags), *more]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # discard its log
    url = f"http://127.0.0.1:{port}"
    try:
        with Client(url) as client:
            while True:
                try:
                    client.ready()
                    break
                except ServerError:
                    if process.poll() is not None:
                        raise
                    time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("set", type=Path, help="folder of a set, whose products the shop sells")
    parser.add_argument("model", type=Path, help="folder of a trained model")
    parser.add_argument("photo", type=Path, nargs="?", help="a photo (default: a scene of the set)")
    parser.add_argument("--out", type=Path, default=Path("out/api"), help="folder of the catalogue")
    given = parser.parse_args()
    photo = given.photo or min((given.set / "scenes").iterdir())

    given.out.mkdir(parents=True, exist_ok=True)
    with Catalogue.open(given.out / "catalogue", create=True) as catalogue:
        catalogue.sync(given.set, Model.open(given.model))

    with (
        service(given.model, given.out / "catalogue", given.out / "feedback.sqlite") as url,
        Client(url) as client,
    ):
        print(f"{url} has {client.ready().products} products in {len(client.categories())} categories")

        answer = client.complete(photo, k=3, limit_categories=2)
        for section in answer.categories:
            print(f"  goes with {photo.name}, in {section.category}")
            for product in section.products:
                print(f"    {product.rank}. {product.title or product.id}  {product.distance:.3f}")

        first, category = answer.categories[0].products[0], answer.categories[0].category
        alike = client.similar(id=first.id, k=3)
        print(f"  looks like {first.title or first.id}:", *(each.title or each.id for each in alike.products))
        print(f"  its picture has {len(client.picture(first.id)):,} bytes")

        clicked = FeedbackEvent(product=first.id, category=category, rank=first.rank, event="clicked")
        client.feedback(answer, [clicked])
        print(f"  clicks so far: {sum(each.clicked for each in client.stats().by_category)}")


if __name__ == "__main__":
    main()
