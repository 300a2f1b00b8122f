/* SPDX-License-Identifier: MIT */
#include "sim/replay.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of sanitizers, if one is linked: calls it before the process dies of a finding.
 * NOLINTNEXTLINE(bugprone-reserved-identifier): the name is theirs */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

/* Of a failure; the first stays watched when the world has ended. */
static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static struct {
    char line[4096]; /* ends with a newline, cut off if need be */
    size_t len;
    pid_t process; /* that the line is about */
    bool told;     /* of this world */
    bool ever;     /* of any world */
    bool awaits_exit;
    struct sigaction previous[SIGNALS];
} replay;

void coil__sim_replay_tell(void)
{
    if (replay.told || replay.len == 0 || replay.process != getpid())
        return;
    replay.told = true;
    replay.ever = true;
    ssize_t ignored = write(STDERR_FILENO, replay.line, replay.len);
    (void)ignored; /* there is nobody left to tell */
}

/* ---- the line ---- */

static void say(const char *text, size_t len)
{
    size_t room = sizeof(replay.line) - 1 - replay.len;
    len = len < room ? len : room;
    memcpy(replay.line + replay.len, text, len);
    replay.len += len;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_-./:=,+@%", c) != NULL);
}

/* As one word of shell, and a space. */
static void say_word(const char *word)
{
    size_t plain = 0;
    while (is_plain(word[plain])) /* ends with the word */
        plain++;
    bool is_quoted = word[plain] != '\0' || plain == 0;
    say("'", is_quoted ? 1 : 0);
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            say("'\\'", 3);
        say(word, 1);
    }
    say("' ", is_quoted ? 2 : 0);
    say(" ", is_quoted ? 0 : 1);
}

/* Those that coil heeds; COIL_SIM_TRACE changes nothing. */
static void say_environment(void)
{
    for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
        if (strncmp(*variable, "COIL_", 5) == 0 && strncmp(*variable, "COIL_SIM_TRACE=", 15) != 0)
            say_word(*variable);
    }
}

static void say_command(void)
{
    char words[sizeof(replay.line)];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, words, sizeof(words) - 1) : 0;
    if (fd >= 0)
        close(fd);
    len = len > 0 ? len : 0;
    words[len] = '\0';
    for (const char *word = words; word < words + len; word += strlen(word) + 1)
        say_word(word);
}

static void make_line(uint64_t seed)
{
    char begin[64];
    int len = snprintf(begin, sizeof(begin),
                       "coil: sim seed %llu: to see it again: ", (unsigned long long)seed);
    replay.len = 0;
    say(begin, (size_t)len);
    say_environment();
    say_command();
    replay.line[replay.len - 1] = '\n'; /* in place of the last space */
}

/* ---- failures ---- */

/* On return the instruction faults again, or the signal comes again, and is whose it was before. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    (void)context;
    coil__sim_replay_tell();
    for (unsigned i = 0; i < SIGNALS; i++) {
        if (signals[i] == number)
            sigaction(number, &replay.previous[i], NULL);
    }
    if (info->si_code <= 0)
        raise(number);
    errno = saved_errno;
}

static bool is_ours(int number)
{
    struct sigaction current;
    return sigaction(number, NULL, &current) == 0 && (current.sa_flags & SA_SIGINFO) != 0 &&
           current.sa_sigaction == on_signal;
}

/* What a failure of an earlier world made the program end with was told with that one. */
static void on_exit_with(int status, void *arg)
{
    (void)arg;
    if (status != 0 && !replay.ever)
        coil__sim_replay_tell();
}

void coil__sim_replay_begin(uint64_t seed)
{
    make_line(seed);
    replay.process = getpid();
    replay.told = false;
    if (!replay.awaits_exit)
        replay.awaits_exit = on_exit(on_exit_with, NULL) == 0;
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(coil__sim_replay_tell);
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (unsigned i = 0; i < SIGNALS; i++) {
        if (!is_ours(signals[i]))
            sigaction(signals[i], &action, &replay.previous[i]);
    }
}

void coil__sim_replay_end(void)
{
    coil__assert(signals[0] == SIGABRT);
    for (unsigned i = 1; i < SIGNALS; i++) {
        if (is_ours(signals[i]))
            sigaction(signals[i], &replay.previous[i], NULL);
    }
}
