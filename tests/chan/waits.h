/* SPDX-License-Identifier: MIT */
/* The waits of chan/, for the tests of what all waits have in common. */
#ifndef COIL_TESTS_CHAN_WAITS_H
#define COIL_TESTS_CHAN_WAITS_H

#include "support/waits.h"

#include <algorithm>
#include <cerrno>

namespace coil_test {

/* Values are numbered, in the order in which they were to be sent. */
struct ChanWait : Wait {
    int slot = 0;
    coil_chan chan;
    int next = 1;
    std::vector<int> received;

    explicit ChanWait(size_t slots) { coil_chan_init(&chan, &slot, sizeof(slot), slots); }

    void receive_one()
    {
        int value = 0;
        EXPECT_EQ(0, coil_chan_try_recv(&chan, &value));
        received.push_back(value);
    }

    void expect_empty()
    {
        int value;
        EXPECT_EQ(-EAGAIN, coil_chan_try_recv(&chan, &value)) << "sent twice, or though cancelled";
        coil_chan_destroy(&chan);
    }
};

/* As the values are remembered by whoever sends them, they must outlive the send. */
template <size_t kSlots> struct SendWait : ChanWait {
    std::vector<std::unique_ptr<int>> values;
    int sent = 0;

    SendWait() : ChanWait(kSlots) {}

    const int *make_value()
    {
        values.push_back(std::make_unique<int>(next++));
        return values.back().get();
    }
    void block(unsigned) override
    {
        for (size_t i = 0; i < kSlots; i++)
            EXPECT_EQ(0, coil_chan_send(&chan, make_value()));
    }
    void grant() override { receive_one(); }
    int wait() override { return coil_chan_send(&chan, make_value()); }
    void start(coil_future *future) override { coil_chan_send_start(future, &chan, make_value()); }
    void expect_free(int granted) override
    {
        if (kSlots > 0)
            receive_one();
        EXPECT_EQ(size_t(granted) + kSlots, received.size());
        EXPECT_TRUE(std::is_sorted(received.begin(), received.end()));
        expect_empty();
    }
    Grant kind() const override { return Grant::kIsUsedUp; }
};

template <size_t kSlots, bool kLatest = false> struct RecvWait : ChanWait {
    std::vector<std::unique_ptr<int>> places;
    const int *started = nullptr; /* where a future receives */

    RecvWait() : ChanWait(kSlots)
    {
        if (kLatest)
            coil_chan_init_latest(&chan, &slot, sizeof(slot));
    }

    int *make_place()
    {
        places.push_back(std::make_unique<int>(0));
        return places.back().get();
    }
    void block(unsigned) override {}
    void grant() override
    {
        int value = next++;
        EXPECT_EQ(0, coil_chan_try_send(&chan, &value));
    }
    int wait() override
    {
        int *place = make_place();
        int result = coil_chan_recv(&chan, place);
        if (result == 0)
            received.push_back(*place);
        started = nullptr;
        return result;
    }
    void start(coil_future *future) override
    {
        int *place = make_place();
        coil_chan_recv_start(future, &chan, place);
        started = place;
    }
    void leave(int result) override
    {
        if (result == 0 && started != nullptr)
            received.push_back(*started);
    }
    void expect_free(int granted) override
    {
        std::vector<int> sent;
        for (int value = 1; value < next; value++)
            sent.push_back(value);
        EXPECT_EQ(sent, received);
        EXPECT_EQ(size_t(granted), sent.size());
        expect_empty();
    }
    Grant kind() const override { return Grant::kIsReturned; }
};

} // namespace coil_test

#endif
