# needs: requests
"""requests, unmodified: fifty slow requests overlap, sessions keep their connections, timeouts end a call."""

from greenrt import monkey

monkey.patch_all()

import requests  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import slow_http  # noqa: E402

with slow_http() as port:
    # By number: names are looked up on OS threads of the pool, which are not what is counted.
    url = f"http://127.0.0.1:{port}"
    texts = all_at_once(lambda n: requests.get(f"{url}/{n}", timeout=60).text, 50)
    assert texts == [f"/{n}" for n in range(50)], texts
    assert requests.get(f"http://localhost:{port}/by-name", timeout=60).text == "/by-name"
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=50))
    posted = all_at_once(lambda n: session.post(url, data=f"body {n}", timeout=60).text, 50)
    assert posted == [f"body {n}" for n in range(50)]
    try:
        session.get(url, timeout=0.05)
        raise AssertionError("the timeout did not come")
    except requests.exceptions.ReadTimeout:
        pass
    assert session.get(f"{url}/again", timeout=60).text == "/again"
try:
    requests.get(url, timeout=5)
    raise AssertionError("nobody listens there")
except requests.exceptions.ConnectionError:
    pass
print("pass")
