# needs: urllib3
"""urllib3, unmodified: a pool of ten connections serves fifty tasks, with retries and timeouts."""

from greenrt import monkey

monkey.patch_all()

import urllib3  # noqa: E402
from overlap import all_at_once  # noqa: E402
from servers import slow_http  # noqa: E402

with slow_http() as port:
    url = f"http://127.0.0.1:{port}"
    pool = urllib3.PoolManager(maxsize=10, block=True)
    texts = all_at_once(lambda n: pool.request("GET", f"{url}/{n}").data.decode(), 50)
    assert texts == [f"/{n}" for n in range(50)], texts
    try:
        pool.request("GET", url, timeout=urllib3.Timeout(read=0.05), retries=False)
        raise AssertionError("the timeout did not come")
    except urllib3.exceptions.ReadTimeoutError:
        pass
    try:
        pool.request("GET", url, timeout=urllib3.Timeout(read=0.05), retries=urllib3.Retry(2))
        raise AssertionError("three tries cannot be enough")
    except urllib3.exceptions.MaxRetryError:
        pass
print("pass")
