"""The program under test: started, killed, asked and told as an operator does it."""
import json
import os
import re
import signal
import subprocess
import time


class Daemon:
    """One state directory, one configuration, one process after another."""

    def __init__(self, binary, config, state, log):
        self.binary, self.config, self.state, self.log = str(binary), str(config), state, log
        self.process = None
        left_out = ("HIKIATE__", "DATABASE_URL", "STATE_DIRECTORY", "NOTIFY_SOCKET")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, "run", "--as-root", "--config", self.config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment, start_new_session=True)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, the daemon alone: its PostgreSQL goes on as an orphan."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "no exit within 60 s of SIGTERM"

    def postgres(self):
        """The process id of the private cluster's server, or None."""
        try:
            pid = int((self.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
            os.kill(pid, 0)
        except (OSError, ValueError, IndexError):
            return None
        return pid

    def end_postgres(self):
        """Ends a server that no daemon stopped; True when there was one."""
        pid = self.postgres()
        if pid is None:
            return False
        os.kill(pid, signal.SIGINT)
        for _ in range(100):
            if self.postgres() is None:
                return True
            time.sleep(0.1)
        os.kill(pid, signal.SIGQUIT)
        return True

    def ask(self, *words):
        """A command's JSON, or None while the daemon's database is not there."""
        done = self._command(*words, "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def tell(self, *words):
        """A command that must succeed."""
        done = self._command(*words)
        if done.returncode != 0:
            raise RuntimeError(f"hikiate {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _command(self, *words):
        return subprocess.run([self.binary, *words, "--config", self.config], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, env=self.environment, check=False)

    def complaints(self, most=12):
        """The last warnings and errors of the log, for a run that failed."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [line for line in lines if re.search(r"WARN|ERROR|panic", line)][-most:]
