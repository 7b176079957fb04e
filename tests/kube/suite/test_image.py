"""The image: what is in it, that Docker's build holds the same, and that it runs without Kubernetes."""

import itertools
import json
import os
import re
import stat
import subprocess

import pytest

from ground.image import ARCHIVE, BUILDER, NAME, Image, containerfile
from harness.waiting import until

_numbers = itertools.count(1)
BYTES_MAX = 60 * 1000 * 1000
SHELLS = re.compile(r"(^|/)(sh|bash|dash|ash|zsh|busybox|toybox|env|python3?|perl)$")


@pytest.fixture(scope="module")
def image():
    return Image()


def test_it_holds_both_programs_and_kafkas_names_and_nothing_to_run_besides(image):
    members = image.members()
    programs = {path: member for path, (member, _) in members.items() if path.startswith("usr/local/bin/")}
    binaries = sorted(path.rsplit("/", 1)[1] for path, member in programs.items() if member.isfile())
    assert binaries == ["millrace", "millrace-operator"]
    links = {path.rsplit("/", 1)[1]: member.linkname for path, member in programs.items() if member.issym()}
    for tool in [
        "topics", "console-producer", "console-consumer", "consumer-groups", "configs", "get-offsets", "delete-records",
        "broker-api-versions", "producer-perf-test", "consumer-perf-test",
    ]:  # fmt: skip
        assert links[f"kafka-{tool}"] == links[f"kafka-{tool}.sh"] == "millrace"
    assert not [path for path in members if SHELLS.search(path)]
    loader = re.compile(r"(^|/)(ld-linux[\w.-]*|lib[\w.+-]+\.so[\w.]*)$")
    others = [
        path for path, (member, _) in members.items()
        if member.isfile() and member.mode & stat.S_IXUSR and path not in programs and not loader.search(path)
    ]
    assert not others, "something else can be executed"
    assert members["etc/ssl/certs/ca-certificates.crt"][0].size > 100_000


def test_it_is_small_and_its_user_is_nobody_special(image):
    members = image.members()
    assert sum(member.size for member, _ in members.values()) < BYTES_MAX
    assert ARCHIVE.stat().st_size < BYTES_MAX
    assert image.config["User"] == "1000:1000"
    written = {path: member for path, (member, _) in members.items() if member.uid != 0}
    assert set(written) == {"var/lib/millrace", "var/lib/millrace/data"}, "its user owns its data and nothing else"
    assert not [path for path, (member, _) in members.items() if member.mode & (stat.S_ISUID | stat.S_ISGID)]


