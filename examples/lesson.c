/* SPDX-License-Identifier: MIT */
#include "lesson.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void lesson_options_parse(int argc, char **argv, const char *purpose)
{
    static const struct option known[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    argv[0] = program_invocation_short_name; /* for getopt_long()'s messages as well */
    int option = getopt_long(argc, argv, "", known, NULL);
    if (option == 'h') {
        printf("usage: %s [--help]\n\n%s\n", argv[0], purpose);
        exit(0);
    }
    if (option == -1 && optind < argc)
        fprintf(stderr, "%s: unexpected argument \"%s\"; try --help\n", argv[0], argv[optind]);
    if (option != -1 || optind < argc) /* else getopt_long() has said what is wrong */
        exit(2);
}

void lesson_heading(const char *text)
{
    printf("--- %s\n", text);
}

int lesson_open_data(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    ssize_t n = write(ends[1], "10", 2);
    int err = n < 0 ? -errno : 0;
    close(ends[1]);
    if (err == 0)
        return ends[0];
    close(ends[0]);
    return err;
}

int lesson_end(int err)
{
    if (fflush(stdout) != 0 && err >= 0)
        err = -errno;
    if (err < 0)
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, strerror(-err));
    return err < 0;
}
