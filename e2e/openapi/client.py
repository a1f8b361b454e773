"""Stores, fetches, lists and deletes with the client that openapi-python-client generates."""

import base64
import io
import os
import sys

from generated import AuthenticatedClient
from generated.api.files import delete_file, get_file, list_files, post_file, put_file
from generated.models import Error, Upload
from generated.types import File

client = AuthenticatedClient(base_url=sys.argv[1], token=os.environ["TOKEN"])
data = bytes(range(256)) * 1000
name = "python ä%"

stored = put_file.sync(name, client=client, body=File(payload=io.BytesIO(data)))
assert stored.size == len(data), stored
encoded = Upload(filename="python json", file=base64.b64encode(data).decode())
assert post_file.sync(client=client, body=encoded).sha256 == stored.sha256

fetched = get_file.sync(name, client=client, accept="application/json")
assert base64.b64decode(fetched.file) == data
raw = get_file.sync_detailed(name, client=client, range_="bytes=0-9")
assert raw.status_code == 206 and raw.content == data[:10], raw

names = [file.filename for file in list_files.sync(client=client, prefix="python").files]
assert names == ["python json", name], names

for stored_name in names:
    assert delete_file.sync_detailed(stored_name, client=client).status_code == 204
gone = get_file.sync(name, client=client)
assert isinstance(gone, Error) and gone.code == 2, gone
print("openapi-python-client: stored, fetched, listed, deleted")
