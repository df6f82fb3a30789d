#!/bin/bash
# enter.sh PID COMMAND…: runs a command as root inside the container whose PID 1 is PID.
leader=$1
shift
exec nsenter -t "$leader" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb SYSTEMD_COLORS=0 \
  SYSTEMD_PAGER=cat LC_ALL=C.UTF-8 "$@"
