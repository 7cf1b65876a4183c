"""eventlet.support.greendns: names of hosts."""

from __future__ import annotations

import os
import socket
import tempfile
from importlib.util import find_spec
from typing import Any

from compat.apart import Skip, apart

HOSTS = """
# a comment
127.0.0.1  localhost
192.0.2.1  host.example host  short  # who it is
192.0.2.2  host.example
2001:db8::1 host.example
nonsense   other.example
"""


def dnspython() -> None:
    if find_spec("dns") is None:
        raise Skip("dnspython is not installed")


def hosts_file() -> str:
    handle, path = tempfile.mkstemp()
    with open(handle, "w") as file:
        file.write(HOSTS)
    return path


@apart
def test_addresses_are_known_from_names() -> None:
    from eventlet.support import greendns

    for text, four, six in (
        ("1.2.3.4", True, False),
        (b"1.2.3.4", True, False),
        ("1.2.3", False, False),
        ("::1", False, True),
        ("fe80::1%eth0", False, True),
        ("host", False, False),
        ("", False, False),
    ):
        assert greendns.is_ipv4_addr(text) is four, text
        assert greendns.is_ipv6_addr(text) is six, text
        assert greendns.is_ip_addr(text) is (four or six), text


@apart
def test_the_functions_of_socket_let_others_run() -> None:
    import eventlet
    from eventlet.support import greendns

    ran: list[int] = []
    eventlet.spawn_n(ran.append, 1)
    # An answer that is there at once is taken at once.
    for _ in range(1000):
        found = greendns.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 80)
        if ran:
            break
    assert ran == [1]
    assert greendns.gethostbyname("127.0.0.1") == "127.0.0.1"
    assert greendns.gethostbyname_ex("127.0.0.1")[2] == ["127.0.0.1"]
    assert greendns.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == ("127.0.0.1", "80")
    try:
        greendns.getaddrinfo("nothing.invalid", 80)
    except socket.gaierror:
        return
    raise AssertionError("it was found")


@apart
def test_importing_reads_no_resolv_conf() -> None:
    dnspython()
    from eventlet.support import greendns

    proxy = greendns.ResolverProxy(None, filename="/nowhere/resolv.conf")
    proxy.clear()
    greendns.reset()


@apart
def test_a_hosts_file() -> None:
    dnspython()
    import dns.rdatatype
    import dns.resolver
    from eventlet.support import greendns

    path = hosts_file()
    hosts = greendns.HostsResolver(path, interval=0)
    assert [str(address) for address in hosts.query("host.example")] == ["192.0.2.1"]
    assert [str(address) for address in hosts.query("HOST.example.")] == ["192.0.2.1"]
    assert [str(address) for address in hosts.query("short", dns.rdatatype.A)] == ["192.0.2.1"]
    assert [str(address) for address in hosts.query("host.example", dns.rdatatype.AAAA)] == ["2001:db8::1"]
    assert str(hosts.query("short", dns.rdatatype.CNAME)[0].target) == "host.example."
    assert set(hosts.getaliases("host")) == {"host.example", "short"}
    for name in ("other.example", "nobody"):
        try:
            hosts.query(name)
        except dns.resolver.NoAnswer:
            pass
        else:
            raise AssertionError(name)
        assert hosts.query(name, raise_on_no_answer=False).rrset is None
    with open(path, "a") as file:
        file.write("192.0.2.9 nobody\n")
    assert [str(address) for address in hosts.query("nobody")] == ["192.0.2.9"]
    os.unlink(path)
    assert hosts.query("nobody", raise_on_no_answer=False).rrset is None


@apart
def test_resolve_asks_the_hosts_file_first() -> None:
    dnspython()
    from eventlet.support import greendns

    path = hosts_file()
    proxy = greendns.ResolverProxy(greendns.HostsResolver(path), filename="/nowhere")
    answer: Any = greendns.resolve("host.example", _proxy=proxy)
    assert [str(address) for address in answer] == ["192.0.2.1"]
    answer = greendns.resolve("host.example", socket.AF_INET6, _proxy=proxy)
    assert [str(address) for address in answer] == ["2001:db8::1"]
    assert len(greendns.resolve("nobody", raises=False, use_network=False, _proxy=proxy)) == 0
    for family, number in ((socket.AF_INET, greendns.EAI_NODATA_ERROR.errno), (socket.AF_UNIX, socket.EAI_FAMILY)):
        try:
            greendns.resolve("nobody", family, use_network=False, _proxy=proxy)
        except socket.gaierror as error:
            assert error.errno == number
        else:
            raise AssertionError(family)
    os.unlink(path)


@apart
def test_resolve_asks_a_name_server_of_the_same_process() -> None:
    dnspython()
    import dns.flags
    import dns.message
    import dns.resolver
    import dns.rrset
    import eventlet
    from eventlet.support import greendns

    records = {("far.example.", "A"): "192.0.2.7", ("alias.example.", "CNAME"): "far.example."}
    server = eventlet.green.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            data, address = server.recvfrom(4096)
            question = dns.message.from_wire(data)
            reply = dns.message.make_response(question)
            asked = question.question[0]
            found = records.get((str(asked.name).lower(), dns.rdatatype.to_text(asked.rdtype)))
            if found:
                reply.answer.append(dns.rrset.from_text(asked.name, 60, asked.rdclass, asked.rdtype, found))
            elif not any(str(asked.name).lower() == name for name, _ in records):
                reply.set_rcode(3)
            server.sendto(reply.to_wire(), address)

    thread = eventlet.spawn(answer)
    before = greendns.resolver
    proxy = greendns.ResolverProxy()
    made = dns.resolver.Resolver(configure=False)
    made.nameservers, made.port = ["127.0.0.1"], server.getsockname()[1]
    made.lifetime = 10
    proxy._resolver = made
    greendns.resolver = proxy
    try:
        assert [str(address) for address in greendns.resolve("far.example")] == ["192.0.2.7"]
        assert greendns.resolve_cname("alias.example") == "far.example"
        assert greendns.resolve_cname("far.example") == "far.example"
        assert greendns.getaliases("alias.example") == ["far.example"]
        try:
            greendns.resolve("nobody.example")
        except socket.gaierror as error:
            assert error.errno == socket.EAI_NONAME
        else:
            raise AssertionError("it was found")
        query = dns.message.make_query("far.example", "A")
        assert greendns.udp(query, "127.0.0.1", 60, server.getsockname()[1]).answer[0][0].address == "192.0.2.7"
    finally:
        greendns.resolver = before
        thread.kill()
        server.close()


@apart
def test_whatever_goes_wrong_with_records_is_a_gaierror() -> None:
    dnspython()
    import dns.exception
    from eventlet.support import greendns

    class Broken:
        def query(self, *args: Any, **kwargs: Any) -> Any:
            raise dns.exception.DNSException("something else")

    greendns.resolver = Broken()
    for ask in (greendns.resolve, greendns.resolve_cname):
        try:
            ask("host.example")
        except socket.gaierror as error:
            assert error.errno == socket.EAI_NODATA
        else:
            raise AssertionError("it was answered")
