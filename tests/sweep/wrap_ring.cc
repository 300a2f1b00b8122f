/* SPDX-License-Identifier: MIT */
/* The kernel's ring: its calls, and the operations that go in by them. */
#include "sweep/fault.h"
#include "sweep/results.h"

#include <liburing.h>

extern "C" {
#include "ring/ring.h"
}

#include <cerrno>
#include <cstring>
#include <unistd.h>

using namespace coil_test;

namespace {

/* Of this thread, which is a core. */
thread_local io_uring *ring_here;

/* UAPI, since 6.10: a NOP with `len` for its result. */
constexpr unsigned kNopInjectResult = 1;

int refused(const Row &row)
{
    return -fails(Kind::kCall, row);
}

/* What is closed is closed, whatever close() says: but what stands before it comes before it. */
thread_local std::vector<int> to_close;

void close_them()
{
    for (int fd : to_close)
        close(fd);
    to_close.clear();
}

void make_fail(io_uring_sqe *sqe, int error)
{
    if (sqe->opcode == IORING_OP_CLOSE)
        to_close.push_back(sqe->fd);
    uint64_t user_data = sqe->user_data;
    auto skip = uint8_t(sqe->flags & IOSQE_CQE_SKIP_SUCCESS);
    memset(sqe, 0, sizeof(*sqe));
    sqe->opcode = IORING_OP_NOP;
    sqe->fd = -1;
    sqe->flags = skip;
    sqe->rw_flags = kNopInjectResult;
    sqe->len = unsigned(-error);
    sqe->user_data = user_data;
}

/* The read of an eventfd has no error, nor has emptying a place in the table of files. */
bool never_fails(const io_uring_sqe *sqe)
{
    bool by_place = sqe->opcode == IORING_OP_CLOSE && sqe->file_index != 0;
    return sqe->user_data == COIL__TAG_BELL || by_place;
}

void look_at(io_uring_sqe *sqe)
{
    if (never_fails(sqe))
        return;
    int error = fails(Kind::kResult, row_of_opcode(sqe->opcode));
    if (error != 0)
        make_fail(sqe, error);
}

void look_at_new(unsigned count)
{
    io_uring_sq *sq = &ring_here->sq;
    for (unsigned i = 0; i < count; i++)
        look_at(&sq->sqes[(*sq->khead + i) & sq->ring_mask]);
}

} // namespace

extern "C" {

int sweep_io_uring_queue_init_params(unsigned entries, io_uring *ring, io_uring_params *params)
{
    static const Row row{"io_uring_setup", {ENOMEM, EMFILE, EPERM, EINVAL, ENOSYS}};
    int err = refused(row);
    if (err == 0)
        err = io_uring_queue_init_params(entries, ring, params);
    if (err == 0) {
        ring_here = ring;
        __atomic_fetch_add(&ledger().rings, 1, __ATOMIC_RELAXED);
    }
    return err;
}

void sweep_io_uring_queue_exit(io_uring *ring)
{
    __atomic_fetch_sub(&ledger().rings, 1, __ATOMIC_RELAXED);
    io_uring_queue_exit(ring);
}

/* Beside what says that the ring is lost it fails with what passes. */
int sweep_io_uring_enter2(unsigned fd, unsigned submit, unsigned wait, unsigned flags,
                          sigset_t *arg, size_t size)
{
    static const Row passing{"io_uring_enter", {EINTR, EAGAIN, EBUSY}, 2};
    static const Row lost{"the wait", {EPERM, EBADF}};
    int err = -fails(Kind::kLoss, lost);
    if (err == 0)
        err = refused(passing);
    if (err != 0)
        return err;
    look_at_new(submit);
    int taken = io_uring_enter2(fd, submit, wait, flags, arg, size);
    close_them();
    return taken;
}

int sweep_io_uring_register_probe(io_uring *ring, io_uring_probe *probe, unsigned count)
{
    static const Row row{"io_uring_register, a probe", {ENOMEM, EPERM}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_probe(ring, probe, count);
}

int sweep_io_uring_register_ring_fd(io_uring *ring)
{
    static const Row row{"io_uring_register, the ring", {ENOMEM, EBUSY}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_ring_fd(ring);
}

int sweep_io_uring_register_iowq_aff(io_uring *ring, size_t size, const cpu_set_t *cpus)
{
    static const Row row{"io_uring_register, CPUs", {ENOMEM}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_iowq_aff(ring, size, cpus);
}

int sweep_io_uring_register_iowq_max_workers(io_uring *ring, unsigned *most)
{
    static const Row row{"io_uring_register, workers", {ENOMEM}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_iowq_max_workers(ring, most);
}

int sweep_io_uring_register_buf_ring(io_uring *ring, io_uring_buf_reg *buffers, unsigned flags)
{
    static const Row row{"io_uring_register, buffers", {ENOMEM, EINVAL}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_buf_ring(ring, buffers, flags);
}

int sweep_io_uring_register_buffers_sparse(io_uring *ring, unsigned count)
{
    static const Row row{"io_uring_register, a table of memory", {ENOMEM, EINVAL}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_buffers_sparse(ring, count);
}

/* Giving memory back can't fail. */
int sweep_io_uring_register_buffers_update_tag(io_uring *ring, unsigned number, const iovec *memory,
                                               const __u64 *tags, unsigned count)
{
    static const Row row{"io_uring_register, memory", {ENOMEM, EOPNOTSUPP}};
    int err = memory->iov_len > 0 ? refused(row) : 0;
    return err != 0 ? err : io_uring_register_buffers_update_tag(ring, number, memory, tags, count);
}

int sweep_io_uring_register_files_sparse(io_uring *ring, unsigned count)
{
    static const Row row{"io_uring_register, a table of files", {ENOMEM, EINVAL}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_files_sparse(ring, count);
}

int sweep_io_uring_register_files_update(io_uring *ring, unsigned place, const int *files,
                                         unsigned count)
{
    static const Row row{"io_uring_register, a file", {ENOMEM, EBADF}};
    int err = refused(row);
    return err != 0 ? err : io_uring_register_files_update(ring, place, files, count);
}

int sweep_io_uring_ring_dontfork(io_uring *ring)
{
    static const Row row{"madvise, of a ring", {ENOMEM}};
    int err = refused(row);
    return err != 0 ? err : io_uring_ring_dontfork(ring);
}

} // extern "C"

bool coil_test::kernel_injects()
{
    io_uring ring;
    io_uring_params params = {};
    if (io_uring_queue_init_params(4, &ring, &params) < 0)
        return false;
    io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_nop(sqe);
    make_fail(sqe, EIO);
    io_uring_cqe *cqe = nullptr;
    bool injects = io_uring_submit_and_wait(&ring, 1) == 1 && io_uring_peek_cqe(&ring, &cqe) == 0 &&
                   cqe->res == -EIO;
    io_uring_queue_exit(&ring);
    return injects;
}
