/* SPDX-License-Identifier: MIT */
/* Prints the results of several benchmarks, as their --json and --notes left them, as one table. */
#include "harness/results.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>

static void parse_options(int argc, char **argv)
{
    static const struct option known[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int option = getopt_long(argc, argv, "", known, NULL);
    if (option == 'h') {
        puts("usage: report FILE...\n"
             "Prints what benchmarks wrote with --json and --notes as one table.");
        exit(0);
    }
    if (option != -1) /* getopt_long() has said what is wrong */
        exit(2);
}

int main(int argc, char **argv)
{
    parse_options(argc, argv);
    struct results results = {0};
    for (int i = optind; i < argc; i++) {
        FILE *file = fopen(argv[i], "re");
        if (file == NULL) {
            warn("%s", argv[i]);
            return 1;
        }
        results_read(&results, file);
        fclose(file);
    }
    results_print_table(&results, stdout);
    results_free(&results);
    return 0;
}
