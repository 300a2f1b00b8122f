/* SPDX-License-Identifier: MIT */
/* Three parts: what is so, what it means, and how to say it. */
#include "ring/refusal.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Bits of CapEff in /proc/.../status. */
enum { CAP_BIT_IPC_LOCK = 14, CAP_BIT_SYS_ADMIN = 21 };

/* ---- what is so ---- */

/* Reads a small file of /proc as text. Returns false when there is none, or no descriptor. */
static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t len = 0;
    ssize_t count;
    while (len < size - 1 && (count = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)count;
    close(fd);
    text[len] = '\0';
    return len > 0;
}

static long read_number(const char *path, long missing)
{
    char text[64];
    long number;
    if (!read_text(path, text, sizeof(text)) || sscanf(text, "%ld", &number) != 1)
        return missing;
    return number;
}

static void collect_sysctls(struct coil__refusal_facts *facts)
{
    gid_t groups[256];
    facts->sysctl_disabled = (int)read_number("/proc/sys/kernel/io_uring_disabled", -1);
    facts->sysctl_group = read_number("/proc/sys/kernel/io_uring_group", -1);
    facts->in_sysctl_group = facts->sysctl_group == (long)getegid();
    int count = getgroups((int)(sizeof(groups) / sizeof(groups[0])), groups);
    for (int i = 0; i < count; i++)
        facts->in_sysctl_group |= facts->sysctl_group == (long)groups[i];
}

/* In a user namespace capabilities say nothing about the limits of the host. */
static bool in_user_namespace(void)
{
    char text[128];
    unsigned inside = 0, outside = 0, count = 0;
    if (!read_text("/proc/self/uid_map", text, sizeof(text)))
        return false;
    return sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || outside != 0 ||
           count != UINT32_MAX;
}

/* Of this thread: a filter may have been set after others were started. */
static void collect_privileges(struct coil__refusal_facts *facts)
{
    char text[8192];
    uint64_t capabilities = 0;
    facts->uid = geteuid();
    facts->seccomp_mode = -1;
    if (!read_text("/proc/thread-self/status", text, sizeof(text)))
        return;
    const char *line = strstr(text, "\nSeccomp:");
    if (line != NULL)
        sscanf(line, "\nSeccomp: %d", &facts->seccomp_mode);
    line = strstr(text, "\nCapEff:");
    if (line != NULL && !in_user_namespace())
        sscanf(line, "\nCapEff: %" SCNx64, &capabilities);
    facts->is_admin = (capabilities >> CAP_BIT_SYS_ADMIN & 1) != 0;
    facts->may_lock_memory = (capabilities >> CAP_BIT_IPC_LOCK & 1) != 0;
}

static void collect_limit(__rlimit_resource_t resource, uint64_t *soft, uint64_t *hard)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    getrlimit(resource, &limit);
    *soft = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    *hard = limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max;
}

/* Not from /proc/self/fd: when it matters there is no descriptor left to list it with. */
static uint64_t count_descriptors(uint64_t limit)
{
    const uint64_t most = 1 << 20; /* 0.1 s of asking */
    uint64_t count = 0;
    for (uint64_t fd = 0; fd < limit && fd < most; fd++)
        count += fcntl((int)fd, F_GETFD) >= 0;
    return count;
}

void coil__refusal_collect(struct coil__refusal_facts *facts, const char *call, int error,
                           size_t memlock_needed)
{
    struct utsname kernel = {.release = "unknown"};
    memset(facts, 0, sizeof(*facts));
    facts->what = "io_uring";
    facts->call = call;
    facts->error = error;
    uname(&kernel);
    snprintf(facts->release, sizeof(facts->release), "%.63s", kernel.release);
    collect_sysctls(facts);
    collect_privileges(facts);
    collect_limit(RLIMIT_MEMLOCK, &facts->memlock_soft, &facts->memlock_hard);
    collect_limit(RLIMIT_NOFILE, &facts->nofile_soft, &facts->nofile_hard);
    facts->memlock_needed = memlock_needed;
    facts->open_descriptors = count_descriptors(facts->nofile_soft);
}

/* ---- what it means ---- */

static bool sysctl_forbids(const struct coil__refusal_facts *facts)
{
    if (facts->sysctl_disabled == 1)
        return !facts->is_admin && !facts->in_sysctl_group;
    return facts->sysctl_disabled >= 2;
}

