/* SPDX-License-Identifier: MIT */
/* What the examples share that show how coroutines come about, step by step: generators, scheduler,
 * tasks, event_loop. */
#ifndef LESSON_H
#define LESSON_H

/* Knows only --help. Ends the program for that (status 0) and for anything else (one line, status
 * 2). */
void lesson_options_parse(int argc, char **argv, const char *purpose);

/* Prints the line before a part. */
void lesson_heading(const char *text);

/* A pipe out of which "10" can be read. Returns the descriptor, or -errno. */
int lesson_open_data(void);

/* The status of main(): 0, or 1 with a line that says what `err` means when it is negative, or when
 * the output could not be written. */
int lesson_end(int err);

#endif