def test_it_is_an_oci_layout_and_a_docker_archive(image):
    assert json.loads(image.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert image.wrong_digests() == []
    [manifest] = image.index["manifests"]
    described = json.loads(image.files["blobs/sha256/" + manifest["digest"].split(":")[1]])
    layers = ["blobs/sha256/" + layer["digest"].split(":")[1] for layer in described["layers"]]
    assert layers == image.saved["Layers"]
    assert manifest["annotations"]["io.containerd.image.name"] == NAME


def test_docker_builds_the_same(image, tmp_path):
    stage = containerfile()
    config = image.config
    assert stage["FROM"] == ["scratch"]
    assert stage["USER"] == [config["User"]]
    assert stage["WORKDIR"] == [config["WorkingDir"]]
    assert stage["VOLUME"] == list(config["Volumes"])
    assert stage["ENV"][0].split() == config["Env"]
    assert {f"{port}/tcp" for port in stage["EXPOSE"][0].split()} == set(config["ExposedPorts"])
    assert json.loads(stage["ENTRYPOINT"][0]) == config["Entrypoint"]
    assert json.loads(stage["CMD"][0]) == config["Cmd"]
    root = tmp_path / "root"
    subprocess.run([BUILDER, "--root", root], check=True)
    assert directory(root) == {path: known(member, content) for path, (member, content) in image.members().items()}
    # What Docker copies belongs to root, so the data directory is copied once more with its owner.
    home = stage["WORKDIR"][0]
    assert stage["COPY"] == ["--from=build /root-of-image /", f"--from=build --chown={config['User']} /root-of-image{home} {home}"]


def known(member, content):
    """What is compared of a file: kind, permissions, owner, and content or target."""
    kind = "directory" if member.isdir() else "link" if member.issym() else "file"
    mode = None if kind == "link" else member.mode
    return kind, mode, member.uid if os.geteuid() == 0 else None, member.linkname if kind == "link" else content


def directory(root):
    """The same of what lies in a directory."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        kind = "link" if path.is_symlink() else "directory" if path.is_dir() else "file"
        mode = None if kind == "link" else stat.S_IMODE(status.st_mode)
        content = os.readlink(path) if kind == "link" else path.read_bytes() if kind == "file" else None
        owner = status.st_uid if os.geteuid() == 0 else None
        found[str(path.relative_to(root))] = (kind, mode, owner, content)
    return found


@pytest.fixture
def container(inside, tmp_path_factory):
    """Starts the image as `docker run -d -e KAFKA_... -v DIRECTORY:/var/lib/millrace` does; all are removed."""
    data = tmp_path_factory.mktemp("volume")
    os.chown(data, 1000, 1000)
    assert inside.ctr("image", "import", ARCHIVE).returncode == 0
    names = []

    def start(name, **settings):
        env = [word for key, value in settings.items() for word in ["--env", f"{key}={value}"]]
        mount = f"type=bind,src={data},dst=/var/lib/millrace,options=rbind:rw"
        done = inside.ctr("run", "--detach", "--net-host", "--read-only", *env, "--mount", mount, NAME, name)
        names.append(name)
        assert done.returncode == 0, done.stderr
        return name

    yield start
    for name in names:
        inside.ctr("task", "kill", "--signal", "SIGKILL", name)
        inside.ctr("task", "rm", "--force", name)
        inside.ctr("container", "rm", name)


def execute(cluster, name, *argv):
    """`docker exec NAME COMMAND...`"""
    done = cluster.ctr("task", "exec", "--exec-id", f"e{next(_numbers)}", name, *argv)
    return done.returncode, done.stdout + done.stderr


def test_it_runs_with_kafkas_environment_and_keeps_its_volume(inside, container):
    settings = {
        "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:19092", "KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://127.0.0.1:19092",
        "KAFKA_NUM_PARTITIONS": 3, "KAFKA_HTTP_LISTEN": "127.0.0.1:19644",
    }
    at = ["--bootstrap-server", "127.0.0.1:19092"]
    first = container("first", **settings)
    until("the broker answers", lambda: execute(inside, first, "kafka-topics", *at, "--list")[0] == 0)
    assert execute(inside, first, "kafka-topics.sh", *at, "--create", "--topic", "orders")[0] == 0
    code, described = execute(inside, first, "kafka-topics", *at, "--describe", "--topic", "orders")
    assert code == 0 and "PartitionCount: 3" in described, described
    code, said = execute(inside, first, "kafka-producer-perf-test", "--topic", "orders", "--num-records", "100",
                         "--record-size", "10", "--throughput", "-1", "--producer-props", "bootstrap.servers=127.0.0.1:19092")
    assert code == 0, said
    # No shell, and no write outside of the volume.
    assert execute(inside, first, "sh", "-c", "true")[0] != 0

    assert inside.ctr("task", "kill", "--signal", "SIGTERM", first).returncode == 0
    stopped = lambda: "STOPPED" in inside.ctr("task", "ls").stdout
    until("the broker stops by itself", stopped, 20)
    second = container("second", **settings)
    until("the broker answers", lambda: execute(inside, second, "kafka-topics", *at, "--list")[0] == 0)
    code, offsets = execute(inside, second, "kafka-get-offsets", *at, "--topic", "orders")
    assert code == 0 and sum(int(line.rsplit(":", 1)[1]) for line in offsets.split()) == 100, offsets
