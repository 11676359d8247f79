"""A real Slurm cluster of three nodes on this host: the same tables as a local run, each job where it belongs."""

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, contents, snakemake, table_experiment, write_config

SCRIPT = Path(__file__).with_name("slurm.sh")
MISSING = [program for program in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(program) is None]
if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
    MISSING.append("snakemake-executor-plugin-slurm")

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed: no {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a Slurm cluster for tests needs root"),
    pytest.mark.skipif(Path("/etc/slurm/slurm.conf").exists(), reason="another Slurm is configured in /etc/slurm"),
]

TARGET = "results/tiny/measurements.parquet"
LOCALLY = ("--cores", "2", TARGET)
BY_SLURM = (
    *("--workflow-profile", str(ROOT / "workflow/profiles/slurm"), "--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2", "--default-resources", "mem_mb=500", "runtime=10", "--"),
    TARGET,
)


@pytest.fixture
def cluster(tmp_path):
    folder = tmp_path / "slurm"
    try:
        subprocess.run([SCRIPT, "start", folder], check=True)
        yield folder
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True)


def jobs() -> dict[str, list[dict[str, str]]]:
    """Return what Slurm says of the jobs that it ran, by rule."""
    listing = subprocess.run(["scontrol", "--oneliner", "show", "jobs"], capture_output=True, text=True, check=True)
    found: dict[str, list[dict[str, str]]] = {}
    for line in listing.stdout.splitlines():
        fields = dict(re.findall(r"(\w+(?:/\w+)?)=(\S*)", line))
        rule = re.match(r"rule_(\w+?)(?:_wildcards|$)", fields["Comment"])[1]
        found.setdefault(rule, []).append(fields)
    return found


def test_slurm_gives_the_same_tables_with_each_device_alone_on_its_node(cluster, tmp_path):
    config = table_experiment(tmp_path / "local") | {"search": {"evaluations": 12, "rounds": 1, "shards": 2}}
    config["accuracy"]["resources"] = {"gpu": 1}
    config["devices"]["board"] |= {"resources": {"constraint": "board"}, "shards": 2}
    write_config(tmp_path / "local", config)
    shutil.copytree(tmp_path / "local", tmp_path / "cluster")
    snakemake(tmp_path / "local", *LOCALLY)
    snakemake(tmp_path / "cluster", *BY_SLURM)
    local = contents(tmp_path / "local", "results/**/*.parquet")
    assert len(local) == 7  # proposals; 2 shards of accuracies; latencies: 1 shard of the phone, 2 of the board; all
    assert contents(tmp_path / "cluster", "results/**/*.parquet") == local
    ran = jobs()
    assert {rule: len(listed) for rule, listed in ran.items()} == {"propose": 1, "score": 2, "profile": 3}
    on_the_board = [job for job in ran["profile"] if "board" in job["Comment"]]
    assert [job["NodeList"] for job in on_the_board] == ["n1", "n1"]
    assert all(job["OverSubscribe"] == "NO" for job in ran["profile"])
    assert [job["NodeList"] for job in ran["score"]] == ["n3", "n3"]
