/* SPDX-License-Identifier: MIT */
/* coil: coroutines over io_uring. Includes every public header. */
#ifndef COIL_H
#define COIL_H

#include <coil/base.h>
#include <coil/chan.h>
#include <coil/fd.h>
#include <coil/file.h>
#include <coil/future.h>
#include <coil/gen.h>
#include <coil/listener.h>
#include <coil/local.h>
#include <coil/memory.h>
#include <coil/net.h>
#include <coil/offload.h>
#include <coil/port.h>
#include <coil/promise.h>
#include <coil/queue.h>
#include <coil/receiver.h>
#include <coil/resolve.h>
#include <coil/runtime.h>
#include <coil/scope.h>
#include <coil/signal.h>
#include <coil/sim.h>
#include <coil/stop.h>
#include <coil/sync.h>
#include <coil/time.h>
#include <coil/topology.h>
#include <coil/xchan.h>

#endif
