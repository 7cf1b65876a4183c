"""What the dashboard shows of the fleet: the last reading of each device, and figures over all of them.

Nothing here knows of sockets: app.py calls it for each event, and twice a second for the figures.
"""

from __future__ import annotations

import array
import collections
import time
from typing import Any

SITES = ("Oslo", "Lagos", "Lima", "Osaka", "Porto", "Quito", "Tunis", "Delhi")
# Degrees: from here on a device raises an alert, and below a little less it is well again.
HOT, WELL = 45.0, 43.0
# The map of the fleet has one byte a device: 0 is "not connected", 1 to 255 is COLDEST to HOTTEST.
COLDEST, HOTTEST = 0.0, 60.0
CALM, ALERTED = 0, 1
# What no device can have measured.
TOO_COLD, TOO_HOT = -100.0, 200.0


class Fleet:
    def __init__(self, size: int):
        self.temperature = array.array("d", [0.0]) * size
        self.alerted = bytearray(size)
        self.online: dict[str, int] = {}
        self.map = bytearray(size)
        self.readings = 0
        self.alerts: collections.deque[dict[str, Any]] = collections.deque(maxlen=8)

    def site(self, device: int) -> str:
        """Devices stand at their sites in order, as many at each."""
        return SITES[device * len(SITES) // len(self.map)]

    def admit(self, connection: str, device: Any) -> bool:
        """A device says its number. False: there is no such device."""
        if type(device) is not int or not 0 <= device < len(self.map):
            return False
        # One that comes back before the loss was noticed takes its own place.
        for other in [other for other, its in self.online.items() if its == device]:
            self.leave(other)
        self.online[connection] = device
        return True

    def knows(self, connection: str, temperature: Any) -> bool:
        """Is that a temperature (NaN and infinity are none), and of a device that was admitted?"""
        number = type(temperature) in (int, float) and TOO_COLD < temperature < TOO_HOT
        return number and connection in self.online

    def note(self, connection: str, temperature: float) -> dict[str, Any] | None:
        """One reading; what it returns is an alert that begins with it."""
        device = self.online[connection]
        self.readings += 1
        self.temperature[device] = temperature
        part = (temperature - COLDEST) / (HOTTEST - COLDEST)
        self.map[device] = 1 + int(254 * min(1.0, max(0.0, part)))
        if self.alerted[device]:
            self.alerted[device] = CALM if temperature < WELL else ALERTED
            return None
        if temperature < HOT:
            return None
        self.alerted[device] = ALERTED
        alert = {
            "device": device,
            "site": self.site(device),
            "temperature": round(temperature, 1),
            "at": time.time(),
        }
        self.alerts.append(alert)
        return alert

    def leave(self, connection: str) -> None:
        device = self.online.pop(connection, None)
        if device is not None:
            self.map[device] = 0
            self.alerted[device] = CALM

    def figures(self) -> dict[str, Any]:
        """Mean, coldest and hottest of all, and the mean of each site; None where nobody is connected."""
        sums, counts = [0.0] * len(SITES), [0] * len(SITES)
        low, high = 1e9, -1e9
        for device in self.online.values():
            if not self.map[device]:
                continue
            temperature = self.temperature[device]
            low, high = min(low, temperature), max(high, temperature)
            site = device * len(SITES) // len(self.map)
            sums[site] += temperature
            counts[site] += 1
        total = sum(counts)
        return {
            "devices": len(self.online),
            "mean": round(sum(sums) / total, 2) if total else None,
            "low": round(low, 1) if total else None,
            "high": round(high, 1) if total else None,
            "sites": [round(one / count, 1) if count else None for one, count in zip(sums, counts)],
        }
