/* SPDX-License-Identifier: MIT */
/* What blocks, in a simulated world: the seed decides when it runs, and names are its own. */
#include "sim/simulate.h"

#include <arpa/inet.h>
#include <cerrno>
#include <map>
#include <netdb.h>
#include <pthread.h>
#include <set>

using namespace coil_test;

namespace {

ssize_t call_blocking(void *arg)
{
    return (*static_cast<Callable<ssize_t> *>(arg))();
}

ssize_t offload(coil_pool *pool, Callable<ssize_t> body)
{
    return coil_offload(pool, call_blocking, &body);
}

/* Results, and the first address as text. */
int look_up(const char *node, const char *service, std::string *first = nullptr,
            int family = AF_INET)
{
    addrinfo hints = {}, *found = nullptr;
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    int err = coil_getaddrinfo(node, service, &hints, &found);
    if (err < 0)
        return err;
    char text[INET6_ADDRSTRLEN] = "";
    getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), nullptr, 0, NI_NUMERICHOST);
    if (first != nullptr)
        *first = text;
    freeaddrinfo(found);
    return 0;
}

} // namespace

TEST(SimWork, RunsOnTheOneThreadOutsideOfCoroutines)
{
    Simulated outcome = simulate(
        1,
        [] {
            pthread_t here = pthread_self();
            EXPECT_EQ(7, offload(nullptr, [=]() -> ssize_t {
                          EXPECT_TRUE(pthread_equal(here, pthread_self()));
                          return 7;
                      }));
            EXPECT_EQ(-EIO, offload(nullptr, [] { return ssize_t(-EIO); }));
            return 0;
        },
        2);
    EXPECT_EQ(0, outcome.result);
}

TEST(SimWork, RepeatsItsSeedAndComesInAnyOrder)
{
    std::set<std::vector<int>> orders;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t trace = 0;
        for (int time = 0; time < 2; time++) {
            std::vector<int> order;
            Simulated outcome = simulate(
                seed,
                [&] {
                    Children children;
                    COIL_SCOPE(scope, COIL_FOREVER);
                    for (int i = 0; i < 8; i++) {
                        children.spawn_on(scope, unsigned(i) % 2, [&, i] {
                            return int(offload(nullptr, [&, i]() -> ssize_t {
                                order.push_back(i);
                                return 0;
                            }));
                        });
                    }
                    return coil_scope_close(&scope, 0);
                },
                2);
            EXPECT_EQ(0, outcome.result);
            EXPECT_EQ(8u, order.size());
            EXPECT_TRUE(time == 0 || outcome.trace == trace) << "seed " << seed;
            trace = outcome.trace;
            orders.insert(order);
        }
    }
    EXPECT_GT(orders.size(), 10u);
}

TEST(SimWork, OfAPoolOfOneKeepsItsOrder)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        std::vector<int> order;
        simulate(seed, [&] {
            static coil_pool pool = COIL_POOL("one", 1);
            Children children;
            COIL_SCOPE(scope, COIL_FOREVER);
            for (int i = 0; i < 8; i++) {
                children.start(scope, [&, i] {
                    return int(offload(&pool, [&, i]() -> ssize_t {
                        order.push_back(i);
                        return 0;
                    }));
                });
            }
            return coil_scope_close(&scope, 0);
        });
        EXPECT_EQ((std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}), order) << "seed " << seed;
    }
}

/* A cancel wins before it has begun, and loses afterwards: both happen. */
TEST(SimWork, IsCancelledOrDoneAsTheSeedDecides)
{
    std::map<ssize_t, int> ends;
    for (uint64_t seed = 0; seed < 100; seed++) {
        bool ran = false;
        ssize_t result = 0;
        simulate(seed, [&] {
            Callable<ssize_t> body = [&] { return ran = true, ssize_t(5); };
            COIL_SCOPE(scope, coil_after(int64_t(coil_sim_random() % 40) * COIL_USEC));
            result = coil_offload(nullptr, call_blocking, &body);
            int closed = coil_scope_close(&scope, 0);
            return closed == -ETIMEDOUT ? 0 : closed;
        });
        EXPECT_EQ(ran ? 5 : -ECANCELED, result) << "seed " << seed;
        ends[result]++;
    }
    EXPECT_GT(ends[5], 5);
    EXPECT_GT(ends[-ECANCELED], 5);
}

