"""Commands, shown as they are run; in a dry run those of the cloud are only shown."""

import json
import os
import shlex
import subprocess


class Failed(Exception):
    """Why there is no new release."""


class Steps:
    def __init__(self, root, dry):
        self.root = root
        self.dry = dry

    def say(self, text):
        print(f"deploy: {text}", flush=True)

    def here(self, *command, env=None, quiet=False):
        """Runs a command on this machine, also in a dry run; gives what it printed."""
        command = [str(word) for word in command]
        if not quiet:
            print(f"  $ {shlex.join(command)}", flush=True)
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failed(f"`{shlex.join(command[:4])} …` ended with {done.returncode}")
        return done.stdout.strip()

    def cloud(self, *command, given=None):
        """A command that touches a cloud; in a dry run it is shown, and gives nothing."""
        command = [str(word) for word in command]
        shown = f"  $ {shlex.join(command)}"
        if self.dry:
            print(f"{shown}    # not run", flush=True)
            return ""
        print(shown, flush=True)
        done = subprocess.run(
            command, cwd=self.root, input=given, stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            raise Failed(f"`{shlex.join(command[:4])} …` ended with {done.returncode}")
        return done.stdout.strip()

    def ask(self, *command):
        """What the cloud knows as JSON, or nothing where it does not know it."""
        if self.dry:
            self.cloud(*command)
            return None
        print(f"  $ {shlex.join(command)}", flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else None
