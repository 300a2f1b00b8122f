/* SPDX-License-Identifier: MIT */
/* A ring over the kernel driver alone, without coroutines. */
#ifndef COIL_TESTS_RING_KERNEL_RING_H
#define COIL_TESTS_RING_KERNEL_RING_H

#include <liburing.h>

extern "C" {
#include "ring/kernel.h"
}

#include <gtest/gtest.h>
#include <poll.h>
#include <vector>

namespace coil_test {

struct Completion {
    uint64_t user_data;
    int res;
};

/* Must be used by one thread, like every ring. */
class KernelRing {
public:
    explicit KernelRing(unsigned entries = 64)
    {
        coil__ring_options options = {entries, nullptr, 0, "", nullptr, 0};
        open(options);
    }

    explicit KernelRing(const coil__ring_options &options) { open(options); }

    ~KernelRing()
    {
        if (error == 0)
            coil__ring_kernel.close(&ring);
    }

    KernelRing(const KernelRing &) = delete;
    KernelRing &operator=(const KernelRing &) = delete;

    io_uring_sqe *sqe() { return coil__ring_sqe(&ring); }
    void push(io_uring_sqe *entry, uint64_t user_data) { coil__ring_push(&ring, entry, user_data); }

    void nop(uint64_t user_data)
    {
        io_uring_sqe *entry = sqe();
        io_uring_prep_nop(entry);
        push(entry, user_data);
    }

    void poll(int fd, uint64_t user_data)
    {
        io_uring_sqe *entry = sqe();
        io_uring_prep_poll_add(entry, fd, POLLIN);
        push(entry, user_data);
    }

    int enter(unsigned wait = 0, coil_time deadline = COIL_FOREVER)
    {
        return coil__ring_kernel.enter(&ring, coil__ring_unsubmitted(&ring), wait, deadline);
    }

    /* Appends what is in the CQ to `taken`, in order. */
    void take()
    {
        unsigned head, count = 0;
        io_uring_cqe *cqe;
        io_uring_for_each_cqe(&ring.uring, head, cqe)
        {
            taken.push_back({cqe->user_data, cqe->res});
            count++;
        }
        io_uring_cq_advance(&ring.uring, count);
    }

    /* Enters until that many have been taken in all. Returns how many enters it took. */
    unsigned take_until(size_t count)
    {
        unsigned enters = 0;
        for (; taken.size() < count; enters++) {
            EXPECT_EQ(enter(1), 0);
            take();
        }
        return enters;
    }

    coil__ring ring = {};
    int error;
    std::vector<Completion> taken;

private:
    void open(const coil__ring_options &options)
    {
        /* Taking an entry tells the scheduler that there is something to enter for. */
        static thread_local struct coil__sched sched;
        coil__sched = &sched;
        ring.driver = &coil__ring_kernel;
        error = coil__ring_kernel.open(&ring, &options);
    }
};

} // namespace coil_test

#endif