TEST(SimWork, KeepsAPromiseThatItSets)
{
    for (uint64_t seed = 0; seed < 10; seed++) {
        Simulated outcome = simulate(
            seed,
            [] {
                coil_promise promise;
                coil_promise_init(&promise);
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                children.spawn_on(scope, 1, [&] {
                    return int(
                        offload(nullptr, [&] { return ssize_t(coil_promise_set(&promise, 3)); }));
                });
                EXPECT_EQ(3, coil_promise_wait(&promise));
                int err = coil_scope_close(&scope, 0);
                coil_promise_drop(&promise);
                return err;
            },
            2);
        EXPECT_EQ(0, outcome.result);
    }
}

TEST(SimWork, FindsNoThreadOnABadDay)
{
    std::map<ssize_t, int> results;
    int times_done = 0;
    simulate(
        1,
        [&] {
            for (int i = 0; i < 2000; i++)
                results[offload(nullptr, [&] { return times_done++, ssize_t(1); })]++;
            return 0;
        },
        1, ",faults=harsh");
    EXPECT_EQ(times_done, results[1]);
    EXPECT_GT(results[-EAGAIN], 0);
    EXPECT_GT(results[-ENOMEM], 0);
    EXPECT_EQ(3u, results.size());
}

/* Who waits in line has a thread to wait for. */
TEST(SimWork, FindsItsPoolAgainWhileAThreadIsBusyThere)
{
    int failures = 0;
    simulate(
        2,
        [&] {
            static coil_pool pool = COIL_POOL("one", 1);
            Callable<ssize_t> body = [] { return ssize_t(1); };
            for (int i = 0; i < 1000; i++) {
                coil_future first, second;
                coil_offload_start(&first, &pool, call_blocking, &body);
                bool is_busy = !coil_future_done(&first);
                coil_offload_start(&second, &pool, call_blocking, &body);
                failures += is_busy ? 0 : 1;
                EXPECT_EQ(is_busy, coil_await(&first) == 1);
                ssize_t result = coil_await(&second);
                EXPECT_TRUE(result == 1 || !is_busy) << result;
            }
            return 0;
        },
        1, ",faults=harsh");
    EXPECT_GT(failures, 0);
}

TEST(SimNames, AreNumbersAndLocalhostAlone)
{
    Simulated outcome = simulate(1, [] {
        std::string first;
        EXPECT_EQ(0, look_up("localhost", "80", &first));
        EXPECT_EQ("127.0.0.1", first);
        EXPECT_EQ(0, look_up("localhost", "80", &first, AF_INET6));
        EXPECT_EQ("::1", first);
        EXPECT_EQ(0, look_up("10.1.2.3", nullptr, &first));
        EXPECT_EQ("10.1.2.3", first);
        EXPECT_EQ(-ENOENT, look_up("example.com", "80"));
        EXPECT_EQ(-ENOENT, look_up("localhost", "no-such-service"));
        return 0;
    });
    EXPECT_EQ(0, outcome.result);
}

TEST(SimNames, AreNotAlwaysFoundOnABadDay)
{
    std::map<int, int> seen;
    for (uint64_t seed = 0; seed < 20; seed++) {
        simulate(
            seed,
            [&] {
                for (int i = 0; i < 100; i++)
                    seen[look_up("localhost", "80")]++;
                return 0;
            },
            1, ",faults=harsh");
    }
    EXPECT_GT(seen[0], 1800);
    EXPECT_GT(seen[-EAGAIN], seen[-EIO]);
    for (int error : {-EIO, -ENOMEM, -ENFILE})
        EXPECT_GT(seen[error], 0) << error;
    EXPECT_EQ(5u, seen.size());
}
