"""The project's image as an archive: what is in it, and what it says of itself."""

import gzip
import hashlib
import io
import json
import tarfile

from harness.places import REPOSITORY

ARCHIVE = REPOSITORY / "target" / "image" / "millrace.tar"
BUILDER = REPOSITORY / ".ci" / "image"
NAME = "docker.io/library/millrace:0.1.0"


class Image:
    """The archive, read whole."""

    def __init__(self, archive=ARCHIVE):
        with tarfile.open(archive) as tar:
            self.files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
        self.saved = json.loads(self.files["manifest.json"])[0]
        self.index = json.loads(self.files["index.json"])
        self.description = json.loads(self.files[self.saved["Config"]])
        self.config = self.description["config"]

    def members(self):
        """Path -> (member, content) of all layers."""
        found = {}
        for layer in self.saved["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.files[layer]))) as tar:
                for member in tar:
                    found[member.name] = (member, tar.extractfile(member).read() if member.isfile() else None)
        return found

    def wrong_digests(self):
        """The blobs that are not what their names say."""
        named = {name: data for name, data in self.files.items() if name.startswith("blobs/sha256/")}
        return [name for name, data in named.items() if name != f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"]


def containerfile():
    """The last stage of the Containerfile: instruction -> its arguments, continued lines joined."""
    text = (REPOSITORY / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    last = max(at for at, (instruction, _) in enumerate(lines) if instruction == "FROM")
    stage = {}
    for instruction, arguments in lines[last:]:
        stage.setdefault(instruction, []).append(" ".join(arguments.split()))
    return stage
