/* SPDX-License-Identifier: MIT */
/* Programs that a benchmark starts. None of them outlives it, however it ends. */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    int input;  /* write end of its standard input */
    int output; /* read end of its standard output */
};

enum { ARGUMENT_MAX = 32 };

/* Starts argv[0], looked up in PATH, on any CPU. Returns NULL, or why it could not be started. */
const char *process_start(struct process *process, const char *const argv[]);

/* As process_start(), and what it writes to its standard error is thrown away. */
const char *process_start_quiet(struct process *process, const char *const argv[]);

/* Writes text to its standard input. */
void process_say(struct process *process, const char *text);

/* Reads a line, without its end. False when there is none within `timeout_ms`. */
bool process_hear(struct process *process, char *line, size_t size, int timeout_ms);

/* Ends its standard input, then waits, but not for long. Returns whether it ended with status 0. */
bool process_finish(struct process *process);

/* Asks it to end by SIGTERM, then by SIGKILL. Returns whether it ended with status 0. */
bool process_stop(struct process *process);

/* Ends it at once. */
void process_kill(struct process *process);

/* Whether a program of this name is in PATH. */
bool process_exists(const char *name);

/* Writes the path of a file that lies beside the running program, like "../examples/x". */
void process_beside(char *path, size_t size, const char *relative);

#endif
