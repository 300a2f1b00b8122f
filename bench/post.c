/* SPDX-License-Identifier: MIT */
/*
 * How many messages go from one thread to another in a second, one way, with 64 in flight?
 *
 * coil_post_core() from a core, and coil_post() from a plain thread, to a core that looks out for
 * them. Beside: a bare ring of 64 slots for several producers and one consumer, between two threads
 * that do nothing else. Not measured: several senders; a receiver that sleeps (bench/call).
 */
#include "bare/ring_pair.h"
#include "harness/clock.h"
#include "harness/coil_subject.h"
#include "harness/peer.h"
#include "harness/relax.h"

#include <stdatomic.h>
#include <string.h>

enum { IN_FLIGHT = 64, CHUNK = 10000 };

/* --- coil --------------------------------------------------------------------------------- */

struct letter {
    struct coil_message message;
    uint64_t value;
};

struct mail {
    struct letter letters[IN_FLIGHT];
    _Alignas(64) atomic_ullong arrived;
    _Alignas(64) uint64_t sum; /* apart from what the sender looks at */
    _Alignas(64) int64_t length_ns;
    double per_second;
    const struct window *window;
    struct coil_port port;
};

static struct mail *mail;

static void letter_arrives(struct coil_message *message)
{
    const struct letter *letter = (const struct letter *)(const void *)message;
    mail->sum += letter->value;
    uint64_t arrived = atomic_load_explicit(&mail->arrived, memory_order_relaxed);
    atomic_store_explicit(&mail->arrived, arrived + 1, memory_order_release);
}

static int post_to_core(struct coil_message *message)
{
    return coil_post_core(1, message);
}

static int post_to_port(struct coil_message *message)
{
    return coil_post(&mail->port, message);
}

/* How a sender posts, and what it does while it may not. */
struct way {
    int (*post)(struct coil_message *message);
    int (*pause)(void);
};

/* A coroutine has to let its core go on: that is what wakes the other one. */
static const struct way to_core = {post_to_core, coil_yield};

static int relax(void)
{
    relax_cpu();
    return 0;
}

static const struct way to_port = {post_to_port, relax};

/* For x86-64 compilers make of a prefetch to write one to read, unless told to have the other. */
#if defined(__x86_64__)
#define HAS_PREFETCHW __attribute__((target("prfchw")))
#else
#define HAS_PREFETCHW
#endif

/* The receiver has a copy of what it has read, which each store would have to wait for: so asks for
 * all of it at once. */
HAS_PREFETCHW static void take_back(uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i < to; i += 64 / sizeof(struct letter))
        __builtin_prefetch(&mail->letters[i % IN_FLIGHT], 1);
}

static uint64_t wait_for_arrival(const struct way *way, uint64_t before)
{
    uint64_t arrived;
    while ((arrived = atomic_load_explicit(&mail->arrived, memory_order_acquire)) == before) {
        if (way->pause() < 0)
            return before;
    }
    take_back(before, arrived);
    return arrived;
}

/* Sends a chunk; `arrived` is what the sender knows of the receiver. */
static inline __attribute__((always_inline)) int send_chunk(const struct way *way, uint64_t *sent,
                                                            uint64_t *arrived)
{
    int err = 0;
    for (int i = 0; i < CHUNK; i++) {
        if (*sent - *arrived == IN_FLIGHT)
            *arrived = wait_for_arrival(way, *arrived);
        struct letter *letter = &mail->letters[*sent % IN_FLIGHT];
        letter->value = (*sent)++;
        letter->message.deliver = letter_arrives;
        err |= way->post(&letter->message);
    }
    return err;
}

static inline __attribute__((always_inline)) int send_all(const struct way *way)
{
    uint64_t sent = 0, arrived = 0;
    int err = send_chunk(way, &sent, &arrived);
    int64_t start = clock_ns(), elapsed = 0;
    while (err == 0 && elapsed < mail->length_ns) {
        err = send_chunk(way, &sent, &arrived);
        elapsed = clock_ns() - start;
    }
    mail->per_second = (double)(sent - CHUNK) * 1e9 / (double)elapsed;
    while (arrived < sent)
        arrived = wait_for_arrival(way, arrived);
    return err;
}

static int core_main(void *arg)
{
    (void)arg;
    return send_all(&to_core);
}

static const char *measure_core(const struct window *window, double figures[METRIC_MAX])
{
    static struct mail room;
    memset(&room, 0, sizeof(room));
    mail = &room;
    mail->length_ns = window->length_ns;
    int result = coil_subject_run_two(window, 10 * COIL_MSEC, core_main, NULL);
    figures[0] = mail->per_second;
    return harness_reason(result);
}

/* A thread that is no core; the core runs on the caller's CPU. */
struct sender {
    const struct window *window;
    struct coil_promise done;
    int err;
};

static void *send_from_thread(void *arg)
{
    struct sender *sender = arg;
    int err = send_all(&to_port);
    sender->err = coil_promise_set(&sender->done, err);
    return NULL;
}

static int port_main(void *arg)
{
    struct sender *sender = arg;
    int err = coil_port_open(&mail->port);
    if (err < 0)
        return err;
    struct peer peer;
    coil_promise_init(&sender->done);
    peer_start(&peer, sender->window, send_from_thread, sender);
    err = (int)coil_promise_wait(&sender->done);
    peer_join(&peer);
    coil_promise_drop(&sender->done);
    coil_port_close(&mail->port);
    return err;
}

static const char *measure_thread(const struct window *window, double figures[METRIC_MAX])
{
    static struct mail room;
    memset(&room, 0, sizeof(room));
    mail = &room;
    mail->length_ns = window->length_ns;
    struct sender sender = {.window = window};
    char cpus[16];
    snprintf(cpus, sizeof(cpus), "%d", window->cpu);
    struct coil_options options = {.core_count = 1, .cpus = cpus, .spin_ns = 10 * COIL_MSEC};
    int result = coil_run(&options, port_main, &sender);
    figures[0] = mail->per_second;
    return harness_reason(result);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {
        .name = "messages per second", .unit = "/s", .higher_is_better = true};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_core},
        {.name = "coil_from_a_thread", .measure = measure_thread},
        {.name = "mpsc_ring", .measure = measure_ring_pair},
    };
    struct harness harness;
    harness_open(&harness, argc, argv, "post",
                 "How many messages go from one thread to another in a second?");
    if (harness.placement.load_cpu < 0)
        harness_note(&harness, "", "", "it takes two CPUs");
    else
        harness_case(&harness, &(struct bench_case){
                                   .name = "64 in flight",
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = 3,
                                   .window_ms = 50,
                                   .quick_window_ms = 20,
                                   .rounds = harness_rounds(&harness, 3),
                                   .two_cpus = true,
                               });
    return harness_close(&harness);
}
