/* SPDX-License-Identifier: MIT */
/* Looking names up, with a resolver of the test's own for some of them. */
#include "support/census.h"
#include "support/running.h"

#include <arpa/inet.h>
#include <atomic>
#include <cerrno>
#include <dlfcn.h>
#include <netdb.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

std::atomic<bool> silent{false};    /* the name servers */
std::atomic<unsigned> running{0};   /* lookups of "silent.test" */
std::atomic<unsigned> looked_up{0}; /* those that have ended */

} // namespace

/* Takes the place of the C library's, which it calls in the end. */
extern "C" int
getaddrinfo(const char *node, const char *service, const addrinfo *hints,
            addrinfo **found) noexcept(noexcept(::getaddrinfo(nullptr, nullptr, nullptr, nullptr)));

extern "C" int
getaddrinfo(const char *node, const char *service, const addrinfo *hints,
            addrinfo **found) noexcept(noexcept(::getaddrinfo(nullptr, nullptr, nullptr, nullptr)))
{
    using Function = int(const char *, const char *, const addrinfo *, addrinfo **);
    static Function *const next = reinterpret_cast<Function *>(dlsym(RTLD_NEXT, "getaddrinfo"));
    std::string name = node == nullptr ? "" : node;
    if (name == "again.test")
        return EAI_AGAIN;
    if (name == "fails.test")
        return EAI_FAIL;
    if (name == "nodata.test")
        return EAI_NODATA;
    if (name != "silent.test")
        return next(node, service, hints, found);
    running++;
    while (silent)
        usleep(500);
    int result = next("127.0.0.1", service, hints, found);
    looked_up++;
    return result;
}

namespace {

using namespace coil_test;

/* The result, and the first address as text. */
int look_up(const char *node, const char *service, std::string *first = nullptr, int flags = 0)
{
    addrinfo hints = {}, *found = nullptr;
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    int err = coil_getaddrinfo(node, service, &hints, &found);
    if (err < 0)
        return err;
    const sockaddr_in *address = reinterpret_cast<const sockaddr_in *>(found->ai_addr);
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
    if (first != nullptr)
        *first = std::string(text) + ":" + std::to_string(ntohs(address->sin_port));
    freeaddrinfo(found);
    return err;
}

TEST(Resolve, FindsAddresses)
{
    EXPECT_EQ(0, run([] {
                  std::string first;
                  EXPECT_EQ(0, look_up("192.0.2.7", "81", &first));
                  EXPECT_EQ("192.0.2.7:81", first);
                  EXPECT_EQ(0, look_up(nullptr, "82", &first));
                  EXPECT_EQ("127.0.0.1:82", first);
                  EXPECT_EQ(0, look_up(nullptr, "83", &first, AI_PASSIVE));
                  EXPECT_EQ("0.0.0.0:83", first);
                  addrinfo *found = nullptr;
                  EXPECT_EQ(0, coil_getaddrinfo("192.0.2.7", nullptr, nullptr, &found));
                  freeaddrinfo(found);
                  return 0;
              }));
}

TEST(Resolve, SaysInAnErrorNumberWhatWentWrong)
{
    EXPECT_EQ(0, run([] {
                  EXPECT_EQ(-ENOENT, look_up("no address", "1", nullptr, AI_NUMERICHOST));
                  EXPECT_EQ(-ENOENT, look_up(nullptr, "no port", nullptr, AI_NUMERICSERV));
                  EXPECT_EQ(-ENOENT, look_up(nullptr, nullptr));
                  EXPECT_EQ(-EINVAL, look_up("192.0.2.7", "1", nullptr, -1));
                  EXPECT_EQ(-EAGAIN, look_up("again.test", "1"));
                  EXPECT_EQ(-EIO, look_up("fails.test", "1"));
                  EXPECT_EQ(-ENODATA, look_up("nodata.test", "1"));
                  addrinfo hints = {}, *found = nullptr;
                  hints.ai_family = AF_MAX;
                  EXPECT_EQ(-EAFNOSUPPORT, coil_getaddrinfo("::1", "1", &hints, &found));
                  return 0;
              }));
}

TEST(Resolve, ManyAtOnceHoldUpNobodyElse)
{
    COIL_SKIP_IF_SIMULATED("a lookup ends before anything else goes on");
    silent = true;
    running = looked_up = 0;
    EXPECT_EQ(0, run([] {
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  for (int i = 0; i < 20; i++)
                      children.start(scope, [] { return look_up("silent.test", "1"); });
                  EXPECT_TRUE(turn_until([] { return running == 8; }));
                  EXPECT_EQ(5, coil_offload(
                                   nullptr, [](void *) { return ssize_t(5); }, nullptr));
                  EXPECT_EQ(8u, running);
                  silent = false;
                  return coil_scope_close(&scope, 0);
              }));
    EXPECT_EQ(20u, looked_up);
}

/* What is under way goes on with memory of its own; what is not never begins. */
TEST(Resolve, ReturnsAtOnceWhenItIsCancelled)
{
    COIL_SKIP_IF_SIMULATED("a lookup ends before anything else goes on");
    Census before = take_census();
    silent = true;
    running = looked_up = 0;
    EXPECT_EQ(0, run([] {
                  Children children;
                  COIL_SCOPE(scope, COIL_FOREVER);
                  std::atomic<int> cancelled{0};
                  for (int i = 0; i < 20; i++) {
                      children.start(scope, [&] {
                          std::string node = "silent.test", service = "1"; /* gone too early */
                          int result = look_up(node.c_str(), service.c_str());
                          cancelled += result == -ECANCELED;
                          return result;
                      });
                  }
                  EXPECT_TRUE(turn_until([] { return running == 8; }));
                  coil_scope_cancel(&scope);
                  EXPECT_EQ(0, coil_scope_close(&scope, 0));
                  EXPECT_EQ(20, cancelled);
                  EXPECT_EQ(0u, looked_up);
                  silent = false;
                  return 0; /* and the run waits for the eight */
              }));
    EXPECT_EQ(8u, looked_up);
    EXPECT_EQ("", compare_census(before));
}

TEST(Resolve, FreesWhatNobodyTakes)
{
    /* Without them the C library also looks at the machine's addresses, with a lock and a count
     * that ThreadSanitizer does not see. */
    const addrinfo hints = {};
    EXPECT_EQ(0, run([&hints] {
                  for (int i = 0; i < 100; i++) {
                      COIL_FUTURE(future);
                      addrinfo *found;
                      coil_getaddrinfo_start(&future, "192.0.2.7", "1", &hints, &found);
                      if (i % 3 != 0) {
                          EXPECT_TRUE(turn_until([&] { return coil_future_done(&future); }));
                      }
                  }
                  return 0; /* a leak is for a sanitizer to find */
              }));
}

} // namespace
