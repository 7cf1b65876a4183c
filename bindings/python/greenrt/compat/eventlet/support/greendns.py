"""Names of hosts: getaddrinfo() and its kin, and a resolver on dnspython for who wants records.

getaddrinfo(), gethostbyname(), gethostbyname_ex() and getnameinfo() are the C library's, which greenrt asks beside the green threads:
/etc/nsswitch.conf, /etc/hosts and search domains mean what they mean to everybody else, and EVENTLET_NO_GREENDNS makes no difference.
`resolver`, resolve() and getaliases() ask the hosts file and then dnspython; ImportError without it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Optional, Union

from greenrt import monkey

__all__ = [
    "HostsAnswer",
    "HostsResolver",
    "ResolverProxy",
    "getaddrinfo",
    "getaliases",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "is_ip_addr",
    "is_ipv4_addr",
    "is_ipv6_addr",
    "reset",
    "resolve",
    "resolve_cname",
    "resolver",
    "tcp",
    "udp",
]

monkey.patch("socket", "select", "time", "thread")

DNS_QUERY_TIMEOUT = 10.0
HOSTS_TTL = 10.0

EAI_EAGAIN_ERROR = socket.gaierror(socket.EAI_AGAIN, "Lookup timed out")
EAI_NONAME_ERROR = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
EAI_NODATA_ERROR = socket.gaierror(
    getattr(socket, "EAI_NODATA", socket.EAI_NONAME), "No address associated with hostname"
)

getaddrinfo = socket.getaddrinfo
gethostbyname = socket.gethostbyname
gethostbyname_ex = socket.gethostbyname_ex
getnameinfo = socket.getnameinfo

Name = Union[str, bytes, Any]

# What dnspython numbers so.
_A, _CNAME, _AAAA, _IN = 1, 5, 28, 1


def _dns(part: str) -> Any:
    """A module of dnspython."""
    try:
        return import_module(f"dns.{part}")
    except ImportError:
        raise ImportError("this asks for records by dnspython, which is not installed: pip install dnspython") from None


def __getattr__(name: str) -> Any:
    if name == "dns":
        for part in ("resolver", "rdatatype", "reversename", "name", "message", "query"):
            _dns(part)
        return import_module("dns")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _text(host: Name) -> str:
    return host.decode() if isinstance(host, bytes) else str(host)


def is_ipv4_addr(host: Name) -> bool:
    """Is it an IPv4 address?"""
    try:
        ipaddress.IPv4Address(_text(host))
    except ValueError:
        return False
    return True


def is_ipv6_addr(host: Name) -> bool:
    """Is it an IPv6 address, with a zone or without?"""
    try:
        ipaddress.IPv6Address(_text(host).partition("%")[0])
    except ValueError:
        return False
    return True


def is_ip_addr(host: Name) -> bool:
    """Is it an address?"""
    return is_ipv4_addr(host) or is_ipv6_addr(host)


class HostsAnswer:
    """What the hosts file says, in the shape of dnspython's Answer."""

    def __init__(self, qname: Any, rdtype: Any, rdclass: Any, rrset: Any, raise_on_no_answer: bool = True) -> None:
        if rrset is None and raise_on_no_answer:
            raise _dns("resolver").NoAnswer
        self.response = None
        self.qname = self.canonical_name = qname
        self.rdtype = rdtype
        self.rdclass = rdclass
        self.rrset = rrset
        self.expiration = time.time() + getattr(rrset, "ttl", 0)

    def __iter__(self) -> Any:
        return iter(self.rrset or ())

    def __len__(self) -> int:
        return len(self.rrset or ())

    def __getitem__(self, index: Any) -> Any:
        return self.rrset[index]


