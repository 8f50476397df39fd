"""Notes some events, then sends what waits: drive.py URL KEY QUEUE EVENTS TRIES."""

import sys

from questline import Questline

url, key, queue, events, tries = sys.argv[1:]
client = Questline(url, key, queue)
for at in range(int(events)):
    client.track("python", 1002, {"level_id": str(at), "name": 'ü"\n'})
sys.exit(0 if client.flush(tries=int(tries)) else 1)
