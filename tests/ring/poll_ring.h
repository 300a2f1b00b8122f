/* SPDX-License-Identifier: MIT */
/* A ring over the poll driver alone, without coroutines. */
#ifndef COIL_TESTS_RING_POLL_RING_H
#define COIL_TESTS_RING_POLL_RING_H

#include <liburing.h>

extern "C" {
#include "ring/poll.h"
}

#include <cerrno>
#include <gtest/gtest.h>
#include <unistd.h>
#include <vector>

namespace coil_test {

/* Must be used by one thread, like every ring. */
class PollRing {
public:
    struct Completion {
        uint64_t user_data;
        int res;
        unsigned flags;
    };

    explicit PollRing(unsigned entries = 64)
    {
        static thread_local struct coil__sched sched;
        coil__sched = &sched;
        coil__ring_options options = {entries, nullptr, 0, "", nullptr, 0};
        ring.driver = &coil__ring_poll;
        EXPECT_EQ(0, coil__ring_poll.open(&ring, &options));
    }
    ~PollRing() { coil__ring_poll.close(&ring); }
    PollRing(const PollRing &) = delete;
    PollRing &operator=(const PollRing &) = delete;

    io_uring_sqe *sqe() { return coil__ring_sqe(&ring); }
    void push(io_uring_sqe *entry, uint64_t user_data) { coil__ring_push(&ring, entry, user_data); }

    void read(int fd, char *to, uint64_t user_data, unsigned len = 1)
    {
        io_uring_sqe *entry = sqe();
        io_uring_prep_read(entry, fd, to, len, uint64_t(-1));
        push(entry, user_data);
    }

    void cancel(uint64_t target, uint64_t user_data)
    {
        io_uring_sqe *entry = sqe();
        io_uring_prep_cancel64(entry, target, 0);
        push(entry, user_data);
    }

    int enter(unsigned wait = 0, coil_time deadline = COIL_FOREVER)
    {
        return ring.driver->enter(&ring, coil__ring_unsubmitted(&ring), wait, deadline);
    }

    std::vector<Completion> take()
    {
        std::vector<Completion> taken;
        unsigned head, count = 0;
        io_uring_cqe *cqe;
        io_uring_for_each_cqe(&ring.uring, head, cqe)
        {
            if (cqe->user_data == COIL__TAG_WAKE)
                wakes++;
            else
                taken.push_back({cqe->user_data, cqe->res, cqe->flags});
            count++;
        }
        io_uring_cq_advance(&ring.uring, count);
        return taken;
    }

    /* Enters until something has completed, for ten seconds at most. */
    std::vector<Completion> wait()
    {
        coil_time give_up = ring.driver->now() + 10 * COIL_SEC;
        std::vector<Completion> taken;
        while (taken.empty() && ring.driver->now() < give_up) {
            EXPECT_EQ(0, enter(1, give_up));
            taken = take();
        }
        return taken;
    }

    /* Enters once without waiting. */
    std::vector<Completion> look()
    {
        EXPECT_EQ(0, enter());
        return take();
    }

    int result_of(io_uring_sqe *entry)
    {
        push(entry, 77);
        std::vector<Completion> taken = wait();
        EXPECT_EQ(1u, taken.size());
        return taken.empty() ? -ENODATA : taken[0].res;
    }

    coil__ring ring = {};
    unsigned wakes = 0; /* seen by take() */
};

struct Pipe {
    int ends[2];
    Pipe() { EXPECT_EQ(0, pipe(ends)); }
    ~Pipe()
    {
        for (int end : ends) {
            if (end >= 0)
                close(end);
        }
    }
    void give(char byte) { EXPECT_EQ(1, write(ends[1], &byte, 1)); }
};

} // namespace coil_test

#endif