class HostsResolver:
    """The hosts file, read again when it has changed, `interval` seconds after the last look at the earliest."""

    def __init__(self, fname: Optional[str] = None, interval: float = HOSTS_TTL) -> None:
        self.fname = fname or "/etc/hosts"
        self.interval = interval
        self._v4: dict[str, str] = {}
        self._v6: dict[str, str] = {}
        self._aliases: dict[str, str] = {}
        self._last_stat: Any = None
        self._looked = float("-inf")
        self._load()

    def _readlines(self) -> list[str]:
        """The lines that say something, without comments."""
        try:
            with open(self.fname, encoding="utf-8", errors="replace") as file:
                lines = [line.partition("#")[0].strip() for line in file]
        except OSError:
            return []
        return [line for line in lines if line]

    def _load(self) -> None:
        """Reads the file. The first line that has a name wins."""
        self._v4, self._v6, self._aliases = {}, {}, {}
        for line in self._readlines():
            address, *names = line.split()
            known = self._v4 if is_ipv4_addr(address) else self._v6 if is_ipv6_addr(address) else None
            if known is None or not names:
                continue
            for name in map(str.lower, names):
                known.setdefault(name, address)
            for alias in map(str.lower, names[1:]):
                self._aliases.setdefault(alias, names[0].lower())

    def _look(self) -> None:
        now = time.monotonic()
        if now < self._looked + self.interval:
            return
        self._looked = now
        try:
            facts = os.stat(self.fname)
            stat: Any = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        except OSError:
            stat = None
        if stat != self._last_stat:
            self._last_stat = stat
            self._load()

    def query(
        self,
        qname: Name,
        rdtype: Any = _A,
        rdclass: Any = _IN,
        tcp: bool = False,
        source: Any = None,
        raise_on_no_answer: bool = True,
    ) -> HostsAnswer:
        """A, AAAA or CNAME of a name. dns.resolver.NoAnswer, or an empty answer, when the file has none."""
        self._look()
        kind = _dns("rdatatype").RdataType.make(rdtype)
        name = _dns("name").from_text(_text(qname)) if isinstance(qname, (str, bytes)) else qname
        asked = name.to_text(omit_final_dot=True).lower()
        table = {_A: self._v4, _AAAA: self._v6, _CNAME: self._aliases}.get(int(kind), {})
        found = table.get(asked)
        if found is not None and int(kind) == _CNAME:
            found += "."
        rrset = None
        if found is not None:
            rrset = _dns("rrset").from_text(name, int(HOSTS_TTL), rdclass, kind, found.partition("%")[0])
        return HostsAnswer(name, kind, rdclass, rrset, raise_on_no_answer)

    def getaliases(self, hostname: str) -> list[str]:
        """The other names of the host that has this one."""
        self._look()
        name = hostname.lower()
        proper = self._aliases.get(name, name)
        names = {proper, *(alias for alias, its in self._aliases.items() if its == proper)}
        return sorted(names - {name})


class ResolverProxy:
    """dnspython's resolver, which asks a HostsResolver first. resolv.conf is read when the first question is asked."""

    def __init__(self, hosts_resolver: Optional[HostsResolver] = None, filename: str = "/etc/resolv.conf") -> None:
        self._hosts = hosts_resolver
        self._filename = filename
        self._made: Any = None

    @property
    def _resolver(self) -> Any:
        if self._made is None:
            self._made = _dns("resolver").Resolver(filename=self._filename)
            self._made.cache = _dns("resolver").LRUCache()
        return self._made

    @_resolver.setter
    def _resolver(self, value: Any) -> None:
        self._made = value

    def clear(self) -> None:
        """Begins anew: resolv.conf is read again, and nothing is remembered."""
        self._made = None

    def query(
        self,
        qname: Name,
        rdtype: Any = _A,
        rdclass: Any = _IN,
        tcp: bool = False,
        source: Any = None,
        raise_on_no_answer: bool = True,
        _hosts_rdtypes: Iterable[Any] = (_A, _AAAA),
        use_network: bool = True,
    ) -> Any:
        """Asks the hosts file, then the name servers; a name without dots also as a top-level domain.

        dns.resolver.NoAnswer, NXDOMAIN and their like; dns.exception.Timeout.
        """
        dns_resolver = _dns("resolver")
        if not use_network and self._hosts is None:
            raise dns_resolver.NoAnswer
        kind = _dns("rdatatype").RdataType.make(rdtype)
        name = _dns("name").from_text(_text(qname), None) if isinstance(qname, (str, bytes)) else qname
        if self._hosts is not None and int(kind) in set(map(int, _hosts_rdtypes)):
            root = _dns("name").root
            found = self._hosts.query(
                name if name.is_absolute() else name.concatenate(root), kind, rdclass, False, None, False
            )
            if found.rrset is not None or not use_network:
                return self._answer(found, raise_on_no_answer)
        ask = getattr(self._resolver, "resolve", None) or self._resolver.query
        try:
            return ask(name, kind, rdclass, tcp, source, raise_on_no_answer)
        except (dns_resolver.NoAnswer, dns_resolver.NXDOMAIN):
            if name.is_absolute() or len(name.labels) > 1:
                raise
            return ask(name.concatenate(_dns("name").root), kind, rdclass, tcp, source, raise_on_no_answer)

    @staticmethod
    def _answer(found: HostsAnswer, raise_on_no_answer: bool) -> HostsAnswer:
        if found.rrset is None and raise_on_no_answer:
            raise _dns("resolver").NoAnswer
        return found

    def getaliases(self, hostname: str) -> list[str]:
        """The other names of a host: of the hosts file, and the chain of CNAME records."""
        dns_resolver = _dns("resolver")
        found = list(self._hosts.getaliases(hostname)) if self._hosts is not None else []
        name = hostname
        for _ in range(16):
            try:
                answer = self.query(name, _CNAME, _hosts_rdtypes=(_CNAME,))
            except (dns_resolver.NoAnswer, dns_resolver.NXDOMAIN, dns_resolver.NoNameservers):
                break
            name = str(answer[0].target).rstrip(".")
            if name in found or name == hostname:
                break
            found.append(name)
        return found


