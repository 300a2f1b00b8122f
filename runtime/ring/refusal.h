/* SPDX-License-Identifier: MIT */
/* Why the kernel refused a ring, and what the administrator can do about it. */
#ifndef COIL_RING_REFUSAL_H
#define COIL_RING_REFUSAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where to look when the kernel says that no memory is left: it never says which limit that was. */
#define COIL__REFUSAL_MEMORY_LIMITS                       \
    "ulimit -v and -d, memory.max of the control group, " \
    "vm.overcommit_memory, and vm.max_map_count"

/* All that the decision rests on. Collected from the process, or made up by a test. */
struct coil__refusal_facts {
    const char *what;    /* is unavailable: "io_uring" */
    const char *call;    /* the system call that failed */
    int error;           /* positive errno */
    char release[64];    /* of the kernel */
    int sysctl_disabled; /* kernel.io_uring_disabled: 0, 1 or 2; -1: not there, or unreadable */
    long sysctl_group;   /* kernel.io_uring_group; -1: none */
    bool in_sysctl_group;
    int seccomp_mode;     /* of this thread: 0 none, 2 filter; -1: unknown */
    uid_t uid;            /* effective */
    bool is_admin;        /* CAP_SYS_ADMIN, outside of user namespaces */
    bool may_lock_memory; /* CAP_IPC_LOCK, outside of user namespaces: RLIMIT_MEMLOCK is void */
    uint64_t memlock_soft, memlock_hard; /* bytes; UINT64_MAX: unlimited */
    uint64_t memlock_needed;             /* bytes, for one ring */
    uint64_t nofile_soft, nofile_hard;
    uint64_t open_descriptors;
};

enum coil__refusal_cause {
    COIL__REFUSAL_SYSCTL,      /* kernel.io_uring_disabled */
    COIL__REFUSAL_SECCOMP,     /* a filter on system calls: a container, or a unit of systemd */
    COIL__REFUSAL_LSM,         /* SELinux, AppArmor, ... */
    COIL__REFUSAL_MEMLOCK,     /* RLIMIT_MEMLOCK */
    COIL__REFUSAL_MEMORY,      /* none left, whatever the limit */
    COIL__REFUSAL_KERNEL,      /* too old, or built without io_uring */
    COIL__REFUSAL_DESCRIPTORS, /* RLIMIT_NOFILE, or the whole system's table */
    COIL__REFUSAL_CLOSED,      /* somebody has closed the ring's descriptor */
    COIL__REFUSAL_UNKNOWN,
};

/* The likely cause. Looks at nothing but the facts. */
enum coil__refusal_cause coil__refusal_decide(const struct coil__refusal_facts *facts);

/* Collects the facts about the calling thread, after `call` failed with `error` (positive) for a
 * ring that needs `memlock_needed` bytes. */
void coil__refusal_collect(struct coil__refusal_facts *facts, const char *call, int error,
                           size_t memlock_needed);

/* Says to the log what failed, the facts, the likely cause and the remedy. */
void coil__refusal_say(const struct coil__refusal_facts *facts);

/* Says in one line that the driver `instead` runs, why, and what would help. */
void coil__refusal_say_instead(const struct coil__refusal_facts *facts, const char *instead);

#endif
