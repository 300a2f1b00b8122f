/* SPDX-License-Identifier: MIT */
/*
 * The CPU time that another process uses within a window, and how much of it in user space.
 *
 * The time is the process's CPU clock. /proc/PID/task/N/schedstat counts the same nanoseconds, but
 * of a running thread it shows them only as of the last tick, up to 4 ms ago; reading the clock
 * brings the count up to date first.
 *
 * The user-space share cannot be had from utime: where the kernel accounts by ticks, utime is a
 * sample at 250 Hz (100 in proc's unit), and 5 % of a window of half a second are six ticks. So
 * this samples by itself, ten times finer: a perf event on the CPU clock of each thread that
 * fires every 397 us of its running time (no multiple of a tick), and leaves a record if the
 * thread is then in user space. A sample that falls due while the kernel has interrupts off on its
 * way out is seen in user space, so the share errs upwards, by some 30 ns per system call.
 * Where perf events are forbidden, the ticks must do.
 */
#include "harness/cpu_meter.h"

#include <dirent.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SAMPLE_PERIOD_NS = 397000, RING_PAGES = 64, PAGE_SIZE = 4096 };

/* The kernel's own encoding of "the CPU clock of process PID": all of it, or its user part. */
enum process_clock { CLOCK_USER_TICKS = 1, CLOCK_ALL = 2 };

static int64_t process_clock(pid_t pid, enum process_clock which)
{
    clockid_t id = (clockid_t)(~(unsigned)pid << 3 | which);
    struct timespec time;
    if (clock_gettime(id, &time) < 0)
        return 0;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Adds a sampler for one thread. Returns whether the kernel permits it. */
static bool sample_thread(struct cpu_meter *meter, pid_t thread)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE,
        .size = sizeof(attr),
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_period = SAMPLE_PERIOD_NS,
        .sample_type = PERF_SAMPLE_TID,
        .disabled = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    int fd = (int)syscall(SYS_perf_event_open, &attr, thread, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0)
        return false;
    void *ring =
        mmap(NULL, (1 + RING_PAGES) * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED) {
        close(fd);
        return false;
    }
    meter->samplers[meter->sampler_count] = fd;
    meter->rings[meter->sampler_count++] = ring;
    return true;
}

void cpu_meter_open(struct cpu_meter *meter, pid_t pid, bool sample_user)
{
    *meter = (struct cpu_meter){.pid = pid};
    if (!sample_user)
        return;
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    if (threads == NULL)
        return;
    struct dirent *entry;
    while (meter->sampler_count < CPU_METER_THREAD_MAX && (entry = readdir(threads)) != NULL) {
        pid_t thread = (pid_t)atoi(entry->d_name);
        if (thread > 0 && !sample_thread(meter, thread)) {
            meter->sampler_count = 0;
            break;
        }
    }
    closedir(threads);
}

/* Takes all records out of a sampler's ring and returns how many were samples. */
static int64_t take_samples(void *ring)
{
    struct perf_event_mmap_page *page = ring;
    const char *data = (const char *)ring + PAGE_SIZE;
    uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
    uint64_t at = page->data_tail;
    int64_t samples = 0;
    while (at < head) {
        struct perf_event_header header;
        memcpy(&header, data + at % (RING_PAGES * PAGE_SIZE), sizeof(header));
        samples += header.type == PERF_RECORD_SAMPLE;
        at += header.size;
    }
    __atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
    return samples;
}

void cpu_meter_start(struct cpu_meter *meter)
{
    for (unsigned i = 0; i < meter->sampler_count; i++) {
        take_samples(meter->rings[i]);
        ioctl(meter->samplers[i], PERF_EVENT_IOC_ENABLE, 0);
    }
    meter->user_start = process_clock(meter->pid, CLOCK_USER_TICKS);
    meter->cpu_start = process_clock(meter->pid, CLOCK_ALL);
}

struct cpu_use cpu_meter_stop(struct cpu_meter *meter)
{
    struct cpu_use use = {
        .cpu_ns = process_clock(meter->pid, CLOCK_ALL) - meter->cpu_start,
        .user_ns = process_clock(meter->pid, CLOCK_USER_TICKS) - meter->user_start,
    };
    if (meter->sampler_count == 0)
        return use;
    use.user_ns = 0;
    for (unsigned i = 0; i < meter->sampler_count; i++) {
        ioctl(meter->samplers[i], PERF_EVENT_IOC_DISABLE, 0);
        use.user_ns += take_samples(meter->rings[i]) * SAMPLE_PERIOD_NS;
    }
    return use;
}
