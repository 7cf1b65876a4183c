# needs: httpx
"""httpx's synchronous client, unmodified: one client for fifty tasks, and its timeouts."""

from greenrt import monkey

monkey.patch_all()

import httpx  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import slow_http  # noqa: E402

with slow_http() as port:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
        texts = all_at_once(lambda n: client.get(f"/{n}").text, 50)
        assert texts == [f"/{n}" for n in range(50)], texts
        try:
            client.get("/", timeout=0.05)
            raise AssertionError("the timeout did not come")
        except httpx.ReadTimeout:
            pass
        assert client.post("/", content=b"again").text == "again"
print("pass")
