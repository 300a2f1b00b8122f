/* SPDX-License-Identifier: MIT */
/* Options: what the caller said, else the environment, else the default. */
#include "core/options.h"

#include "core/stall.h"
#include "ring/choose.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    CORES_MAX = 1024,
    HYPERTHREADS_MAX = 8,
    RING_ENTRIES = 256,
    RING_ENTRIES_MAX = 4096,
    RECV_BUFFERS = 1024,
    RECV_BUFFERS_MAX = 32768,
    BLOCKING_THREADS = 64,
    BLOCKING_THREADS_MAX = 4096,
    IO_WORKERS = 8,
    IO_WORKERS_MAX = 4096,
};

static const size_t stack_size_default = 128 * 1024;
static const size_t stack_size_min = 16 * 1024;
static const size_t stack_size_max = (size_t)1 << 30;
static const size_t recv_buffer_default = 64 * 1024;
static const size_t recv_buffer_max = (size_t)16 << 20;
static const int64_t stall_max = 3600 * COIL_SEC;

int coil__options_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno != 0)
        return -EINVAL;
    static const char suffixes[] = "KMG";
    const char *suffix = *end == '\0' ? NULL : strchr(suffixes, *end);
    if (suffix != NULL) {
        int64_t factor = INT64_C(1024) << (10 * (suffix - suffixes));
        if (__builtin_mul_overflow(value, factor, &value))
            return -EINVAL;
        end++;
    }
    if (*end != '\0')
        return -EINVAL;
    *number = value;
    return 0;
}

const char *coil__options_variable(const char *name)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? text : NULL;
}

/* One numeric option, and where its value may come from. */
struct number {
    const char *variable;
    int64_t given; /* 0: look further */
    int64_t fallback;
    int64_t min, max;
};

static int resolve_number(const struct number *option, int64_t *value)
{
    const char *text = coil__options_variable(option->variable);
    *value = option->given != 0 ? option->given : option->fallback;
    if (option->given == 0 && text != NULL) {
        if (coil__options_number(text, value) < 0) {
            coil__log("%s=%s: not a number (digits, and K, M or G)", option->variable, text);
            return -EINVAL;
        }
    }
    if (*value < option->min || *value > option->max) {
        coil__log("%s (or its field of coil_options): %lld is not within %lld..%lld",
                  option->variable, (long long)*value, (long long)option->min,
                  (long long)option->max);
        return -EINVAL;
    }
    return 0;
}

/* As above, of an option that may be off, which in the environment is 0. */
static int resolve_switch(const struct number *option, int64_t off, int64_t *value)
{
    const char *text = coil__options_variable(option->variable);
    bool from_environment = option->given == 0 && text != NULL;
    int err = resolve_number(option, value);
    if (err == 0 && from_environment && *value == 0)
        *value = off;
    return err;
}

static size_t round_up_to_power(size_t size)
{
    size_t power = 1;
    while (power < size) /* ends: `size` is bounded by its maximum, a power itself */
        power <<= 1;
    return power;
}

/* As many as the driver likes; -EINVAL: there is no such driver. */
static int64_t count_usual_cores(const char *ring, unsigned usual_cores)
{
    struct coil__ring_choice choice;
    int err = coil__ring_choose(ring, &choice);
    if (err < 0)
        return err;
    return choice.driver->usual_cores != 0 ? choice.driver->usual_cores : usual_cores;
}

int coil__options_resolve(const struct coil_options *given, struct coil_options *resolved,
                          struct coil__placement *placement)
{
    static const struct coil_options none = {0};
    if (given == NULL)
        given = &none;
    *resolved = (struct coil_options){.log = given->log, .ring = given->ring};
    if (resolved->ring == NULL)
        resolved->ring = getenv("COIL_RING");
    int64_t hyperthreads;
    if (resolve_number(
            &(struct number){"COIL_HYPERTHREADS", given->hyperthreads, 0, 0, HYPERTHREADS_MAX},
            &hyperthreads) < 0)
        return -EINVAL;
    int err = coil__placement_decide(placement, given->cpus, (unsigned)hyperthreads);
    if (err == 0)
        err = coil__placement_decide_workers(placement, given->io_worker_cpus);
    if (err < 0)
        return err;

    int64_t usual_cores = count_usual_cores(resolved->ring, placement->usual_cores);
    if (usual_cores < 0)
        return (int)usual_cores;

    int64_t cores, entries, stack, buffer_size, buffer_count, threads, workers;
    if (resolve_number(&(struct number){"COIL_CORES", given->core_count, usual_cores, 1, CORES_MAX},
                       &cores) < 0 ||
        resolve_number(&(struct number){"COIL_RING_ENTRIES", given->ring_entries, RING_ENTRIES, 1,
                                        RING_ENTRIES_MAX},
                       &entries) < 0 ||
        resolve_number(&(struct number){"COIL_STACK_SIZE", (int64_t)given->stack_size,
                                        (int64_t)stack_size_default, (int64_t)stack_size_min,
                                        (int64_t)stack_size_max},
                       &stack) < 0 ||
        resolve_number(&(struct number){"COIL_RECV_BUFFER_SIZE", (int64_t)given->recv_buffer_size,
                                        (int64_t)recv_buffer_default, 64, (int64_t)recv_buffer_max},
                       &buffer_size) < 0 ||
        resolve_number(&(struct number){"COIL_RECV_BUFFER_COUNT", given->recv_buffer_count,
                                        RECV_BUFFERS, 1, RECV_BUFFERS_MAX},
                       &buffer_count) < 0 ||
        resolve_number(&(struct number){"COIL_BLOCKING_THREADS", given->blocking_threads,
                                        BLOCKING_THREADS, 1, BLOCKING_THREADS_MAX},
                       &threads) < 0 ||
        resolve_number(
            &(struct number){"COIL_IO_WORKERS", given->io_workers, IO_WORKERS, 1, IO_WORKERS_MAX},
            &workers) < 0 ||
        resolve_switch(&(struct number){"COIL_SPIN_NS", given->spin_ns, COIL_SPIN_ADAPTIVE,
                                        COIL_SPIN_OFF, COIL_SEC},
                       COIL_SPIN_OFF, &resolved->spin_ns) < 0 ||
        resolve_switch(&(struct number){"COIL_STALL_NS", given->stall_ns, COIL__STALL_DEFAULT,
                                        COIL_STALL_OFF, stall_max},
                       COIL_STALL_OFF, &resolved->stall_ns) < 0)
        return -EINVAL;

    resolved->core_count = (unsigned)cores;
    resolved->ring_entries = (unsigned)entries;
    resolved->stack_size = round_up_to_power((size_t)stack);
    resolved->recv_buffer_size = (size_t)buffer_size;
    resolved->recv_buffer_count = (unsigned)round_up_to_power((size_t)buffer_count);
    resolved->blocking_threads = (unsigned)threads;
    resolved->io_workers = (unsigned)workers;
    coil__placement_share(placement, resolved->core_count);
    return 0;
}
