/* SPDX-License-Identifier: MIT */
/* The table of drivers. */
#include "ring/choose.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* By what COIL_RING and coil_options.ring say; the first is the default. */
static const struct {
    const struct coil__ring_driver *driver;
    const char *parameter; /* what its name needs behind a colon; NULL: nothing */
} drivers[] = {
    {&coil__ring_kernel, NULL},
    {&coil__ring_sim, "SEED"},
};

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
    *choice = (struct coil__ring_choice){.driver = drivers[0].driver, .parameter = ""};
    if (name == NULL || *name == '\0')
        return 0;
    size_t len = strcspn(name, ":");
    const char *parameter = name[len] == ':' ? name + len + 1 : NULL;
    for (int i = 0; i < DRIVERS; i++) {
        const char *known = drivers[i].driver->name;
        if (strlen(known) != len || strncmp(known, name, len) != 0)
            continue;
        if ((parameter != NULL) != (drivers[i].parameter != NULL))
            break;
        choice->driver = drivers[i].driver;
        if (parameter != NULL)
            choice->parameter = parameter;
        return 0;
    }
    return refuse(name);
}
