/* SPDX-License-Identifier: MIT */
/* A thread that writes random pieces to many streams, in random order, and then ends them. */
#ifndef COIL_TESTS_OPS_STREAM_PEER_H
#define COIL_TESTS_OPS_STREAM_PEER_H

#include "ops/sockets.h"

#include <algorithm>
#include <random>
#include <thread>
#include <vector>

namespace coil_test {

/* Stream i gets pattern((i << 32) + 0...) of totals[i] bytes. */
class StreamPeer {
public:
    StreamPeer(std::vector<int> fds, std::vector<uint64_t> totals, uint64_t seed)
        : fds_(std::move(fds)), totals_(std::move(totals)), sent_(fds_.size()), random_(seed),
          thread_([this] { work(); })
    {}
    ~StreamPeer() { thread_.join(); }

private:
    static constexpr uint64_t kMostAtOnce = 5000;

    void work()
    {
        std::vector<size_t> open(fds_.size());
        for (size_t i = 0; i < open.size(); i++)
            open[i] = i;
        while (!open.empty()) { /* ends: whoever is not blocked for ever gets on */
            size_t at = random_() % open.size(), i = open[at];
            if (sent_[i] < totals_[i]) {
                send_piece(i);
                continue;
            }
            shutdown(fds_[i], SHUT_WR);
            open[at] = open.back();
            open.pop_back();
        }
    }

    void send_piece(size_t i)
    {
        uint64_t len = std::min(1 + random_() % kMostAtOnce, totals_[i] - sent_[i]);
        std::string bytes = pattern((uint64_t(i) << 32) + sent_[i], len);
        ssize_t n = send(fds_[i], bytes.data(), len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            sent_[i] = totals_[i]; /* the other end is gone: its test has failed already */
        else if (n < 0)
            std::this_thread::yield();
        else
            sent_[i] += uint64_t(n);
    }

    std::vector<int> fds_;
    std::vector<uint64_t> totals_, sent_;
    std::mt19937_64 random_;
    std::thread thread_;
};

} // namespace coil_test

#endif
