"""The page's files: which there are, what goes with them, who gets them, and what isn't in them."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

import vespa_client
from vespa_client import VastClient
from vespa_client.sandbox import Sandbox
from vespa_client.server.pages.assets import PAGE, asset_names

from ...support.raw_worker import connect, get
from ...support.waiting import LONG

StartProxy = Callable[..., VastClient]

KEY = "a-key-of-the-proxy"
WEB = Path(vespa_client.__file__).parent / "server" / "pages" / "web"
FILES = sorted(asset_names())


def page(client: VastClient, name: str = "") -> requests.Response:
    return requests.get(f"{client.url}/_vespa/{name}", timeout=LONG, allow_redirects=False)


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("", "text/html"), ("page.html", "text/html"), ("style/page.css", "text/css"), ("page.js", "text/javascript")],
)
def test_each_has_its_type_and_a_strict_policy(name: str, content_type: str, proxy: VastClient, sandbox: Sandbox) -> None:
    answer = page(proxy, name)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"{content_type}; charset=utf-8")
    assert answer.content == (WEB / (name or PAGE)).read_bytes()
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    assert policy.pop("frame-ancestors") == policy.pop("trusted-types") == "'none'"
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy.values()) == {"'self'"}
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert not sandbox.autoscaler.routes


def test_without_the_slash_it_leads_there(proxy: VastClient) -> None:
    answer = requests.get(f"{proxy.url}/_vespa", timeout=LONG, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/_vespa/")


def test_a_browser_that_goes_there_is_given_rights(proxy: VastClient) -> None:
    """What a worker's page is not."""
    fields = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
    policy = requests.get(f"{proxy.url}/_vespa/", headers=fields, timeout=LONG).headers["Content-Security-Policy"]
    assert "sandbox" not in policy and "script-src 'self'" in policy


def test_nothing_but_these_files_is_open_where_a_key_is_asked_for(start_proxy: StartProxy) -> None:
    client = start_proxy(proxy_key=KEY)
    for name in ("", *FILES):
        assert page(client, name).status_code == 200
        assert KEY not in page(client, name).text
    for name in ("status", "events", "fleet", "nothing", "page.html/x", "PAGE.HTML"):
        assert page(client, name).status_code == 401
    assert requests.post(f"{client.url}/_vespa/", timeout=LONG).status_code == 401
    assert requests.post(f"{client.url}/_vespa/exchanges/1/cancel", timeout=LONG).status_code == 401


@pytest.mark.parametrize(
    "path", ["../assets.py", "%2e%2e/assets.py", "web/page.html", "..%2fassets.py", "assets.py", "page.html%00"]
)
def test_no_path_leads_to_another_file(path: str, proxy: VastClient) -> None:
    with connect(proxy.url) as client:
        client.send(get(f"/_vespa/{path}"))
        assert client.message().status in (400, 404)


def test_strangers_are_refused(proxy: VastClient) -> None:
    for fields in ({"Host": "elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert requests.get(f"{proxy.url}/_vespa/", headers=fields, timeout=LONG).status_code in (403, 421)


@pytest.mark.parametrize("name", FILES)
def test_nothing_comes_from_elsewhere_and_nothing_is_inline(name: str) -> None:
    text = (WEB / name).read_text("utf-8")
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not addresses
    if name.endswith((".html", ".svg")):
        assert not re.search(r"""\s(on[a-z]+|style)\s*=|<style|<script(?![^>]*\ssrc=)|javascript:""", text)
    if name.endswith(".css"):
        # Who wants no motion has none, as nobody has.
        assert not re.search(r"animation|transition|@keyframes|\bscroll-behavior", text)
    if name.endswith(".js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc", text)


def test_each_is_used_and_is_part_of_the_package() -> None:
    used = {PAGE}
    for name in FILES:
        text = (WEB / name).read_text("utf-8")
        for found in re.findall(r"[\"']([./a-z_]+\.(?:js|css|svg))[\"']", text):
            used.add((WEB / name).parent.joinpath(found).resolve().relative_to(WEB).as_posix())
    assert used == set(FILES) == {path.relative_to(WEB).as_posix() for path in WEB.rglob("*") if path.is_file()}
    config = configparser.ConfigParser()
    config.read(WEB.parents[3] / "setup.cfg", "utf-8")
    patterns = config["options.package_data"]["vespa_client.server.pages"].split(", ")
    packed = {path for pattern in patterns for path in WEB.parent.glob(pattern) if path.is_file()}
    assert packed == {WEB / name for name in FILES}


def test_files_and_folders_are_small() -> None:
    """As those in Python: a file that grows past the limit is asked which second noun it hides."""
    folders = [folder for folder in (WEB, *WEB.iterdir()) if folder.is_dir()]
    assert max(len(list(folder.iterdir())) for folder in folders) <= 12
    assert {name: lines for name in FILES if (lines := len((WEB / name).read_text("utf-8").splitlines())) > 400} == {}


def test_what_the_page_reads_is_there(proxy: VastClient) -> None:
    """A field that the status no longer has would be an empty place on the page."""
    status = requests.get(f"{proxy.url}/_vespa/status", timeout=LONG).json()
    scripts = "".join((WEB / name).read_text("utf-8") for name in FILES if name.endswith(".js"))
    for part in ("proxy", "endpoint", "totals"):
        used = set(re.findall(rf"\b{part}\.([a-z_]+)\b", scripts))
        assert used and used <= set(status[part]), part