enum coil__refusal_cause coil__refusal_decide(const struct coil__refusal_facts *facts)
{
    switch (facts->error) {
    case EPERM:
    case EACCES:
        if (facts->error == EPERM && sysctl_forbids(facts))
            return COIL__REFUSAL_SYSCTL;
        return facts->seccomp_mode > 0 ? COIL__REFUSAL_SECCOMP : COIL__REFUSAL_LSM;
    case ENOSYS:
        return facts->seccomp_mode > 0 ? COIL__REFUSAL_SECCOMP : COIL__REFUSAL_KERNEL;
    case EOPNOTSUPP:
        return COIL__REFUSAL_KERNEL;
    case ENOMEM:
        if (facts->may_lock_memory || facts->memlock_soft == UINT64_MAX)
            return COIL__REFUSAL_MEMORY;
        return COIL__REFUSAL_MEMLOCK;
    case EMFILE:
    case ENFILE:
        return COIL__REFUSAL_DESCRIPTORS;
    case EBADF:
    case EBADFD:
        return COIL__REFUSAL_CLOSED;
    default:
        return COIL__REFUSAL_UNKNOWN;
    }
}

/* ---- how to say it ---- */

struct figure {
    char text[32];
};

static struct figure in_kib(uint64_t bytes)
{
    struct figure figure = {"unlimited"};
    if (bytes != UINT64_MAX)
        snprintf(figure.text, sizeof(figure.text), "%" PRIu64 " KiB", bytes / 1024);
    return figure;
}

static struct figure in_units(uint64_t count)
{
    struct figure figure = {"unlimited"};
    if (count != UINT64_MAX)
        snprintf(figure.text, sizeof(figure.text), "%" PRIu64, count);
    return figure;
}

static struct figure or_unknown(long value)
{
    struct figure figure = {"unknown"};
    if (value >= 0)
        snprintf(figure.text, sizeof(figure.text), "%ld", value);
    return figure;
}

static void say_facts(const struct coil__refusal_facts *facts)
{
    const char *name = strerrorname_np(facts->error);
    coil__log("%s unavailable: %s: %s (%s)", facts->what, facts->call,
              name != NULL ? name : "error", strerror(facts->error));
    coil__log("  kernel %s; kernel.io_uring_disabled=%s, kernel.io_uring_group=%ld; "
              "seccomp mode %s; uid %u",
              facts->release, or_unknown(facts->sysctl_disabled).text, facts->sysctl_group,
              or_unknown(facts->seccomp_mode).text, (unsigned)facts->uid);
    coil__log("  RLIMIT_MEMLOCK soft %s, hard %s (of the user, all processes); "
              "needed %s for each core",
              in_kib(facts->memlock_soft).text, in_kib(facts->memlock_hard).text,
              in_kib(facts->memlock_needed).text);
    coil__log("  RLIMIT_NOFILE soft %s, hard %s; %" PRIu64 " descriptors open",
              in_units(facts->nofile_soft).text, in_units(facts->nofile_hard).text,
              facts->open_descriptors);
}

/* Two texts for people, without "likely cause: " and "remedy: ". */
struct saying {
    char cause[160], remedy[240];
};

