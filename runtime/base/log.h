/* SPDX-License-Identifier: MIT */
/* Where coil's messages go. For rare events only: a message may block its thread. */
#ifndef COIL_BASE_LOG_H
#define COIL_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* The longest line that arrives whole, without its end; the rest of a longer one is cut off. */
enum { COIL__LOG_LINE = 480 };

/* Says one line: the text alone, as "coil: " and the end of the line are added here. Any thread;
 * keeps errno. Lines never interleave. */
void coil__log(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* Sends lines to `sink` from now on; NULL: to stderr. The sink gets "coil: ..." without the end of
 * the line, from whichever thread speaks but from one at a time, and must not speak itself. */
void coil__log_to(void (*sink)(const char *line));

/* As a run begins: whether there is a stderr. Of a program that was started without one the number
 * is soon that of a file or a connection, which has to be spared our lines. */
void coil__log_find_stderr(void);

/* A dying process's last words, without the lines' lock. Safe in a signal handler. */
void coil__log_last(const char *text, size_t len);

/* Whether nobody asked since coil__log_to(), which begins and ends a run, or coil__log_retry(). All
 * cores of a run fail together, as a rule: who is first explains it, at length. */
bool coil__log_first(void);

/* Before a run is tried in another way: if that fails as well, its first one explains it again. */
void coil__log_retry(void);

/* In a child of fork(): whoever held the log then is not there to let go of it. */
void coil__log_after_fork(void);

#endif
