# Local volumes: each is an ext4 file system of its own in a sparse file, so that
# a full one is full, and fsGroup and quotas of space are those of a real disk.
# They are mounted in the node's space only. Needs $dir and $cgroup.

# How many each node has: claims of a test's size take the small ones, those of the
# chart's defaults find a large one.
volumes_small=8
volumes_each=11

# volume_size I: how large each is.
volume_size() {
    if [ "$1" -le $volumes_small ]; then echo 1Gi; else echo 10Gi; fi
}

# volumes_make NODE: the file systems.
volumes_make() {
    local i file size
    mkdir -p "$dir/nodes/$1/disks"
    for i in $(seq $volumes_each); do
        file=$dir/nodes/$1/disks/$i
        size=$(volume_size "$i")
        truncate -s "${size%i}" "$file"
        # As many inodes as a small one has: the kernel fills their tables.
        mkfs.ext4 -q -m 0 -N 65536 -E nodiscard "$file"
    done
}

# volumes_mount NODE: has the node see them, below /run/node/volumes.
volumes_mount() {
    inside "$1" bash -euc '
        for disk in /run/node/disks/*; do
            at=/run/node/volumes/${disk##*/}
            mkdir -p "$at"
            mount -o loop "$disk" "$at"
        done'
}

# volumes_manifest NODE: the PersistentVolumes, NODE-1 and so on.
volumes_manifest() {
    local i
    for i in $(seq $volumes_each); do
        cat <<V
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: $1-$i}
spec:
  capacity: {storage: $(volume_size "$i")}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: local
  local: {path: /run/node/volumes/$i}
  nodeAffinity:
    required:
      nodeSelectorTerms:
      - matchExpressions:
        - {key: kubernetes.io/hostname, operator: In, values: [$1]}
V
    done
}

# volume_wipe PV: empties one that no claim holds any more, and offers it again.
volume_wipe() {
    local phase
    phase=$(control kubectl get pv "$1" -o 'jsonpath={.status.phase}')
    case $phase in
        Released | Available | Failed) ;;
        *)
            echo "$1 is $phase" >&2
            return 1
            ;;
    esac
    inside "${1%-*}" bash -euc 'cd "/run/node/volumes/$1"
        find . -mindepth 1 -delete
        chown 0:0 .
        chmod 755 .' wipe "${1##*-}"
    control kubectl patch pv "$1" --type json \
        -p '[{"op": "add", "path": "/spec/claimRef", "value": null}]'
}

# loops_free: gives back loop devices whose spaces ended without doing so.
loops_free() {
    local device file
    while read -r device file; do
        case $file in
            "$dir/"*) losetup --detach "$device" ;;
        esac
    done < <(losetup --list --noheadings --output NAME,BACK-FILE)
}
