"""A client of Questline for Python 3.9 and later, of the standard library alone.

    client = Questline("http://127.0.0.1:8080", "local", "queue.ndjson")
    client.track("player-42", 1002, {"level_id": "7", "moves_used": 18})
    client.flush()

Events wait in a file until the server has them; call `flush` every ten seconds or so, from one thread.
"""

import datetime
import gzip
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
import uuid

BATCH = 200
MOST_WAITING = 10_000
LONGEST_WAIT = 300


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class Refused(Exception):
    """The request is wrong: sending it again changes nothing."""


class Questline:
    def __init__(self, url, key, queue):
        self.url, self.key, self.queue = url.rstrip("/") + "/v1/events", key, queue
        self.batch = BATCH
        # Who was killed while writing has left half a line: it was never promised to anybody.
        lines = open(queue, encoding="utf-8").read().splitlines() if os.path.exists(queue) else []
        self.waiting = [line for line in lines if line.endswith("}")]

    def track(self, user_id, type, parameters, **more):
        """Notes an event; its id is made here, once, however often it is sent."""
        event = {"id": str(uuid.uuid4()), "user_id": user_id, "timestamp": now(), "type": type,
                 "parameters": parameters, **more}
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self.waiting.append(line)
        if len(self.waiting) > MOST_WAITING:
            self._keep(self.waiting[-MOST_WAITING:])
        else:
            with open(self.queue, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        return event["id"]

    def flush(self, tries=8):
        """Sends what waits. `True` when nothing waits any more."""
        wait = 1
        while self.waiting:
            status, answer, retry_after = self._post(self.waiting[: self.batch])
            if "received" in answer:
                again = {each["index"] for each in answer["results"] if each["retryable"]}
                sent, rest = self.waiting[: self.batch], self.waiting[self.batch :]
                self._keep([line for at, line in enumerate(sent) if at in again] + rest)
                if not again:
                    wait = 1
                    continue
            elif status == 413 and self.batch > 1:
                self.batch //= 2
                continue
            elif status in (400, 401, 413, 415):
                raise Refused(answer.get("detail", f"status {status}"))
            tries -= 1
            if tries <= 0:
                return False
            time.sleep(retry_after or wait * random.uniform(1, 2))
            wait = min(2 * wait, LONGEST_WAIT)
        return True

    def _post(self, lines):
        body = '{"sent_at":"%s","events":[%s]}' % (now(), ",".join(lines))
        headers = {"X-Api-Key": self.key, "Content-Type": "application/json", "Content-Encoding": "gzip"}
        request = urllib.request.Request(self.url, gzip.compress(body.encode()), headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response), None
        except urllib.error.HTTPError as error:
            try:
                answer = json.load(error)
            except ValueError:
                answer = {}
            after = error.headers.get("Retry-After", "")
            return error.code, answer, float(after) if after.isdigit() else None
        except (OSError, ValueError, http.client.HTTPException):
            return 0, {}, None

    def _keep(self, lines):
        """The whole queue anew: a file beside it takes its place, so that a crash leaves one of them."""
        with open(self.queue + ".new", "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)
        os.replace(self.queue + ".new", self.queue)
        self.waiting = lines