resolver = ResolverProxy(hosts_resolver=HostsResolver())


def reset() -> None:
    """Forgets what `resolver` knows."""
    resolver.clear()


def resolve(
    name: Name,
    family: int = socket.AF_INET,
    raises: bool = True,
    _proxy: Any = None,
    use_network: bool = True,
) -> Any:
    """The addresses of a name as an Answer. socket.gaierror as getaddrinfo() has it; with raises=False an empty answer for no answer."""
    kind = {int(socket.AF_INET): _A, int(socket.AF_INET6): _AAAA}.get(family)
    if kind is None:
        raise socket.gaierror(socket.EAI_FAMILY, "Address family not supported")
    dns_resolver, timeout = _dns("resolver"), _dns("exception").Timeout
    try:
        return (_proxy or resolver).query(name, kind, raise_on_no_answer=raises, use_network=use_network)
    except dns_resolver.NXDOMAIN:
        if not raises:
            return HostsAnswer(_dns("name").from_text(_text(name)), kind, _IN, None, False)
        raise socket.gaierror(*EAI_NONAME_ERROR.args) from None
    except dns_resolver.NoAnswer:
        if not raises:
            return HostsAnswer(_dns("name").from_text(_text(name)), kind, _IN, None, False)
        raise socket.gaierror(*EAI_NODATA_ERROR.args) from None
    except (timeout, dns_resolver.NoNameservers):
        raise socket.gaierror(*EAI_EAGAIN_ERROR.args) from None
    except _dns("exception").DNSException:
        raise socket.gaierror(*EAI_NODATA_ERROR.args) from None


def resolve_cname(host: Name) -> Name:
    """The name that a host has in truth; the host itself when it has no CNAME. socket.gaierror."""
    dns_resolver = _dns("resolver")
    try:
        answer = resolver.query(host, _CNAME)
    except dns_resolver.NoAnswer:
        return host
    except (_dns("exception").Timeout, dns_resolver.NoNameservers):
        raise socket.gaierror(*EAI_EAGAIN_ERROR.args) from None
    except dns_resolver.NXDOMAIN:
        raise socket.gaierror(*EAI_NONAME_ERROR.args) from None
    except _dns("exception").DNSException:
        raise socket.gaierror(*EAI_NODATA_ERROR.args) from None
    return str(answer[0].target).rstrip(".")


def getaliases(host: str) -> list[str]:
    """The other names of a host. socket.gaierror when nobody answers."""
    try:
        return resolver.getaliases(host)
    except _dns("exception").Timeout:
        raise socket.gaierror(*EAI_EAGAIN_ERROR.args) from None


def udp(
    q: Any, where: str, timeout: Optional[float] = DNS_QUERY_TIMEOUT, port: int = 53, af: Any = None, **options: Any
) -> Any:
    """dns.query.udp()"""
    return _dns("query").udp(q, where, timeout, port, **options)


def tcp(
    q: Any, where: str, timeout: Optional[float] = DNS_QUERY_TIMEOUT, port: int = 53, af: Any = None, **options: Any
) -> Any:
    """dns.query.tcp()"""
    return _dns("query").tcp(q, where, timeout, port, **options)
