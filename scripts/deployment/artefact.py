"""What is rolled out: an image as an OCI layout, or a zip. Nothing is in it but the function."""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

# Whoever a function works as in its container: nobody in particular.
USER = "65532:65532"
CERTIFICATES = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
]
MOMENT = (2000, 1, 1, 0, 0, 0)


class Made(NamedTuple):
    # The layout and its tag, or the zip.
    archive: str
    # What is in it, taken out of it again.
    root: Path
    # The program in it.
    entry: str
    size: int


def folder(steps, place):
    """Where the artefact is laid: anew each time."""
    target = Path(os.environ["CARGO_TARGET_DIR"], "artefacts", place.function, place.platform)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return target


def image(steps, built, place):
    """An OCI layout of one layer; nothing of the machine it was made on but libraries it needs."""
    target = folder(steps, place)
    root = target / "root"
    entry = f"/questline-{built.function}"
    put(built.program, root, entry, 0o755)
    write(root / "release", place.version)
    trusted = next((path for path in CERTIFICATES if os.path.exists(path)), None)
    if trusted:
        put(trusted, root, CERTIFICATES[0])
    for library in built.libraries:
        # The loader is named by its whole path, all others are looked for where it looks.
        loader = library.name.startswith("ld-linux")
        put(library, root, library if loader else f"/lib/x86_64-linux-gnu/{library.name}", 0o755)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)
    layout = target / "layout"
    tagged = f"{layout}:{place.version}"
    steps.here("umoci", "init", "--layout", layout)
    steps.here("umoci", "new", "--image", tagged)
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    steps.here("umoci", "insert", *rootless, "--image", tagged, root, "/")
    steps.here(
        "umoci", "config", "--image", tagged, "--config.entrypoint", entry, "--config.user", USER,
        "--config.exposedports", "8080/tcp", "--architecture", "amd64", "--os", "linux",
        "--config.env", f"SSL_CERT_FILE={CERTIFICATES[0]}",
        "--config.label", f"org.opencontainers.image.revision={place.version}",
        "--config.label", f"org.opencontainers.image.title={entry[1:]}",
    )  # fmt: skip
    # By another tool than the one that made it.
    told = json.loads(steps.here("skopeo", "inspect", f"oci:{tagged}"))
    manifest = json.loads(steps.here("skopeo", "inspect", "--raw", f"oci:{tagged}", quiet=True))
    size = sum(layer["size"] for layer in manifest["layers"])
    assert told["Labels"]["org.opencontainers.image.revision"] == place.version
    shutil.rmtree(root)
    steps.here("umoci", "unpack", *rootless, "--image", tagged, target / "bundle")
    report(steps, f"image {told['Digest'][:19]} of {built.function}", size, target / "bundle/rootfs")
    return Made(f"oci:{tagged}", target / "bundle" / "rootfs", entry, size)


def zipped(steps, built, place):
    """What Lambda takes: `bootstrap`, its release, and libraries that the system has not."""
    target = folder(steps, place)
    root = target / "root"
    put(built.program, root, "/bootstrap", 0o755)
    write(root / "release", place.version)
    for library in built.libraries:
        put(library, root, f"/lib/{library.name}", 0o755)
    archive = target / f"{built.function}.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            # Of the same files the same zip, whenever it is made.
            entry = zipfile.ZipInfo(str(path.relative_to(root)), MOMENT)
            entry.external_attr = (path.stat().st_mode & 0xFFFF) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(entry, path.read_bytes())
    shutil.rmtree(root)
    steps.here("python3", "-m", "zipfile", "-e", archive, root)
    (root / "bootstrap").chmod(0o755)
    report(steps, f"zip of {built.function}", archive.stat().st_size, root)
    return Made(str(archive), root, "/bootstrap", archive.stat().st_size)


MAKERS = {"gcp": image, "aws": zipped}


def put(source, root, path, mode=0o644):
    target = root / str(path).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def write(path, version):
    path.write_text(f"{version}\n")
    path.chmod(0o644)


def report(steps, what, size, root):
    laid = sum(path.lstat().st_size for path in root.rglob("*") if not path.is_symlink())
    steps.say(f"{what}: {size / 1e6:.1f} MB packed, {laid / 1e6:.1f} MB laid out")