static void put(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(char *text, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(text, size, format, values);
    va_end(values);
}

#define SAY_CAUSE(saying, ...) put((saying)->cause, sizeof((saying)->cause), __VA_ARGS__)
#define SAY_REMEDY(saying, ...) put((saying)->remedy, sizeof((saying)->remedy), __VA_ARGS__)

static void say_sysctl(const struct coil__refusal_facts *facts, struct saying *saying)
{
    if (facts->sysctl_disabled == 1) {
        SAY_CAUSE(saying, "kernel.io_uring_disabled=1 keeps io_uring from the unprivileged");
        SAY_REMEDY(saying, "sysctl -w kernel.io_uring_disabled=0; or add this user to the group "
                           "that kernel.io_uring_group names");
        return;
    }
    SAY_CAUSE(saying, "kernel.io_uring_disabled=%d keeps io_uring from everybody",
              facts->sysctl_disabled);
    SAY_REMEDY(saying, "sysctl -w kernel.io_uring_disabled=0");
}

/* What stands behind a command that raises a limit above the hard one. */
static const char *who_may_raise(uint64_t wanted, uint64_t hard)
{
    return wanted > hard ? " (as root)" : "";
}

static void say_memlock(const struct coil__refusal_facts *facts, struct saying *saying)
{
    const uint64_t least = 8192; /* KiB: today's usual default, enough for some hundred cores */
    uint64_t needed = facts->memlock_needed / 1024;
    uint64_t wanted = needed > least / 8 ? needed * 8 : least;
    if (wanted < 2 * (facts->memlock_soft / 1024))
        wanted = 2 * (facts->memlock_soft / 1024); /* the present one is not enough */
    SAY_CAUSE(saying, "RLIMIT_MEMLOCK is used up or too low; the rings that others of this "
                      "user have count as well");
    SAY_REMEDY(saying,
               "ulimit -l %" PRIu64 "%s; LimitMEMLOCK= in the unit; --ulimit memlock= of "
               "the container; or a lower COIL_RING_ENTRIES",
               wanted, who_may_raise(wanted, facts->memlock_hard / 1024));
}

static void say_descriptors(const struct coil__refusal_facts *facts, struct saying *saying)
{
    if (facts->error == ENFILE) {
        SAY_CAUSE(saying, "the whole system is out of open files");
        SAY_REMEDY(saying, "sysctl -w fs.file-max=$((2 * $(cat /proc/sys/fs/file-max)))");
        return;
    }
    uint64_t wanted = facts->nofile_soft < 512 ? 1024 : facts->nofile_soft * 2;
    if (facts->nofile_hard > facts->nofile_soft)
        wanted = facts->nofile_hard;
    SAY_CAUSE(saying, "RLIMIT_NOFILE: no descriptor is left");
    SAY_REMEDY(saying, "ulimit -n %s%s; LimitNOFILE= in the unit; or close some",
               in_units(wanted).text, who_may_raise(wanted, facts->nofile_hard));
}

static void say_seccomp(const struct coil__refusal_facts *facts, struct saying *saying)
{
    bool is_io_uring = strncmp(facts->call, "io_uring_", strlen("io_uring_")) == 0;
    SAY_CAUSE(saying, "a seccomp filter, as containers have by default");
    SAY_REMEDY(saying,
               "allow %s in the seccomp profile: --security-opt seccomp=PROFILE.json, "
               "SystemCallFilter=%s in the unit",
               is_io_uring ? "io_uring_setup, io_uring_enter and io_uring_register" : facts->call,
               is_io_uring ? "@aio" : facts->call);
}

static void say_plain(enum coil__refusal_cause cause, struct saying *saying)
{
    static const struct {
        const char *cause, *remedy;
    } sayings[] = {
        [COIL__REFUSAL_LSM] =
            {"a security module (SELinux, AppArmor, ...)",
             "look for the denial with: journalctl -k | grep -iE 'avc|apparmor'; then allow it"},
        [COIL__REFUSAL_MEMORY] = {"no memory is left",
                                  "look at: free -m, " COIL__REFUSAL_MEMORY_LIMITS},
        [COIL__REFUSAL_KERNEL] =
            {"this kernel is too old for coil, or built without io_uring",
             "run Linux 5.18 or later (6.1 for speed), with CONFIG_IO_URING=y"},
        [COIL__REFUSAL_CLOSED] =
            {"the program has closed a descriptor that is not its own: the ring's",
             "look for it with: strace -f -y -e trace=close,close_range,dup2,dup3"},
        [COIL__REFUSAL_UNKNOWN] = {"unknown",
                                   "run the program under: strace -f -e trace=/io_uring"},
    };
    SAY_CAUSE(saying, "%s", sayings[cause].cause);
    SAY_REMEDY(saying, "%s", sayings[cause].remedy);
}

static void find_words(const struct coil__refusal_facts *facts, struct saying *saying)
{
    enum coil__refusal_cause cause = coil__refusal_decide(facts);
    switch (cause) {
    case COIL__REFUSAL_SYSCTL:
        say_sysctl(facts, saying);
        return;
    case COIL__REFUSAL_SECCOMP:
        say_seccomp(facts, saying);
        return;
    case COIL__REFUSAL_MEMLOCK:
        say_memlock(facts, saying);
        return;
    case COIL__REFUSAL_DESCRIPTORS:
        say_descriptors(facts, saying);
        return;
    default:
        say_plain(cause, saying);
    }
}

void coil__refusal_say(const struct coil__refusal_facts *facts)
{
    struct saying saying;
    find_words(facts, &saying);
    say_facts(facts);
    coil__log("  likely cause: %s", saying.cause);
    coil__log("  remedy: %s", saying.remedy);
}

void coil__refusal_say_instead(const struct coil__refusal_facts *facts, const char *instead)
{
    struct saying saying;
    const char *name = strerrorname_np(facts->error);
    find_words(facts, &saying);
    coil__log("runs on %s, more slowly, for %s is unavailable: %s: %s: %s. To have it: %s", instead,
              facts->what, facts->call, name != NULL ? name : "error", saying.cause, saying.remedy);
}
