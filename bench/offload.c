/* SPDX-License-Identifier: MIT */
/*
 * What does it cost to have an empty function run by another thread?
 *
 * coil_offload() to a pool of one thread, from a core that does nothing else, with one job in
 * flight and with 16. Beside: a bare pool of one thread with a mutex and two conditions, and two
 * threads that wake each other by a futex, which is the least that sleeping and waking cost. The
 * worker may run on both CPUs. Not measured: jobs that take their time; several threads.
 */
#include "harness/clock.h"
#include "harness/coil_subject.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { JOBS_MAX = 16, CHUNK = 200 };

/* Runs rounds of jobs until the window is over, the first chunk of them for warming up. Returns the
 * nanoseconds of a job. */
struct pace {
    int64_t length_ns, start, elapsed;
    uint64_t jobs;
};

static bool goes_on(struct pace *pace, unsigned jobs)
{
    int64_t now = clock_ns();
    if (pace->start == 0) {
        pace->start = now;
        return true;
    }
    pace->jobs += jobs;
    pace->elapsed = now - pace->start;
    return pace->elapsed < pace->length_ns;
}

static double per_job(const struct pace *pace)
{
    return (double)pace->elapsed / (double)pace->jobs;
}

/* Lets what the calling thread starts run on both CPUs / only on its own again. */
static void allow_both(const struct window *window)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)window->cpu, &cpus);
    if (window->peer_cpu >= 0)
        CPU_SET((size_t)window->peer_cpu, &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* --- coil --------------------------------------------------------------------------------- */

static struct coil_pool pool = COIL_POOL("bench", 1);

struct run {
    struct pace pace;
    unsigned jobs;
};

static ssize_t nothing(void *arg)
{
    (void)arg;
    return 0;
}

static ssize_t run_round(unsigned jobs)
{
    struct coil_future futures[JOBS_MAX] = {0};
    ssize_t err = 0;
    for (unsigned i = 0; i < jobs; i++)
        coil_offload_start(&futures[i], &pool, nothing, NULL);
    for (unsigned i = 0; i < jobs; i++)
        err |= coil_await(&futures[i]);
    return err;
}

static int bench_main(void *arg)
{
    struct run *run = arg;
    ssize_t err = 0;
    do {
        for (int i = 0; i < CHUNK && err == 0; i++)
            err = run_round(run->jobs);
    } while (goes_on(&run->pace, CHUNK * run->jobs) && err == 0);
    return (int)err;
}

static const char *measure_coil(const struct window *window, double figures[METRIC_MAX])
{
    struct run run = {.pace.length_ns = window->length_ns,
                      .jobs = *(const unsigned *)window->point};
    allow_both(window);
    int result = coil_subject_run(window, bench_main, &run);
    placement_pin(window->cpu);
    figures[0] = per_job(&run.pace);
    return harness_reason(result);
}

/* --- a bare pool -------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t added, done;
    unsigned waiting, undone;
    bool over;
} bare = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .added = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER};

static void *bare_worker(void *arg)
{
    pthread_mutex_lock(&bare.lock);
    for (;;) {
        while (bare.waiting == 0 && !bare.over)
            pthread_cond_wait(&bare.added, &bare.lock);
        if (bare.waiting == 0)
            break;
        bare.waiting--;
        pthread_mutex_unlock(&bare.lock);
        nothing(arg);
        pthread_mutex_lock(&bare.lock);
        if (--bare.undone == 0)
            pthread_cond_signal(&bare.done);
    }
    pthread_mutex_unlock(&bare.lock);
    return NULL;
}

static void bare_round(unsigned jobs)
{
    for (unsigned i = 0; i < jobs; i++) {
        pthread_mutex_lock(&bare.lock);
        bare.waiting++;
        bare.undone++;
        pthread_cond_signal(&bare.added);
        pthread_mutex_unlock(&bare.lock);
    }
    pthread_mutex_lock(&bare.lock);
    while (bare.undone > 0)
        pthread_cond_wait(&bare.done, &bare.lock);
    pthread_mutex_unlock(&bare.lock);
}

/* Runs `round` on this CPU beside a thread that runs on either. */
static const char *measure_pair(const struct window *window, double figures[METRIC_MAX],
                                void *(*work)(void *), void (*round)(unsigned), void (*end)(void))
{
    struct pace pace = {.length_ns = window->length_ns};
    unsigned jobs = *(const unsigned *)window->point;
    pthread_t thread;
    allow_both(window);
    int err = pthread_create(&thread, NULL, work, NULL);
    placement_pin(window->cpu);
    if (err != 0)
        return harness_reason(-err);
    do {
        for (int i = 0; i < CHUNK; i++)
            round(jobs);
    } while (goes_on(&pace, CHUNK * jobs));
    end();
    pthread_join(thread, NULL);
    figures[0] = per_job(&pace);
    return NULL;
}

static void bare_end(void)
{
    pthread_mutex_lock(&bare.lock);
    bare.over = true;
    pthread_cond_signal(&bare.added);
    pthread_mutex_unlock(&bare.lock);
}

static const char *measure_bare(const struct window *window, double figures[METRIC_MAX])
{
    bare.over = false;
    return measure_pair(window, figures, bare_worker, bare_round, bare_end);
}

/* --- a futex ------------------------------------------------------------------------------ */

enum { NO_JOB, JOB, DONE, OVER };

static atomic_uint word;

static void wait_while(unsigned value)
{
    while (atomic_load(&word) == value)
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void put(unsigned value)
{
    atomic_store(&word, value);
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_worker(void *arg)
{
    for (;;) {
        unsigned value = atomic_load(&word);
        if (value == OVER)
            return NULL;
        if (value == JOB) {
            nothing(arg);
            put(DONE);
        } else {
            wait_while(value);
        }
    }
}

static void futex_round(unsigned jobs)
{
    (void)jobs;
    put(JOB);
    wait_while(JOB);
}

static void futex_end(void)
{
    put(OVER);
}

static const char *measure_futex(const struct window *window, double figures[METRIC_MAX])
{
    atomic_store(&word, NO_JOB);
    return measure_pair(window, figures, futex_worker, futex_round, futex_end);
}

int main(int argc, char **argv)
{
    static const struct metric metric = {.name = "a job", .unit = "ns"};
    static const struct subject subjects[] = {
        {.name = "coil", .measure = measure_coil},
        {.name = "mutex_cond", .measure = measure_bare},
        {.name = "futex", .measure = measure_futex},
    };
    static const unsigned points[] = {1, JOBS_MAX};

    struct harness harness;
    harness_open(&harness, argc, argv, "offload",
                 "What does it cost to have an empty function run by another thread?");
    for (size_t i = 0; i < 2; i++) {
        char name[NAME_SIZE];
        snprintf(name, sizeof(name), "%u in flight", points[i]);
        harness_case(&harness, &(struct bench_case){
                                   .name = name,
                                   .metrics = &metric,
                                   .metric_count = 1,
                                   .subjects = subjects,
                                   .subject_count = points[i] == 1 ? 3 : 2,
                                   .point = &points[i],
                                   .window_ms = 100,
                                   .quick_window_ms = 30,
                                   .two_cpus = true,
                               });
    }
    return harness_close(&harness);
}
