/* SPDX-License-Identifier: MIT */
/* How a benchmark begins and ends: its command line, its progress, and where its results go. */
#include "harness/clock.h"
#include "harness/harness.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ROUNDS = 5 };

static const struct option known_options[] = {
    {"quick", no_argument, NULL, 'q'},        {"json", required_argument, NULL, 'j'},
    {"notes", required_argument, NULL, 'n'},  {"no-table", no_argument, NULL, 't'},
    {"rounds", required_argument, NULL, 'r'}, {"case", required_argument, NULL, 'c'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static void usage(const char *program, const char *question)
{
    printf("usage: %s [--quick] [--json FILE] [--case TEXT] [--rounds N]\n"
           "%s\n"
           "  --quick        shorter windows\n"
           "  --json FILE    also write the results there, one JSON object a line\n"
           "  --notes FILE   also write there, as JSON, what was left out and why\n"
           "  --case TEXT    only the cases whose name contains TEXT\n"
           "  --rounds N     how often the subjects take turns (%d)\n"
           "  --no-table     do not print the table, and end when who started this does\n"
           "Options of coil itself come from the environment, like COIL_SPIN_NS=0.\n",
           program, question, ROUNDS);
}

static unsigned parse_rounds(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < 1 || value > ROUND_MAX) {
        fprintf(stderr, "--rounds: not a number from 1 to %d: %s\n", ROUND_MAX, text);
        exit(2);
    }
    return (unsigned)value;
}

static void parse(struct harness *harness, int argc, char **argv, const char *question)
{
    int option;
    while ((option = getopt_long(argc, argv, "", known_options, NULL)) != -1) {
        switch (option) {
        case 'q':
            harness->quick = true;
            break;
        case 'j':
            harness->json_path = optarg;
            break;
        case 'n':
            harness->notes_path = optarg;
            break;
        case 't':
            harness->no_table = true;
            break;
        case 'r':
            harness->rounds = parse_rounds(optarg);
            break;
        case 'c':
            harness->only_case = optarg;
            break;
        case 'h':
            usage(argv[0], question);
            exit(0);
        default:
            exit(2); /* getopt has said why */
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: not an option: %s\n", argv[0], argv[optind]);
        exit(2);
    }
}

void harness_open(struct harness *harness, int argc, char **argv, const char *bench,
                  const char *question)
{
    *harness = (struct harness){.bench = bench, .rounds = ROUNDS};
    parse(harness, argc, argv, question);
    /* Nobody would read the results: do not go on when bench/run is killed. */
    if (harness->no_table)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    placement_open(&harness->placement);
    placement_pin(harness->placement.server_cpu);

    /* Here, so that whatever is started inherits it. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

const char *harness_reason(int result)
{
    return result < 0 ? strerror(-result) : NULL;
}

bool harness_wants(const struct harness *harness, const char *case_name)
{
    return harness->only_case == NULL || strstr(case_name, harness->only_case) != NULL;
}

unsigned harness_rounds(const struct harness *harness, unsigned times)
{
    unsigned rounds = harness->quick ? harness->rounds : times * harness->rounds;
    return rounds < ROUND_MAX ? rounds : ROUND_MAX;
}

void harness_progress(const struct harness *harness, const char *case_name, const char *format, ...)
{
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K%s, %s: ", harness->bench, case_name);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

void harness_note(struct harness *harness, const char *case_name, const char *subject,
                  const char *format, ...)
{
    struct note note = {0};
    snprintf(note.topic.bench, NAME_SIZE, "%s", harness->bench);
    snprintf(note.topic.case_name, NAME_SIZE, "%s", case_name);
    snprintf(note.topic.subject, NAME_SIZE, "%s", subject);
    va_list args;
    va_start(args, format);
    vsnprintf(note.text, NOTE_SIZE, format, args);
    va_end(args);
    /* What would need an escape in JSON is not worth one. */
    for (char *c = note.text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            *c = '\'';
    }
    results_add_note(&harness->results, &note);
}

static int write_file(const struct results *results, const char *path,
                      void (*write_to)(const struct results *, FILE *))
{
    if (path == NULL)
        return 0;
    FILE *file = fopen(path, "we");
    if (file != NULL)
        write_to(results, file);
    if (file == NULL || fclose(file) != 0) {
        warn("cannot write %s", path);
        return 1;
    }
    return 0;
}

int harness_close(struct harness *harness)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    bool is_empty = harness->results.figure_count == 0 && harness->results.note_count == 0;
    if (is_empty && harness->only_case != NULL)
        warnx("no case has \"%s\" in its name", harness->only_case);
    int status = write_file(&harness->results, harness->json_path, results_write) |
                 write_file(&harness->results, harness->notes_path, results_write_notes);
    if (!harness->no_table)
        results_print_table(&harness->results, stdout);
    results_free(&harness->results);
    return status | is_empty | harness->coil_failed;
}
