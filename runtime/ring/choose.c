/* SPDX-License-Identifier: MIT */
/* The table of drivers. */
#include "ring/choose.h"

#include "ring/poll.h"
#include "coro/hooks.h"
#include "base/forbidden.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* By what COIL_RING and coil_options.ring say; the first is the default, and the second what runs
 * where that is refused, or of no use. */
static const struct {
    const struct coil__ring_driver *driver;
    const char *parameter; /* what its name needs behind a colon; NULL: nothing */
    const char *notice;    /* that it runs, and how to get the default; NULL: it goes without */
} drivers[] = {
    {&coil__ring_kernel, NULL, NULL},
    {&coil__ring_poll, NULL,
     "runs on poll, more slowly, as COIL_RING or coil_options.ring says: \"kernel\" is io_uring"},
    {&coil__ring_sim, "SEED", NULL},
};

/* Of the second one there. It keeps its lock while a thread is in io_uring_enter(2), though it
 * knows that others block: a core that waits for any other thread would wait for good. */
static const char on_valgrind[] =
    "runs on poll, more slowly, for valgrind stops all threads while one waits for io_uring; "
    "COIL_RING=kernel insists";

bool coil__ring_choice_quiet;

enum { DRIVERS = sizeof(drivers) / sizeof(drivers[0]) };

static int refuse(const char *name)
{
    char known[128] = "";
    size_t len = 0;
    for (int i = 0; i < DRIVERS && len < sizeof(known); i++)
        len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s%s%s", i > 0 ? ", " : "",
                                drivers[i].driver->name, drivers[i].parameter != NULL ? ":" : "",
                                drivers[i].parameter != NULL ? drivers[i].parameter : "");
    coil__log("COIL_RING or coil_options.ring: \"%s\" is no driver; there are: %s", name, known);
    return -EINVAL;
}

int coil__ring_choose(const char *name, struct coil__ring_choice *choice)
{
    *choice = (struct coil__ring_choice){
        .driver = drivers[0].driver, .instead = drivers[1].driver, .parameter = ""};
    if (name == NULL || *name == '\0') {
        if (coil__hooks_one_at_a_time())
            *choice = (struct coil__ring_choice){
                .driver = drivers[1].driver, .parameter = "", .notice = on_valgrind};
        return 0;
    }
    size_t len = strcspn(name, ":");
    const char *parameter = name[len] == ':' ? name + len + 1 : NULL;
    for (int i = 0; i < DRIVERS; i++) {
        const char *known = drivers[i].driver->name;
        if (strlen(known) != len || strncmp(known, name, len) != 0)
            continue;
        if ((parameter != NULL) != (drivers[i].parameter != NULL))
            break;
        choice->driver = drivers[i].driver;
        choice->instead = NULL;
        choice->notice = drivers[i].notice;
        if (parameter != NULL)
            choice->parameter = parameter;
        return 0;
    }
    return refuse(name);
}

bool coil__ring_is_refusal(int err)
{
    return coil__is_forbidden(-err) || err == -EOPNOTSUPP || err == -ENOMEM;
}

void coil__ring_choice_say(const struct coil__ring_choice *choice)
{
    if (choice->notice != NULL && !coil__ring_choice_quiet)
        coil__log("%s", choice->notice);
}
