/* SPDX-License-Identifier: MIT */
/*
 * Memory that the kernel knows: what coil_pread() and coil_pwrite() move to or from it costs the
 * kernel less, because it need not find and hold its pages each time. With O_DIRECT that is some
 * 0.5 us an operation, from the page cache next to nothing. No other calls are needed:
 *
 *     struct coil_memory memory;
 *     int err = coil_memory_open(&memory, 64 * 4096);
 *     ...
 *     n = coil_pread(fd, memory.at + 3 * 4096, 4096, offset);
 *     ...
 *     coil_memory_close(&memory);
 *
 * It is the caller's to divide: into buffers that begin at multiples of 4096, say, as O_DIRECT
 * wants them. Others on this core may use it, also of files and sockets by all other calls, which
 * cost what they always do; so do those on other cores.
 *
 * Where the kernel refuses to hold that much memory (RLIMIT_MEMLOCK), is older than Linux 5.19, or
 * is not asked because a run goes by "poll" or "sim", everything works the same at the usual cost.
 */
#ifndef COIL_MEMORY_H
#define COIL_MEMORY_H

#include <coil/base.h>

COIL_BEGIN_DECLS

/* How many a core can have open at once. */
enum { COIL_MEMORIES = 16 };

/* One piece of it. A copy means the same piece. */
struct coil_memory {
    char *at;    /* page-aligned, zero at first */
    size_t size; /* a whole number of pages */
    /* private */
    uint32_t number;
};

/*
 * Opens at least `size` bytes, up to 1 GiB, all of which are in use from now on. That takes the
 * kernel about 0.3 ms for each MiB: do it at the start. Returns 0; -EINVAL: the size is 0 or too
 * large; -ENOMEM; -ENOBUFS: this core has COIL_MEMORIES open already.
 */
COIL_MUST_CHECK int coil_memory_open(struct coil_memory *memory, size_t size);

/*
 * Gives it back, on the core that opened it. Nothing may be in flight to or from it: of
 * coil_pread() and coil_pwrite() that is seen, and stops the process. A coroutine may end and leave
 * it open; the run may not.
 */
void coil_memory_close(struct coil_memory *memory);

COIL_END_DECLS
#endif
