# needs: paho
# programs: mosquitto
# timeout: 120
"""paho-mqtt against mosquitto: a gateway and five hundred devices, each with a network loop of its own, on one OS thread."""

from greenrt import monkey

monkey.patch_all()

import resource  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

import paho.mqtt.client as mqtt  # noqa: E402
from overlap import os_threads  # noqa: E402
from servers import mosquitto  # noqa: E402

DEVICES, READINGS = 500, 4
# A client has three descriptors here and one at the server, which inherits the limit: more than the 1,024 that a user begins with.
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (4096 if hard == resource.RLIM_INFINITY else min(hard, 4096), hard))


def client(name: str) -> mqtt.Client:
    return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)


with mosquitto() as port:
    heard: "dict[str, list[int]]" = {}
    told: "list[str]" = []
    done, listening = threading.Event(), threading.Event()

    def on_message(gateway: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        device = message.topic.split("/")[1]
        readings = heard.setdefault(device, [])
        readings.append(int(message.payload))
        if len(readings) == READINGS:
            gateway.publish(f"command/{device}", b"enough", qos=1)
            if sum(map(len, heard.values())) == DEVICES * READINGS:
                done.set()

    gateway = client("gateway")
    gateway.on_message = on_message
    gateway.on_subscribe = lambda *_: listening.set()
    gateway.connect("127.0.0.1", port, keepalive=60)
    gateway.subscribe("reading/+", qos=1)
    gateway.loop_start()
    assert listening.wait(200)

    def device(n: int) -> None:
        name = f"device-{n}"
        enough, ready = threading.Event(), threading.Event()
        this = client(name)
        this.on_message = lambda *_: enough.set()
        this.on_subscribe = lambda *_: ready.set()
        this.connect("127.0.0.1", port, keepalive=60)
        this.subscribe(f"command/{name}", qos=1)
        this.loop_start()
        assert ready.wait(200)
        for reading in range(READINGS):
            this.publish(f"reading/{name}", str(reading).encode(), qos=1).wait_for_publish(200)
            time.sleep(0.01)
        assert enough.wait(200)
        told.append(name)
        this.loop_stop()
        this.disconnect()

    before = os_threads()
    threads = [threading.Thread(target=device, args=(n,)) for n in range(DEVICES)]
    for thread in threads:
        thread.start()
    assert done.wait(200), f"{sum(map(len, heard.values()))} readings came"
    assert os_threads() <= before + 5, "a device is no OS thread"
    for thread in threads:
        thread.join()
    gateway.loop_stop()
    gateway.disconnect()
    assert len(told) == DEVICES
    assert all(readings == list(range(READINGS)) for readings in heard.values())
print("pass")
