"""A private PostgreSQL for one run."""
import subprocess

from runner import process


class Postgres:
    """The throwaway server of the checkout; ends when its standard input does."""

    def __init__(self, checkout):
        # pylint: disable=consider-using-with
        self.popen = subprocess.Popen([checkout / "scripts/throwaway-postgres"], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.url = self.popen.stdout.readline().strip()
        if not self.url:
            raise OSError("PostgreSQL did not start")

    def pids(self):
        return [p for p in process.family(self.popen.pid) if p != self.popen.pid]

    def pin(self, cpus):
        process.pin(self.pids(), cpus)

    def vacuum(self):
        """After /updates, so that the next workload finds the tables as the first one did."""
        subprocess.run(["psql", "-Xq", self.url, "-c", "VACUUM ANALYZE"], check=True)

    def stop(self):
        self.popen.stdin.close()
        self.popen.wait()
