/* SPDX-License-Identifier: MIT */
/* Looking out for events before sleeping: what is learned, and that an idle core sleeps. */
#include "support/running.h"
#include "support/sanitizer.h"

extern "C" {
#include "core/spin.h"
}

#include <array>
#include <ctime>
#include <sys/resource.h>

using namespace coil_test;

namespace {

/* How often a core that never meets an event in time looks out in `waits` waits. */
int tries_in(coil__spin &spin, int waits)
{
    int tries = 0;
    for (int i = 0; i < waits; i++) {
        if (coil__spin_span(&spin) > 0) {
            tries++;
            coil__spin_miss(&spin);
        }
    }
    return tries;
}

TEST(Spin, AFixedSpanStays)
{
    coil__spin spin;
    coil__spin_init(&spin, 12345);
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(12345, coil__spin_span(&spin));
        coil__spin_miss(&spin);
    }
    coil__spin_init(&spin, COIL_SPIN_OFF);
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(0, coil__spin_span(&spin));
        coil__spin_hit_mail(&spin);
    }
}

TEST(Spin, IsGivenUpWhereItNeverPays)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    tries_in(spin, 10000); /* now it rests for longest */
    int tries = tries_in(spin, 100 * COIL__SPIN_REST_MAX);
    EXPECT_GE(tries, 98);
    EXPECT_LE(tries, 102);
}

/* How often a core that meets a completion whenever it looks out, those of `peers` in turn, and for
 * which `each` operations end between two waits, looked out in the last `waits` of twice as many.
 */
int tries_among(coil__spin &spin, int waits, unsigned each, unsigned peers)
{
    const std::array<char, 8> coroutines = {};
    int tries = 0;
    uint32_t ended = 0;
    for (int i = 0; i < 2 * waits; i++) {
        ended += each;
        if (coil__spin_span(&spin) > 0) {
            tries += i >= waits;
            const void *met = peers > 0 ? &coroutines[unsigned(i) % peers] : nullptr;
            coil__spin_hit(&spin, ended, met);
        }
    }
    return tries;
}

TEST(Spin, IsTakenUpAgainOnceItPays)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    tries_in(spin, 10000);
    int waits = 2 * COIL__SPIN_REST_MAX;
    EXPECT_EQ(waits, tries_among(spin, waits, 2, 2));
    tries_in(spin, 10000);
    for (int i = 0; i < 2 * COIL__SPIN_REST_MAX; i++) {
        if (coil__spin_span(&spin) > 0)
            coil__spin_hit_mail(&spin);
    }
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(COIL__SPIN_NS, coil__spin_span(&spin));
        coil__spin_hit_mail(&spin);
    }
}

TEST(Spin, IsGivenUpByACoreThatServesManyAtOnce)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    int waits = 20 * COIL__SPIN_REST_MAX;
    EXPECT_LT(tries_among(spin, waits, 4, 8), waits / 5);
    EXPECT_LT(tries_among(spin, waits, 4, 2), waits / 5);
    EXPECT_LT(tries_among(spin, waits, 4, 0), waits / 5) << "several at a time";
    EXPECT_EQ(waits, tries_among(spin, waits, 2, 2));
}

TEST(Spin, IsGivenUpSoonWhereHundredsAreServedAtOnce)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    uint32_t ended = 0;
    int tries = 0;
    while (coil__spin_span(&spin) > 0 && tries < COIL__SPIN_WEIGHED) {
        tries++;
        coil__spin_hit(&spin, ended += 300, nullptr);
    }
    EXPECT_EQ(int(COIL__SPIN_OTHERS), tries);
}

TEST(Spin, GoesOnForASinglePeerHoweverManyOperationsARequestTakes)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    int waits = 20 * COIL__SPIN_REST_MAX;
    EXPECT_EQ(waits, tries_among(spin, waits, 10, 1));
    EXPECT_LT(tries_among(spin, waits, 10, 3), waits / 5);
    EXPECT_EQ(waits, tries_among(spin, waits, 10, 1)) << "and begins again";
}

TEST(Spin, SurvivesAMissNowAndThen)
{
    coil__spin spin;
    coil__spin_init(&spin, COIL_SPIN_ADAPTIVE);
    for (int i = 0; i < 1000; i++) {
        EXPECT_GT(coil__spin_span(&spin), 0);
        i % 6 == 5 ? coil__spin_miss(&spin) : coil__spin_hit_mail(&spin);
    }
}

int64_t thread_cpu_ns()
{
    timespec time;
    EXPECT_EQ(0, clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time));
    return int64_t(time.tv_sec) * COIL_SEC + time.tv_nsec;
}

int64_t cpu_of_core(unsigned core)
{
    int64_t cpu = 0;
    EXPECT_EQ(0, call(core, [&] {
                  cpu = thread_cpu_ns();
                  return 0;
              }));
    return cpu;
}

TEST(Spin, AnIdleCoreSleeps)
{
    for (int64_t spin_ns : {COIL_SPIN_ADAPTIVE, COIL_SPIN_OFF, 10 * COIL_USEC}) {
        coil_options options = cores(2);
        options.spin_ns = spin_ns;
        run(
            [] {
                int64_t here = thread_cpu_ns(), there = cpu_of_core(1);
                EXPECT_EQ(0, coil_sleep(400 * COIL_MSEC));
                EXPECT_LT(thread_cpu_ns() - here, 100 * COIL_MSEC);
                EXPECT_LT(cpu_of_core(1) - there, 100 * COIL_MSEC);
                return 0;
            },
            options);
    }
}

/* A thousand timers in a row are no reason to burn the core in between. */
TEST(Spin, ACoreWithRareEventsSleepsInBetween)
{
    run([] {
        int64_t before = thread_cpu_ns();
        for (int i = 0; i < 200; i++)
            EXPECT_EQ(0, coil_sleep(2 * COIL_MSEC));
        EXPECT_LT(thread_cpu_ns() - before, (kSanitized ? 350 : 150) * COIL_MSEC);
        return 0;
    });
}

/* How often this thread has let go of its CPU by itself. */
long sleeps_of_thread()
{
    rusage usage = {};
    EXPECT_EQ(0, getrusage(RUSAGE_THREAD, &usage));
    return usage.ru_nvcsw;
}

TEST(Spin, ALongFixedSpanLooksOutAllTheTime)
{
    COIL_SKIP_IF_SIMULATED("time passes by itself");
    coil_options options = cores(1);
    options.spin_ns = COIL_SEC;
    run(
        [] {
            long before = sleeps_of_thread();
            EXPECT_EQ(0, coil_sleep(200 * COIL_MSEC));
            EXPECT_EQ(before, sleeps_of_thread());
            return 0;
        },
        options);
}

TEST(Spin, TimersFireInOrderAndNeverEarlyWhileLookingOut)
{
    for (int64_t spin_ns : {COIL_SPIN_OFF, 50 * COIL_USEC, COIL_SEC}) {
        coil_options options = cores(1);
        options.spin_ns = spin_ns;
        run(
            [] {
                Children children;
                COIL_SCOPE(scope, COIL_FOREVER);
                coil_time start = coil_now();
                int next = 0;
                for (int i = 0; i < 20; i++) {
                    children.start(scope, [&, i] {
                        coil_time instant = start + i * 300 * COIL_USEC;
                        int err = coil_sleep_until(instant);
                        EXPECT_GE(coil_now(), instant);
                        EXPECT_EQ(i, next++);
                        return err;
                    });
                }
                return coil_scope_close(&scope, 0);
            },
            options);
    }
}

} // namespace
