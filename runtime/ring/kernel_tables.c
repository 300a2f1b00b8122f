/* SPDX-License-Identifier: MIT */
/* What the kernel knows in advance: buffers to choose from, memory, files. */
#include "ring/kernel.h"

#include <sys/resource.h>

enum { BUFFER_GROUP = 0 };

int coil__kernel_register_buffers(struct coil__ring *ring, struct io_uring_buf_ring *buffers,
                                  unsigned entries)
{
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)buffers,
        .ring_entries = entries,
        .bgid = BUFFER_GROUP,
    };
    return io_uring_register_buf_ring(&ring->uring, &registration, 0);
}

int coil__kernel_unregister_buffers(struct coil__ring *ring)
{
    return io_uring_unregister_buf_ring(&ring->uring, BUFFER_GROUP);
}

int coil__kernel_register_memory(struct coil__ring *ring, unsigned number, void *at, size_t size)
{
    if (!ring->has_memory_table) {
        int err = io_uring_register_buffers_sparse(&ring->uring, COIL_MEMORIES);
        if (err < 0)
            return err;
        ring->has_memory_table = true;
    }
    const struct iovec memory = {.iov_base = at, .iov_len = size};
    const __u64 tag = 0;
    int updated = io_uring_register_buffers_update_tag(&ring->uring, number, &memory, &tag, 1);
    return updated < 0 ? updated : 0;
}

/* The kernel allows no more places than descriptors. */
static int open_file_table(struct coil__ring *ring)
{
    struct rlimit limit;
    unsigned places = COIL_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < places)
        places = (unsigned)limit.rlim_cur;
    int err = io_uring_register_files_sparse(&ring->uring, places);
    ring->has_file_table = err == 0;
    return err;
}

int coil__kernel_register_file(struct coil__ring *ring, unsigned place, int fd)
{
    int err = ring->has_file_table ? 0 : open_file_table(ring);
    if (err < 0)
        return err;
    int updated = io_uring_register_files_update(&ring->uring, place, &fd, 1);
    return updated < 0 ? updated : 0;
}

/* They would be closed some time after the ring. */
void coil__kernel_drop_files(struct coil__ring *ring)
{
    if (ring->has_file_table)
        io_uring_unregister_files(&ring->uring);
}
