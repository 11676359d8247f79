#!/usr/bin/env bash
# Start or stop a Slurm cluster for the tests: three nodes of two cores, all of them this host, without accounting.
#
#     tests/workflow/slurm.sh start|stop FOLDER
#
# Needs root and the Debian packages slurmctld, slurmd, slurm-client and munge. Everything lies in FOLDER, but for links
# in /etc/slurm: the executor plugin drops SLURM_CONF from the environment of a job. Node n1 has the feature `board`, and
# node n3 a made-up GPU.
set -euo pipefail
base=$(readlink -m "$2")
configs=(slurm.conf cgroup.conf gres.conf)

start() {
    mkdir -p "$base"/{state,spool/n1,spool/n2,spool/n3,run,log,munge} /etc/slurm
    chmod 755 "$base" "$base"/*
    (umask 077 && head -c 128 /dev/urandom > "$base/munge/munge.key")
    host=$(hostname -s)
    cat > "$base/slurm.conf" << EOF
ClusterName=nagevo
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17831
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$base/munge/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$base/state
SlurmdSpoolDir=$base/spool/%n
SlurmctldPidFile=$base/run/slurmctld.pid
SlurmdPidFile=$base/run/slurmd-%n.pid
SlurmctldLogFile=$base/log/slurmctld.log
SlurmdLogFile=$base/log/slurmd-%n.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
ReturnToService=2
MinJobAge=86400
KillWait=2
AccountingStorageType=accounting_storage/none
AccountingStoreFlags=job_comment
DefMemPerCPU=400
GresTypes=gpu
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17841 CPUs=2 RealMemory=8000 Feature=board
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17842 CPUs=2 RealMemory=8000
NodeName=n3 NodeHostname=$host NodeAddr=127.0.0.1 Port=17843 CPUs=2 RealMemory=8000 Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES DefaultTime=60 MaxTime=INFINITE OverSubscribe=NO
EOF
    echo "CgroupPlugin=cgroup/v1" > "$base/cgroup.conf" # loaded by slurmd 22.05, and used by nothing above
    echo "NodeName=n3 Name=gpu File=/dev/null" > "$base/gres.conf"
    for name in "${configs[@]}"; do ln -s "$base/$name" "/etc/slurm/$name"; done
    munged --force --key-file="$base/munge/munge.key" --socket="$base/munge/munge.sock" \
        --pid-file="$base/run/munged.pid" --log-file="$base/munge/munged.log" --seed-file="$base/munge/munged.seed"
    slurmctld -c
    for node in n1 n2 n3; do slurmd -N "$node"; done
    for _ in $(seq 300); do
        if [ "$(sinfo --noheader --Node --states=idle 2> /dev/null | wc -l)" = 3 ]; then return; fi
        sleep 0.1
    done
    tail -n 20 "$base"/log/*.log >&2
    return 1
}

stop() {
    for file in "$base"/run/slurmd-*.pid "$base"/run/slurmctld.pid "$base"/run/munged.pid; do
        if [ -s "$file" ]; then kill "$(cat "$file")" || true; fi
    done
    # with a configuration and no controller every start of Snakemake would wait for ten seconds
    for name in "${configs[@]}"; do
        if [ "$(readlink "/etc/slurm/$name")" = "$base/$name" ]; then rm "/etc/slurm/$name"; fi
    done
}

"$1"
