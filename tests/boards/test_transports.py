"""Every transport carries bytes in order and gives up on time; the secured ones let nobody else in."""

import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from boards.link import Endpoint, Frame, FrameDecoder, Verb
from boards.security import Security, is_loopback
from boards.transports import LoopbackTransport, PtyTransport, SerialTransport, SocketTransport, connect_tcp
from hil.errors import DeadlineError, InvalidValueError, LinkError, TargetUnavailableError
from hil.testing import TransportTests


class TestSocketPair(TransportTests):
    @contextmanager
    def pair(self):
        near, far = (SocketTransport(end, peer="the other end") for end in socket.socketpair())
        yield near, far
        near.close()
        far.close()


class TestSerialOnAPseudoTerminal(TransportTests):
    @contextmanager
    def pair(self):
        far = PtyTransport()
        near = SerialTransport(far.path)
        yield near, far
        near.close()
        far.close()


class TestPseudoTerminalUnderSerial(TransportTests):
    @contextmanager
    def pair(self):
        near = PtyTransport()
        far = SerialTransport(near.path)
        yield near, far
        far.close()
        near.close()


@contextmanager
def tcp_pair(*, security=None):
    security = security or Security()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ends = {}

        def accept():
            client, _ = listener.accept()
            ends["far"] = SocketTransport(security.as_server(client, timeout_s=5.0), peer="client")

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        near = connect_tcp(*listener.getsockname()[:2], security=security)
        thread.join(5.0)
    yield near, ends["far"]
    near.close()
    ends["far"].close()


class TestTcp(TransportTests):
    def pair(self):
        return tcp_pair()


class TestTcpWithToken(TransportTests):
    @pytest.fixture(autouse=True)
    def token(self, tmp_path):
        self.security = Security(token_file=tmp_path / "token")
        self.security.token_file.write_text("a shared secret of some length\n")

    def pair(self):
        return tcp_pair(security=self.security)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Make an authority and one certificate that it signed."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)

    for name in ("ca", "stranger"):
        names = ["-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"]
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", *names)
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "node.key"]
    openssl("req", *keys, "-out", "node.csr", "-subj", "/CN=node")
    signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"]
    openssl("x509", "-req", "-in", "node.csr", *signer, "-out", "node.pem")
    return folder


@pytest.mark.tool("openssl")
class TestTcpWithTls(TransportTests):
    @pytest.fixture(autouse=True)
    def files(self, certificates):
        ca, certificate, key = (certificates / name for name in ("ca.pem", "node.pem", "node.key"))
        self.security = Security(ca=ca, certificate=certificate, key=key)

    def pair(self):
        return tcp_pair(security=self.security)

    def test_wire_is_encrypted(self):
        with tcp_pair(security=self.security) as (near, far):
            assert type(near._socket).__name__ == "SSLSocket"
            assert near._socket.version() == "TLSv1.3"
            assert far._socket.getpeercert()["subject"] == ((("commonName", "node"),),)


@contextmanager
def serving(security):
    """Accept one client with the given security and keep the server's verdict."""
    verdict = []

    def accept(listener):
        client, _ = listener.accept()
        try:
            security.as_server(client, timeout_s=5.0)
        except LinkError as error:
            verdict.append(str(error))
        else:
            verdict.append("accepted")
        client.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[:2], verdict
        thread.join(10.0)


def token_file(folder, text):
    path = folder / f"{abs(hash(text))}"
    path.write_text(text)
    return Security(token_file=path)


def test_wrong_token_is_turned_away(tmp_path):
    ours, theirs = token_file(tmp_path, "the right secret of ours"), token_file(tmp_path, "a guess at that secret")
    with serving(ours) as (address, verdict), pytest.raises(LinkError, match="does not accept us"):
        connect_tcp(*address, security=theirs)
    assert verdict == ["the client does not know the token"]


def test_server_that_does_not_know_the_token_is_left(tmp_path):
    ours = token_file(tmp_path, "the right secret of ours")

    def pretend(listener):
        client, _ = listener.accept()
        with client:
            client.sendall(b"HIL-TOKEN 1 " + b"00" * 32 + b"\n")
            client.recv(1000)
            client.sendall(b"00" * 32 + b"\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=pretend, args=(listener,), daemon=True)
        thread.start()
        with pytest.raises(LinkError, match="server does not know the token"):
            connect_tcp(*listener.getsockname()[:2], security=ours)
        thread.join(5.0)


def test_server_that_asks_for_no_token_is_left(tmp_path):
    ours = token_file(tmp_path, "the right secret of ours")
    with serving(Security()) as (address, _), pytest.raises(LinkError):
        connect_tcp(*address, security=ours)


@pytest.mark.tool("openssl")
def test_certificate_of_a_stranger_is_turned_away(certificates):
    ca, node, key = (certificates / name for name in ("ca.pem", "node.pem", "node.key"))
    theirs = Security(ca=ca, certificate=certificates / "stranger.pem", key=certificates / "stranger.key")
    ours = Security(ca=ca, certificate=node, key=key)
    with serving(ours) as (address, verdict):
        transport = connect_tcp(*address, security=theirs)  # in TLS 1.3 the server's verdict comes after the client's
        with pytest.raises(TargetUnavailableError):
            transport.read(1, timeout_s=5.0)
        transport.close()
    assert "mutual TLS failed" in verdict[0]


def test_half_a_security_is_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="only some are given"):
        Security(ca=tmp_path / "ca.pem")
    with pytest.raises(InvalidValueError, match="not both"):
        Security(*[tmp_path / name for name in ("token", "ca", "certificate", "key")])


