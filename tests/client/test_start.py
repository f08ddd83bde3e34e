"""The package is imported without the dependencies of the clients."""

import subprocess
import sys


def test_the_clients_are_imported_on_first_use():
    code = (
        "import sys, perfectlook\n"
        "heavy = {'httpx', 'pydantic', 'numpy'}\n"
        "assert not heavy & set(sys.modules)\n"
        "from perfectlook import AsyncClient, Client\n"
        "assert 'httpx' in sys.modules and 'onnxruntime' not in sys.modules\n"
        "assert not hasattr(perfectlook, 'Server')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
