/* SPDX-License-Identifier: MIT */
/* Prints the results of several benchmarks, as their --json and --notes left them, as one table. */
#include "harness/results.h"

#include <err.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        puts("usage: report FILE...\n"
             "Prints what benchmarks wrote with --json and --notes as one table.");
        return 0;
    }
    struct results results = {0};
    for (int i = 1; i < argc; i++) {
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
