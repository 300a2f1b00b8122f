/* SPDX-License-Identifier: MIT */
/* What only a wrong program does with a listener. */
#include "ops/sockets.h"
#include "support/misuse.h"

using namespace coil_test;

namespace {

constexpr const char *kListener = "serve/listener.c";

int open_on_loopback(coil_listener *listener)
{
    sockaddr_in addr = loopback();
    return coil_listener_open(listener, as_sockaddr(addr), sizeof(addr), 5, COIL_BALANCE_LEAST);
}

const Misuse kListeners[] = {
    {"NextBeforeTheOpen", kListener, "coil_listener: it is not open", kFirst,
     [] {
         coil_listener listener = {};
         return coil_listener_next(&listener);
     }},
    {"LoadOfNoCore", kListener, "coil_listener_load: there is no such core", kFirst,
     [] {
         coil_listener listener;
         EXPECT_EQ(0, open_on_loopback(&listener));
         return int(coil_listener_load(&listener, 1));
     }},
    {"DestroyWhileACoreServes", kListener, "coil_listener_destroy: a core has not left it", kFirst,
     [] {
         coil_listener listener;
         EXPECT_EQ(0, open_on_loopback(&listener));
         COIL_SCOPE(scope, coil_after(COIL_MSEC));
         EXPECT_EQ(-ECANCELED, coil_listener_next(&listener));
         coil_listener_destroy(&listener);
         return 0;
     }},
};

INSTANTIATE_TEST_SUITE_P(Listener, MisuseDeathTest, testing::ValuesIn(kListeners), name_of_misuse);

} // namespace
