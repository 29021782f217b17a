"""Kills at the two moments where the outcome of a write at Stripe is unknown: while it is on its way, and once it is done and not answered."""
import threading

from stripe_proxy import Watch

PATIENCE = 60.0  # seconds until what is waited for must have happened


class Moments(Watch):
    """Kills the daemon from the server's side of one write, while the run waits in `strike`."""

    def __init__(self):
        self.seen = []     # (path, key) of every write that arrived
        self.struck = None
        self._lock = threading.Lock()
        self._armed = None
        self._hit, self._again = threading.Event(), threading.Event()

    def arm(self, moment, ending, kill):
        """The next write whose path ends so has `kill` called at its `moment`: `arrived` or `done`."""
        self._hit.clear()
        self._again.clear()
        self.struck = None
        self._armed = (moment, ending, kill)

    def strike(self):
        """Waits for the kill. False where the write never came; then nothing was killed."""
        if self._hit.wait(PATIENCE):
            return True
        with self._lock:
            self._armed = None
        # It may have come in the last moment.
        return self._hit.is_set()

    def arrived(self, path, key):
        with self._lock:
            self.seen.append((path, key))
        if self._strike("arrived", path, key):
            # The emulator acts only once the next daemon has asked for the same: its key must tell that this is under way.
            self._again.wait(PATIENCE)

    def in_use(self, path, key):
        with self._lock:
            self.seen.append((path, key))
        if self.struck == (path, key):
            self._again.set()

    def done(self, path, key, replayed):
        self._strike("done", path, key)

    def asked_again(self):
        """Whether the write that was on its way when the daemon was killed came again under its key meanwhile."""
        return self._again.is_set()

    def _strike(self, moment, path, key):
        with self._lock:
            if self._armed is None or self._armed[0] != moment or not path.endswith(self._armed[1]):
                return False
            kill, self._armed, self.struck = self._armed[2], None, (path, key)
        kill()
        self._hit.set()
        return True
