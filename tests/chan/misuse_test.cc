/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a channel. */
#include "support/misuse.h"

#include <atomic>

using namespace coil_test;

namespace {

constexpr const char *kChan = "chan/chan.c", *kTask = "coro/task.h";
constexpr const char *kWaitedFor = "coil_chan_destroy: a coroutine waits for it";

/* A channel of one slot that nobody uses. */
struct Idle {
    int slot = 0;
    coil_chan chan;

    Idle() { coil_chan_init(&chan, &slot, sizeof(slot), 1); }
};

int destroy_while(int (*wait)(coil_chan *))
{
    coil_chan chan;
    coil_chan_init(&chan, nullptr, sizeof(int), 0);
    Children children;
    COIL_SCOPE(scope, COIL_FOREVER);
    children.start(scope, [&] { return wait(&chan); });
    give_way();
    coil_chan_destroy(&chan);
    return 0;
}

const Misuse kChannels[] = {
    {"ValuesWithoutASize", kChan, "coil_chan_init: values without a size", "",
     [] {
         int slot;
         coil_chan chan;
         coil_chan_init(&chan, &slot, 0, 1);
         return 0;
     }},
    {"SlotsWithoutMemory", kChan, "coil_chan_init: no memory for the slots", "",
     [] {
         coil_chan chan;
         coil_chan_init(&chan, nullptr, sizeof(int), 1);
         return 0;
     }},
    {"DestroyWhileOneSends", kChan, kWaitedFor, kFirst,
     [] {
         return destroy_while([](coil_chan *chan) {
             int value = 0;
             return coil_chan_send(chan, &value);
         });
     }},
    {"DestroyWhileOneReceives", kChan, kWaitedFor, kFirst,
     [] {
         return destroy_while([](coil_chan *chan) {
             int value = 0;
             return coil_chan_recv(chan, &value);
         });
     }},
    {"ReturnWithASendInFlight", kOrigin, in_flight("channel, to send"), kFirst,
     [] {
         static coil_chan chan;
         static coil_future send;
         coil_chan_init(&chan, nullptr, sizeof(int), 0);
         coil_chan_send_start(&send, &chan, "1234");
         return 0;
     }},
    {"ReturnWithAReceiveInFlight", kOrigin, in_flight("channel, to receive"), kFirst,
     [] {
         static coil_chan chan;
         static coil_future recv;
         static int value;
         coil_chan_init(&chan, nullptr, sizeof(int), 0);
         coil_chan_recv_start(&recv, &chan, &value);
         return 0;
     }},
    {"SendFromAnotherCoreThanWhereOneReceives", kWaiters, kOtherCore, kChild,
     [] {
         coil_chan chan;
         int value = 0;
         coil_chan_init(&chan, nullptr, sizeof(int), 0);
         COIL_FUTURE(recv);
         coil_chan_recv_start(&recv, &chan, &value);
         return call(1, [&] { return coil_chan_send(&chan, &value); });
     },
     2},
    {"SendOutside", kTask, kOutside, "",
     [] {
         Idle idle;
         return coil_chan_send(&idle.chan, &idle.slot);
     }},
    {"TrySendOutside", kTask, kOutside, "",
     [] {
         Idle idle;
         return coil_chan_try_send(&idle.chan, &idle.slot);
     }},
    {"TryReceiveOutside", kTask, kOutside, "",
     [] {
         Idle idle;
         return coil_chan_try_recv(&idle.chan, &idle.slot);
     }},
    {"CloseOutside", kTask, kOutside, "",
     [] {
         Idle idle;
         coil_chan_close(&idle.chan);
         return 0;
     }},
    {"CloseNowOutside", kTask, kOutside, "",
     [] {
         Idle idle;
         coil_chan_close_now(&idle.chan);
         return 0;
     }},
};

constexpr const char *kXchan = "chan/xchan.c";
constexpr const char *kCrossWaitedFor = "coil_xchan_destroy: a coroutine waits for it";

const Misuse kCrossChannels[] = {
    {"DestroyWhileOneSendsElsewhere", kXchan, kCrossWaitedFor, kFirst,
     [] {
         coil_xchan chan;
         int value = 0;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         Children children;
         std::atomic<bool> began{false};
         COIL_SCOPE(scope, COIL_FOREVER);
         EXPECT_EQ(0, children.spawn_on(scope, 1, [&] {
             COIL_FUTURE(send);
             coil_xchan_send_start(&send, &chan, &value);
             began = true;
             return int(coil_await(&send));
         }));
         wait_until([&] { return began.load(); });
         coil_xchan_destroy(&chan);
         return 0;
     },
     2},
    {"DestroyWhileOneReceives", kXchan, kCrossWaitedFor, kFirst,
     [] {
         coil_xchan chan;
         int value = 0;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         COIL_FUTURE(recv);
         coil_xchan_recv_start(&recv, &chan, &value);
         coil_xchan_destroy(&chan);
         return 0;
     }},
    {"ReturnWithASendInFlight", kOrigin, in_flight("channel between cores, to send"), kFirst,
     [] {
         static coil_xchan chan;
         static coil_future send;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         coil_xchan_send_start(&send, &chan, "1234");
         return 0;
     }},
    {"ReturnWithAReceiveInFlight", kOrigin, in_flight("channel between cores, to receive"), kFirst,
     [] {
         static coil_xchan chan;
         static coil_future recv;
         static int value;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         coil_xchan_recv_start(&recv, &chan, &value);
         return 0;
     }},
    {"TrySendOutside", kTask, kOutside, "",
     [] {
         coil_xchan chan;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         return coil_xchan_try_send(&chan, "1234");
     }},
    {"CloseOutside", kTask, kOutside, "",
     [] {
         coil_xchan chan;
         coil_xchan_init(&chan, nullptr, sizeof(int), 0);
         coil_xchan_close(&chan);
         return 0;
     }},
};

INSTANTIATE_TEST_SUITE_P(Xchan, MisuseDeathTest, testing::ValuesIn(kCrossChannels), name_of_misuse);
INSTANTIATE_TEST_SUITE_P(Channel, MisuseDeathTest, testing::ValuesIn(kChannels), name_of_misuse);

} // namespace
