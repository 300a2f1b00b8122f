/* SPDX-License-Identifier: MIT */
/* The waits of chan/, for the tests of what all waits have in common. */
#ifndef COIL_TESTS_CHAN_WAITS_H
#define COIL_TESTS_CHAN_WAITS_H

#include "support/waits.h"

#include <algorithm>
#include <cerrno>

namespace coil_test {

/* The calls of either sort of channel under one name. */
struct OneCore {
    using Chan = coil_chan;
    static constexpr auto init = coil_chan_init;
    static constexpr auto send = coil_chan_send;
    static constexpr auto send_start = coil_chan_send_start;
    static constexpr auto recv = coil_chan_recv;
    static constexpr auto recv_start = coil_chan_recv_start;
    static constexpr auto try_send = coil_chan_try_send;
    static constexpr auto try_recv = coil_chan_try_recv;
    static constexpr auto destroy = coil_chan_destroy;
};

struct AcrossCores {
    using Chan = coil_xchan;
    static constexpr auto init = coil_xchan_init;
    static constexpr auto send = coil_xchan_send;
    static constexpr auto send_start = coil_xchan_send_start;
    static constexpr auto recv = coil_xchan_recv;
    static constexpr auto recv_start = coil_xchan_recv_start;
    static constexpr auto try_send = coil_xchan_try_send;
    static constexpr auto try_recv = coil_xchan_try_recv;
    static constexpr auto destroy = coil_xchan_destroy;
};

/* Values are numbered, in the order in which they were to be sent. */
template <class Sort> struct ChanWait : Wait {
    int slot = 0;
    typename Sort::Chan chan;
    int next = 1;
    std::vector<int> received;

    explicit ChanWait(size_t slots) { Sort::init(&chan, &slot, sizeof(slot), slots); }

    void receive_one()
    {
        int value = 0;
        EXPECT_EQ(0, Sort::try_recv(&chan, &value));
        received.push_back(value);
    }

    void expect_empty()
    {
        int value;
        EXPECT_EQ(-EAGAIN, Sort::try_recv(&chan, &value)) << "sent twice, or though cancelled";
        Sort::destroy(&chan);
    }
};

/* As the values are remembered by whoever sends them, they must outlive the send. */
template <size_t kSlots, class Sort = OneCore> struct SendWait : ChanWait<Sort> {
    using ChanWait<Sort>::chan;
    using ChanWait<Sort>::next;
    using ChanWait<Sort>::received;
    using ChanWait<Sort>::receive_one;

    std::vector<std::unique_ptr<int>> values;
    int sent = 0;

    SendWait() : ChanWait<Sort>(kSlots) {}

    const int *make_value()
    {
        values.push_back(std::make_unique<int>(next++));
        return values.back().get();
    }
    void block(unsigned) override
    {
        for (size_t i = 0; i < kSlots; i++)
            EXPECT_EQ(0, Sort::send(&chan, make_value()));
    }
    void grant() override { receive_one(); }
    int wait() override { return Sort::send(&chan, make_value()); }
    void start(coil_future *future) override { Sort::send_start(future, &chan, make_value()); }
    void expect_free(int granted) override
    {
        if (kSlots > 0)
            receive_one();
        EXPECT_EQ(size_t(granted) + kSlots, received.size());
        EXPECT_TRUE(std::is_sorted(received.begin(), received.end()));
        this->expect_empty();
    }
    Grant kind() const override { return Grant::kIsUsedUp; }
};

template <size_t kSlots, class Sort = OneCore> struct RecvWait : ChanWait<Sort> {
    using ChanWait<Sort>::chan;
    using ChanWait<Sort>::next;
    using ChanWait<Sort>::received;

    std::vector<std::unique_ptr<int>> places;
    const int *started = nullptr; /* where a future receives */

    RecvWait() : ChanWait<Sort>(kSlots) {}

    int *make_place()
    {
        places.push_back(std::make_unique<int>(0));
        return places.back().get();
    }
    void block(unsigned) override {}
    void grant() override
    {
        int value = next++;
        EXPECT_EQ(0, Sort::try_send(&chan, &value));
    }
    int wait() override
    {
        int *place = make_place();
        int result = Sort::recv(&chan, place);
        if (result == 0)
            received.push_back(*place);
        started = nullptr;
        return result;
    }
    void start(coil_future *future) override
    {
        int *place = make_place();
        Sort::recv_start(future, &chan, place);
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
        this->expect_empty();
    }
    Grant kind() const override { return Grant::kIsReturned; }
};

/* Receives from a channel that holds the latest value only. */
struct RecvLatestWait : RecvWait<1> {
    RecvLatestWait() { coil_chan_init_latest(&chan, &slot, sizeof(slot)); }
};

} // namespace coil_test

#endif
