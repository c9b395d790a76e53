#!/bin/sh
# Runs a command as a container engine would, without one: a root file system of its own that is read-only but for what is mounted, a process table in which it is PID 1, the user of the
# images, no capabilities. To be started in fresh mount and PID namespaces (unshare --mount --pid --fork), as root.
#   sandbox.sh ROOT UID [SOURCE:PATH:ro|rw ...] -- COMMAND...
# ROOT is an empty folder; every PATH is made in it.
set -eu
root=$1
uid=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 sandbox "$root"
mkdir "$root/usr" "$root/etc" "$root/proc" "$root/dev"
mount --rbind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
for folder in bin sbin lib lib32 lib64; do
  if [ -L "/$folder" ]; then
    cp -P "/$folder" "$root/$folder"
  elif [ -d "/$folder" ]; then
    mkdir "$root/$folder"
    mount --rbind "/$folder" "$root/$folder"
    mount -o remount,bind,ro "$root/$folder"
  fi
done
for file in ld.so.cache ld.so.conf ld.so.conf.d nsswitch.conf ssl; do
  [ ! -e "/etc/$file" ] || cp -RP "/etc/$file" "$root/etc/$file"
done
mount -t proc proc "$root/proc"
for device in null zero full random urandom; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
while [ "$1" != -- ]; do
  source=${1%%:*}
  rest=${1#*:}
  path=${rest%:*}
  if [ -d "$source" ]; then
    mkdir -p "$root$path"
  else
    mkdir -p "$(dirname "$root$path")"
    : >"$root$path"
  fi
  mount --bind "$source" "$root$path"
  [ "${rest##*:}" = rw ] || mount -o remount,bind,ro "$root$path"
  shift
done
shift
mount -o remount,ro "$root"
cd "$root"
# Set last: a change of user clears it.
exec chroot "$root" setpriv --pdeathsig KILL --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all -- "$@"