def test_client_that_drips_its_proof_does_not_hold_the_server(tmp_path):
    token = tmp_path / "token"
    token.write_text("a token that is long enough")
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip():
        while not over.wait(0.05):
            with suppress(OSError):
                theirs.send(b"0")

    dripping = threading.Thread(target=drip)
    dripping.start()
    started = time.monotonic()
    with ours, theirs:
        with pytest.raises(LinkError, match=r"within 0\.3 s|went silent"):
            Security(token_file=token).as_server(ours, timeout_s=0.3)
        over.set()
        dripping.join(timeout=5.0)
    assert time.monotonic() - started < 2.0


def test_short_token_is_refused(tmp_path):
    with pytest.raises(InvalidValueError, match="at least 16 characters"):
        token_file(tmp_path, "short").check()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("", False),
        ("127.example.org", False),
    ],
)
def test_only_this_machines_own_addresses_are_loopback(host, expected):
    assert is_loopback(host) == expected


def test_nobody_listening_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()[:2]
    with pytest.raises(TargetUnavailableError, match="no board answers"):
        connect_tcp(*address)


def test_missing_port_is_unavailable():
    with pytest.raises(TargetUnavailableError, match="cannot be opened"):
        SerialTransport("/dev/no-such-port")


def test_closed_peer_is_unavailable():
    near, far = socket.socketpair()
    far.close()
    transport = SocketTransport(near, peer="nobody")
    with pytest.raises(TargetUnavailableError, match="closed the connection"):
        transport.read(1, timeout_s=1.0)
    transport.close()


def test_peer_that_reads_nothing_meets_the_deadline():
    near, far = socket.socketpair()
    transport = SocketTransport(near, peer="a wall")
    with pytest.raises(DeadlineError, match="did not take"):
        transport.write(bytes(10_000_000), timeout_s=0.05)
    transport.close()
    far.close()


def test_loopback_answers_at_once_and_is_silent_at_once():
    transport = LoopbackTransport(Endpoint({Verb.HELLO: lambda _: b"me"}))
    transport.write(Frame(Verb.HELLO, 0, 1).encode(), timeout_s=1.0)
    first = transport.read(1, timeout_s=1.0)
    assert FrameDecoder().feed(first + transport.read(100, timeout_s=1.0))[0].payload == b"me"
    with pytest.raises(DeadlineError):
        transport.read(1, timeout_s=1.0)
    transport.close()
    transport.close()
    with pytest.raises(TargetUnavailableError):
        transport.read(1, timeout_s=1.0)


def test_raw_socket_url_reaches_a_tcp_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = SerialTransport("socket://{}:{}".format(*listener.getsockname()[:2]))
        far, _ = listener.accept()
        near.write(b"ping", timeout_s=1.0)
        assert far.recv(4) == b"ping"
        far.sendall(b"pong")
        received = b""
        while len(received) < 4:
            received += near.read(4 - len(received), timeout_s=1.0)
        assert received == b"pong"
        near.close()
        far.close()


def serve_rfc2217(listener, port, stop):
    """Answer one RFC 2217 client with pyserial's own server side, over an in-memory port."""
    from serial.rfc2217 import PortManager

    client, _ = listener.accept()
    client.settimeout(0.02)

    class Connection:
        def write(self, data):
            client.sendall(data)

    manager = PortManager(port, Connection())
    while not stop.is_set():
        if port.in_waiting:
            client.sendall(b"".join(manager.escape(port.read(port.in_waiting))))
        try:
            data = client.recv(1024)
        except TimeoutError:
            continue
        if not data:
            break
        port.write(b"".join(manager.filter(data)))
    client.close()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's
def test_rfc2217_url_reaches_a_port_behind_a_server():
    import serial

    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = serial.serial_for_url("loop://", timeout=0)
        thread = threading.Thread(target=serve_rfc2217, args=(listener, port, stop), daemon=True)
        thread.start()
        near = SerialTransport("rfc2217://{}:{}".format(*listener.getsockname()[:2]))
        message = bytes(range(256))
        near.write(message, timeout_s=5.0)
        received = b""
        while len(received) < len(message):
            received += near.read(len(message), timeout_s=5.0)
        assert received == message
        near.close()
        stop.set()
        thread.join(5.0)
        port.close()
