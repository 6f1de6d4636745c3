"""A real forge for tests: pagure, as Debian 13 ships it, in a folder of its own on this machine, on loopback.

    python -m tools.pagure FOLDER PORT       (as root; needs debootstrap and a Debian mirror the first time, about 700 MB)

It makes FOLDER/root once, begins with an empty forge each time, prints one JSON line with its URL and the tokens of its users
(agent, reviewer, stranger), and goes on until its input ends. Used by `make e2e-forge`, never by `make test`.

Two things of this pagure do not fit what Debian ships beside it, and are mended from outside: header values that are bytes,
and repositories whose HEAD names no branch (merges fail then).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PACKAGES = ("pagure", "redis-server", "git", "python3-redis")
SETTINGS = """
SECRET_KEY = SALT_EMAIL = "of a forge that lives for one test on loopback"
DB_URL = "sqlite:////srv/pagure/db.sqlite"
APP_URL = GIT_URL_GIT = "{url}/"
GIT_URL_SSH = ""
GIT_FOLDER = "/srv/pagure/repositories"
REMOTE_GIT_FOLDER = "/srv/pagure/remotes"
ATTACHMENTS_FOLDER = "/srv/pagure/attachments"
UPLOAD_FOLDER_PATH = "/srv/pagure/releases"
ARCHIVE_FOLDER = "/srv/pagure/archives"
TICKETS_FOLDER = DOCS_FOLDER = REQUESTS_FOLDER = None
GIT_AUTH_BACKEND = "pagure"
PAGURE_AUTH = "local"
ALLOW_HTTP_PULL_PUSH = ALLOW_HTTP_PUSH = True
HTTP_REPO_ACCESS_GITOLITE = None
EMAIL_SEND = ENABLE_DOCS = ENABLE_TICKETS = SESSION_COOKIE_SECURE = FEDMSG_NOTIFICATIONS = False
REDIS_HOST, REDIS_PORT, REDIS_DB = "127.0.0.1", {redis}, 0
BROKER_URL = "redis://127.0.0.1:{redis}/0"
"""
BEGIN = """
import datetime, json, os
for name in ("repositories", "remotes", "attachments", "releases", "archives"):
    os.makedirs(f"/srv/pagure/{name}")
import pagure.config
config = pagure.config.reload_config()
import pagure.lib.login as login
import pagure.lib.model as model
import pagure.lib.query as query
model.create_tables(config["DB_URL"], None, acls=config["ACLS"])
session = query.create_session(config["DB_URL"])
until = datetime.date.today() + datetime.timedelta(days=7)
found = {}
for name in ("agent", "reviewer", "stranger"):
    password = login.generate_hashed_value("loopback-only")
    session.add(model.User(user=name, fullname=name, password=password, default_email=f"{name}@example.org", token=None))
    session.commit()
    query.add_token_to_user(session, None, list(config["ACLS"]), username=name, expiration_date=until)
    session.commit()
    session.expire_all()
    found[name] = session.query(model.User).filter_by(user=name).first().tokens[-1].id
print(json.dumps(found))
"""
WEB = """
import sys
import flask
from pagure.flask_app import create_app
app = create_app()
class Text(app.response_class):
    def __init__(self, *arguments, headers=None, **given):
        if isinstance(headers, dict):
            headers = {key: value.decode() if isinstance(value, bytes) else value for key, value in headers.items()}
        super().__init__(*arguments, headers=headers, **given)
flask.Response = Text
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True)
"""


def make_root(root: Path) -> None:
    """The Debian that it runs in, made once."""
    if (root / "made").exists():
        return
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    print("making a Debian for pagure (once)", file=sys.stderr, flush=True)
    _quiet(["debootstrap", "--variant=minbase", "trixie", str(root), MIRROR])
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _quiet(["chroot", str(root), "apt-get", "update", "-q"], env)
    _quiet(["chroot", str(root), "apt-get", "install", "-q", "-y", "--no-install-recommends", *PACKAGES], env)
    (root / "made").touch()


def _quiet(words: list[str], env: dict[str, str] | None = None) -> None:
    ended = subprocess.run(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if ended.returncode != 0:
        sys.exit(f"{' '.join(words[:3])} failed:\n{ended.stdout.decode(errors='replace')[-2000:]}")


def serve(root: Path, port: int) -> None:
    """Begin anew, say where it is, go on until the input ends."""
    url, place = f"http://127.0.0.1:{port}", root / "srv"
    shutil.rmtree(place / "pagure", ignore_errors=True)
    for name, text in (
        ("settings.cfg", SETTINGS.format(url=url, redis=port + 1)),
        ("begin.py", BEGIN),
        ("web.py", WEB),
    ):
        (place / name).write_text(text, encoding="utf-8")
    inside = ["chroot", str(root), "env", "PAGURE_CONFIG=/srv/settings.cfg", "PYTHONWARNINGS=ignore", "C_FORCE_ROOT=1"]
    log = (root / "tmp" / "log").open("w", encoding="utf-8")
    mounted = subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=False).returncode == 0
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> None:
        started.append(
            subprocess.Popen(
                [*inside, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        )

    try:
        start("redis-server", "--port", str(port + 1), "--save", "", "--bind", "127.0.0.1")
        tokens = subprocess.run([*inside, "python3", "/srv/begin.py"], stdout=subprocess.PIPE, stderr=log, check=True)
        start("celery", "-A", "pagure.lib.tasks", "worker", "--pool=solo", "-n", "one")
        start("python3", "/srv/web.py", str(port))
        _wait_for(f"{url}/api/0/version")
        print(json.dumps({"url": url, "tokens": json.loads(tokens.stdout.splitlines()[-1])}), flush=True)
        sys.stdin.read()
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=20)
        if mounted:
            subprocess.run(["umount", str(root / "proc")], check=False)


def _wait_for(url: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        try:
            with urlopen(url, timeout=5) as answer:
                answer.read()
            return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    sys.exit(f"pagure does not answer at {url}")


if __name__ == "__main__":
    make_root(Path(sys.argv[1]) / "root")
    serve(Path(sys.argv[1]) / "root", int(sys.argv[2]))
