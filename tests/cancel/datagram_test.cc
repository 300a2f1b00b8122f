/* SPDX-License-Identifier: MIT */
/* Sends into a Unix socket's queue of datagrams that is full, connected to it and by its name. */
#include "ops/full_queue.h"
#include "cancel/cancel.h"

namespace {

using namespace coil_test;

/* Others have filled the queue, so that the send waits until somebody receives. */
class Datagram : public Operation {
public:
    explicit Datagram(bool is_connected) : to_(is_connected)
    {
        to_.open();
        if (!is_connected)
            slowness = 40; /* it looks for room every millisecond */
    }

    void begin() override
    {
        fillers_ = to_.fill();
        text_ = pattern(round_++, 1 + pick(200));
        to_.message.set(text_);
    }

    void start(coil_future *future) override
    {
        coil_sendmsg_start(future, to_.sender, &to_.message.header, 0);
    }
    ssize_t call() override { return coil_sendmsg(to_.sender, &to_.message.header, 0); }
    void complete() override { fillers_ -= to_.take() == FullQueue::kFiller ? 1 : 0; }

    void end(ssize_t result) override
    {
        ASSERT_TRUE(result == ssize_t(text_.size()) || result == -ECANCELED) << result;
        for (; fillers_ > 0; fillers_--)
            ASSERT_EQ(FullQueue::kFiller, to_.take());
        if (result > 0) {
            ASSERT_EQ(text_, to_.take());
        }
        ASSERT_EQ("", to_.take()) << "nothing more has come";
    }

private:
    FullQueue to_;
    size_t fillers_ = 0;
    uint64_t round_ = 0;
    std::string text_;
};

template <bool is_connected> std::unique_ptr<Operation> make_datagram()
{
    return std::make_unique<Datagram>(is_connected);
}

const CancelRow kRows[] = {
    /* call                     before   in flight racing  after */
    {"coil_sendmsg_to_a_full_queue", REFUSED, STOPPED, EITHER, HAPPENED, "", make_datagram<true>},
    {"coil_sendmsg_to_a_full_queue_by_name", REFUSED, STOPPED, EITHER, HAPPENED, "",
     make_datagram<false>},
};
INSTANTIATE_TEST_SUITE_P(Datagram, CancelledOperation, testing::ValuesIn(kRows), name_of_row);

} // namespace
